"""What the options cost in a report: by volume and over time, with what could not be drawn and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from advisor.cli.render.chart import Chart
from advisor.cli.render.costs import crossing_phrases, over_requests, over_time, retirements
from advisor.cli.render.curves import Line, drawn, lines
from advisor.cli.render.report.charts import figure, letters
from advisor.cli.render.report.markup import Html, bullets, section, tag
from advisor.recommend import Option, Plan
from advisor.recommend import wording as words


@dataclass(frozen=True, slots=True)
class Costs:
    """What a plan's options cost, as it is drawn; a chart that cannot be drawn honestly is None.

    ``than`` is what the first line is called, ``unknown`` the options that have no line.
    """

    plan: Plan
    lines: Sequence[Line]
    unknown: Sequence[Option]
    than: str
    requests: Chart | None
    time: Chart | None

    @property
    def charts(self) -> list[Chart]:
        return [chart for chart in (self.requests, self.time) if chart is not None]


def costs_of(plan: Plan) -> Costs:
    """Draw what a plan's options cost."""
    options, unknown = drawn(plan.advice)
    found = lines(options, plan.workload)
    than = _first(found, plan)
    requests, time = over_requests(found, plan.workload, than), over_time(found, plan.workload, plan.today)
    return Costs(plan, found, unknown, than, requests, time)


def cost_section(costs: Costs) -> Html:
    """Return both drawings of money, and say what could not be drawn and why."""
    workload, unknown = costs.plan.workload, costs.unknown
    notes = []
    if unknown:
        names = ", ".join(words.full_name(option) for option in unknown[:4])
        more = f" and {len(unknown) - 4} more" if len(unknown) > 4 else ""
        notes.append(f"Not drawn, because a price is unknown: {names}{more}.")
    if costs.requests is None:
        notes.append("Nothing is drawn: no option with a known cost has a bill.")
    if costs.time is None and workload.requests_per_month is None:
        notes.append("Cost over time is not drawn: you did not say how many requests a month there will be.")
    said = "A ring marks where two options cost the same. One-off costs are spread over the months; the shaded area "
    said += "is A's low to high."
    if any(line.option.serving in ("dedicated", "self_hosted") for line in costs.lines):
        said += " Rented machines are counted for your volume: far more requests would need more of them."
    parts = []
    if costs.requests is not None:
        parts.append(figure(costs.requests, bullets(_compared(costs)), tag("p", said, class_="note")))
    if costs.time is not None:
        parts.append(figure(costs.time, bullets(retirements(costs.lines, workload))))
    return section("cost", "What it costs", *parts, bullets(notes, "plain note"))


def _compared(costs: Costs) -> list[str]:
    """Say of the lines by their letters which costs less than the first, those of one kind together."""
    groups: dict[str, list[int]] = {}
    for place, phrase in enumerate(crossing_phrases(costs.lines, costs.plan.workload, costs.than), 1):
        groups.setdefault(phrase, []).append(place)
    return [f"{letters(places)}: {phrase}." for phrase, places in groups.items()]


def _first(found: Sequence[Line], plan: Plan) -> str:
    """Return what the first option drawn is called: it is the answer unless that one's cost is not known."""
    if not found or found[0].option.id == plan.option.id:
        return "the answer"
    return words.full_name(found[0].option)
