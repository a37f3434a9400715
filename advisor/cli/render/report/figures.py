"""The report's numbers as one JSON document: what ``report --json`` prints and what the page carries in itself."""

from __future__ import annotations

from advisor.cli import render
from advisor.cli.render.report import charts
from advisor.cli.render.report.data import bins, histogram_payload
from advisor.cli.render.report.money import Costs, costs_of
from advisor.cli.render.report.run import losses_chart
from advisor.cli.render.report.story import Story
from advisor.cli.render.safe_text import without_folders
from advisor.runs import View
from backends import Json

# Where things lie on the machine of whoever made the report is nobody else's concern.
_PRIVATE = frozenset(("data", "held_out", "metrics_path", "folder", "samples_path"))


def figures(story: Story, costs: Costs | None = None) -> dict[str, Json]:
    """Return the plan as ``plan --json`` has it, the run as ``show --json`` has it, and the numbers of the drawings.

    ``costs`` is what was drawn of the plan before.
    """
    drawn: dict[str, object] = {}
    if story.plan is not None:
        drawn |= {chart.id: charts.payload(chart) for chart in (costs or costs_of(story.plan)).charts}
    if story.run is not None and (loss := losses_chart(story.run)) is not None:
        drawn["loss"] = charts.payload(loss)
    if story.profile is not None and len(bins(story.profile.lengths)) > 1:
        drawn["tokens"] = histogram_payload(story.profile.lengths)
    told = story.run
    run = None
    if told is not None:
        view = {name: value for name, value in _fields(told.view).items() if name not in _PRIVATE}
        scorecard = {name: value for name, value in (told.scorecard or {}).items() if name not in _PRIVATE}
        run = {**view, "receipt": told.receipt, "scorecard": scorecard or None}
    plan = None if story.plan is None else story.plan.advice
    found = _shared(render.to_json({"made": story.made, "plan": plan, "run": run, "charts": drawn}))
    assert isinstance(found, dict)
    return found


def _shared(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _shared(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shared(item) for item in value]
    return without_folders(value) if isinstance(value, str) else value


def _fields(view: View) -> dict[str, Json]:
    found = render.to_json(view)
    assert isinstance(found, dict)
    return found
