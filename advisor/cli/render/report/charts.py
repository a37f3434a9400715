"""Draws lines as SVG: axes, marks, bands, ends; with a legend that is the reading, and the same as a table."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from advisor.cli import render
from advisor.cli.render.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart, Series
from advisor.cli.render.plot import LETTERS
from advisor.cli.render.report.markup import Html, folded, join, table, tag, text
from advisor.cli.render.scale import Scale, short

_GAP = 24  # between the letters at the ends of lines


def figure(chart: Chart, *under: str) -> Html:
    """Return the chart with its legend and its table; it says everything without a script too."""
    drawing = tag("div", _svg(chart), class_="plot", data_chart=chart.id)
    said = tag("figcaption", chart.title)
    beside = tag("div", _legend(chart), *under, class_="beside")
    return tag("figure", said, drawing, beside, _table(chart), class_="chart", id=f"chart-{chart.id}")


def payload(chart: Chart) -> dict[str, object]:
    """Return the chart's numbers for the page's one block of data."""
    return {
        "unit": chart.unit,
        "left": [chart.x(position) for position in chart.positions],
        "labels": list(chart.labels),
        "series": [{"name": one.name, "values": list(one.values)} for one in chart.series],
        "top": TOP,
        "bottom": BOTTOM,
    }


def frame(x: Scale, y: Scale, x_ticks: Sequence[tuple[float, str]], x_title: str, y_title: str, unit: str) -> Html:
    """Return the grid, the marks of both axes and what they count."""
    parts = []
    for value in y.ticks(6):
        at = y(value)
        parts.append(f'<path class="grid" d="M{LEFT} {at}H{RIGHT}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 8}" y="{at + 4}" text-anchor="end">{short(value, unit)}</text>')
    for value, label in x_ticks:
        at = x(value)
        parts.append(f'<path class="axis" d="M{at} {BOTTOM}v5"/>')
        parts.append(f'<text class="tick" x="{at}" y="{BOTTOM + 26}" text-anchor="middle">{text(label)}</text>')
    parts.append(f'<path class="axis" d="M{LEFT} {BOTTOM}H{RIGHT}"/>')
    middle = (LEFT + RIGHT) / 2
    parts.append(f'<text class="title" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{text(x_title)}</text>')
    return Html("".join(parts))


def open_svg(id: str, title: str, summary: str, *content: str) -> Html:
    """Return a drawing that names and describes itself."""
    head = tag("title", title, id=f"{id}-title") + tag("desc", summary, id=f"{id}-desc")
    return Html(
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{id}-title {id}-desc">'
        f"{head}{join(content)}</svg>"
    )


def _svg(chart: Chart) -> Html:
    parts = [frame(chart.x, chart.y, chart.x_ticks, chart.x_title, chart.y_title, chart.unit)]
    for value, words in chart.here:
        at = chart.x(value)
        anchor = "end" if at > (LEFT + RIGHT) / 2 else "start"
        nudge = -6 if anchor == "end" else 6
        parts.append(Html(f'<path class="here" d="M{at} {TOP}V{BOTTOM}"/>'))
        parts.append(
            Html(f'<text class="here" x="{at + nudge}" y="{TOP + 10}" text-anchor="{anchor}">{text(words)}</text>')
        )
    for place, one in enumerate(chart.series):
        parts.append(_band(chart, one, place))
    for place, one in reversed(list(enumerate(chart.series))):
        parts.append(_line(chart, one, place))
    for across, up in chart.marks:
        parts.append(Html(f'<circle class="crossing" cx="{chart.x(across)}" cy="{chart.y(up)}" r="6"/>'))
    parts.append(_ends(chart))
    return open_svg(f"svg-{chart.id}", chart.title, chart.summary, *parts)


def _points(chart: Chart, values: Sequence[float | None]) -> list[tuple[float, float]]:
    pairs = zip(chart.positions, values, strict=True)
    return [(chart.x(position), chart.y(value)) for position, value in pairs if value is not None]


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x} {y}" for x, y in points)


def _band(chart: Chart, one: Series, place: int) -> Html:
    if not one.low:
        return Html("")
    around = [*_points(chart, one.low), *reversed(_points(chart, one.high))]
    if not around:
        return Html("")
    return Html(f'<path class="band s{place}" d="{_path(around)}Z"/>')


def _line(chart: Chart, one: Series, place: int) -> Html:
    points = _points(chart, one.values)
    if not points:
        return Html("")
    dashed = " dashed" if one.dashed else (" sparse" if one.dots else "")
    drawn = f'<path class="line s{place}{dashed}" d="{_path(points)}"/>'
    if one.dots:
        drawn += "".join(f'<circle class="dot s{place}" cx="{x}" cy="{y}" r="4.5"/>' for x, y in points)
    if one.end:
        x, y = points[-1]
        anchor, nudge = ("end", -9) if x > (LEFT + RIGHT) / 2 else ("start", 9)
        below = 26 if y < TOP + 60 else -16
        drawn += f'<path class="stop s{place}" d="M{x - 6} {y - 6}l12 12m0 -12l-12 12"/>'
        drawn += f'<text class="here" x="{x + nudge}" y="{y + below}" text-anchor="{anchor}">{text(one.end)}</text>'
    return Html(drawn)


def _ends(chart: Chart) -> Html:
    """Put each line's letter beside its end; those at the right edge keep clear of each other."""
    found = [(points[-1], place) for place, one in enumerate(chart.series) if (points := _points(chart, one.values))]
    parts = [badge(place, x + 22, y) for (x, y), place in found if x < RIGHT - _GAP]
    edge = sorted((y, place) for (x, y), place in found if x >= RIGHT - _GAP)
    free = TOP - 6.0
    for number, (y, place) in enumerate(edge):
        lowest = BOTTOM - 4 - _GAP * (len(edge) - 1 - number)
        at = min(max(y, free), lowest)
        free = at + _GAP
        parts.append(badge(place, WIDTH - 20, at))
    return Html("".join(parts))


def badge(place: int, x: float, y: float) -> Html:
    """Return the letter of a series in its colour."""
    letter = LETTERS[place]
    return Html(
        f'<g class="badge s{place}"><circle cx="{x}" cy="{y}" r="10"/>'
        f'<text x="{x}" y="{y + 4.5}" text-anchor="middle">{letter}</text></g>'
    )


def letters(places: Sequence[int]) -> str:
    """Write the letters of series in a sentence: B, C and D."""
    *before, last = (LETTERS[place] for place in places)
    return f"{', '.join(before)} and {last}" if before else last


def _legend(chart: Chart) -> Html:
    rows = []
    for place, one in enumerate(chart.series):
        letter = tag("span", LETTERS[place], class_=f"key s{place}", aria_hidden="true")
        label = join((letter, one.name, tag("small", one.note) if one.note else ""), " ")
        rows.append(tag("tr", tag("th", label, scope="row"), tag("td", one.shown, class_="figure")))
    caption = tag("caption", chart.reading, aria_live="polite")
    return tag("table", caption, tag("tbody", *rows), class_="legend")


def _table(chart: Chart) -> Html:
    rows = []
    for place in chart.rows or range(len(chart.positions)):
        found = [one.values[place] for one in chart.series]
        rows.append([chart.labels[place], *(_cell(value, chart.unit) for value in found)])
    numbers = tuple(range(1, len(chart.series) + 1))
    head = [chart.x_title.split(",")[0].split(" (")[0], *(one.name for one in chart.series)]
    return folded("Show as a table", table(chart.title, head, rows, numbers=numbers), class_="appendix")


def _cell(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    if unit != "$":
        return f"{value:.4g}"
    return render.usd(Decimal(str(value)))
