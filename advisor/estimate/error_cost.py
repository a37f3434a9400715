"""Quality in money: what a request costs when its mistakes are paid for; nothing is said without a measured score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from advisor.estimate import formulas
from advisor.estimate.values import Estimate


@dataclass(frozen=True, slots=True)
class Worth:
    """One option: what a request costs alone, and with its mistakes; None where the score was not measured."""

    option: str
    usd_per_request: Decimal | None
    score: float | None
    with_mistakes_usd: Decimal | None


def worth(
    estimates: Mapping[str, Estimate], measured: Mapping[str, float], error_cost_usd: Decimal
) -> tuple[Worth, ...]:
    """Return every option's cost per request with its mistakes, cheapest first, unknown ones last."""
    rows = []
    for name, result in estimates.items():
        usd = result.per_request_usd.mid if result.per_request_usd else None
        score = measured.get(name)
        whole = None
        if usd is not None and score is not None:
            whole = formulas.with_mistakes_usd(usd, Decimal(str(score)), error_cost_usd)
        rows.append(Worth(name, usd, score, whole))
    return tuple(sorted(rows, key=lambda row: (row.with_mistakes_usd is None, row.with_mistakes_usd or 0)))
