"""A rehearsal: a job that runs by the clock, trains nothing, sends nothing and costs nothing, to walk a launch with.

It stands for the hosted backend named in the option ``stands_for``. Everything it says begins with REHEARSAL; its curve
is drawn, not measured, and it states no tokens, no time and no model, so that nothing of it counts anywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from backends._base import (
    Backend,
    Completion,
    Job,
    JobEvent,
    JobSpec,
    JobStatus,
    Json,
    Message,
    Request,
    Save,
    _discard,
)
from backends._errors import ModelNotTunable, SpecRefused

_QUEUED, _WHOLE = timedelta(seconds=3), timedelta(seconds=20)  # how long it waits, and when it ends
_POINTS = 12  # of the drawn curve
_BATCH = 8  # assumed for the number of steps when the launch leaves the batch to the provider


class RehearsalBackend(Backend):
    """Plays a provider in this process. A job is a function of the time since it was made; nothing is kept but that."""

    name: ClassVar[str] = "rehearsal"

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock

    def requests(self, spec: JobSpec) -> tuple[Request, ...]:
        return (Request("REHEARSE", f"{_stands_for(spec)}: nothing is sent", {"model": spec.model}),)

    def submit(self, spec: JobSpec, save: Save = _discard, resume: Job | None = None) -> Job:
        chosen = spec.hyperparameters
        with spec.train_file.open("rb") as lines:
            examples = sum(1 for line in lines if line.strip())
        steps = math.ceil(examples * (chosen.epochs or 1) / (chosen.batch_size or _BATCH))
        job = Job(
            spec.run,
            spec.backend,
            spec.model,
            id=f"rehearsal-{spec.run}",
            created=self._clock(),
            steps_total=steps,
            extra={"stands_for": _stands_for(spec)},
        )
        job = self.refresh(job)
        save(job)
        return job

    def find(self, spec: JobSpec) -> Job | None:
        return None

    def refresh(self, job: Job) -> Job:
        if job.status.finished:
            return job
        begun, now = _begun(job), self._clock()
        done = _step_at(job, now)
        status = JobStatus.QUEUED if now < begun + _QUEUED else JobStatus.RUNNING
        ended = now >= begun + _WHOLE
        return replace(
            job,
            status=JobStatus.SUCCEEDED if ended else status,
            detail=f"REHEARSAL of {job.extra.get('stands_for')}: nothing is trained or paid, and the curve is drawn",
            finished=begun + _WHOLE if ended else None,
            estimated_finish=None if ended else begun + _WHOLE,
            steps_done=done,
        )

    def cancel(self, job: Job) -> Job:
        fresh = self.refresh(job)
        if fresh.status.finished:
            return fresh
        return replace(fresh, status=JobStatus.CANCELLED, finished=self._clock(), estimated_finish=None)

    def events(self, job: Job, after: str | None = None) -> Iterator[JobEvent]:
        begun, total = _begun(job), job.steps_total or 1
        until = min(job.finished or self._clock(), self._clock())
        found = [JobEvent("created", begun, "info", f"REHEARSAL of {job.extra.get('stands_for')}: created")]
        for step in sorted({max(1, total * point // _POINTS) for point in range(1, _POINTS + 1)}):
            loss = 0.6 + 1.9 * math.exp(-3 * step / total)
            metrics = {"train_loss": loss, "valid_loss": loss + 0.1, "train_accuracy": 1 - loss / 4}
            time = begun + _QUEUED + (_WHOLE - _QUEUED) * (step / total)
            text = f"REHEARSAL step {step}/{total}: drawn, not measured"
            found.append(JobEvent(f"step-{step}", time, "info", text, step, metrics))
        found.append(JobEvent("ended", begun + _WHOLE, "info", "REHEARSAL ended; there is no tuned model"))
        ids = [event.id for event in found]
        yield from (event for event in found[ids.index(after) + 1 if after in ids else 0 :] if event.time <= until)

    def complete(
        self,
        model: str,
        messages: Sequence[Message],
        *,
        tools: Sequence[Mapping[str, Json]] = (),
        max_tokens: int = 512,
        temperature: float = 0.0,
        seed: int | None = None,
    ) -> Completion:
        raise ModelNotTunable("This is a rehearsal: nothing was trained, so there is no model to ask. Launch it first.")


def _stands_for(spec: JobSpec) -> str:
    name = spec.options.get("stands_for")
    if not isinstance(name, str):
        raise SpecRefused("A rehearsal stands for a hosted backend: 'tunewise launch DATA --backend NAME --rehearse'.")
    return name


def _begun(job: Job) -> datetime:
    if job.created is None:
        raise SpecRefused(f"Run {job.run} has not begun; submit it first.")
    return job.created


def _step_at(job: Job, now: datetime) -> int:
    share = (now - _begun(job) - _QUEUED) / (_WHOLE - _QUEUED)
    return min(job.steps_total or 0, max(0, int((job.steps_total or 0) * share)))
