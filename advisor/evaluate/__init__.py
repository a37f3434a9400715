"""Was it worth it: metrics, intervals, the scorecard, loss curves and what tuning broke."""

from __future__ import annotations

from advisor.evaluate.metrics import METRICS, Answer, Reference, metric_for
from advisor.evaluate.recited import Recited
from advisor.evaluate.scorecard import (
    Answered,
    Comparison,
    LossComparison,
    Regression,
    Row,
    Scorecard,
    TokenLosses,
)
from advisor.evaluate.statistics import Difference, Interval

__all__ = [
    "METRICS",
    "Answer",
    "Answered",
    "Comparison",
    "Difference",
    "Interval",
    "LossComparison",
    "Recited",
    "Reference",
    "Regression",
    "Row",
    "Scorecard",
    "TokenLosses",
    "metric_for",
]
