"""What a candidate costs: line items that add up, ranges, break-even and what would flip it."""

from __future__ import annotations

from advisor.estimate import formulas
from advisor.estimate.budget import Affordable, Fit, Month, afford, monthly_spend
from advisor.estimate.compare import Difference, compare
from advisor.estimate.cost import break_even, estimate
from advisor.estimate.error_cost import Worth, worth
from advisor.estimate.flips import Flip, flips
from advisor.estimate.monte_carlo import chance_cheapest
from advisor.estimate.price_age import too_old
from advisor.estimate.scenarios import Scenario, Step, per_dollar, scenarios, steps
from advisor.estimate.values import Candidate, Estimate, LineItem, Range, Spread, Strategy, Terms

__all__ = [
    "Affordable",
    "Candidate",
    "Difference",
    "Estimate",
    "Fit",
    "Flip",
    "LineItem",
    "Month",
    "Range",
    "Scenario",
    "Spread",
    "Step",
    "Strategy",
    "Terms",
    "Worth",
    "afford",
    "break_even",
    "chance_cheapest",
    "compare",
    "estimate",
    "flips",
    "formulas",
    "monthly_spend",
    "per_dollar",
    "scenarios",
    "steps",
    "too_old",
    "worth",
]
