"""The thinking: read data, count tokens, price options, weigh evidence, recommend, evaluate.

``from advisor import check, plan, launch, watch, evaluate, receipt`` does in a few lines what the commands do
(docs/reference/library.md). Names are looked up on first use, so importing the package costs nothing.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from advisor.dataset import Dataset
    from advisor.estimate import estimate
    from advisor.evaluate import Scorecard
    from advisor.library import budget, check, evaluate, fit, launch, plan, price, receipt, watch
    from advisor.pricing import PriceBook
    from advisor.recommend import Recommendation, recommend
    from advisor.runs import Ledger, Receipt, Run
    from advisor.runs.evaluation.evaluate import Options
    from advisor.tokens import Profile, profile
    from advisor.workload import Workload

__all__ = [
    "Dataset",
    "Ledger",
    "Options",
    "PriceBook",
    "Profile",
    "Receipt",
    "Recommendation",
    "Run",
    "Scorecard",
    "Workload",
    "budget",
    "check",
    "estimate",
    "evaluate",
    "fit",
    "launch",
    "plan",
    "price",
    "profile",
    "receipt",
    "recommend",
    "watch",
]

_HOMES = {
    "Dataset": "advisor.dataset",
    "Ledger": "advisor.runs",
    "Options": "advisor.runs.evaluation.evaluate",
    "PriceBook": "advisor.pricing",
    "Profile": "advisor.tokens",
    "Receipt": "advisor.runs",
    "Recommendation": "advisor.recommend",
    "Run": "advisor.runs",
    "Scorecard": "advisor.evaluate",
    "Workload": "advisor.workload",
    "budget": "advisor.library",
    "check": "advisor.library",
    "estimate": "advisor.estimate",
    "evaluate": "advisor.library",
    "fit": "advisor.library",
    "launch": "advisor.library",
    "plan": "advisor.library",
    "price": "advisor.library",
    "profile": "advisor.tokens",
    "receipt": "advisor.library",
    "recommend": "advisor.recommend",
    "watch": "advisor.library",
}


class _Front(ModuleType):
    """Keeps ``advisor.recommend``, ``advisor.estimate`` and ``advisor.evaluate`` the functions.

    Importing a submodule binds it on its package under its own name, which here would hide the function of that name;
    where the two share a name the binding is left out, and ``__getattr__`` finds the function.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name in _HOMES and isinstance(value, ModuleType):
            return
        super().__setattr__(name, value)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'advisor' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


sys.modules[__name__].__class__ = _Front
