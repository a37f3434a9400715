"""What a sum is worth with less or more traffic than expected, and what more money would buy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from advisor.estimate.budget import Affordable, Fit, afford
from advisor.estimate.cost import estimate
from advisor.estimate.formulas import DAYS_PER_MONTH
from advisor.estimate.values import Candidate, Estimate, Range
from advisor.pricing import PriceBook
from advisor.workload import Volume, Workload

if TYPE_CHECKING:
    from advisor.tokens import Profile


@dataclass(frozen=True, slots=True)
class Scenario:
    """So many ``requests`` a month: what a month and the whole time cost, and how far the sum goes.

    ``buys`` is None where the sum does not carry one month.
    """

    name: str
    requests: int
    monthly_usd: Range
    total_usd: Range
    fit: Fit
    buys: Affordable | None


@dataclass(frozen=True, slots=True)
class Step:
    """From ``usd`` in all, ``extra_usd`` more than the sum, the money also buys what ``buys`` says."""

    usd: Decimal
    extra_usd: Decimal
    buys: str


def volumes(workload: Workload) -> tuple[tuple[str, int], ...]:
    """Return the volumes to look at: the ends that were given, else half and double of the one that was."""
    said = workload.requests_per_month
    if said is None:
        return ()
    if said.low < said.high:
        return ("low", said.low), ("mid", said.mid), ("high", said.high)
    return ("half", said.mid // 2), ("as given", said.mid), ("double", 2 * said.mid)


def scenarios(
    limit_usd: Decimal,
    candidate: Candidate,
    profile: Profile,
    workload: Workload,
    book: PriceBook,
    *,
    today: date,
) -> tuple[Scenario, ...]:
    """Return what becomes of the sum at each volume; empty where no volume or no cost is known."""
    found = []
    for name, requests in volumes(workload):
        volume = Volume(low=requests, mid=requests, high=requests)
        asked = workload.model_copy(update={"requests_per_month": volume})
        priced = estimate(candidate, profile, asked, book, today=today)
        if priced.monthly_usd is None or priced.total_usd is None:
            return ()
        buys = afford(limit_usd, candidate, profile, asked, book, priced, today=today)
        fit = Fit.NO if buys is None else buys.fit(limit_usd)
        found.append(Scenario(name, requests, priced.monthly_usd, priced.total_usd, fit, buys))
    return tuple(found)


def steps(limit_usd: Decimal, buys: Affordable, name: str, better: Estimate | None, better_name: str) -> list[Step]:
    """Return what more money would buy, the cheapest first.

    ``buys`` is what the sum buys of the option called ``name``; ``better`` the advice without a limit, where that is
    another option, called ``better_name``.
    """
    found = list(_of_the_plan(buys, name))
    if better is not None and better.one_off_usd is not None and better.monthly_usd is not None:
        once, monthly, months = better.one_off_usd, better.monthly_usd, better.months
        found += [
            (once.mid + monthly.mid, f"the first month of {better_name}"),
            (once.mid + months * monthly.mid, f"{_all(months)} of {better_name}"),
            (once.high + months * monthly.high, f"the same at the highest estimate ({better_name})"),
        ]
    found = [(usd, text) for usd, text in found if usd > limit_usd]
    return [Step(usd, usd - limit_usd, text) for usd, text in sorted(found)]


def per_dollar(full: Estimate) -> str | None:
    """Say what one more dollar buys of an option; None where that is not known or it costs nothing."""
    each, fixed = full.marginal_usd, full.fixed_monthly_usd
    if each is not None and each.mid:
        return f"{int(1 / each.mid):,} more requests"
    if fixed is not None and fixed.mid:
        days = DAYS_PER_MONTH / fixed.mid
        return f"{days:.2g} more days" if days >= 1 else f"{24 * days:.2g} more hours"
    return None


def _of_the_plan(buys: Affordable, name: str) -> Iterator[tuple[Decimal, str]]:
    if buys.monthly_usd is None:
        return
    whole, months = buys.full_one_off_usd, buys.of_months
    if buys.cuts:
        yield whole.mid + months * buys.monthly_usd.mid, f"{_all(months)} of {name}, nothing cut"
    dear = whole.high + months * buys.monthly_usd.high
    yield dear, f"{name} even at the highest estimate"


def _all(months: Decimal) -> str:
    return "the whole month" if months == 1 else f"all {months:f} months"
