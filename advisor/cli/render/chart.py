"""What a drawing of lines holds, before it is drawn: on a page as SVG, in a terminal as characters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from advisor.cli.render.scale import Scale

WIDTH, HEIGHT = 640, 348
LEFT, RIGHT, TOP, BOTTOM = 78, 604, 16, 288  # of the plane that holds the data, in drawing units


@dataclass(frozen=True, slots=True)
class Series:
    """One line: a value or None (nothing is known there) for each position of the chart.

    ``shown`` is the value in words at the position the chart is first read at; ``end`` says why a line stops early.
    """

    name: str
    values: Sequence[float | None]
    shown: str
    low: Sequence[float | None] = ()
    high: Sequence[float | None] = ()
    dashed: bool = False
    end: str = ""
    note: str = ""
    dots: bool = False  # so few values that each is drawn


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing of lines over common positions. ``labels`` say each position in words; ``reading`` the one shown."""

    id: str
    title: str
    summary: str  # what the drawing shows, for those who do not see it
    x: Scale
    y: Scale
    x_title: str
    y_title: str
    x_ticks: Sequence[tuple[float, str]]
    unit: str  # "$" or ""
    positions: Sequence[float]
    labels: Sequence[str]
    series: Sequence[Series]
    reading: str
    marks: Sequence[tuple[float, float]] = ()  # crossings
    here: Sequence[tuple[float, str]] = ()  # lines drawn upright, with their words
    rows: Sequence[int] = ()  # positions shown in the table; all when empty
