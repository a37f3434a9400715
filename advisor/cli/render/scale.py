"""Axes: which values get a mark, and where a value lies on the drawing."""

from __future__ import annotations

import math
from dataclasses import dataclass

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps ``low``..``high`` evenly to ``start``..``end`` (drawing units)."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return where ``value`` lies; what lies outside is put on the edge."""
        inside = min(max(value, self.low), self.high)
        share = (inside - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 2)

    def ticks(self, most: int) -> list[float]:
        """Return at most ``most`` round values."""
        step = nice((self.high - self.low) / (most - 1))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def nice(step: float) -> float:
    """Return the smallest of 1, 2, 2.5 and 5 times a power of ten that is not below ``step``."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in _STEPS if factor * power >= step * (1 - 1e-9))


def linear(low: float, high: float, start: float, end: float, most: int = 6) -> Scale:
    """Return an even scale whose ends are round and that holds both values."""
    step = nice((high - low or abs(high) or 1.0) / (most - 1))
    return Scale(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, start, end)


def short(value: float, unit: str = "") -> str:
    """Write a mark of an axis briefly: 1.5M, 20k, $0.05."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size * (1 - 1e-9):
            return f"{unit}{value / size:.4g}{letter}"
    if unit == "$" and abs(value) >= 0.01 and value != round(value) and abs(value - round(value, 2)) < 1e-9:
        return f"${value:.2f}"
    return f"{unit}{value:.4g}" if value == 0 or abs(value) >= 1e-4 else f"{unit}{value:f}".rstrip("0")
