"""How ``tunewise doctor`` looks to a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from advisor.cli import render

if TYPE_CHECKING:
    from advisor.cli.checks import Check

MARKS = {"ok": "[green]ok[/]", "missing": "[dim]-[/]", "warning": "[magenta]look[/]", "broken": "[red]broken[/]"}


def show(checks: Sequence[Check]) -> None:
    """Print one row a check, with what to do below those that are not ok."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    for check in checks:
        fix = f"\n[dim]{escape(check.fix)}[/]" if check.fix else ""
        table.add_row(MARKS[check.status], check.name, escape(check.detail) + fix)
    render.console().print(table)
