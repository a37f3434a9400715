"""What a budget comes to, as every view of it tells it: the verdict, the months, the scenarios, what more would buy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from advisor.estimate import (
    Affordable,
    Fit,
    Flip,
    Scenario,
    Step,
    afford,
    chance_cheapest,
    flips,
    per_dollar,
    scenarios,
    steps,
    worth,
)
from advisor.money import usd
from advisor.pricing import PriceBook
from advisor.recommend import wording as words
from advisor.recommend.select import used_prompt
from advisor.recommend.values import Option, Recommendation
from advisor.tokens import Profile
from advisor.workload import Workload

_WORDS = {Fit.YES: "Yes", Fit.LIKELY: "Likely", Fit.PARTLY: "Partly", Fit.NO: "No", Fit.OPEN: "Open"}


@dataclass(frozen=True, slots=True)
class Choice:
    """An option and what the sum buys of it: None, with the sentence why."""

    option: Option
    buys: Affordable | None
    reason: str


@dataclass(frozen=True, slots=True)
class Spending:
    """A sum and what becomes of it. ``best`` is None where it buys nothing, and ``needed_usd`` what would do.

    By option id: ``shares`` is how often it is the cheapest, ``mistakes`` what a request costs with its mistakes.
    ``flips`` is what would make another option cheaper than the plan.
    """

    limit_usd: Decimal
    best: Choice | None
    choices: Sequence[Choice]
    advice: Recommendation
    workload: Workload
    today: date
    needed_usd: Decimal | None
    scenarios: Sequence[Scenario]
    steps: Sequence[Step]
    per_dollar: str | None
    shares: Mapping[str, float | None]
    mistakes: Mapping[str, Decimal | None]
    flips: Sequence[Flip]

    @property
    def buys(self) -> Affordable | None:
        return self.best.buys if self.best else None

    @property
    def fit(self) -> Fit:
        return self.buys.fit(self.limit_usd) if self.buys else Fit.NO

    @property
    def verdict(self) -> str:
        """Answer whether the sum is enough, in one sentence that begins with yes, likely, partly, no or open."""
        sum_, buys = usd(self.limit_usd), self.buys
        if self.best is None or buys is None:
            if self.advice.recommendation is None:
                return f"No: {sum_} buys nothing. {self.advice.reason}"
            first = f"the cheapest needs {usd(self.needed_usd)} for its first"
            return f"No: {sum_} does not pay for one month of any option; {first}."
        name, head = words.phrase(self.best.option), _WORDS[self.fit]
        if self.fit is Fit.OPEN:
            left = buys.requests_left
            many = "" if left is None else f" and answers {left:,} requests"
            month = (
                "" if left is None else f", {int(left / buys.of_months):,} a month for {words.months(buys.of_months)}"
            )
            return f"{head}: no volume of requests was given. {sum_} pays for {name}{many}{month}."
        covers = "the whole month" if buys.of_months == 1 else f"all {words.months(buys.of_months)}"
        if self.fit is Fit.YES:
            return f"{head}: {sum_} covers {name} for {covers}, even at the highest estimate ({usd(buys.dear_usd)})."
        if self.fit is Fit.LIKELY:
            return (
                f"{head}: {sum_} covers {name} for {covers} at the likely cost of {usd(buys.total_usd)}, "
                f"but not at the highest estimate, {usd(buys.dear_usd)}."
            )
        return f"{head}: {sum_} covers {name} for {buys.months:f} of {words.months(buys.of_months)}."

    @property
    def beside(self) -> str | None:
        """Say that the advice is another option where the sum does not cover that."""
        advised = self.advice.recommendation
        if advised is None or self.best is None or advised.id == self.best.option.id:
            return None
        name, total = words.phrase(advised), advised.estimate.total_usd if advised.estimate else None
        if total is None:
            return f"Without a limit the advice is {name}."
        over = words.months(self.workload.horizon_months)
        return f"Without a limit the advice is {name}: {words.plain_range(total)} over {over}."

    @property
    def condition(self) -> str | None:
        """Say what the likely cost rests on, where the upper end rests on something else."""
        found = self.best.option.estimate if self.best else None
        return f"The likely cost is for {found.condition}." if found and found.condition else None

    @property
    def cheapest(self) -> str | None:
        """Say which options are the cheapest how often, over the ranges of volume and price."""
        known = {choice.option.id: choice.option for choice in self.choices}
        ranked = sorted(((share, id) for id, share in self.shares.items() if share), key=lambda one: (-one[0], one[1]))
        if not ranked or self.best is None or not (self.buys and self.buys.dear_usd):
            return None
        named = ", ".join(f"{words.full_name(known[id])} in {share:.0%}" for share, id in ranked[:2])
        mine = self.shares.get(self.best.option.id)
        is_named = self.best.option.id in [id for _, id in ranked[:2]]
        own = "" if mine is None or is_named else f"; this plan in {mine:.0%}"
        return f"Cheapest on price alone: {named}{own} of 2,000 simulations over the ranges of prices and volume."

    @property
    def dollar(self) -> str | None:
        """Say what one more dollar buys; nothing where the sum covers everything already."""
        if self.fit is Fit.YES or self.per_dollar is None:
            return None if self.steps or self.fit is not Fit.YES else "nothing: the budget covers everything already"
        return f"each dollar more: {self.per_dollar}"

    def named(self, id: str) -> str:
        """Return what an option is called."""
        return next((words.full_name(choice.option) for choice in self.choices if choice.option.id == id), id)

    def shown_months(self, most: int = 12) -> list[int]:
        """Return the places of the months to show: all of a year, else a few evenly spread, and the last."""
        count = len(self.buys.spend) if self.buys else 0
        every = -(-count // most)
        return [place for place in range(count) if place % every == 0 or place == count - 1] if count else []


def spend(
    limit_usd: Decimal,
    advice: Recommendation,
    within: Option | None,
    profile: Profile,
    workload: Workload,
    book: PriceBook,
    today: date,
) -> Spending:
    """Return what the sum buys; ``within`` is the advice of a plan with that budget, None where nothing fits it."""
    choices = []
    for option in advice.options:
        if option.ruled_out_by is not None or option.by_hand:
            choices.append(Choice(option, None, option.ruled_out_by or "Tunewise cannot launch it."))
        elif option.estimate is None:
            choices.append(Choice(option, None, "What it costs is not known."))
        else:
            buys = afford(limit_usd, option.candidate, profile, workload, book, option.estimate, today=today)
            choices.append(Choice(option, buys, "" if buys else _why_not(option)))
    best = _best(choices, within, workload)
    priced = best.option.estimate if best else None
    return Spending(
        limit_usd=limit_usd,
        best=best,
        choices=choices,
        advice=advice,
        workload=workload,
        today=today,
        needed_usd=_cheapest(choices),
        scenarios=_scenarios(limit_usd, best, profile, workload, book, today),
        steps=_steps(limit_usd, best, advice.recommendation),
        per_dollar=per_dollar(priced) if priced else None,
        shares=_shares(choices, workload),
        mistakes=_mistakes(choices, workload),
        flips=_changes(choices, best, profile, workload, book, today),
    )


def _scenarios(
    limit_usd: Decimal, best: Choice | None, profile: Profile, workload: Workload, book: PriceBook, today: date
) -> tuple[Scenario, ...]:
    if best is None or best.option.estimate is None:
        return ()
    return scenarios(limit_usd, best.option.candidate, profile, workload, book, today=today)


def _steps(limit_usd: Decimal, best: Choice | None, advised: Option | None) -> list[Step]:
    if best is None or best.buys is None:
        return []
    better = advised if advised is not None and advised.id != best.option.id else None
    name = words.phrase(better) if better else ""
    return steps(limit_usd, best.buys, words.phrase(best.option), better.estimate if better else None, name)


def _best(choices: list[Choice], within: Option | None, workload: Workload) -> Choice | None:
    """Return what a plan with this budget advises; where nothing fits it whole, what lasts longest.

    Of what the sum covers for a part of the time only, a prompt that was measured goes before one that was not.
    """
    partly = {choice.option.id: choice for choice in choices if choice.buys is not None}
    if within is not None and within.id in partly:
        return partly[within.id]
    measured = used_prompt([choice.option for choice in partly.values()], workload)
    if measured is not None and measured.quality is not None:
        return partly[measured.id]
    bought = [(choice.buys.months, -choice.buys.total_usd, choice) for choice in choices if choice.buys is not None]
    return max(bought, key=lambda item: item[:2], default=(None, None, None))[2]


def _shares(choices: list[Choice], workload: Workload) -> dict[str, float | None]:
    """Return how often each standing option is the cheapest, over the ranges of volume and price."""
    standing = {
        choice.option.id: choice.option.estimate
        for choice in choices
        if choice.option.ruled_out_by is None and choice.option.estimate is not None
    }
    return chance_cheapest(standing, workload.requests_per_month)


def _mistakes(choices: list[Choice], workload: Workload) -> dict[str, Decimal | None]:
    """Return what a request costs with its mistakes, where the score was measured and an error has a price."""
    if workload.error_cost_usd is None:
        return {}
    priced = {choice.option.id: choice.option.estimate for choice in choices if choice.option.estimate is not None}
    return {row.option: row.with_mistakes_usd for row in worth(priced, _scores(choices), workload.error_cost_usd)}


def _scores(choices: list[Choice]) -> dict[str, float]:
    return {choice.option.id: choice.option.quality.mid for choice in choices if choice.option.quality is not None}


def _changes(
    choices: list[Choice], best: Choice | None, profile: Profile, workload: Workload, book: PriceBook, today: date
) -> tuple[Flip, ...]:
    """Return what would make another option that fits the sum cheaper than the best one.

    Where one is cheaper already, a third that becomes so says nothing: only what mistakes cost is told then.
    """
    if best is None:
        return ()
    compared = {}
    for choice in choices:
        if choice.buys is None or choice.option.estimate is None or _other_recipe(choice.option, best.option):
            continue
        compared[choice.option.id] = choice.option.candidate
    found = flips(compared, best.option.id, profile, workload, book, today=today, quality=_scores(choices))
    mine, *others = (
        choice.option.estimate.amortised_monthly_usd
        for choice in sorted(choices, key=lambda choice: choice is not best)
        if choice.option.id in compared and choice.option.estimate
    )
    undercut = mine is not None and any(other is not None and other.mid < mine.mid for other in others)
    told = ("quality", "error_cost_usd") if undercut else tuple({one.variable for one in found})
    return tuple(one for one in found if one.flips_at != "0" and one.variable in told)


def _other_recipe(one: Option, best: Option) -> bool:
    """Tell whether an option is the same model prompted otherwise: a shorter prompt is cheaper at any price."""
    return one.id != best.id and one.model == best.model and not (one.strategy.tunes or best.strategy.tunes)


def _why_not(option: Option) -> str:
    once = option.estimate.one_off_usd if option.estimate else None
    if once is None:
        return "What it costs is not known."
    monthly = option.estimate.monthly_usd if option.estimate else None
    first = "" if monthly is None else f" and {usd(monthly.mid)} for the first month"
    return f"It needs {usd(once.mid)} once{first}, more than the budget."


def _cheapest(choices: list[Choice]) -> Decimal | None:
    """Return what the cheapest option takes for its first month."""
    starts = [
        choice.option.estimate.one_off_usd.mid
        + (choice.option.estimate.monthly_usd.mid if choice.option.estimate.monthly_usd else 0)
        for choice in choices
        if choice.option.ruled_out_by is None and choice.option.estimate and choice.option.estimate.one_off_usd
    ]
    return min(starts, default=None)
