"""What a budget comes to, as every view of it tells it: the verdict, the months, the scenarios, what more would buy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from advisor.cli import render
from advisor.cli.render import words
from advisor.estimate import Affordable, Fit, Flip, Scenario, Step
from advisor.recommend import Option, Recommendation
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
        sum_, buys = render.usd(self.limit_usd), self.buys
        if self.best is None or buys is None:
            if self.advice.recommendation is None:
                return f"No: {sum_} buys nothing. {self.advice.reason}"
            first = f"the cheapest takes {render.usd(self.needed_usd)} for its first"
            return f"No: {sum_} buys not one month of any option; {first}."
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
            return f"{head}: {sum_} carries {name} for {covers}, even at the dear end ({render.usd(buys.dear_usd)})."
        if self.fit is Fit.LIKELY:
            return (
                f"{head}: {sum_} carries {name} for {covers} at the likely cost of {render.usd(buys.total_usd)}; "
                f"at the dear end it takes {render.usd(buys.dear_usd)}."
            )
        return f"{head}: {sum_} carries {name} for {buys.months:f} of {words.months(buys.of_months)}."

    @property
    def beside(self) -> str | None:
        """Say that the advice is another option where the sum does not carry that."""
        advised = self.advice.recommendation
        if advised is None or self.best is None or advised.id == self.best.option.id:
            return None
        name, total = words.phrase(advised), advised.estimate.total_usd if advised.estimate else None
        if total is None:
            return f"Without a limit the advice is {name}."
        over = words.months(self.workload.horizon_months)
        return f"Without a limit the advice is {name}: that takes {words.plain_range(total)} over the {over}."

    @property
    def condition(self) -> str | None:
        """Say what the likely cost rests on, where the dear end is another matter."""
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
        own = "" if mine is None or self.best.option.id in [id for _, id in ranked[:2]] else f"; this one in {mine:.0%}"
        return f"Cheapest on price alone, every uncertain figure drawn from its range: {named}{own} of 2,000 draws."

    @property
    def dollar(self) -> str | None:
        """Say what one more dollar buys; nothing where the sum carries everything already."""
        if self.fit is Fit.YES or self.per_dollar is None:
            return None if self.steps or self.fit is not Fit.YES else "nothing: the rest of the sum stays yours"
        return f"each dollar more: {self.per_dollar}"

    def named(self, id: str) -> str:
        """Return what an option is called."""
        return next((words.full_name(choice.option) for choice in self.choices if choice.option.id == id), id)

    def shown_months(self, most: int = 12) -> list[int]:
        """Return the places of the months to show: all of a year, else a few evenly spread, and the last."""
        count = len(self.buys.spend) if self.buys else 0
        every = -(-count // most)
        return [place for place in range(count) if place % every == 0 or place == count - 1] if count else []


def document(found: Spending) -> dict[str, object]:
    """Return the JSON document."""
    advice = found.advice
    return {
        "limit_usd": found.limit_usd,
        "fits": found.fit,
        "verdict": found.verdict,
        "plan": None if found.best is None else _row(found.best, found),
        "scenarios": found.scenarios,
        "more": found.steps,
        "one_dollar_more_buys": found.per_dollar,
        "options": [_row(choice, found) for choice in found.choices],
        "flips": found.flips,
        "recommended": advice.recommendation.id if advice.recommendation else None,
        "reason": advice.reason,
        "assumptions": advice.assumptions,
        "prices_as_of": advice.prices_as_of,
    }


def _row(choice: Choice, found: Spending) -> dict[str, object]:
    option, buys = choice.option, choice.buys
    return {
        "id": option.id,
        "name": words.full_name(option),
        "strategy": option.strategy,
        "backend": option.backend,
        "model": option.model,
        "quality": option.quality,
        "p_cheapest": found.shares.get(option.id),
        "with_mistakes_usd": found.mistakes.get(option.id),
        "buys": buys,
        "reason": choice.reason or None,
    }
