"""How ``plan`` looks: the answer and its reason, the options, the drawing, what would change it, what to run next."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, fields
from decimal import Decimal

from advisor.cli import render
from advisor.cli.render.chart import Chart
from advisor.cli.render.costs import crossing_sentences, over_requests
from advisor.cli.render.curves import Line, drawn, lines
from advisor.cli.render.estimate import flip_sentences
from advisor.cli.render.explanation import explanation
from advisor.cli.render.options_table import options_table, ruled_out
from advisor.cli.render.plot import LETTERS, plot, style
from advisor.cli.render.screen import Screen
from advisor.estimate import Strategy
from advisor.evidence import source
from advisor.recommend import Option, Reason, Recommendation
from advisor.recommend import wording as words
from advisor.recommend.collecting import sentences
from advisor.tokens import Profile
from advisor.workload import Workload
from backends import Method

__all__ = ["document", "explanation", "page"]

_TUNED = {Method.LORA: "LoRA", Method.QLORA: "QLoRA", Method.FULL: "full fine-tuning"}
_DRAWN = 4  # lines of the drawing that a reader of letters still tells apart


@dataclass
class _Sources:
    """Numbers the sources of a page in the order they are named."""

    ids: list[str] = field(default_factory=list)

    def mark(self, reason: Reason) -> str:
        if reason.source not in self.ids:
            self.ids.append(reason.source)
        return f"{words.sentence(reason.text)} [{self.ids.index(reason.source) + 1}]"


def document(found: Recommendation, profile: Profile) -> dict[str, object]:
    """Return the contract's document, and how the data was counted: exactly, from a sample, or not at all."""
    total = profile.tokens.get("o200k_base")
    sampled = profile.sampled
    low, high, confidence = (sampled.low, sampled.high, 0.95) if sampled else (None, None, None)
    if profile.exact:
        low, high, confidence = total, total, 1
    tokens = {
        "low": low,
        "mid": total,
        "high": high,
        "confidence": confidence,
        "share": sampled.share if sampled else 1,
    }
    made = {item.name: getattr(found, item.name) for item in fields(found)}
    return {**made, "exact": profile.exact, "tokens": tokens}


def page(found: Recommendation, workload: Workload, again: str) -> None:
    """Print the answer and its reason, the options, what would flip it, what is not known, what to run next.

    ``again`` is the command that gave the advice.
    """
    sources, screen = _Sources(), Screen()
    screen.paragraph(f"Advice: {answer(found.recommendation)}", "bold")
    screen.paragraph(f"Why: {sources.mark(found.reasons[0])}")
    if ends := _ends(found.recommendation, workload):
        screen.paragraph(ends, "bold")
    if found.recommendation is not None:
        screen.line()
        screen.paragraph(f"Cost: {_cost(found.recommendation, found, workload)}")
        if found.recommendation.serving_terms:
            screen.paragraph(f"Serving: {found.recommendation.serving_terms}")
        if workload.budget_usd is not None:
            screen.paragraph(_budget(found.recommendation, workload.budget_usd, workload.horizon_months))
        screen.paragraph(f"Confidence: {found.confidence}.")
    for reason in found.reasons[1:]:
        screen.bullet(sources.mark(reason))
    if found.deadlines:
        screen.section("Before these days", [f"{one.day.isoformat()}: {one.text}" for one in found.deadlines])
    for warning in found.warnings:
        screen.bullet(f"Mind: {sources.mark(warning)}")
    if found.collecting is not None:
        screen.section("Should you collect data, and how much", list(sentences(found.collecting)))
    options_table(found, workload, screen)
    if found.recommendation and found.recommendation.estimate:
        screen.section("About these prices", found.recommendation.estimate.warnings)
    ruled_out(found.options, screen)
    _drawing(found, workload, screen)
    said, alone = flip_sentences(found)
    screen.section("What would change this", said)
    screen.section("What would change the cheapest, but not the advice", alone)
    screen.section("What we do not know", found.unknowns)
    taken = [text for text in found.assumptions if text.startswith(("You", "The task", "The data"))]
    screen.section("Taken for granted", taken)
    near = [
        words.capital(ref.claim.removeprefix("nearest: "))
        for ref in found.evidence
        if ref.claim.startswith(("nearest", "They disagree"))
    ]
    screen.section("Nearest published cases, and where sources disagree", near)
    screen.line()
    for number, id in enumerate(sources.ids, 1):
        screen.paragraph(source(id).citation, "dim", first=f"[{number}] ", rest="    ")
    screen.line()
    screen.line("Next:", "bold")
    screen.command(found.next_step, "bold")
    if " DATA" in found.next_step:
        screen.line("DATA stands for the file of examples you will have.", "dim")
    if found.recommendation:
        screen.line("Every sum, setting and source of it:", "dim")
        screen.command(f"{again} --explain {shlex.quote(found.recommendation.id)}", "dim")


def answer(option: Option | None) -> str:
    """Say what to do in one line."""
    if option is None:
        return "nothing can be recommended."
    if option.strategy is Strategy.RETRIEVAL:
        return "look the facts up when asked (retrieval); do not fine-tune."
    if option.strategy is Strategy.CLASSIFIER:
        return "train a plain classifier; no language model is needed."
    if option.strategy in (Strategy.PROMPT, Strategy.FEW_SHOT):
        return f"prompt {option.model}, {option.variant}; do not fine-tune."
    if option.strategy is Strategy.HOSTED:
        how = f" with {_TUNED[option.method]}" if option.method else ""
        return f"fine-tune {option.model} at {option.backend}{how}."
    return f"fine-tune {option.model} with {words.METHODS[option.strategy]} {words.machine(option)}."


def _ends(option: Option | None, workload: Workload) -> str | None:
    """Say in the first lines that the model is shut down within the horizon."""
    found = option.estimate if option else None
    if option is None or option.retires is None or found is None or found.months >= workload.horizon_months:
        return None
    when = f"{words.day(option.retires)}, after {words.months(found.months)}"
    return f"{option.model} shuts down on {when} of your {workload.horizon_months}."


def _budget(option: Option, budget_usd: Decimal, months: int) -> str:
    """Say what the budget is for, and where it may not do: options are held to it at their likely cost."""
    total = option.estimate.total_usd if option.estimate else None
    said = f"Budget: {render.usd(budget_usd)} is for all of it over {words.months(months)}"
    if total is not None and total.high > budget_usd:
        said += f", which takes {render.usd(total.high)} at the dear end"
    return f"{said}; 'tunewise budget --limit {budget_usd:f}' spreads it over the months."


def _cost(option: Option, found: Recommendation, workload: Workload) -> str:
    """Say what the advice costs; looking facts up has no price of its own, so that of the prompt below it is said."""
    prompt = next((one for one in found.options if one.strategy is Strategy.PROMPT and not one.ruled_out_by), None)
    if option.strategy is not Strategy.RETRIEVAL or prompt is None:
        return words.cost(option, workload)
    return (
        f"what an index costs is not known. {words.name(prompt)}, without the text it would be given: "
        f"{words.cost(prompt, workload)}"
    )


def _drawing(found: Recommendation, workload: Workload, screen: Screen) -> None:
    """Draw a month's cost over requests for the answer and its best rivals; nothing where no cost is known."""
    if found.recommendation is None:
        return
    told = lines(drawn(found)[0], workload)[:_DRAWN]
    first = found.recommendation is not None and bool(told) and told[0].option.id == found.recommendation.id
    than = "A" if first or not told else words.full_name(told[0].option)
    chart = over_requests(told, workload, than)
    if chart is None:
        return
    screen.line()
    screen.paragraph(f"{chart.title} (x: two cost the same)" if chart.marks else chart.title, "bold")
    plot(chart, screen)
    _legend(chart, told, crossing_sentences(told, workload, than), screen)
    if any(low != high for low, high in zip(chart.series[0].low, chart.series[0].high, strict=True)):
        dots = "Full stops" if screen.ascii else "Dots"
        screen.paragraph(f"{dots} are the range of what A may cost.", "dim")
    if any(line.option.serving in ("dedicated", "self_hosted") for line in told):
        screen.paragraph("Machines by the hour are as many as your volume needs; far more requests need more.", "dim")


def _spread(line: Line, shown: str) -> str:
    """Say what was spread over the months, where it shows."""
    found = line.option.estimate
    if line.option.strategy.tunes:
        return " with its training spread out"
    alone = found.monthly_usd if found else None
    return " with its evaluation spread out" if alone and render.usd(alone.mid) != shown else ""


def _legend(chart: Chart, told: tuple[Line, ...], crossing: list[str], screen: Screen) -> None:
    for place, one in enumerate(chart.series):
        note = f" ({one.note})" if one.note else ""
        met = crossing[place - 1].removeprefix(f"{words.full_name(told[place].option)}: ") if place else ""
        spread = _spread(told[place], one.shown)
        said = f"{one.name}{note}: {one.shown} a month{spread}{f'; {met}' if met else '.'}"
        screen.paragraph(said, style(place), first=f"  {LETTERS[place]}  ", rest="     ")
