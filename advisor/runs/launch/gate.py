"""What every request passes that may cost money, a resumed one too."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

from advisor.errors import OverLimit, RunError
from advisor.money import usd
from advisor.runs.ledger import Ledger
from advisor.runs.receipt import settle
from advisor.runs.run import Quote, Run
from backends import Backend, Job, Save

Unpriced: TypeAlias = Callable[[str, Decimal | None], bool]  # hears what the provider said, and the cap in US dollars
_FARTHEST_APART = Decimal("0.2")  # between the provider's own price and ours: beyond it one of them is mistaken
_TRIFLE_USD = Decimal(1)  # a difference that stops nothing: of 48 rows Fireworks stated $0.36 where the sum is $0.25


def refuse(said: str, most_usd: Decimal | None) -> bool:
    """The ``Unpriced`` of who cannot be asked: no cap is held against our quote alone."""
    return False


def costs_money(run: Run, backend: Backend) -> bool:
    """Tell whether starting it may cost money: a cluster elsewhere may, as long as nobody says what it costs."""
    if run.rehearses:
        return False
    if any(request.costs_money for request in backend.requests(run.spec)):
        return True
    unsaid = run.quote.usd_per_hour is None and run.spec.options.get("address") is not None
    return bool(run.quote.usd or run.quote.usd_per_hour) or unsaid


def check_payable(ledger: Ledger, run: Run, backend: Backend, monthly_limit: Decimal | None, now: datetime) -> None:
    """Let a run be sent: what every other one costs is known, and the month has room for it.

    Raises RunError and OverLimit.
    """
    if costs_money(run, backend):
        ledger.check_all_known()
    reserve(ledger, run, monthly_limit=monthly_limit, now=now)


def reserve(ledger: Ledger, run: Run, *, monthly_limit: Decimal | None, now: datetime) -> tuple[str, ...]:
    """Reserve a run's price, as ``record`` does; under a limit, the bills of ended runs take the place of their quotes.

    A watcher that dies between the end of a run and its bill leaves the quote standing.
    """
    for other in ledger.runs() if monthly_limit is not None else ():
        if other.job.status.finished and ledger.settled(other.id) is None:
            settle(ledger, other.id)
    return ledger.reserve(run.id, run.reserves, monthly_limit=monthly_limit, now=now)


def comparing(ledger: Ledger, quote: Quote, most_usd: Decimal | None, unpriced: Unpriced) -> Save:
    """Save each snapshot, and stop before the paid request when the provider's own price is not ours or too high.

    Where it was asked for a price and states none, ``unpriced`` hears so and says whether the cap may be held against
    our quote alone.
    """

    def save(job: Job) -> None:
        ledger.save(job)
        stated = job.extra.get("provider_quote_usd")
        if job.id is not None:
            return
        if stated is None:
            if (answer := job.extra.get("provider_quote")) is not None:
                _check_unpriced(job.backend, answer, most_usd, unpriced)
            return
        theirs = Decimal(stated)
        if most_usd is not None and theirs > most_usd:
            raise OverLimit(
                f"{job.backend} prices this job at {usd(theirs, cents=True)}, over the {usd(most_usd, cents=True)} "
                "that --max-cost leaves for it, so nothing was started. Raise the limit, or train on less."
            )
        if quote.usd is None:
            return
        low, high = quote.low_usd or quote.usd, quote.high_usd or quote.usd
        ours = min(max(theirs, low), high)
        if abs(theirs - ours) > max(ours * _FARTHEST_APART, _TRIFLE_USD):
            raise RunError(
                f"{job.backend} prices this job at {usd(theirs, cents=True)}, our quote is "
                f"{usd(quote.usd, cents=True)}: more than {_FARTHEST_APART:.0%} apart, so nothing was started. If "
                "their price is right, put it in pricing.local.yaml and launch again."
            )

    return save


def _check_unpriced(backend: str, answer: str, most_usd: Decimal | None, unpriced: Unpriced) -> None:
    said = f"{backend} states no price of its own for this job ({answer})"
    if not unpriced(f"{said}.", most_usd) and most_usd is not None:
        raise OverLimit(
            f"{said}, so what --max-cost {usd(most_usd, cents=True)} would stop is not known, and nothing was started. "
            "Launch in a terminal to agree to our quote, or leave --max-cost out."
        )
