"""The same prompt on a cheaper model: what to measure before anything is trained to save money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from advisor.estimate import Strategy
from advisor.recommend.select import recipe_of, used_prompt, used_tuned
from advisor.recommend.values import Option, Reason
from advisor.workload import Workload

_WORTH_SWITCHING = Decimal("0.5")  # of today's cost; a dearer prompt is not worth measuring for its price
_HELD_OUT = 200
_PAYS_BACK = 10  # the saving of a month is so many times what measuring costs


@dataclass(frozen=True, slots=True)
class CheaperPrompt:
    """The cheapest option with the prompt in use, and the sentence that says what it saves."""

    option: Option
    reason: Reason


def cheaper_prompt(standing: Sequence[Option], workload: Workload) -> CheaperPrompt | None:
    """Return the same prompt on a model that costs half or less of the one in use; None where none does.

    Only where the user says which model is in use, or where a tuned model would be taken to save on a dear one.
    """
    used, tuned = used_prompt(standing, workload), used_tuned(standing, workload)
    now, trained = _monthly(used), _monthly(tuned)
    if used is None or now is None:
        return None
    saves = workload.measured_with is not None and trained is not None and trained < now * _WORTH_SWITCHING
    if workload.current is None and not saves:
        return None
    same = [one for one in standing if recipe_of(one) == recipe_of(used) and one.provider and _monthly(one) is not None]
    same = [one for one in same if one.strategy in (Strategy.PROMPT, Strategy.FEW_SHOT)]
    same = [one for one in same if one.backend] or same  # what can be measured from here comes first
    best = min(same, key=lambda one: _monthly(one) or Decimal(0), default=None)
    then = _monthly(best)
    if best is None or then is None or best.model == used.model or then > now * _WORTH_SWITCHING:
        return None
    each = used.estimate.marginal_usd if used.estimate else None
    if each is None or now - then < _PAYS_BACK * _HELD_OUT * each.mid:
        return None
    text = (
        f"the same prompt on {best.model} costs ${then:,.0f} a month against ${now:,.0f} on {used.model}: "
        f"measure it on {_HELD_OUT} held-out rows before you leave {used.model} or tune anything"
    )
    return CheaperPrompt(best, Reason(text, "arithmetic"))


def _monthly(option: Option | None) -> Decimal | None:
    found = option.estimate.amortised_monthly_usd if option and option.estimate else None
    return found.mid if found else None
