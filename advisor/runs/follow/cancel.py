"""How a run is ended on purpose, wherever it stands, and what was uploaded for it deleted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from advisor.errors import RunError
from advisor.runs.launch.look_up import SETTLE_S, look_up
from advisor.runs.ledger import Ledger, only_one
from advisor.runs.receipt import settle
from advisor.runs.run import Run
from advisor.runs.run_view import uploads_of
from backends import Backend, Job, JobStatus


def cancel(
    ledger: Ledger,
    run_id: str,
    backend: Backend,
    *,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    settle_s: float = SETTLE_S,
    say: Callable[[str], None] = lambda text: None,
) -> Job:
    """Ask the provider to stop a run, and keep what it answers; one that has ended is left as it is.

    A run without a job is looked up first, as a launch would (``say`` hears of the wait); one that was never sent
    gives its reservation back.
    """
    run = ledger.get(run_id)
    if run.job.id is None:
        with only_one(run_id):
            run = ledger.get(run_id)
            found = look_up(ledger, run, backend, pause, clock, settle_s, say) if run.job.id is None else run.job
            if found is None:
                return _given_up(ledger, run, clock())
            ledger.save(found)
    job = backend.cancel(ledger.get(run_id).job)
    ledger.save(job)
    settle(ledger, run_id)
    return job


def delete_uploads(ledger: Ledger, run_id: str, backend: Backend) -> tuple[str, ...]:
    """Delete what was uploaded for a run; return the ids that are gone. Raises RunError while another run needs it."""
    job = ledger.get(run_id).job
    mine = set(uploads_of(job))
    for other in ledger.runs():
        shared = mine & set(uploads_of(other.job)) if other.spec.backend == job.backend else set()
        if shared and other.id != job.run and not other.job.status.finished:
            raise RunError(
                f"{', '.join(sorted(shared))} at {job.backend} is used by {other.id} as well, which has not ended; "
                "nothing was deleted."
            )
    gone = backend.delete_uploads(job)
    kept = {key: value for key, value in job.extra.items() if value not in gone}
    ledger.save(replace(ledger.get(run_id).job, extra=kept))
    return gone


def _given_up(ledger: Ledger, run: Run, now: datetime) -> Job:
    """End a run that has no job anywhere; one that was refused stays as it is."""
    if run.unanswered:
        ledger.append(run.id, "unsent", {"error": "looked up: there is no such job"}, now)
    if not run.job.status.finished:
        given_up = replace(run.job, status=JobStatus.CANCELLED, detail="given up before it was sent", finished=now)
        ledger.save(given_up)
        settle(ledger, run.id)
    return ledger.get(run.id).job
