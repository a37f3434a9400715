"""How ``tunewise keys list`` looks to a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from advisor.cli import render

if TYPE_CHECKING:
    from advisor.cli.reachability import KeyPlace


def show(found: Sequence[KeyPlace]) -> None:
    """Print one row a backend."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("backend", "variable", "key"):
        table.add_column(heading)
    for one in found:
        table.add_row(one.backend, one.variable, escape(one.place) if one.place else "[dim]not set[/]")
    render.console().print(table)
