"""What a launch must keep to before anything is paid: its money limits, fresh prices, and what is sold at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from advisor.errors import OverLimit, RunError
from advisor.estimate import too_old
from advisor.money import usd
from advisor.pricing import PriceBook
from advisor.runs.launch.proposal import Proposal
from advisor.runs.run import Run


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be started without another word. Amounts are US dollars; None is no limit.

    ``unattended``: nobody will be asked, so what costs money needs ``max_usd``, and prices nobody has read for 120
    days are refused unless ``stale_prices``. ``again``: also beside a run of the same work that has not ended.
    """

    today: date
    max_usd: Decimal | None = None
    monthly_usd: Decimal | None = None
    unattended: bool = False
    stale_prices: bool = False
    again: bool = False


def hold(proposals: Sequence[Proposal], limits: Limits) -> None:
    """Hold proposals to the limits. Raises OverLimit when they cost too much, and RunError for all else."""
    _sold(proposals, limits.today)
    _within(proposals, limits)
    if not limits.unattended:
        return
    if not limits.stale_prices:
        _fresh(proposals, limits.today)
    for one in proposals:
        if one.no_room is not None:
            raise RunError(f"{one.no_room} If you know better, launch in a terminal and agree yourself.")
        if one.secret is not None:
            raise RunError(
                f"{one.secret} Nobody has agreed to send it; if it is not a secret, agree in a terminal, without --yes."
            )


def hold_rehearsal(proposals: Sequence[Proposal], limits: Limits) -> None:
    """Refuse to rehearse what the launch itself would refuse; without ``max_usd`` no cost is held."""
    _sold(proposals, limits.today)
    if limits.max_usd is not None:
        _within(proposals, limits)
    if limits.unattended and not limits.stale_prices:
        _fresh(proposals, limits.today)


def left_for(run: Run, runs: Sequence[Run], max_usd: Decimal | None) -> Decimal | None:
    """Return what ``max_usd`` leaves for one of ``runs`` beside the highest price of the others; None: no limit."""
    return None if max_usd is None else max_usd - _together([other for other in runs if other.id != run.id])


def _sold(proposals: Sequence[Proposal], today: date) -> None:
    """Refuse what on this day is sold to nobody, not even to those who still may. Raises RunError."""
    book = PriceBook.load()
    for proposal in proposals:
        spec = proposal.run.spec
        offer = book.offer(spec.backend, spec.model) if proposal.costs_money else None
        sold = None if offer is None else book.availability(offer, today, "active")
        if sold is not None and sold.state == "closed":
            raise RunError(f"{sold.reason} 'tunewise plan' names what is still sold.")


def _within(proposals: Sequence[Proposal], limits: Limits) -> None:
    """Hold the quotes against --max-cost. Raises OverLimit."""
    paid = [proposal for proposal in proposals if proposal.costs_money]
    if limits.unattended and paid and limits.max_usd is None:
        raise RunError("--yes starts nothing that costs money without --max-cost USD; say how much it may cost.")
    if limits.max_usd is None:
        return
    for proposal in paid:
        if proposal.run.quote.highest_usd is None:
            raise OverLimit(
                f"The price of {proposal.run.spec.model} on {proposal.run.spec.backend} is unknown, so --max-cost "
                "cannot be kept; choose an option with a known price, or launch in a terminal and agree yourself."
            )
    total = _together([proposal.run for proposal in paid])
    if total > limits.max_usd:
        raise OverLimit(f"This would cost up to {usd(total)}, over --max-cost {usd(limits.max_usd)}.")


def _together(runs: Sequence[Run]) -> Decimal:
    return sum((run.quote.highest_usd or Decimal(0) for run in runs), Decimal(0))


def _fresh(proposals: Sequence[Proposal], today: date) -> None:
    """Refuse to spend unattended on prices nobody has read for 120 days. Raises RunError."""
    for proposal in proposals:
        reason = too_old(proposal.run.quote.lines, today) if proposal.costs_money else None
        if reason is not None:
            raise RunError(f"{reason} Or agree in a terminal, or add --accept-stale-prices.")
