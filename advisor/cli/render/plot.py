"""Draws a chart in characters: one letter a line, a shade for the answer's range, a mark where two cost the same."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.cli.render.chart import BOTTOM, LEFT, RIGHT, TOP, Chart, Series
from advisor.cli.render.scale import Scale, short
from advisor.cli.render.screen import Screen

LETTERS = "ABCDEF"
_ROWS = 13
_SAME = 0.9  # of its positions on another line: a drawing of letters cannot show both
_MARGIN = 8  # columns left of the drawing, for the marks of the upright axis
_STYLES = ("bold green", "magenta", "bright_blue", "default", "default", "default")
_HERE, _SHADE, _CROSSING = ("│", "|"), ("·", "."), ("╳", "x")


def plot(chart: Chart, screen: Screen) -> None:
    """Write the chart; ``screen`` says how wide it may be and whether more than ASCII can be shown."""
    columns = min(screen.width - _MARGIN - 2, 90)
    grid = _grid(chart, columns, 1 if screen.ascii else 0)
    ticks = {_row(chart.y(value)): short(value, chart.unit) for value in chart.y.ticks(5)}
    upright, corner, flat = ("|", "+", "-") if screen.ascii else ("│", "└", "─")
    for number, row in enumerate(grid):
        screen.parts((f"{ticks.get(number, ''):>{_MARGIN - 1}} {upright}", "dim"), *_runs(row))
    screen.line(" " * _MARGIN + corner + flat * columns, "dim")
    marks = [(_column(chart.x(value), columns), label) for value, label in chart.x_ticks]
    screen.line(" " * (_MARGIN + 1) + _placed(marks, columns), "dim")
    titles = [
        (_column(chart.x(value), columns), f"^ {label}" if screen.ascii else f"↑ {label}")
        for value, label in chart.here
    ]
    screen.line(" " * (_MARGIN + 1) + _placed(titles, columns, centred=False))


def apart(series: Sequence[Series], scale: Scale) -> tuple[list[int], dict[int, int]]:
    """Return the lines that can be told apart, and for each of the others the one it lies on."""
    seen: list[int] = []
    under: dict[int, int] = {}
    for place, one in enumerate(series):
        rows = [None if value is None else _row(scale(value)) for value in one.values]
        for other in seen:
            known = [pair for pair in zip(rows, series[other].values, strict=True) if None not in pair]
            same = sum(row == _row(scale(value)) for row, value in known if value is not None)
            if same >= _SAME * len(known):
                under[place] = other
                break
        else:
            seen.append(place)
    return seen, under


def style(place: int) -> str:
    """Return the colour of a line, for its legend."""
    return _STYLES[place]


def _grid(chart: Chart, columns: int, kind: int) -> list[list[tuple[str, str]]]:
    grid = [[(" ", "")] * columns for _ in range(_ROWS)]
    answer = chart.series[0]
    if answer.low:
        low, high = _heights(chart, answer.low, columns), _heights(chart, answer.high, columns)
        for column in range(columns):
            if low[column] is not None and high[column] is not None:
                for row in range(_row(high[column] or 0), _row(low[column] or 0) + 1):
                    grid[row][column] = (_SHADE[kind], "dim")
    for value, _ in chart.here:
        for row in range(_ROWS):
            grid[row][_column(chart.x(value), columns)] = (_HERE[kind], "dim")
    for place, one in reversed(list(enumerate(chart.series))):
        before: int | None = None
        for column, height in enumerate(_heights(chart, one.values, columns)):
            if height is None:
                continue
            row = _row(height)
            between = range(min(before, row) + 1, max(before, row)) if before is not None else range(0)
            for at in (row, *between):
                grid[at][column] = (LETTERS[place], _STYLES[place])
            before = row
    for across, up in chart.marks:
        grid[_row(chart.y(up))][_column(chart.x(across), columns)] = (_CROSSING[kind], "bold")
    return grid


def _heights(chart: Chart, values: Sequence[float | None], columns: int) -> list[float | None]:
    """Return where a line lies in each column, in drawing units; None where nothing is known."""
    points = [
        (chart.x(at), chart.y(value)) for at, value in zip(chart.positions, values, strict=True) if value is not None
    ]
    found: list[float | None] = []
    for column in range(columns):
        across = LEFT + (RIGHT - LEFT) * column / (columns - 1)
        after = next((place for place, (x, _) in enumerate(points) if x >= across - 1e-6), None)
        if after is None or (after == 0 and points[0][0] > across + (RIGHT - LEFT) / columns):
            found.append(None)
            continue
        (x1, y1), (x2, y2) = points[max(0, after - 1)], points[after]
        found.append(y2 if x2 == x1 else y1 + (y2 - y1) * (across - x1) / (x2 - x1))
    return found


def _row(height: float) -> int:
    return round((height - TOP) / (BOTTOM - TOP) * (_ROWS - 1))


def _column(across: float, columns: int) -> int:
    return round((across - LEFT) / (RIGHT - LEFT) * (columns - 1))


def _placed(labels: Sequence[tuple[int, str]], columns: int, *, centred: bool = True) -> str:
    """Write labels at their columns, those that would touch another left out."""
    text = ""
    for column, label in labels:
        start = column - len(label) // 2 if centred else min(column, columns - len(label))
        if start >= len(text) + bool(text) and start >= 0:
            text = f"{text:<{start}}{label}"
    return text


def _runs(row: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Join neighbours of one style."""
    found: list[tuple[str, str]] = []
    for character, kind in row:
        if found and found[-1][1] == kind:
            found[-1] = (found[-1][0] + character, kind)
        else:
            found.append((character, kind))
    return found
