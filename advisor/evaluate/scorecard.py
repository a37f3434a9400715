"""The scorecard: every option on the same held-out examples, with intervals, a winner only when one is certain."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from statistics import fmean

from advisor.display import Shown
from advisor.evaluate.judge import Judgement
from advisor.evaluate.metrics import METRICS, Answer, Reference, confusions, label_of, macro_f1
from advisor.evaluate.recited import Recited
from advisor.evaluate.statistics import (
    CONFIDENCE,
    Difference,
    mean_interval,
    paired_difference,
    ratio_difference,
    ratio_interval,
    statistic_interval,
)

SECONDARY: Mapping[str, tuple[str, ...]] = {
    "json_fields": ("json_schema", "json_valid", "exact"),
    "json_schema": ("json_fields",),
    "sql_result": ("sql_text",),
    "tools": ("tool_name",),
    "rouge_l": ("token_f1",),
    "token_f1": ("exact",),
    "label": ("exact",),
}


REFUSED = ("content_filter", "too_long")  # how a question ends that got no answer for what it holds


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer of one option, with what it took; ``usd`` is None where no price is known."""

    answer: Answer
    latency_ms: float
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    usd: Decimal | None = None
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True)
class TokenLosses:
    """Per example: summed negative log-likelihood in nats, and the supervised tokens it is summed over."""

    sums: tuple[float, ...]
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One option's result; ``score`` is the mean of the metric, ``more`` holds further metrics by name."""

    name: str
    model: str
    backend: str
    score: float
    low: float
    high: float
    usd: Decimal | None
    usd_per_request: Decimal | None
    latency_ms_p50: float | None
    latency_ms_p95: float | None
    answers: int
    cut_off: int  # answers that ended at the token limit
    refused: int = 0  # questions without an answer: refused by a content filter, or too long for the model
    more: Mapping[str, float] = field(default_factory=dict)
    tuned_from: str | None = None  # the base of a tuned model, as plans name it; None: the model is asked as it is


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two options on the same examples: ``second`` minus ``first``."""

    first: str
    second: str
    change: float
    low: float
    high: float
    p: float | None
    significant: bool
    examples_needed: int | None


@dataclass(frozen=True, slots=True)
class LossComparison:
    """Mean loss in nats per supervised token of the held-out answers, base against tuned; lower is better."""

    base: float
    base_low: float
    base_high: float
    tuned: float
    tuned_low: float
    tuned_high: float
    change: float
    low: float
    high: float
    better: bool  # the whole interval of the change lies below zero
    tokens: int


@dataclass(frozen=True, slots=True)
class Regression:
    """What tuning did to what was not trained: ``change`` is tuned minus base."""

    suite: str
    base: float
    tuned: float
    change: float
    low: float
    high: float
    verdict: str  # fine | warn | block
    items: int


@dataclass(frozen=True, slots=True)
class Scorecard(Shown):
    """What ``evaluate`` found."""

    examples: int
    metric: str
    rows: tuple[Row, ...]
    winner: str | None
    significant: bool
    regression: Regression | None
    samples_path: Path | None
    run: str | None = None
    comparisons: tuple[Comparison, ...] = ()
    examples_needed: int | None = None
    loss: LossComparison | None = None
    recited: Recited | None = None
    suites: tuple[Regression, ...] = ()
    confusion: tuple[tuple[str, str, int], ...] = ()
    warnings: tuple[str, ...] = ()
    judge: Judgement | None = None
    frontier: tuple[str, ...] = ()  # options that no other beats on both score and price, cheapest first
    notes: tuple[str, ...] = ()  # what the scores rest on


def row(
    name: str,
    backend: str,
    model: str,
    metric: str,
    answers: Sequence[Answered],
    references: Sequence[Reference],
    *,
    seed: int = 0,
) -> Row:
    """Score one option."""
    scores = score_all(metric, answers, references)
    interval = mean_interval(scores, seed=seed)
    more = {other: fmean(score_all(other, answers, references)) for other in SECONDARY.get(metric, ())}
    if metric == "label":
        got = [label_of(one.answer.text) for one in answers]
        wanted = [label_of(reference.text) for reference in references]
        macro = statistic_interval(
            len(got),
            lambda picks: macro_f1([got[pick] for pick in picks], [wanted[pick] for pick in picks]),
            seed=seed,
            resamples=500,
        )
        more |= {"macro_f1": macro.value}
        if len(got) > 1:
            more |= {"macro_f1_low": max(0.0, macro.low), "macro_f1_high": min(1.0, macro.high)}
    more["words"] = fmean(len(re.findall(r"\w+", one.answer.text)) for one in answers)
    prices = [one.usd for one in answers]
    usd = None if None in prices else sum((price for price in prices if price is not None), Decimal(0))
    times = sorted(one.latency_ms for one in answers)
    return Row(
        name=name,
        model=model,
        backend=backend,
        score=interval.value,
        low=interval.low,
        high=interval.high,
        usd=usd,
        usd_per_request=None if usd is None else usd / len(answers),
        latency_ms_p50=_percentile(times, 0.5),
        latency_ms_p95=_percentile(times, 0.95),
        answers=len(answers),
        cut_off=sum(one.finish_reason == "length" for one in answers),
        refused=sum(one.finish_reason in REFUSED for one in answers),
        more=more,
    )


def score_all(metric: str, answers: Sequence[Answered], references: Sequence[Reference]) -> list[float]:
    """Return one score an example."""
    score = METRICS[metric]
    return [score(one.answer, reference) for one, reference in zip(answers, references, strict=True)]


def compare(
    metric: str, answers: Mapping[str, Sequence[Answered]], references: Sequence[Reference], *, seed: int = 0
) -> tuple[Comparison, ...]:
    """Compare the best option with each of the others, on the same examples.

    The intervals are widened for the number of comparisons (Bonferroni), since the best was picked after the fact.
    """
    scores = {name: score_all(metric, given, references) for name, given in answers.items()}
    if len(scores) < 2:
        return ()
    best = max(scores, key=lambda name: fmean(scores[name]))
    level = (1 - CONFIDENCE) / (len(scores) - 1)
    found = []
    for name, theirs in scores.items():
        if name == best:
            continue
        step = paired_difference(theirs, scores[best], seed=seed, confidence=1 - level)
        found.append(_comparison(name, best, step, level))
    return tuple(sorted(found, key=lambda one: one.change))


def winner(comparisons: Sequence[Comparison]) -> str | None:
    """Return the option that beats every other beyond chance; None when none does."""
    return comparisons[0].second if comparisons and all(one.significant for one in comparisons) else None


def needed(comparisons: Sequence[Comparison]) -> int | None:
    """Return how many examples would settle what could still be chance; None where nothing is open, or no effect."""
    found = [one.examples_needed for one in comparisons if not one.significant]
    known = [one for one in found if one is not None]
    return max(known) if known and len(known) == len(found) else None


def compare_loss(base: TokenLosses, tuned: TokenLosses, *, seed: int = 0) -> LossComparison:
    """Compare two models' loss on the same tokens; every token counts the same."""
    if base.tokens != tuned.tokens:
        raise ValueError("base and tuned were scored on different tokens")
    before = ratio_interval(base.sums, base.tokens, seed=seed)
    after = ratio_interval(tuned.sums, tuned.tokens, seed=seed)
    step = ratio_difference(base.sums, tuned.sums, base.tokens, seed=seed)
    return LossComparison(
        base=before.value,
        base_low=before.low,
        base_high=before.high,
        tuned=after.value,
        tuned_low=after.low,
        tuned_high=after.high,
        change=step.value,
        low=step.low,
        high=step.high,
        better=step.high < 0,
        tokens=sum(base.tokens),
    )


def frontier(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return the options that no other beats on both score and price a request, cheapest first."""
    priced = [(one.usd_per_request, -one.score, one.name) for one in rows if one.usd_per_request is not None]
    best, kept = float("inf"), []
    for _, loss, name in sorted(priced):
        if loss < best:
            best = loss
            kept.append(name)
    return tuple(kept)


def _comparison(first: str, second: str, step: Difference, level: float) -> Comparison:
    significant = step.low > 0 and (step.p is None or step.p < level)
    return Comparison(first, second, step.value, step.low, step.high, step.p, significant, step.needed)


def _percentile(values: Sequence[float], share: float) -> float | None:
    return values[max(0, math.ceil(share * len(values)) - 1)] if values else None


def mistakes(answers: Sequence[Answered], references: Sequence[Reference]) -> tuple[tuple[str, str, int], ...]:
    """Return the commonest wrong labels as (right, given, count)."""
    return confusions([label_of(one.answer.text) for one in answers], [label_of(item.text) for item in references])
