"""The odds that a tuned model beats the best prompt by more than chance: a small model of published cases."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache

from pydantic import TypeAdapter

from advisor.evidence._files import read
from advisor.task import TaskType

# Where a larger prompted model's own knowledge and reasoning weigh more than examples of the task.
HARD_TASKS = frozenset({TaskType.REASONING, TaskType.KNOWLEDGE, TaskType.CODE})
_KIND = {TaskType.SUMMARISATION: "style", TaskType.CHAT: "style"} | dict.fromkeys(HARD_TASKS, "hard")
KINDS = ("classification", "extraction", "structured", "style", "tool_use", "hard")

# Above this many times the error of the test a score leaves room enough to beat it.
_ROOM_ENOUGH = 1.5
_TEST_SIZES = (100, 300, 1000, 2048)  # of published comparisons, where a test's own size is not known
_SATURATES = 2000  # examples: twice as many matter less and less from here on
_FEW = 100
_MANY_LABELS = 20  # beyond, five published groups alone, none with many rows a label
_INTERVAL = 1.2816  # standard errors on either side of an 80 % interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a user can know of a comparison before it is made; None: not known, and then every value is allowed for.

    ``prompt_score`` is the best measured prompt, 0 to 1. ``gap`` is how much stronger the prompted model is than the
    one that would be tuned, in doublings of size (`advisor.evidence.strength`); ``year`` that of the prompted model.
    ``few_shot`` tells that a prompt with examples, or an optimised one, was measured too.
    """

    task: TaskType
    examples: int | None = None
    labels: int | None = None
    prompt_score: float | None = None
    gap: float | None = None
    year: float | None = None
    few_shot: bool | None = None
    test_items: int | None = None


@dataclass(frozen=True, slots=True)
class Odds:
    """``p`` with an 80 % interval, and how the published cases most like it went, one per benchmark.

    ``level`` are the odds that a tuned model is as good as the best prompt or better, chance aside.
    """

    p: float
    low: float
    high: float
    level: float
    cases_for: int = 0
    cases_against: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """Where tuning won: the share of the prompt's wrong answers it removed (median and quartiles over groups)."""

    low: float
    mid: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """One feature: its weight, and its mean and spread over published cases, for when it is not known.

    ``level`` is its weight in the odds of being as good or better.
    """

    weight: float
    level: float
    mean: float
    spread: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OddsModel:
    """The fitted model: ``log odds = constant + sum(weight x (feature - mean))``.

    ``covariance`` is that of the constant and the weights in order, from fits on resampled task groups. ``scores`` are
    prompt scores at equal steps of the published ones, by whether the task is hard. ``cross_validated`` holds the
    figures by file; ``data`` the files' fingerprints.
    """

    fitted: date
    source: str
    penalty: float
    data: Mapping[str, str]
    cases: int
    groups: int
    constant: float
    level_constant: float
    features: Mapping[str, Weight]
    covariance: tuple[tuple[float, ...], ...]
    scores: Mapping[str, tuple[float, ...]]
    gain: Gain
    cross_validated: Mapping[str, Mapping[str, Mapping[str, float]]]


@cache
def packaged() -> OddsModel:
    """Return the model of the packaged evidence file."""
    return TypeAdapter(OddsModel).validate_python(read("odds.yaml"))


def odds_of(situation: Situation, model: OddsModel | None = None) -> Odds:
    """Return the odds. What is not known widens the interval and draws P towards even odds, never aside."""
    model = model or packaged()
    if situation.prompt_score is None:
        kind = "hard" if situation.task in HARD_TASKS else "other"
        asked: Sequence[Situation] = [replace(situation, prompt_score=score) for score in model.scores[kind]]
    else:
        asked = [situation]
    points = [_log_odds(one, model) for one in asked]
    p = sum(_averaged(mean, unknown) for mean, unknown, _ in points) / len(points)
    spreads = [(mean, math.sqrt(unknown + fitted)) for mean, unknown, fitted in points]
    level = sum(_level(one, model) for one in asked) / len(asked)
    return Odds(p, _sigmoid(_quantile(spreads, 0.1)), _sigmoid(_quantile(spreads, 0.9)), max(level, p))


def gain_if_won(prompt_score: float, model: OddsModel | None = None) -> float:
    """Return the usual gain, a share of all answers, where tuning wins against a prompt this good."""
    return (model or packaged()).gain.mid * (1 - prompt_score)


def features(situation: Situation) -> dict[str, float | None]:
    """Return the model's features; None: not known. Needs a prompt score."""
    score, labels = situation.prompt_score, situation.labels
    assert score is not None
    kind = _KIND.get(situation.task, str(situation.task))
    if labels is None and situation.task is not TaskType.CLASSIFICATION:
        labels = 4  # no labels to tell apart: as easy as few
    hard = kind == "hard"
    return {
        "score": score,
        "room": _room(score, situation.test_items),
        "rows": None if situation.examples is None else _rows(situation.examples),
        "few_rows": None if situation.examples is None else min(0.0, math.log10(max(situation.examples, 5) / _FEW)),
        "labels": None if labels is None else math.log10(min(max(labels, 2), _MANY_LABELS)),
        "gap": None if situation.gap is None else min(max(situation.gap, -2.0), 8.0),
        "year": None if situation.year is None else min(max(situation.year, 2022.5), 2025.5),
        "few_shot": None if situation.few_shot is None else float(situation.few_shot),
        **{one: None if situation.task is TaskType.OTHER else float(kind == one) for one in KINDS},
        "code": None if situation.task is TaskType.OTHER else float(situation.task is TaskType.CODE),
        "hard_x_score": None if situation.task is TaskType.OTHER else float(hard) * (score - 0.5),
    }


def chance(score: float, test_items: int | None) -> float:
    """Return the lead (a share) that counts: max(1 point, 1.96 standard errors of a difference on the test)."""
    if not test_items:
        return 0.01
    share = min(max(score, 0.02), 0.98)
    return max(0.01, 1.96 * math.sqrt(2 * share * (1 - share) / test_items))


def _room(score: float, test_items: int | None) -> float:
    """How many times the lead that counts fits above the score, in doublings; 0 where that is enough."""
    sizes = (test_items,) if test_items else _TEST_SIZES
    above = max(1 - score, 0.002)
    doublings = sum(math.log2(above / chance(score, size)) for size in sizes) / len(sizes)
    return min(0.0, max(-4.0, doublings - _ROOM_ENOUGH))


def _rows(examples: int) -> float:
    return math.log10(max(examples, 5) / (max(examples, 5) + _SATURATES))


def _log_odds(situation: Situation, model: OddsModel) -> tuple[float, float, float]:
    """Return the log odds, their variance from what is not known, and that from the few published groups."""
    found = features(situation)
    total, unknown, offsets = model.constant, 0.0, [1.0]
    for name, weight in model.features.items():
        value = found[name]
        offsets.append(0.0 if value is None else value - weight.mean)
        total += weight.weight * offsets[-1]
        if value is None:
            unknown += (weight.weight * weight.spread) ** 2
    fitted = sum(
        a * b * cell
        for a, row in zip(offsets, model.covariance, strict=True)
        for b, cell in zip(offsets, row, strict=True)
    )
    return total, unknown, max(0.0, fitted)


def _level(situation: Situation, model: OddsModel) -> float:
    """Return the odds of being as good or better, what is not known averaged over."""
    found = features(situation)
    total, unknown = model.level_constant, 0.0
    for name, weight in model.features.items():
        value = found[name]
        if value is None:
            unknown += (weight.level * weight.spread) ** 2
        else:
            total += weight.level * (value - weight.mean)
    return _averaged(total, unknown)


def _averaged(mean: float, variance: float) -> float:
    """Average the logistic function over a normal spread (MacKay's approximation)."""
    return _sigmoid(mean / math.sqrt(1 + math.pi * variance / 8))


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _quantile(points: Sequence[tuple[float, float]], share: float) -> float:
    """Return the quantile of an even mixture of normal spreads, by halving."""
    if len(points) == 1:
        mean, spread = points[0]
        return mean + (_INTERVAL if share > 0.5 else -_INTERVAL) * spread
    low = min(mean - 4 * spread for mean, spread in points)
    high = max(mean + 4 * spread for mean, spread in points)
    for _ in range(30):
        middle = (low + high) / 2
        below = sum(0.5 * (1 + math.erf((middle - mean) / (spread * math.sqrt(2)))) for mean, spread in points)
        low, high = (middle, high) if below < share * len(points) else (low, middle)
    return middle
