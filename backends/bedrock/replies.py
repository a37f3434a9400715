"""What Bedrock answers, read tolerantly: jobs with their stages and their age, and the losses in the output prefix."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator

from backends._base import Job, JobEvent, JobStatus
from backends._hosted import later
from backends._hyperparameters import Hyperparameters
from backends._replies import LENIENT, UNTIMED, CamelReply, Moment, Text, Unreadable, number
from backends.bedrock.names import other_region

_STATUSES = {
    "InProgress": JobStatus.RUNNING,
    "Stopping": JobStatus.RUNNING,
    "Completed": JobStatus.SUCCEEDED,
    "Failed": JobStatus.FAILED,
    "Stopped": JobStatus.CANCELLED,
}


class Stage(CamelReply):
    status: Text = None
    creation_time: Moment = None
    last_modified_time: Moment = None


class _Stages(CamelReply):
    validation_details: Annotated[Stage, BeforeValidator(Stage.of)] = Stage()
    data_processing_details: Annotated[Stage, BeforeValidator(Stage.of)] = Stage()
    training_details: Annotated[Stage, BeforeValidator(Stage.of)] = Stage()


class JobReply(CamelReply):
    job_name: str
    job_arn: Text = None
    status: Text = None
    status_details: Annotated[_Stages, BeforeValidator(_Stages.of)] = _Stages()
    failure_message: Text = None
    output_model_arn: Text = None
    creation_time: Moment = None
    last_modified_time: Moment = None
    end_time: Moment = None
    hyper_parameters: Annotated[dict[str, str] | None, LENIENT] = None

    @property
    def stages(self) -> tuple[tuple[str, Stage], ...]:
        found = self.status_details
        return (
            ("validation", found.validation_details),
            ("data processing", found.data_processing_details),
            ("training", found.training_details),
        )

    @property
    def accepted(self) -> Hyperparameters:
        found = self.hyper_parameters or {}
        epochs, rate = (as_float(found.get(name)) for name in ("epochCount", "learningRate"))
        return Hyperparameters(epochs=None if epochs is None else int(epochs), learning_rate=rate)


def job_reply(reply: Any, name: str) -> JobReply:
    """Read the job called ``name``. Raises Unreadable when it is another, or none."""
    found = JobReply.of(reply)
    if found.job_name != name:
        raise Unreadable(f"it is about another job, {found.job_name}")
    return found


def snapshot(job: Job, reply: JobReply) -> Job:
    """Return ``job`` as the reply has it. It states no bill and no tokens."""
    status = _STATUSES.get(reply.status or "", JobStatus.RUNNING)
    training = reply.status_details.training_details
    if reply.status == "InProgress" and training.status == "NotStarted":
        status = JobStatus.QUEUED
    stage, since = _stage(reply)
    fresh = replace(
        job,
        id=reply.job_name,
        status=status,
        detail=stage,
        stage=stage,
        stage_since=since,
        elsewhere=f"-o region={other_region(job.extra.get('region', ''))}",
        created=reply.creation_time,
        started=training.creation_time if training.status not in (None, "NotStarted") else None,
        finished=(reply.end_time or reply.last_modified_time) if status.finished else None,
        tuned_model=reply.output_model_arn if status is JobStatus.SUCCEEDED else None,
        error=(reply.failure_message or "Bedrock does not say why it failed.") if status is JobStatus.FAILED else None,
        accepted=reply.accepted,
        extra={**job.extra, **({"job_arn": reply.job_arn} if reply.job_arn else {})},
    )
    return later(job, fresh)


def _stage(reply: JobReply) -> tuple[str, datetime | None]:
    """Return the word for the first stage that is not over, and since when the job is there."""
    if reply.status != "InProgress":
        return reply.status or "", None
    since = reply.creation_time
    for name, stage in reply.stages:
        if stage.status == "Completed":
            since = stage.last_modified_time or since
            continue
        if stage.status != "NotStarted":
            since = stage.creation_time or since
        word = {"NotStarted": "has not started", "InProgress": "in progress", None: "in progress"}.get(stage.status)
        return f"{name} {word or stage.status}", since
    return "in progress", since


def job_events(reply: JobReply) -> Iterator[JobEvent]:
    """Yield the beginning and end of every stage, from the job's own record: there is no list of events."""
    made = (reply.creation_time or UNTIMED).astimezone(UTC)
    yield JobEvent("created", made, "info", "created")
    at = made
    for name, stage in reply.stages:
        if stage.status in (None, "NotStarted"):
            continue
        at = max(at, (stage.creation_time or at).astimezone(UTC))
        yield JobEvent(f"{name}-begun", at, "info", f"{name} begun")
        if stage.status != "InProgress":
            at = max(at, (stage.last_modified_time or at).astimezone(UTC))
            level = "error" if stage.status == "Failed" else "info"
            yield JobEvent(f"{name}-{stage.status}", at, level, f"{name} {stage.status.lower()}")
    if reply.status in ("Completed", "Failed", "Stopped"):
        at = max(at, (reply.end_time or reply.last_modified_time or at).astimezone(UTC))
        said = f": {reply.failure_message}" if reply.failure_message else ""
        yield JobEvent("ended", at, "error" if reply.status == "Failed" else "info", f"{reply.status.lower()}{said}")


def as_float(text: object) -> float | None:
    try:
        return number(float(str(text)))
    except ValueError:
        return None
