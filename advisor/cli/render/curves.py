"""Which options are drawn, and what each costs at other volumes and month by month. No drawing here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations

from advisor.estimate import Estimate, Range, Strategy
from advisor.estimate.formulas import stays_cheaper_from
from advisor.recommend import Option, Recommendation
from advisor.workload import Workload

MOST = 5  # options in one drawing
_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Line:
    """What one option costs: a month = fixed + requests x ``each``, with what is paid once spread over ``months``.

    ``spread`` is what is paid once or within the horizon, as a month of it; the rest of the fixed part is the
    estimate's own, whose machines may be more at a larger volume.

    ``cumulative`` holds the US dollars spent by the end of month 0, 1, 2 ... and, where the option ends inside the
    horizon, at its end; it is empty when a month's cost is not known.
    """

    option: Option
    spread: Range
    each: Range
    months: Decimal
    cumulative: tuple[tuple[Decimal, Range], ...]

    def monthly(self, requests: Decimal) -> Range:
        """Return the cost of a month with so many requests, in US dollars."""
        return self.fixed(requests) + self.each.times(requests)

    def fixed(self, requests: Decimal) -> Range:
        """Return what a month with so many requests costs beside the single ones."""
        found = self.option.estimate.fixed_at(requests) if self.option.estimate else None
        return self.spread if found is None else self.spread + found


@dataclass(frozen=True, slots=True)
class Crossing:
    """From ``requests`` a month on, line ``second`` costs less than line ``first`` (``cheaper``), or no longer does."""

    first: int
    second: int
    requests: Decimal
    cheaper: bool


def drawn(advice: Recommendation) -> tuple[tuple[Option, ...], tuple[Option, ...]]:
    """Return the options worth drawing, the answer first, and those standing whose cost is not known.

    Beside the answer: the first that stands of each way, then what the answer would flip to, then the cheapest tuning
    of those ruled out when no other tuning is there to compare with.
    """
    standing = [option for option in advice.options if option.ruled_out_by is None]
    unknown = tuple(option for option in standing if not _known(option) and option.strategy is not Strategy.RETRIEVAL)
    priced = [option for option in standing if _known(option)]
    found = [advice.recommendation] if advice.recommendation and _known(advice.recommendation) else []
    kinds = {_kind(option) for option in found}
    # Looking facts up has no price of its own: the prompt that goes with it comes first.
    looked_up = advice.recommendation is not None and advice.recommendation.strategy is Strategy.RETRIEVAL
    for option in sorted(priced, key=lambda option: option.strategy.tunes is looked_up):
        if _kind(option) not in kinds:
            kinds.add(_kind(option))
            found.append(option)
    targets = {flip.to for flip in advice.flips}
    found += [option for option in advice.options if option.id in targets and _known(option) and option not in found]
    found = found[:MOST]
    if not any(option.strategy.tunes for option in found):
        fallen = [option for option in advice.options if option.strategy.tunes and _known(option)]
        found = [*found[: MOST - 1], *sorted(fallen, key=_total)[:1]]
    return tuple(found), unknown


def lines(options: Sequence[Option], workload: Workload) -> tuple[Line, ...]:
    """Return what each option costs; all of them must have known costs."""
    return tuple(_line(option, workload) for option in options)


def crossings(found: Sequence[Line]) -> tuple[Crossing, ...]:
    """Return where two options cost the same, for every pair; the answer is line 0."""
    met = []
    for (first, one), (second, other) in combinations(enumerate(found), 2):
        gained = one.each.mid - other.each.mid
        if gained and (requests := _cheaper_from(*((one, other) if gained > 0 else (other, one)))):
            met.append(Crossing(first, second, requests, cheaper=gained > 0))
    return tuple(met)


def _cheaper_from(one: Line, other: Line) -> Decimal | None:
    """Return from how many requests a month on ``other``, the cheaper one by the request, costs less for good."""

    def tie(requests: Decimal) -> Decimal | None:
        dearer_start = other.fixed(requests).mid - one.fixed(requests).mid
        return max(Decimal(0), dearer_start / (one.each.mid - other.each.mid))

    return stays_cheaper_from(tie)


def _kind(option: Option) -> tuple[object, ...]:
    return (option.strategy, option.backend if option.strategy is Strategy.HOSTED else None)


def _known(option: Option) -> bool:
    found = option.estimate
    return found is not None and found.months > 0 and None not in (found.one_off_usd, found.marginal_usd, _fixed(found))


def _fixed(found: Estimate) -> Range | None:
    return found.fixed_monthly_usd


def _total(option: Option) -> Decimal:
    total = option.estimate.total_usd if option.estimate else None
    return Decimal("Infinity") if total is None else total.mid


def _line(option: Option, workload: Workload) -> Line:
    found = option.estimate
    assert found is not None and found.one_off_usd is not None
    assert found.marginal_usd is not None and found.fixed_monthly_usd is not None
    spread = found.one_off_usd.times(_ONE / found.months)
    volume = workload.requests_per_month
    if found.amortised_monthly_usd is not None and volume is not None:
        # What is paid inside the horizon (retraining, moving) is in the amortised month alone.
        known = spread.mid + found.fixed_monthly_usd.mid + volume.mid * found.marginal_usd.mid
        later = max(found.amortised_monthly_usd.mid - known, Decimal(0))
        spread = spread.map(lambda usd: usd + later)
    return Line(option, spread, found.marginal_usd, found.months, _cumulative(found, workload.horizon_months))


def _cumulative(found: Estimate, horizon: int) -> tuple[tuple[Decimal, Range], ...]:
    once, monthly = found.one_off_usd, found.monthly_usd
    if once is None or monthly is None:
        return ()
    last = min(found.months, Decimal(horizon))
    whole = [Decimal(month) for month in range(int(last) + 1)]
    months = whole if whole[-1] == last else [*whole, last]
    points = [(month, once + monthly.times(month)) for month in months]
    if found.total_usd is not None:
        points[-1] = (last, found.total_usd)
    return tuple(points)
