"""From an agreed proposal to a job: kept in the ledger, its price reserved, sent once; and gone on with later."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from advisor.errors import AdvisorError
from advisor.runs.launch.gate import Unpriced, refuse
from advisor.runs.launch.limits import Limits, left_for
from advisor.runs.launch.look_up import SETTLE_S
from advisor.runs.launch.proposal import Proposal
from advisor.runs.launch.submit import discard, record, send
from advisor.runs.ledger import Ledger, TwinRunning
from backends import BackendError


@dataclass(frozen=True, slots=True)
class Started:
    """What became of one proposal. ``uncounted``: runs a monthly limit could not count, their cost being unknown."""

    proposal: Proposal
    uncounted: tuple[str, ...] = ()
    error: AdvisorError | BackendError | None = None

    @property
    def run(self) -> str:
        return self.proposal.run.id


def start(
    ledger: Ledger,
    proposals: Sequence[Proposal],
    limits: Limits,
    *,
    settle_s: float = SETTLE_S,
    agree: Callable[[TwinRunning], bool] = lambda twin: False,
    say: Callable[[str], None] = lambda text: None,
    unpriced: Unpriced = refuse,
) -> Iterator[Started]:
    """Keep each run, then send it, one after the other; the failure of one does not stop those behind it.

    ``agree`` is asked whether one may cost money beside a run of the same work; ``say`` hears what is waited for;
    ``unpriced`` is asked what a cap means where the provider states no price (``comparing``).
    Their backends stay open for the caller to close.
    """
    runs = [one.run for one in proposals]
    for one in proposals:
        uncounted: tuple[str, ...] = ()
        try:
            uncounted = kept(ledger, one, limits, agree)
            most = left_for(one.run, runs, limits.max_usd)
            send(
                ledger,
                one.run.id,
                one.backend,
                settle_s=settle_s,
                most_usd=most,
                monthly_limit=limits.monthly_usd,
                say=say,
                unpriced=unpriced,
            )
        except (AdvisorError, BackendError) as error:
            yield Started(one, uncounted, error)
        else:
            yield Started(one, uncounted)


def kept(
    ledger: Ledger, one: Proposal, limits: Limits, agree: Callable[[TwinRunning], bool] = lambda twin: False
) -> tuple[str, ...]:
    """Keep a run in the ledger, as ``record`` does, unless the same work is under way and ``agree`` says no to it.

    Raises TwinRunning then.
    """
    beside: list[str] | None = [] if one.costs_money and not limits.again else None
    while True:
        try:
            return record(ledger, one.run, monthly_limit=limits.monthly_usd, now=datetime.now(UTC), beside=beside)
        except TwinRunning as twin:
            if beside is None or not agree(twin):
                discard(one.run)
                raise
            beside += twin.runs


def resume(
    ledger: Ledger,
    one: Proposal,
    limits: Limits,
    *,
    settle_s: float = SETTLE_S,
    agree: Callable[[TwinRunning], bool] = lambda twin: False,
    say: Callable[[str], None] = lambda text: None,
    unpriced: Unpriced = refuse,
) -> Started:
    """Go on with a run of the ledger (``proposal.to_resume``), as ``start`` would begin it."""
    run, limit = one.run, limits.monthly_usd
    try:
        if one.costs_money and run.job.id is None and not limits.again:
            twins = [other for other in ledger.runs() if other.is_twin_of(run)]
            if twins and not agree(twin := TwinRunning(twins)):
                raise twin
        send(
            ledger,
            run.id,
            one.backend,
            settle_s=settle_s,
            most_usd=limits.max_usd,
            monthly_limit=limit,
            say=say,
            unpriced=unpriced,
        )
    except (AdvisorError, BackendError) as error:
        return Started(one, error=error)
    return Started(one, () if limit is None else ledger.uncounted(datetime.now(UTC), leave_out=run.id))
