"""The learning curve of a pilot: a power law through its last points, and how far such a line can be trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist, fmean

FEWEST = 64  # examples below which curves are flat and then jump: a flat tiny pilot proves nothing
_POINTS = 3
_LEAST_ERROR = 1e-4  # a score of 1 has no logarithm of its error
_LEVEL = 0.8  # of the band

# Mean absolute error of this very rule, as a share of the full score, by how many times more examples it looks ahead.
# Measured by benchmarks/pilot.py on the three fine-tuning curves of Bertsch et al. 2024 (arXiv 2405.00200, raw runs at
# github.com/abertsch72/long-context-icl): 21, 18, 15 and 12 extrapolations.
MEAN_ERROR = {2: 0.035, 4: 0.051, 8: 0.053, 16: 0.069}
# How often the band held where it was not built from the curve in question; benchmarks/pilot.py prints all of these.
BAND = (
    "Ahead is a band for 80 of 100 pilots, built from three published curves (classification, one 7B model). With each "
    "curve left out in turn it held 81, 83, 73 and 75 of 100 times, looking 2, 4, 8 and 16 times ahead; on curves of "
    "small encoders 80, 73 and 67 times."
)
# Standard deviation over mean absolute error of a normal error is sqrt(pi/2).
_SPREAD = math.sqrt(math.pi / 2)


@dataclass(frozen=True, slots=True)
class Point:
    """A measured score (0 to 1) of a model trained on ``examples`` examples, with its interval."""

    examples: int
    score: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Curve:
    """log(1 - score) = intercept + slope x log(examples)."""

    intercept: float
    slope: float
    examples: int  # the largest size it was fitted on
    score: float  # measured there

    def at(self, examples: float) -> float:
        """Return the score the curve gives for ``examples``; a rising error is not extrapolated."""
        if self.slope >= 0:
            return self.score
        return max(0.0, 1 - math.exp(self.intercept + self.slope * math.log(examples)))


@dataclass(frozen=True, slots=True)
class Prediction:
    """What to expect from more data, with a band meant for 80 of 100 pilots; ``BAND`` says how often it held."""

    examples: int
    score: float
    low: float
    high: float


def fit(points: Sequence[tuple[int, float]]) -> Curve:
    """Fit the last three points by least squares. Raises ValueError with fewer than two sizes."""
    last = sorted(points)[-_POINTS:]
    x = [math.log(examples) for examples, _ in last]
    y = [math.log(max(1 - score, _LEAST_ERROR)) for _, score in last]
    middle, height = fmean(x), fmean(y)
    width = sum((value - middle) ** 2 for value in x)
    if width == 0:
        raise ValueError("a curve needs at least two sizes")
    slope = sum((a - middle) * (b - height) for a, b in zip(x, y, strict=True)) / width
    return Curve(height - slope * middle, slope, *last[-1])


def predict(curve: Curve, examples: int, test_examples: int, errors: Mapping[int, float] = MEAN_ERROR) -> Prediction:
    """Return the score to expect at ``examples``, from a curve measured on ``test_examples`` held-out examples."""
    score = curve.at(examples)
    rule = _SPREAD * expected_error(examples / curve.examples, errors)
    sampling = math.sqrt(max(score * (1 - score), 0.01) / test_examples)
    half = NormalDist().inv_cdf(0.5 + _LEVEL / 2) * math.hypot(rule, sampling)
    return Prediction(examples, score, max(0.0, score - half), min(1.0, score + half))


def expected_error(times: float, errors: Mapping[int, float] = MEAN_ERROR) -> float:
    """Return the rule's mean absolute error when it looks ``times`` as far as the largest pilot.

    Between the measured factors it is interpolated over the logarithm; beyond 16 it grows on by as much per doubling.
    """
    if times <= 1:
        return 0.0
    far = math.log2(times)
    known = [(0.0, 0.0), *((math.log2(factor), error) for factor, error in errors.items())]
    for (left, low), (right, high) in pairwise(known):
        if far <= right:
            return low + (high - low) * (far - left) / (right - left)
    (before, low), (last, high) = known[-2:]
    return high + (high - low) / (last - before) * (far - last)


def doubts(points: Sequence[Point]) -> tuple[str, ...]:
    """Return what speaks against trusting a pilot."""
    found = []
    ordered = sorted(points, key=lambda point: point.examples)
    if ordered[0].examples < FEWEST:
        found.append(
            f"The smallest size is {ordered[0].examples}: below about {FEWEST} examples curves are flat and then jump."
        )
    if len(ordered) == 1:
        return tuple(found)
    if len(ordered) < _POINTS:
        found.append(f"{len(ordered)} sizes make a line, not a curve; take three.")
    if ordered[-1].score <= ordered[0].score:
        found.append("The score did not rise with the data, so nothing can be said about more of it.")
    elif ordered[-1].low <= ordered[0].high:
        found.append("The rise is within the uncertainty of the test set; hold out more examples.")
    return tuple(found)
