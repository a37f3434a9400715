"""A run in a report: how it ended, its loss curves, its scorecard with intervals, quoted beside billed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from advisor.cli import render
from advisor.cli.render.chart import BOTTOM, LEFT, RIGHT, TOP, Chart, Series
from advisor.cli.render.report.charts import figure
from advisor.cli.render.report.markup import Html, bullets, join, section, table, tag, text, tiles, usd
from advisor.cli.render.report.story import Told
from advisor.cli.render.scale import linear, short
from advisor.evaluate.statistics import written
from advisor.recommend import wording as words
from advisor.runs import Receipt
from backends import Json

_MOST_POINTS = 240
_FEW = 40  # points of a curve that are drawn one by one
_CELL = 220  # drawing units across an interval


def run_headline(told: Told) -> str:
    """Say in one sentence what became of the run."""
    one, model = told.view, told.view.model.rsplit("/", 1)[-1]
    if one.rehearses:
        return f"A rehearsal of {model} at {words.title(one.rehearses)}: nothing was sent, trained or paid."
    where = "on this machine" if one.backend == "local" else f"at {words.title(one.backend)}"
    state = {"succeeded": "is trained", "failed": "failed", "cancelled": "was cancelled", "running": "is training"}
    return f"{model} {state.get(one.status, 'waits to be trained')} {where}."


def verdict(scorecard: Mapping[str, Json]) -> str:
    """Say what the scorecard proves, and what it does not."""
    best, needed = scorecard.get("winner"), scorecard.get("examples_needed")
    if best is not None:
        return f"“{best}” is best, beyond chance, on {scorecard.get('examples')} held-out examples."
    more = f" About {needed:,} examples would show a difference of this size." if isinstance(needed, int) else ""
    return f"No winner: on {scorecard.get('examples')} held-out examples the differences could be chance.{more}"


def run_facts(told: Told) -> Html:
    """Return the figures of the answer box."""
    one = told.view
    steps = None if one.steps_done is None else f"{one.steps_done:,} of {one.steps_total or '?'}"
    facts: list[tuple[str, str | None]] = [
        ("Status", one.status.value),
        ("Quoted", usd(one.quote_usd)),
        ("Billed", _billed(told)),
        ("Steps", steps),
        ("Method", f"{one.method}, {one.objective}"),
        ("Tuned model", one.tuned_model),
    ]
    return tiles([(name, value) for name, value in facts if value])


def _billed(told: Told) -> Html:
    if told.view.billed_usd is None and not told.view.status.finished:
        return text("not yet")
    return join((usd(told.view.billed_usd), tag("small", told.receipt.basis, class_="range")), " ")


def losses_chart(told: Told) -> Chart | None:
    """Return the loss over steps; None when no loss was kept."""
    curves = {name: _thinned(points) for name, points in told.losses.items() if points}
    if not curves:
        return None
    at = sorted({float(step) for points in curves.values() for step, _ in points})
    values = [value for points in curves.values() for _, value in points]
    x = linear(min(at), max(at[-1], at[0] + 1), LEFT, RIGHT)
    y = linear(0, max(values), BOTTOM, TOP)
    series = []
    for name, points in curves.items():
        known = {float(step): value for step, value in points}
        last = told.losses[name][-1]
        line = [known.get(step) for step in at]
        series.append(Series(name, line, f"{last[1]:.4g} at step {last[0]:,}", dots=len(points) <= _FEW))
    every = max(1, len(at) // 12)
    return Chart(
        id="loss",
        title="Loss while training, in nats a token (lower is better)",
        summary=" ".join(f"{one.name}: from {_first(one):.4g} to {one.shown}." for one in series),
        x=x,
        y=y,
        x_title="step",
        y_title="loss",
        x_ticks=[(value, short(value)) for value in x.ticks(6)],
        unit="",
        positions=at,
        labels=[f"step {step:,.0f}" for step in at],
        series=series,
        reading="At the end",
        rows=sorted({*range(0, len(at), every), len(at) - 1}),
    )


def loss_section(told: Told) -> Html:
    """Return the loss curves, or say that there are none."""
    chart = losses_chart(told)
    if chart is None:
        why = "No loss is known of this run: 'tunewise watch' keeps what the provider reports."
        return section("loss", "Training", tag("p", why))
    longest = max(len(points) for points in told.losses.values())
    notes = []
    if told.view.rehearses:
        notes.append("This curve is drawn, for the look of it: nothing was trained.")
    if longest > _MOST_POINTS:
        notes.append(f"Each point is the mean of {-(-longest // _MOST_POINTS)} steps.")
    return section("loss", "Training", figure(chart, *(tag("p", note, class_="note") for note in notes)))


def scorecard_section(scorecard: Mapping[str, Json] | None, run: str) -> Html:
    """Return every option's score with its interval, the comparisons, and what tuning broke."""
    if scorecard is None:
        why = f"Nothing was measured yet: 'tunewise evaluate {run}' compares base and tuned on held-out examples."
        return section("scorecard", "Did tuning help?", tag("p", why))
    rows = [row for row in _list(scorecard, "rows") if isinstance(row, dict)]
    shown = [
        [
            str(row["name"]),
            f"{_number(row, 'score'):.3f}",
            join((_interval(row), tag("small", _ends(row, ".3f")))),
            usd(_per_thousand(row.get("usd_per_request"))),
            _milliseconds(row.get("latency_ms_p50")),
        ]
        for row in rows
    ]
    head = ["Option", "score", "95% interval, 0 to 1", "per 1,000 requests", "median latency"]
    best = next((place for place, row in enumerate(rows) if row["name"] == scorecard.get("winner")), -1)
    caption = f"Scores by {scorecard.get('metric')} on {scorecard.get('examples')} held-out examples"
    warnings = [str(one) for one in _list(scorecard, "warnings")]
    return section(
        "scorecard",
        "Did tuning help?",
        table(caption, head, shown, numbers=(1, 3, 4), marked=best, results=(1, 2)),
        bullets(findings(scorecard)),
        bullets(warnings, "warnings"),
        bullets([str(one) for one in _list(scorecard, "notes")], "plain note"),
    )


def findings(scorecard: Mapping[str, Json]) -> list[str]:
    """Return what the scorecard says beyond its rows, a sentence each."""
    found = [*_comparisons(scorecard), *_judged(scorecard), *_losses(scorecard), *_regressions(scorecard)]
    worth = [str(one) for one in _list(scorecard, "frontier")]
    scored = any(isinstance(row, dict) and row["score"] for row in _list(scorecard, "rows"))
    if worth and scored and len(_list(scorecard, "rows")) > 1:
        found.append(f"Worth their price, cheapest first: {', then '.join(worth)}.")
    return found


def receipt_section(found: Receipt) -> Html:
    """Return quoted beside actual, and the lines of the quote with their sources."""
    rows = [
        [
            line.name,
            _amount(line.quoted, line.unit),
            _amount(line.actual, line.unit),
            "" if line.error_pct is None else f"{line.error_pct:+.1f}%",
            line.basis,
        ]
        for line in found.lines
    ]
    head = ["Item", "quoted", "actual", "difference", "source"]
    return section("receipt", "Quote and bill", table("Every item, quoted and billed", head, rows, numbers=(1, 2, 3)))


def _thinned(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Return at most so many points, each the mean of its neighbours, at the last step it stands for."""
    size = -(-len(points) // _MOST_POINTS)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(group[-1][0], sum(value for _, value in group) / len(group)) for group in groups]


def _first(one: Series) -> float:
    return next(value for value in one.values if value is not None)


def _interval(row: Mapping[str, Json]) -> Html:
    """Draw one score and its interval between 0 and 1; the figures stand beside it."""
    low, mid, high = (
        round(4 + (_CELL - 8) * min(max(_number(row, part), 0.0), 1.0), 1) for part in ("low", "score", "high")
    )
    return Html(
        f'<svg class="interval" viewBox="0 0 {_CELL} 20" aria-hidden="true" focusable="false">'
        f'<path class="axis" d="M4 10H{_CELL - 4}M4 6v8M{_CELL - 4} 6v8"/><path class="whisker" d="M{low} 10H{high}'
        f'M{low} 5v10M{high} 5v10"/><circle cx="{mid}" cy="10" r="5"/></svg>'
    )


def _comparisons(scorecard: Mapping[str, Json]) -> list[str]:
    said = []
    for one in _list(scorecard, "comparisons"):
        if isinstance(one, dict):
            certain = "beyond chance" if one.get("significant") else "could be chance"
            change = f"{_number(one, 'change'):+.3f} ({_ends(one)})"
            said.append(f"{one['second']} minus {one['first']}: {change}: {certain}.")
    return said


def _judged(scorecard: Mapping[str, Json]) -> list[str]:
    judge = scorecard.get("judge")
    if not isinstance(judge, dict):
        return []
    said = []
    for one in _list(judge, "pairs"):
        if isinstance(one, dict):
            certain = "beyond chance" if one.get("significant") else "could be chance"
            said.append(
                f"The judge {judge['judge']} preferred {one['second']} to {one['first']} on "
                f"{_number(one, 'preferred'):.0%} ({_ends(one, '.0%')}; won {one['second_wins']}, tied {one['ties']}, "
                f"lost {one['first_wins']}): {certain}."
            )
    return [*said, *(str(limit) for limit in _list(judge, "limits"))] if said else []


def _losses(scorecard: Mapping[str, Json]) -> list[str]:
    loss = scorecard.get("loss")
    if not isinstance(loss, dict):
        return []
    word = "better" if loss.get("better") else ("worse" if _number(loss, "low") > 0 else "no certain difference")
    return [
        f"Loss on the held-out answers: base {_number(loss, 'base'):.3f}, tuned {_number(loss, 'tuned'):.3f}, "
        f"change {_number(loss, 'change'):+.3f} ({_ends(loss)}) nats a token: {word}."
    ]


def _regressions(scorecard: Mapping[str, Json]) -> list[str]:
    return [
        f"What was not trained ({one['suite']}): base {_number(one, 'base'):.3f}, tuned {_number(one, 'tuned'):.3f}, "
        f"change {_number(one, 'change'):+.3f} ({_ends(one)}): {one['verdict']}."
        for one in _list(scorecard, "suites")
        if isinstance(one, dict)
    ]


def _list(found: Mapping[str, Json], key: str) -> Sequence[Json]:
    value = found.get(key)
    return value if isinstance(value, list) else []


def _number(found: Mapping[str, Json], key: str) -> float:
    value = found[key]
    assert isinstance(value, int | float | str)
    return float(value)


def _ends(found: Mapping[str, Json], form: str = "+.3f") -> str:
    return written(_number(found, "low"), _number(found, "high"), form)


def _per_thousand(value: Json) -> Decimal | None:
    return None if value is None else 1000 * Decimal(str(value))


def _milliseconds(value: Json) -> Html:
    return text(f"{value:,.0f} ms") if isinstance(value, int | float) else tag("span", "unknown", class_="unknown")


def _amount(value: Decimal | None, unit: str) -> Html:
    if value is None or unit == "USD":
        return usd(value)
    return tag("data", f"{words.count(value)} {unit}", value=render.decimal_text(value))
