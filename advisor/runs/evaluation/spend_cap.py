"""The money that an evaluation may spend: counted as answers come, and kept to before they are asked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from advisor.errors import OverLimit
from advisor.runs.evaluation.question import Question, Variant
from backends import Completion


@dataclass(slots=True)
class SpendCap:
    """What the answers of an evaluation may cost: told of every price once, it stops before the cap is passed.

    ``worst_usd`` is an upper bound of one answer's price; ``at_once`` answers are on their way together.
    """

    cap: Decimal | None
    worst_usd: Decimal = Decimal(0)
    at_once: int = 8
    spent: Decimal = Decimal(0)
    _counted: set[str] = field(default_factory=set)

    def expect(self, contestants: Sequence[Variant], asked: Sequence[Question], longest: int) -> None:
        """Take in who is asked what next. Raises OverLimit when there is a cap and the price of one is not known."""
        worst = Decimal(0)
        for one in contestants:
            usd = _dearest(one, asked, longest)
            if usd is None and self.cap is not None:
                raise OverLimit(
                    f"The price of asking {one.model} on {one.backend.name} is not known, so --max-cost cannot be "
                    "enforced; put its price in pricing.local.yaml, or leave --max-cost out."
                )
            worst = max(worst, usd or Decimal(0))
        self.worst_usd = worst

    def count(self, key: str, usd: Decimal | None) -> None:
        """Add what the answer kept under ``key`` cost, at worst where that is not known; each is counted once."""
        if key not in self._counted:
            self._counted.add(key)
            self.spent += self.worst_usd if usd is None else usd

    def check(self, left: int) -> None:
        """Raise OverLimit when the next of the ``left`` answers could pass the cap."""
        if self.cap is not None and left and self.spent + self.worst_usd * min(left, self.at_once) > self.cap:
            raise OverLimit(
                f"${self.spent:f} is spent so far, kept answers included, and going on could exceed --max-cost "
                f"${self.cap:f}; the answers are kept, so that a higher --max-cost goes on from here."
            )


def _dearest(one: Variant, asked: Sequence[Question], longest: int) -> Decimal | None:
    """Return an upper bound of one answer's price: the longest prompt at two bytes a token, the longest answer."""
    prompts = ([list(one.messages(question)), list(question.tools)] for question in asked)
    size = max(len(json.dumps(prompt, ensure_ascii=False, default=dict).encode(errors="replace")) for prompt in prompts)
    return one.price(Completion("", prompt_tokens=size // 2 + 1, completion_tokens=longest))
