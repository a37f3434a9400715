"""How a job is found that an earlier attempt may have created: by its tag, until the provider had time to show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from advisor.errors import RunError
from advisor.runs.ledger import Ledger
from advisor.runs.run import Run
from backends import Backend, BackendError, Job, JobSpec, JobStatus

SETTLE_S = 30.0  # how long after a lost reply a provider may still show the job it created


def look_up(
    ledger: Ledger,
    run: Run,
    backend: Backend,
    pause: Callable[[float], None],
    clock: Callable[[], datetime],
    settle_s: float,
    say: Callable[[str], None] = lambda text: None,
) -> Job | None:
    """Find the job an earlier attempt may have created; None only when the provider had time and shows none.

    The time is counted in what is waited here, since a clock may be set meanwhile. ``say`` hears of the wait.
    """
    attempt = ledger.last(run.id, "sending")
    if attempt is None:
        return None
    unsent = ledger.last(run.id, "unsent")
    if unsent is not None and unsent.seq > attempt.seq:
        try:
            return backend.find(run.spec)
        except BackendError:
            return None  # the attempt itself was answered: nothing was created
    doubt = ledger.last(run.id, "doubt")
    since = max(attempt.at, doubt.at) if doubt is not None else attempt.at
    paid = any(request.costs_money for request in backend.requests(run.spec))
    passed = (clock() - since).total_seconds()
    left = settle_s - max(0.0, passed) if paid else 0.0  # below 0 the clock was set back: nobody knows how long ago
    wait, told = 0.5, False
    while True:
        try:
            job = backend.find(run.spec)
            if job is not None and not paid and job.status in (JobStatus.FAILED, JobStatus.CANCELLED):
                return None  # what broke off and costs nothing goes on by being submitted again
        except BackendError as error:
            note_on(ledger, run, f"in doubt: {error}")
            raise RunError(
                f"{run.id} may or may not have reached {run.spec.backend}, and it cannot be looked up now ({error}) "
                f"'tunewise launch --resume {run.id}' looks again before anything is sent."
            ) from error
        if job is not None or left <= 0:
            return job
        if not told:
            say(f"{run.id} may have reached {run.spec.backend}; it is looked for there for up to {left:.0f} s.")
            told = True
        wait = min(wait, left)
        pause(wait)
        left -= wait
        wait = min(wait * 2, 8.0)


def with_twins(job: Job, spec: JobSpec, backend: Backend) -> Job:
    """Return a run's job with the other jobs that carry its tag by now, as after a reply that was lost for long."""
    try:
        found = backend.find(spec)
    except BackendError:
        return job
    others = () if found is None else (str(found.id), *found.twins)
    return replace(job, twins=tuple(name for name in others if name != job.id))


def note_on(ledger: Ledger, run: Run, detail: str) -> None:
    """Keep a word on an unsent job in its state."""
    ledger.save(replace(ledger.get(run.id).job, status=JobStatus.QUEUED, detail=detail, error=None))
