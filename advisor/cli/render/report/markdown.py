"""The report as a comment for a pull request: the answer, a table, what would flip it, what to mind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from advisor.cli import render
from advisor.cli.render.flips import flip_sentences
from advisor.cli.render.options_table import telling
from advisor.cli.render.report.page import headline
from advisor.cli.render.report.run import findings, verdict
from advisor.cli.render.report.story import Story, Told
from advisor.cli.render.safe_text import for_markdown, without_folders
from advisor.evaluate.statistics import written
from advisor.recommend import Option, Plan
from advisor.recommend import wording as words
from backends import Json

_MOST = 10  # options in the table


def markdown(story: Story) -> str:
    """Return the comment in GitHub's Markdown; text from elsewhere cannot become markup in it."""
    parts = [f"### {for_markdown(headline(story))}"]
    if story.run is not None:
        parts += _run(story.run)
    if story.plan is not None:
        parts += _plan(story.plan, beside=story.run is not None)
    problems = story.profile.problems if story.profile else ()
    worst = [one for one in problems if one.level in ("error", "warning")]
    parts += _listed("Data", [f"{one.level}: {one.message}" for one in worst[:5]])
    parts.append(f"<sub>tunewise {story.version}, {words.day(story.made)}</sub>")
    return without_folders("\n\n".join(part for part in parts if part)) + "\n"


def _plan(plan: Plan, *, beside: bool) -> list[str]:
    advice, estimate = plan.advice, plan.option.estimate
    months = plan.workload.horizon_months
    total = estimate.total_usd if estimate else None
    parts = [f"The plan was: {for_markdown(words.headline(plan.option, plan.advice.confidence))}"] if beside else []
    said = f"**{words.plain_range(total)} over {words.months(months)}.** " if total else "**The cost is not known.** "
    confidence = f" Confidence: {advice.confidence}." if advice.confidence else ""
    condition = estimate.condition if estimate and total else ""
    rests = f" The likely costs are for {for_markdown(condition)}." if condition else ""
    parts.append(said + for_markdown(plan.reason) + confidence + rests)
    standing = [option for option in advice.options if option.ruled_out_by is None]
    head = ["", words.months(months), "a month", "once", "available"]
    shown = [option for option in telling(advice, plan.workload, _MOST) if option.ruled_out_by is None]
    rows = [_row(option, option.id == plan.option.id, months) for option in shown]
    parts.append(_table(head, rows, figures=range(1, 4)))
    left = len(standing) - len(rows)
    ruled_out = len(advice.options) - len(standing)
    also = [f"{left} more fit" if left else "", f"{ruled_out} are ruled out" if ruled_out else ""]
    parts.append(f"{' and '.join(one for one in also if one)}." if any(also) else "")
    changes, alone = flip_sentences(advice, plan.workload.gpus)
    parts += _listed("What would change this", changes)
    parts += _listed("What would change which is cheapest, but not this", alone)
    minded = [one.text for one in advice.warnings] + list(estimate.warnings if estimate else ())
    parts += _listed("Watch out", minded)
    parts += _listed("Not known", advice.unknowns)
    prices = f"Prices read by {words.day(advice.prices_as_of)}. " if advice.prices_as_of else ""
    step = " ".join(advice.next_step.replace("`", "").split())  # nothing ends a code span but these
    following = f"Next: `{step}`" if step and not beside else ""
    parts.append(prices + following)
    return parts


def _run(told: Told) -> list[str]:
    one = told.view
    parts = [f"Run `{one.run}`: {one.status}. Quoted {render.usd(one.quote_usd)}, billed {render.usd(one.billed_usd)}."]
    if one.error:
        parts.append(for_markdown(one.error))
    if told.scorecard is None:
        return [*parts, "Not measured yet."]
    parts.append(f"**{for_markdown(verdict(told.scorecard))}**")
    rows = []
    for row in _dicts(told.scorecard, "rows"):
        low, score, high = (float(str(row[part])) for part in ("low", "score", "high"))
        mark = "**" if row["name"] == told.scorecard.get("winner") else ""
        rows.append([f"{mark}{for_markdown(str(row['name']))}{mark}", f"{score:.3f}", written(low, high)])
    parts.append(_table(["", f"{told.scorecard.get('metric')}", "95 % interval"], rows, figures=range(1, 3)))
    parts += _listed("Found", findings(told.scorecard))
    for title, key in (("Watch out", "warnings"), ("What the scores rest on", "notes")):
        said = told.scorecard.get(key)
        parts += _listed(title, [str(one) for one in said] if isinstance(said, list) else [])
    return parts


def _row(option: Option, chosen: bool, horizon: int) -> list[str]:
    found = option.estimate
    total, *rest = (getattr(found, part) if found else None for part in ("total_usd", "monthly_usd", "one_off_usd"))
    mark = "**" if chosen else ""
    cells = [
        f"{words.plain_range(total)} {words.shortened(option, horizon)}".rstrip(),
        *(_mid(amount) for amount in rest),
    ]
    return [f"{mark}{for_markdown(words.full_name(option))}{mark}", *cells, for_markdown(words.until(option))]


def _mid(amount: object) -> str:
    return render.usd(getattr(amount, "mid", None))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], figures: range) -> str:
    if not rows:
        return ""
    rule = ["---:" if column in figures else "---" for column in range(len(head))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def _listed(title: str, items: Sequence[str]) -> list[str]:
    return [f"**{title}**\n\n" + "\n".join(f"- {for_markdown(item)}" for item in items)] if items else []


def _dicts(found: Mapping[str, Json], key: str) -> list[Mapping[str, Json]]:
    value = found.get(key)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
