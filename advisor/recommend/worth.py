"""What tuning is worth: the odds times the gain in right answers, against what it costs beyond the prompt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from advisor.evidence import Odds, gain_if_won
from advisor.recommend.measurements import prompt_score, tuned_score
from advisor.recommend.select import used_prompt, used_tuned
from advisor.recommend.values import Option, Reason
from advisor.recommend.wording import model
from advisor.workload import Workload

# A wrong answer that nobody would notice costs less than this: where tuning is clearly better and pays below it, it is
# advised though nobody said what an error costs. Our own choice.
_NOBODY_NOTICES_USD = Decimal("0.01")
# Test items assumed behind a score that comes without their number.
ASSUMED_ITEMS = 200


@dataclass(frozen=True, slots=True)
class PriceOfTuning:
    """What the tuned option costs beyond the prompt, a month, and the error cost from which its gain pays for that.

    ``gain`` is the expected share of answers put right: the ``measured`` one, else ``odds.p`` times ``gain_if_won``.
    ``error_cost_of_tie_usd`` is None where tuning costs no more than prompting, or nothing is gained.
    """

    tuned: Option
    prompted: Option
    extra_usd_per_month: Decimal
    gain: float
    gain_if_won: float
    measured: bool
    odds: Odds
    error_cost_of_tie_usd: Decimal | None

    @property
    def nobody_notices(self) -> bool:
        """Tell that tuning pays even where a wrong answer costs less than anybody notices."""
        tie = self.error_cost_of_tie_usd
        return self.extra_usd_per_month <= 0 or (tie is not None and tie <= _NOBODY_NOTICES_USD)


def price_of_tuning(standing: Sequence[Option], workload: Workload, odds: Odds) -> PriceOfTuning | None:
    """Compare the tuned option with the prompt in use; None where a cost, the score or the volume is unknown."""
    score, volume, own = prompt_score(workload), workload.requests_per_month, tuned_score(workload)
    prompted, tuned = used_prompt(standing, workload), used_tuned(standing, workload)
    if score is None or prompted is None or tuned is None:
        return None
    before, after = (option.estimate.amortised_monthly_usd if option.estimate else None for option in (prompted, tuned))
    if before is None or after is None:
        return None
    extra = after.mid - before.mid
    measured = own is not None and leads(own[1], score, standing)
    won = round(own[1] - score, 4) if own is not None and measured else gain_if_won(score)
    gain = won if measured else odds.p * won
    tie = None
    if extra > 0:
        if volume is None or gain <= 0:
            return None
        # No request at all is no reason to tune: it is taken as one.
        tie = extra / (max(1, volume.mid) * Decimal(str(gain)))
    return PriceOfTuning(tuned, prompted, extra, gain, won, measured, odds, tie)


def against_today(option: Option | None, workload: Workload) -> Reason | None:
    """Set the advice against the bill that the user says he has today; None where one of the two is not known."""
    paid = workload.current.usd_per_month if workload.current else None
    then = option.estimate.amortised_monthly_usd if option and option.estimate else None
    if paid is None or then is None:
        return None
    saved = paid - then.mid
    change = "as much" if round(saved) == 0 else f"${abs(saved):,.0f} {'less' if saved > 0 else 'more'}"
    return Reason(f"what answers today costs you ${paid:,.0f} a month; this would come to {change}", "arithmetic")


def leads(score: float, other: float, standing: Sequence[Option]) -> bool:
    """Tell whether ``score`` is ahead of ``other`` by more than chance: both have their range of test items."""
    return score - other > math.hypot(_half(score, standing), _half(other, standing))


def _half(score: float, standing: Sequence[Option]) -> float:
    """Return half of the score's 95 % range: that of its own run, else of the usual number of items."""
    found = next((option.quality for option in standing if option.quality and option.quality.mid == score), None)
    if found is not None:
        return (found.high - found.low) / 2
    return 1.96 * math.sqrt(score * (1 - score) / ASSUMED_ITEMS)


def money(found: PriceOfTuning, workload: Workload) -> Reason:
    """Say what tuning costs beyond prompting, and what a wrong answer must cost for that to pay."""
    extra, said = found.extra_usd_per_month, workload.error_cost_usd
    if extra <= 0:
        less = f"${-extra:,.0f} a month less than" if extra else "no more than"
        text = f"tuning {model(found.tuned)} costs {less} prompting {model(found.prompted)}"
        known = found.tuned.serving == "tokens" or (found.tuned.estimate and found.tuned.estimate.answer_s is not None)
        text += "" if known else ", if the machines counted are fast enough, which is not known"
        return Reason(text, "arithmetic")
    tie = found.error_cost_of_tie_usd
    assert tie is not None
    if found.measured:
        why = f"with the {points(found.gain)} you measured"
    else:
        odds = in_tenths(found.odds.p).removeprefix("about ")
        why = f"at odds of {odds} and the usual gain of {points(found.gain_if_won)}"
    text = (
        f"tuning {model(found.tuned)} costs ${extra:,.0f} a month more; {why}, "
        f"it pays if a wrong answer costs {dollars(tie, beside=said)} or more"
    )
    text += f" (you say {dollars(said)})" if said is not None else " (you have not said what one costs)"
    return Reason(text, "arithmetic")


def in_tenths(p: float) -> str:
    """Write odds as people say them: about 4 in 10."""
    if p < 0.05:
        return "less than 1 in 20"
    if p > 0.95:
        return "more than 19 in 20"
    return f"about {round(10 * p)} in 10"


def odds_cell(p: float) -> str:
    """Write odds for a column that is called so: 4 in 10."""
    if p < 0.05:
        return "< 1 in 20"
    return "> 19 in 20" if p > 0.95 else f"{round(10 * p)} in 10"


def odds_in_words(odds: Odds) -> str:
    """Write the odds with their range and how the published cases went."""
    low, high = (max(0, min(10, round(10 * end))) for end in (odds.low, odds.high))
    span = f" ({low} to {high})" if low != high else ""
    return f"{in_tenths(odds.p)}{span}; published cases like yours: {odds.cases_for} for, {odds.cases_against} against"


def points(gain: float) -> str:
    points = round(100 * gain, 1 if gain < 0.095 else 0)
    return f"{points:g} {'point' if points == 1 else 'points'}"


def dollars(usd: Decimal, beside: Decimal | None = None) -> str:
    """Write two digits of an amount, more where these would make it look like the one it stands ``beside``."""
    short = usd if usd == round(usd, 2) else round(usd, 2) if usd >= 1 else Decimal(f"{usd:.2g}")
    if short == beside != usd:
        short = Decimal(f"{usd:.4g}")
    return f"${short:,.2f}" if short == round(short, 2) else f"${short:f}"
