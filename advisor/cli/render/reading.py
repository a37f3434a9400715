"""The bar on stderr while a large file is read: how far, how fast, how long still; nothing when nobody watches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from advisor.cli import render

if TYPE_CHECKING:
    from rich.progress import Progress

_PATIENCE = 0.7  # seconds before a bar is worth looking at
_EACH = 0.1  # seconds between two drawings


@contextmanager
def reading(size: int, word: str = "reading") -> Iterator[Callable[[int], None] | None]:
    """Yield what is to be called with the bytes of the ``size`` that were done; None where no bar may be drawn."""
    if not render.draws(stderr=True):
        yield None
        return
    bar: Progress | None = None
    done, drawn = 0, time.monotonic() + _PATIENCE - _EACH

    def advance(more: int) -> None:
        nonlocal bar, done, drawn
        done += more
        now = time.monotonic()
        if now - drawn < _EACH:
            return
        drawn = now
        if bar is None:
            bar = _bar(size, word)
        bar.update(bar.task_ids[0], completed=min(done, size), refresh=True)

    try:
        yield advance
    finally:
        if bar is not None:
            bar.stop()


def _bar(size: int, word: str) -> Progress:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    # No refresh thread: beside other threads the counting processes could not be forked.
    columns = (TextColumn(word), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    bar = Progress(
        *columns, console=render.console(stderr=True), auto_refresh=False, transient=True, get_time=time.monotonic
    )
    bar.add_task(word, total=size)
    bar.start()
    return bar
