"""Bars in the terminal: how many examples have how many tokens, how many have which label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from advisor.cli import render

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_NAME = 32  # columns of a label
_SHOWN = 8  # labels; of more, the most frequent and the rarest
_RAREST = 3


def histogram(lengths: Mapping[int, int], width: int) -> list[str]:
    """Draw how many examples have how many tokens: up to ten classes, their bounds doubling over a wide range."""
    low, high = min(lengths), max(lengths)
    if high > 20 * max(1, low):
        bounds = [low]
        while bounds[-1] <= high:
            bounds.append(bounds[-1] * 2 if bounds[-1] else 1)
        bounds = bounds if len(bounds) <= 11 else [low, *bounds[-10:]]
    else:
        most = min(10, max(4, sum(lengths.values()) // 2))  # few examples need few classes
        step = max(1, -(-(high - low + 1) // most))
        bounds = list(range(low, high + step + 1, step))
    classes = [
        (_range(start, min(end - 1, high)), sum(n for tokens, n in lengths.items() if start <= tokens < end))
        for start, end in pairwise(bounds)
        if start <= high
    ]
    return bars(classes, width)


def labels(counts: Mapping[str, int], width: int) -> list[str]:
    """Draw the examples of each label; of many, the most frequent and the rarest."""
    rows = list(counts.items())
    if len(rows) <= _SHOWN:
        return bars(rows, width)
    shown = [*rows[: _SHOWN - _RAREST], *rows[-_RAREST:]]
    lines = bars(shown, width)
    between = len(rows) - len(shown)
    return [*lines[: _SHOWN - _RAREST], f"... {between:,} more ...", *lines[_SHOWN - _RAREST :]]


def bars(rows: Sequence[tuple[str, int]], width: int) -> list[str]:
    """Draw one bar a row, in proportion, its name before it and its number behind."""
    names = [name if len(name) <= _NAME else f"{name[: _NAME - 1]}…" for name, _ in rows]
    longest = max(map(len, names))
    digits = max(len(f"{count:,}") for _, count in rows)
    room = max(10, min(50, width - longest - digits - 2))
    most = max(1, *(count for _, count in rows))
    return [
        f"{name.rjust(longest)} {_bar(count / most * room).ljust(room)} {count:>{digits},}"
        for name, (_, count) in zip(names, rows, strict=True)
    ]


def _range(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,} - {high:,}"


def _bar(length: float) -> str:
    if render.says_ascii_alone():
        return "#" * (round(length) or int(length > 0))
    whole, eighths = divmod(round(length * 8), 8)
    if not whole and not eighths and length > 0:
        eighths = 1
    return "█" * whole + (_EIGHTHS[eighths] if eighths else "")
