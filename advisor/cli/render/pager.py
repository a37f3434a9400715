"""A long list a screen at a time, where a person reads it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO

from advisor.cli import render


class _Held(StringIO):
    """Takes what would be printed, as the terminal would."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@contextmanager
def paged(*, wanted: bool = True) -> Iterator[None]:
    """Show what is printed within by $PAGER when it is longer than the terminal.

    Never where no person reads, with an empty $PAGER, or with $NO_PAGER.
    """
    off = os.environ.get("NO_PAGER") or os.environ.get("PAGER") == ""
    if not wanted or off or not render.is_terminal() or not render.draws(stderr=False):
        yield
        return
    from shutil import get_terminal_size

    held = _Held()
    with redirect_stdout(held):
        yield
    text = held.getvalue()
    if text.count("\n") < get_terminal_size().lines:
        sys.stdout.write(text)
        return
    import click

    click.echo_via_pager(text)
