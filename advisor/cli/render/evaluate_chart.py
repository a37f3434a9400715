"""Quality against cost as a small chart of characters, with the efficient frontier marked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from string import ascii_uppercase
from textwrap import wrap
from typing import TYPE_CHECKING

from advisor.cli import render

if TYPE_CHECKING:
    from advisor.evaluate import Row

BEST, OTHER = "●", "○"
_ROWS, _WIDEST, _LEFT = 9, 72, 7  # lines of the plot; its most columns; columns left of the axis
_LOG_FROM = 20  # dearest over cheapest from which the axis is logarithmic


def chart(rows: Sequence[Row], best: Sequence[str], width: int, *, trade_off: bool = False) -> list[str]:
    """Return the chart's lines, none wider than ``width``; no lines when fewer than two options can be placed.

    ``trade_off``: nor when one option is both the best and the cheapest (or quickest), which the scores say already.

    The horizontal axis is the price of 1,000 requests; where that is the same for all, the median answer time.
    ``best`` are the names on the frontier of score and price.
    """
    priced = [(row, float(row.usd_per_request * 1000)) for row in rows if row.usd_per_request is not None]
    timed = [(row, row.latency_ms_p50) for row in rows if row.latency_ms_p50 is not None]
    if len({cost for _, cost in priced}) > 1:
        if trade_off and len(set(best) & {row.name for row, _ in priced}) < 2:
            return []
        left_out = [row.name for row in rows if row.usd_per_request is None]
        return _drawn(priced, set(best), "USD for 1,000 requests", "for less", _usd, left_out, width)
    if len({time for _, time in timed}) > 1 and len(priced) != 1:
        quickest = _quickest(timed)
        if trade_off and len(quickest) < 2:
            return []
        return _drawn(timed, quickest, "median answer time", "in less time", _time, [], width)
    return []


def _drawn(
    points: Sequence[tuple[Row, float]],
    best: set[str],
    axis: str,
    cheaper: str,
    worded: Callable[[float], str],
    left_out: Sequence[str],
    width: int,
) -> list[str]:
    across = min(width, _WIDEST) - _LEFT - 1
    lowest, highest = min(row.score for row, _ in points), max(row.score for row, _ in points)
    margin = (highest - lowest) / 6 or 0.05
    bottom, top = max(0.0, lowest - margin), min(1.0, highest + margin)
    ends = min(place for _, place in points), max(place for _, place in points)
    logarithmic = ends[0] > 0 and ends[1] / ends[0] > _LOG_FROM
    scale: Callable[[float], float] = math.log if logarithmic else float
    step = (across - 4) / (scale(ends[1]) - scale(ends[0]))
    grid = [[" "] * across for _ in range(_ROWS)]
    for letter, (row, place) in zip(ascii_uppercase, points, strict=False):
        line = _ROWS - 1 - round((row.score - bottom) / (top - bottom) * (_ROWS - 1))
        column = 1 + round((scale(place) - scale(ends[0])) * step)
        _put(grid, line, column, (BEST if row.name in best else OTHER) + letter)
    marks = {0: f"{top:.2f}", _ROWS // 2: f"{(top + bottom) / 2:.2f}", _ROWS - 1: f"{bottom:.2f}"}
    lines = [f"{marks.get(number, ''):>{_LEFT - 1}} │{''.join(cells)}".rstrip() for number, cells in enumerate(grid)]
    lines.append(" " * _LEFT + "└" + "─" * (across - 1))
    first, last = worded(ends[0]), worded(ends[1])
    title = f"score against {axis}{' (logarithmic)' if logarithmic else ''}"
    lines.append(" " * (_LEFT + 1) + first + " " * max(1, across - 1 - len(first) - len(last)) + last)
    names = [f"{letter} {row.name}" for letter, (row, _) in zip(ascii_uppercase, points, strict=False)]
    words = [
        title + ":",
        *[f"{name}," for name in names[:-1]],
        f"{names[-1]}.",
        f"{BEST} nothing else is as good {cheaper}.",
    ]
    if left_out:
        words.append(f"Not shown, price unknown: {', '.join(left_out)}.")
    return lines + _folded(words, width)


def _put(grid: list[list[str]], line: int, column: int, mark: str) -> None:
    """Set a mark at its place, or at the nearest free one to the right, left, above or below."""
    places = [(line, column)]
    places += [(line, column + right) for right in (3, -3, 6, -6)]
    places += [(line + down, column + right) for down in (-1, 1, -2, 2) for right in (0, 3, -3)]
    for row, start in places:
        if 0 <= row < len(grid) and 0 <= start <= len(grid[0]) - 2 and grid[row][start] == grid[row][start + 1] == " ":
            grid[row][start : start + 2] = list(mark)
            return


def _quickest(points: Sequence[tuple[Row, float]]) -> set[str]:
    """Return the options that no other beats on both score and time."""
    return {
        row.name
        for row, time in points
        if not any(
            other.score >= row.score and theirs <= time and (other.score, -theirs) != (row.score, -time)
            for other, theirs in points
        )
    }


def _folded(words: Sequence[str], width: int) -> list[str]:
    """Put phrases on lines, each whole where a line holds it."""
    lines = [""]
    for word in (part for phrase in words for part in wrap(phrase, width)):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _usd(amount: float) -> str:
    return render.usd(Decimal(repr(amount)))


def _time(milliseconds: float) -> str:
    return f"{milliseconds:,.0f} ms" if milliseconds < 10_000 else f"{milliseconds / 1000:,.1f} s"
