"""From an agreed proposal to a job: kept in the ledger, its price reserved, sent once; and gone on with later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from advisor.errors import AdvisorError
from advisor.runs.launch.limits import Limits, left_for
from advisor.runs.launch.proposal import Proposal
from advisor.runs.launch.submit import SETTLE_S, record, reserve, send
from advisor.runs.ledger import Ledger
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
    ledger: Ledger, proposals: Sequence[Proposal], limits: Limits, *, settle_s: float = SETTLE_S
) -> Iterator[Started]:
    """Keep each run, then send it, one after the other; the failure of one does not stop those behind it.

    Their backends stay open for the caller to close.
    """
    runs = [one.run for one in proposals]
    for one in proposals:
        uncounted: tuple[str, ...] = ()
        try:
            uncounted = record(ledger, one.run, monthly_limit=limits.monthly_usd, now=datetime.now(UTC))
            most = left_for(one.run, runs, limits.max_usd)
            send(ledger, one.run.id, one.backend, settle_s=settle_s, most_usd=most)
        except (AdvisorError, BackendError) as error:
            yield Started(one, uncounted, error)
        else:
            yield Started(one, uncounted)


def resume(ledger: Ledger, one: Proposal, limits: Limits, *, settle_s: float = SETTLE_S) -> Started:
    """Go on with a run of the ledger (``proposal.to_resume``); what it may cost is reserved where it is not yet."""
    run = one.run
    uncounted: tuple[str, ...] = ()
    goes_on = run.job.id is None or (run.spec.backend == "local" and not run.job.tuned_model)
    try:
        if goes_on and (run.job.status.finished or ledger.last(run.id, "reserved") is None):
            # A run that was refused or broke off gave its reservation back, or never had one.
            uncounted = reserve(ledger, run, monthly_limit=limits.monthly_usd, now=datetime.now(UTC))
        send(ledger, run.id, one.backend, settle_s=settle_s, most_usd=limits.max_usd)
    except (AdvisorError, BackendError) as error:
        return Started(one, uncounted, error)
    return Started(one, uncounted)
