"""The advice: gates first, then quality, then money; every option that falls says why."""

from __future__ import annotations

from advisor.recommend.advise import recommend, with_gpu_names
from advisor.recommend.measurements import Measurement, sharpened
from advisor.recommend.plan_diff import PlanDiff, plan_diff
from advisor.recommend.plan_file import DataFacts, Plan, PlanError, plan_of, read_plan, write_plan
from advisor.recommend.quality_rule import Facts, Judgement, Verdict, Way, judge
from advisor.recommend.values import EvidenceRef, Flip, Option, Quality, Reason, Recommendation
from advisor.recommend.worth import in_tenths, odds_cell, odds_in_words

__all__ = [
    "DataFacts",
    "EvidenceRef",
    "Facts",
    "Flip",
    "Judgement",
    "Measurement",
    "Option",
    "Plan",
    "PlanDiff",
    "PlanError",
    "Quality",
    "Reason",
    "Recommendation",
    "Verdict",
    "Way",
    "in_tenths",
    "judge",
    "odds_cell",
    "odds_in_words",
    "plan_diff",
    "plan_of",
    "read_plan",
    "recommend",
    "sharpened",
    "with_gpu_names",
    "write_plan",
]
