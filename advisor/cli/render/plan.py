"""How ``plan`` looks: its first screen, and behind it the whole argument, every option and the drawing."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal

from advisor.cli import render
from advisor.cli.render.explanation import explanation
from advisor.cli.render.flips import flip_sentences
from advisor.cli.render.options_table import every_option
from advisor.cli.render.plan_chart import drawing
from advisor.cli.render.plan_summary import summary, verdict
from advisor.cli.render.screen import MenuBelow, Screen
from advisor.estimate import Strategy
from advisor.evidence import source
from advisor.recommend import Option, Reason, Recommendation
from advisor.recommend import wording as words
from advisor.recommend.collecting import sentences
from advisor.tokens import Profile
from advisor.workload import Workload

__all__ = ["document", "explanation", "page"]


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


def page(
    found: Recommendation,
    workload: Workload,
    again: str,
    parts: Sequence[str] = (),
    below: MenuBelow | None = None,
) -> None:
    """Print the first screen; with ``parts`` (why, all, chart) the verdict, those, and what to run next.

    ``again`` is the command that gave the advice; ``below``: a menu follows.
    """
    screen = Screen()
    if not parts:
        summary(found, workload, screen, again, below)
        return
    screen.paragraph(verdict(found, workload).sentence, "bold")
    if "why" in parts:
        _why(found, workload, again, screen)
    if "all" in parts:
        every_option(found, workload, screen)
    if "chart" in parts:
        drawing(found, workload, screen)
    screen.line()
    screen.line("Next:", "bold")
    screen.command(found.next_step, "bold")


def _why(found: Recommendation, workload: Workload, again: str, screen: Screen) -> None:
    """Print the reasons with their sources, what else they rest on, and what is not known."""
    sources, option = _Sources(), found.recommendation
    screen.section("Why", [sources.mark(reason) for reason in found.reasons])
    if option is not None:
        said = [_cost(option, found, workload), option.serving_terms]
        said += (
            [_budget(option, workload.budget_usd, workload.horizon_months)] if workload.budget_usd is not None else []
        )
        said += option.estimate.warnings if option.estimate else []
        screen.section("What it costs", [words.sentence(text) for text in said if text])
    screen.section("By when", [f"{one.day.isoformat()}: {one.text}" for one in found.deadlines])
    screen.section("Watch out", [sources.mark(warning) for warning in found.warnings])
    if found.collecting is not None:
        screen.section("Should you collect data, and how much", list(sentences(found.collecting)))
    said, alone = flip_sentences(found, workload.gpus)
    screen.section("What would change this", said)
    screen.section("What would change the cheapest option, but not the advice", alone)
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
    if option is not None:
        screen.line()
        screen.line("Every sum, setting and source of the advised option:", "dim")
        screen.command(f"{again} --explain {shlex.quote(option.id)}", "dim")


def _budget(option: Option, budget_usd: Decimal, months: int) -> str:
    """Say what the budget is for, and where it may not do: options are held to it at their likely cost."""
    total = option.estimate.total_usd if option.estimate else None
    said = f"Budget: {render.usd(budget_usd)} is for all of it over {words.months(months)}"
    if total is not None and total.high > budget_usd:
        said += f", which takes {render.usd(total.high)} at worst"
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
