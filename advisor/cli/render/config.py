"""How ``tunewise config`` looks to a person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from advisor.cli import render
from advisor.cli.settings import KEYS, Setting


def show(settings: Sequence[Setting], files: Sequence[Path]) -> None:
    """Print one row a setting, then the files that were looked for."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("setting", "value", "from", "what it is"):
        table.add_column(heading)
    for setting in settings:
        value = "-" if setting.value is None else str(setting.value)
        source = setting.source if setting.line is None else f"{Path(setting.source).name}:{setting.line}"
        if setting.line is not None and Path(setting.source) != files[0]:
            source = f"your {source}"
        shown = value.lower() if isinstance(setting.value, bool) else value
        table.add_row(setting.key, escape(shown), escape(source), KEYS[setting.key].meaning)
    render.console().print(table)
    render.out()
    for path, whose in zip(files, ("this folder's", "your own"), strict=True):
        state = "is read" if path.is_file() else "is not there"
        render.out(f"{whose} {path} {state}")
