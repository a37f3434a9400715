"""How sure a comparison is: bootstrap intervals, paired differences, McNemar's test, examples needed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from statistics import NormalDist, fmean, stdev

RESAMPLES = 2000
_FEW = 10  # examples below which a bootstrap, which never looks beyond the values seen, is too narrow
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and its confidence interval, in the unit of the score."""

    value: float
    low: float
    high: float


def written(low: float, high: float, form: str = ".3f") -> str:
    """Write an interval for people, each end in ``form``; a single score that is no yes or no has none."""
    return (
        f"{low:{form}} to {high:{form}}" if math.isfinite(low) and math.isfinite(high) else "one example: no interval"
    )


@dataclass(frozen=True, slots=True)
class Difference:
    """A paired difference (second minus first) on the same examples."""

    value: float
    low: float
    high: float
    p: float | None  # McNemar's exact test; None when the scores are not yes/no
    needed: int | None  # examples for 80 % power at this effect and spread; None when there is no effect to find

    @property
    def significant(self) -> bool:
        """The interval leaves out zero and, for yes/no scores, McNemar's test agrees at 5 %."""
        return (self.low > 0 or self.high < 0) and (self.p is None or self.p < 1 - CONFIDENCE)


def mean_interval(scores: Sequence[float], *, seed: int = 0) -> Interval:
    """Return the mean of ``scores`` and its interval: Wilson's for yes/no scores, else the bootstrap's."""
    if not scores:
        raise ValueError("an interval needs at least one score")
    if all(score in (0, 1) for score in scores):
        return _wilson(sum(scores), len(scores))
    if len(scores) == 1:
        return Interval(scores[0], -math.inf, math.inf)
    low, high = _resampled(len(scores), lambda picks: fmean([scores[pick] for pick in picks]), seed)
    return Interval(fmean(scores), max(low, min(0.0, *scores)), min(high, max(1.0, *scores)))


def ratio_interval(totals: Sequence[float], weights: Sequence[float], *, seed: int = 0) -> Interval:
    """Return sum(totals)/sum(weights) with its bootstrap interval over examples: a token-weighted mean loss."""
    value = sum(totals) / sum(weights)
    if len(totals) == 1:
        return Interval(value, -math.inf, math.inf)

    def ratio(picks: Sequence[int]) -> float:
        return sum(totals[pick] for pick in picks) / sum(weights[pick] for pick in picks)

    low, high = _resampled(len(totals), ratio, seed)
    return Interval(value, low, high)


def paired_difference(
    first: Sequence[float], second: Sequence[float], *, seed: int = 0, confidence: float = CONFIDENCE
) -> Difference:
    """Compare two options on the same examples: mean of second minus first, its interval and test."""
    if len(first) != len(second) or not first:
        raise ValueError("a paired comparison needs the same examples on both sides")
    steps = [after - before for before, after in zip(first, second, strict=True)]
    value = fmean(steps)
    needed = examples_needed(value, stdev(steps), confidence=confidence) if len(steps) > 1 else None
    if all(score in (0, 1) for score in (*first, *second)):
        lost, won = steps.count(-1), steps.count(1)
        low, high = paired_interval(lost, won, len(steps), confidence)
        return Difference(value, low, high, mcnemar(lost, won), needed)
    if len(steps) == 1:
        return Difference(value, -math.inf, math.inf, None, None)
    low, high = _resampled(len(steps), lambda picks: fmean([steps[pick] for pick in picks]), seed, confidence)
    return Difference(value, low, high, None, needed)


def paired_interval(lost: int, won: int, total: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return Bonett and Price's interval (2012) of (won - lost) / total: of paired yes/no scores, or wins and ties.

    As Wilson's for one share, it does not claim certainty where no example differs.
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    up, down = (won + 1) / (total + 2), (lost + 1) / (total + 2)
    half = z * math.sqrt((up + down - (up - down) ** 2) / (total + 2))
    return max(-1.0, up - down - half), min(1.0, up - down + half)


def ratio_difference(
    first: Sequence[float], second: Sequence[float], weights: Sequence[float], *, seed: int = 0
) -> Interval:
    """Compare two token-weighted means on the same examples: (sum second - sum first) / sum weights."""
    return ratio_interval([after - before for before, after in zip(first, second, strict=True)], weights, seed=seed)


def statistic_interval(
    size: int,
    statistic: Callable[[Sequence[int]], float],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Interval:
    """Return any statistic of examples 0..size-1 (such as macro-F1) with its bootstrap interval."""
    low, high = _resampled(size, statistic, seed, resamples=resamples)
    return Interval(statistic(range(size)), low, high)


def permutation(first: Sequence[float], second: Sequence[float], *, seed: int = 0) -> float:
    """Return the chance of a mean as much higher in ``second`` as this, or more, if both were drawn alike (one-sided).

    The scores are dealt out anew ``RESAMPLES`` times; the chance is never below one in as many.
    """
    together, random = [*first, *second], Random(seed)
    gap = fmean(second) - fmean(first)
    more = 1
    for _ in range(RESAMPLES):
        random.shuffle(together)
        more += fmean(together[len(first) :]) - fmean(together[: len(first)]) >= gap
    return more / (RESAMPLES + 1)


def mcnemar(only_first: int, only_second: int) -> float:
    """Return McNemar's exact two-sided p from the examples that only one of two options got right."""
    total = only_first + only_second
    if total == 0:
        return 1.0
    fewer = min(only_first, only_second)
    tail = sum(math.comb(total, count) for count in range(fewer + 1))
    return min(1.0, float(2 * tail / 2**total))


def examples_needed(effect: float, spread: float, *, power: float = 0.8, confidence: float = CONFIDENCE) -> int | None:
    """Return how many paired examples show ``effect`` with ``power``, given the differences' standard deviation."""
    if effect == 0 or spread == 0:
        return None
    normal = NormalDist()
    z = normal.inv_cdf(0.5 + confidence / 2) + normal.inv_cdf(power)
    return math.ceil((z * spread / effect) ** 2)


def _wilson(yes: float, total: int) -> Interval:
    """Wilson's score interval (1927), which stays inside 0..1 and holds its coverage at small n and near the ends."""
    z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    share = yes / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))


def _resampled(
    size: int,
    statistic: Callable[[Sequence[int]], float],
    seed: int,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """Return the expanded percentile interval: percentiles widened for small n (Hesterberg 2015, section 5.4).

    The plain percentile interval is too narrow by sqrt((n-1)/n) times normal over Student's quantile. Of a few examples
    it is Student's interval with the jackknife's standard error, which for a mean is the usual one.
    """
    if 1 < size < _FEW:
        without = [statistic([pick for pick in range(size) if pick != left]) for left in range(size)]
        error = math.sqrt((size - 1) / size * sum((value - fmean(without)) ** 2 for value in without))
        half = student_quantile(0.5 + confidence / 2, size - 1) * error
        value = statistic(range(size))
        return value - half, value + half
    random = Random(seed)
    population = range(size)
    values = sorted(statistic(random.choices(population, k=size)) for _ in range(resamples))
    tail = (1 - confidence) / 2
    if size > 1:
        tail = NormalDist().cdf(-math.sqrt(size / (size - 1)) * student_quantile(1 - tail, size - 1))
    return _quantile(values, tail), _quantile(values, 1 - tail)


def _quantile(values: Sequence[float], share: float) -> float:
    place = share * (len(values) - 1)
    below = int(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (place - below)


def student_quantile(share: float, freedom: int) -> float:
    """Return Student's t quantile: exact for 1 and 2 degrees of freedom, else Cornish-Fisher (A&S 26.7.5)."""
    if freedom == 1:
        return math.tan(math.pi * (share - 0.5))
    if freedom == 2:
        return (2 * share - 1) / math.sqrt(2 * share * (1 - share))
    z = NormalDist().inv_cdf(share)
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * freedom**4)
    )
