"""Draws a run's losses in characters: the training loss as a line, each validation as an o, with axes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from advisor.cli.render.scale import short

Points = Sequence[tuple[int, float]]
Parts = list[tuple[str, str]]  # (text, style) of one line

TRAIN, VALID = "bright_blue", "magenta"  # styles of the two curves
_LEFT = 7  # columns left of the drawing, for the marks of the upright axis
_BRAILLE = 0x2800
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # of one character: two columns of four dots


def loss_plot(train: Points, valid: Points, steps: int, width: int, rows: int, *, ascii: bool = False) -> list[Parts]:
    """Return the lines of a drawing ``width`` columns wide, its two axes included; no lines without two points.

    ``train`` and ``valid`` are (step, loss) by step; ``steps`` is where the lower axis ends. ``rows`` counts the lines
    of the plane, to which the lower axis adds two. ``ascii``: nothing else can be shown.
    """
    values = [loss for _, loss in (*train, *valid)]
    columns = width - _LEFT - 2
    if len(values) < 2 or columns < 10 or rows < 2:
        return []
    low, high = min(values), max(values)
    high = high if high > low else low + 1.0
    last = max(steps, *(step for step, _ in (*train, *valid)), 1)
    fine = (1, 1) if ascii else (2, 4)  # points in a character, across and down
    across, down = columns * fine[0] - 1, rows * fine[1] - 1

    def at(step: int, loss: float) -> tuple[int, int]:
        return round(step / last * across), round((high - loss) / (high - low) * down)

    cells = [[0] * columns for _ in range(rows)]
    for x, y in _line([at(*point) for point in train]):
        cells[y // fine[1]][x // fine[0]] |= _DOTS[x % 2][y % 4]
    drawn: list[Parts] = [
        [(("*" if cell else " ") if ascii else chr(_BRAILLE + cell) if cell else " ", TRAIN) for cell in row]
        for row in cells
    ]
    for point in valid:
        x, y = at(*point)
        drawn[y // fine[1]][x // fine[0]] = ("o", VALID)
    upright, corner, flat = ("|", "+", "-") if ascii else ("│", "└", "─")
    marks = {0: high, rows // 2: high - (high - low) * (rows // 2) / (rows - 1), rows - 1: low}
    lines = [
        [(f"{f'{marks[place]:.3g}' if place in marks else '':>{_LEFT}} {upright}", "dim"), *row]
        for place, row in enumerate(drawn)
    ]
    ends = f"{short(last)} steps"
    foot = f"0{short(round(last / 2)):>{columns // 2}}" if columns >= 30 else "0"
    return [
        *lines,
        [(f"{'':>{_LEFT}} {corner}{flat * columns}", "dim")],
        [(f"{'':>{_LEFT + 2}}{foot}{ends:>{columns - len(foot)}}", "dim")],
    ]


def _line(points: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return every place that a line through the points covers, without gaps."""
    covered = list(points[:1])
    for (x1, y1), (x2, y2) in pairwise(points):
        most = max(abs(x2 - x1), abs(y2 - y1), 1)
        covered += [(x1 + (x2 - x1) * n // most, y1 + (y2 - y1) * n // most) for n in range(1, most + 1)]
    return covered
