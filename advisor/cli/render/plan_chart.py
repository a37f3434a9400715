"""The drawing of ``plan --chart``: a month's cost over requests, for the advice and its best rivals."""

from __future__ import annotations

from dataclasses import replace

from advisor.cli import render
from advisor.cli.render.costs import crossing_phrases, over_requests
from advisor.cli.render.curves import Line, drawn, lines
from advisor.cli.render.plot import LETTERS, apart, plot, style
from advisor.cli.render.screen import Screen
from advisor.recommend import Recommendation
from advisor.recommend import wording as words
from advisor.workload import Workload

_DRAWN = 4  # lines of the drawing that a reader of letters still tells apart


def drawing(found: Recommendation, workload: Workload, screen: Screen) -> None:
    """Draw a month's cost over requests for the answer and its best rivals; say so where there is nothing to see."""
    told = lines(drawn(found)[0], workload)[:_DRAWN] if found.recommendation else ()
    first = bool(told) and told[0].option is found.recommendation
    than = "A" if first or not told else words.full_name(told[0].option)
    chart = over_requests(told, workload, than)
    screen.line()
    if chart is None:
        screen.paragraph("There is no chart: no option that fits has a price that grows with the requests.")
        return
    seen, under = apart(chart.series, chart.y)
    shown = replace(chart, series=[chart.series[place] for place in seen])
    if len(seen) > 1:
        screen.paragraph(f"{chart.title} (x: two cost the same)" if chart.marks else chart.title, "bold")
        plot(shown, screen)
    else:
        screen.paragraph("There is no chart: what can be compared costs about the same at every volume.")
    crossing = crossing_phrases(told, workload, than)
    for place, one in enumerate(chart.series):
        number = seen.index(under.get(place, place))
        met = crossing[place - 1] if place else ""
        if place in under:
            met = f"too close to {LETTERS[number]} to draw"
        note = f" ({one.note})" if one.note else ""
        said = f"{one.name}{note}: {one.shown} a month{_spread(told[place], one.shown)}{f'; {met}' if met else ''}."
        letter = " " if place in under else LETTERS[number]
        screen.paragraph(said, "" if place in under else style(number), first=f"  {letter}  ", rest="     ")
    if len(seen) == 1:
        return
    if any(low != high for low, high in zip(chart.series[0].low, chart.series[0].high, strict=True)):
        dots = "Full stops" if screen.ascii else "Dots"
        screen.paragraph(f"{dots} are the range of what A may cost.", "dim")
    if any(line.option.serving in ("dedicated", "self_hosted") for line in told):
        screen.paragraph("Machines by the hour are as many as your volume needs; far more requests need more.", "dim")


def _spread(line: Line, shown: str) -> str:
    """Say what was spread over the months, where it shows."""
    found = line.option.estimate
    if line.option.strategy.tunes:
        return ", its training spread out"
    alone = found.monthly_usd if found else None
    return ", its evaluation spread out" if alone and render.usd(alone.mid) != shown else ""
