"""A run as scripts see it: one flat value with the promised keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from advisor.runs.receipt import bill, held_usd
from advisor.runs.run import Run
from advisor.runs.standstill import StageAge, Standing
from backends import Job, JobStatus


@dataclass(frozen=True, slots=True)
class View:
    """What ``launch`` and ``show`` print under --json. US dollars; None is unknown."""

    run: str
    name: str | None
    backend: str
    model: str
    status: JobStatus
    detail: str
    job_id: str | None
    quote_usd: Decimal | None
    billed_usd: Decimal | None
    spent_usd: Decimal | None
    usd_per_hour: Decimal | None  # of all its workers, where they are paid by the hour
    cap_usd: Decimal | None  # at which it is stopped
    tuned_model: str | None
    error: str | None
    created: datetime
    started: datetime | None
    finished: datetime | None
    estimated_finish: datetime | None
    steps_done: int | None
    steps_total: int | None
    trained_tokens: int | None
    method: str
    objective: str
    data: tuple[str, ...]
    fingerprint: str
    held_out: Path | None
    left_out: str  # which rows were not trained on, and why; '' where all were
    metrics_path: Path | None
    folder: Path
    twins: tuple[str, ...]  # other jobs there that carry this run's tag, and may be billed too
    changed_by_provider: str | None  # settings it trains with, though others were asked for
    too_long: tuple[str, ...]  # rows the trainer left out, in sentences
    uploads: tuple[str, ...]  # ids of the files that lie at the provider
    provider_quote_usd: Decimal | None  # what the provider itself said the job would cost, before it was paid
    stages: tuple[StageAge, ...]  # where it is and was, and for how long
    standstill: str  # what there is to know and do of a job that stands still; '' where it does not
    rehearses: str | None  # the backend that a rehearsal stands for; None: a real run


def view(run: Run, standing: Standing | None = None) -> View:
    """Return the flat view of a run, and of where it stands."""
    job = run.job
    return View(
        run=run.id,
        name=run.name,
        backend=run.spec.backend,
        model=run.spec.model,
        status=job.status,
        detail=job.detail,
        job_id=job.id,
        quote_usd=run.quote.usd,
        billed_usd=bill(run)[0],
        spent_usd=spent_so_far(run),
        usd_per_hour=run.quote.usd_per_hour,
        cap_usd=run.quote.cap_usd,
        tuned_model=job.tuned_model,
        error=job.error,
        created=run.created,
        started=job.started,
        finished=job.finished,
        estimated_finish=job.estimated_finish,
        steps_done=job.steps_done,
        steps_total=job.steps_total,
        trained_tokens=job.trained_tokens,
        method=run.spec.method,
        objective=run.spec.objective,
        data=run.origin.data,
        fingerprint=run.origin.fingerprint,
        held_out=run.origin.held_out,
        left_out=run.origin.left_out,
        metrics_path=job.metrics_path,
        folder=run.folder,
        twins=job.twins,
        changed_by_provider=job.extra.get("changed_by_provider"),
        too_long=job.trained_without,
        uploads=uploads_of(job),
        provider_quote_usd=Decimal(stated) if (stated := job.extra.get("provider_quote_usd")) else None,
        stages=standing.stages if standing else (),
        standstill=standing.standstill if standing else "",
        rehearses=run.rehearses,
    )


def uploads_of(job: Job) -> tuple[str, ...]:
    """Return the ids of what was uploaded for a job and has not been deleted since."""
    return tuple(job.extra[key] for key in ("training_file", "validation_file") if key in job.extra)


def spent_so_far(run: Run) -> Decimal | None:
    """Return the bill of an ended run, else the share of the quote that its steps have used up."""
    job = run.job
    if job.status.finished or run.rehearses:
        return bill(run)[0]
    if run.quote.usd_per_hour is not None:
        return held_usd(run)
    if run.quote.usd is None or job.steps_done is None or not job.steps_total:
        return run.quote.usd if run.quote.usd == 0 else None
    return (run.quote.usd * job.steps_done / job.steps_total).quantize(Decimal("0.0001"))
