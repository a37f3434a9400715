"""What a person said to the wizard, and what it means as a workload."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from decimal import Decimal

TUNED = "hosted"  # the way of a model that was fine-tuned
UNLISTED = "other"  # a model we know nothing of


@dataclass(frozen=True, slots=True)
class Answers:
    """What the person said so far; None is: not asked yet, or not known.

    ``today`` is the model that answers now: "" for none, ``UNLISTED`` for one nothing is known of. ``system_tokens``
    is how long its fixed prompt is, examples included.
    """

    data: tuple[str, ...] | None = None
    examples: int | None = None
    tokens_per_example: int | None = None
    output_tokens: int | None = None
    labels: int | None = None
    task: str | None = None
    requests_per_month: int | None = None
    privacy: str | None = None
    gpus: tuple[str, ...] | None = None
    today: str | None = None
    strategy: str | None = None
    system_tokens: int | None = None
    score: float | None = None
    quality_target: float | None = None
    error_cost_usd: Decimal | None = None
    budget_usd: Decimal | None = None
    turns: float = 1.0
    requests_are: str | None = None

    @property
    def listed(self) -> bool:
        return bool(self.today) and self.today != UNLISTED

    @property
    def tuned(self) -> bool:
        return self.listed and self.strategy == TUNED

    @property
    def scored(self) -> bool:
        """Tell that something answers today whose score is known."""
        return bool(self.today) and self.score is not None

    @property
    def falls_short(self) -> bool:
        """Tell that a score was measured, and no target says that it is good enough."""
        return self.scored and (self.quality_target is None or (self.score or 0.0) < self.quality_target)


def said(answers: Answers) -> str:
    """Return in one line what the person said, for a start that goes on from there."""
    parts = [shlex.join(answers.data) if answers.data else "no data yet", answers.task]
    if answers.requests_per_month is not None:
        parts.append(f"{answers.requests_per_month:,} requests a month")
    return ", ".join(part for part in parts if part)


def workload_of(answers: Answers) -> dict[str, object]:
    """Write the answers as the content of a workload file; what was not said, or is asked no more, is left out."""
    content: dict[str, object] = {"task": answers.task, "privacy": answers.privacy}
    if not answers.data:
        described = {name: getattr(answers, name) for name in ("examples", "tokens_per_example", "output_tokens")}
        described["labels"] = answers.labels if answers.task == "classification" else None
        content["data"] = {name: value for name, value in described.items() if value is not None}
    elif answers.turns > 1:
        content["requests_are"] = answers.requests_are
    content["requests_per_month"] = answers.requests_per_month
    content["gpus"] = list(answers.gpus) if answers.gpus else None
    content["budget_usd"] = None if answers.scored else answers.budget_usd
    if answers.today:
        content |= _of_today(answers)
    return {
        name: str(value) if isinstance(value, Decimal) else value
        for name, value in content.items()
        if value is not None
    }


def _of_today(answers: Answers) -> dict[str, object]:
    score, content = answers.score, dict[str, object]()
    if answers.today == UNLISTED:
        content["measured"] = None if score is None else {"prompt": score}
    else:
        said = {
            "model": answers.today,
            "strategy": answers.strategy,
            "system_tokens": None if answers.tuned else answers.system_tokens,
            "score": score,
        }
        content["current"] = {name: value for name, value in said.items() if value is not None}
    if seller := _closing_to_others(answers):
        content["standing"] = {seller: "active"}
    if score is not None:
        content["quality_target"] = answers.quality_target
        content["error_cost_usd"] = answers.error_cost_usd if answers.falls_short else None
    return content


def _closing_to_others(answers: Answers) -> str | None:
    """Return the provider that still sells to those whose tuned model answers there today, and to no others."""
    from advisor.pricing import PriceBook

    book = PriceBook.load()
    tuned_at = (seller for seller in book.asks_standing if answers.tuned and book.offer(seller, answers.today or ""))
    return next(tuned_at, None)
