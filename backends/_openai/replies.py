"""What OpenAI's fine-tuning API answers, read tolerantly: unknown words survive, "auto" stays undecided."""

from __future__ import annotations

import base64
import binascii
import csv
import io
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator

from backends._base import Job, JobEvent, JobStatus
from backends._files import FILES
from backends._hosted import Checkpoint, later, same_model
from backends._hyperparameters import Hyperparameters
from backends._replies import (
    LENIENT,
    UNTIMED,
    Above,
    Count,
    Moment,
    Positive,
    Text,
    Texts,
    Unreadable,
    content,
    moment,
    number,
    rows,
)

TAG = "tunewise_run"  # the metadata key that holds our run id
_STATUSES = {
    "validating_files": JobStatus.QUEUED,
    "queued": JobStatus.QUEUED,
    "running": JobStatus.RUNNING,
    "succeeded": JobStatus.SUCCEEDED,
    "failed": JobStatus.FAILED,
    "cancelled": JobStatus.CANCELLED,
    "canceled": JobStatus.CANCELLED,  # Azure's older word
}

_METRIC_NAMES = {
    "train_mean_token_accuracy": "train_accuracy",
    "valid_mean_token_accuracy": "valid_accuracy",
    "full_valid_mean_token_accuracy": "full_valid_accuracy",
}


class _ErrorReply(BaseModel):
    code: Text = None
    message: Text = None


def _as_message(error: object) -> object:
    return {"message": error} if isinstance(error, str) else error


class _SettingsReply(BaseModel):
    n_epochs: Positive = None
    batch_size: Positive = None
    learning_rate_multiplier: Above = None
    learning_rate: Above = None
    beta: Above = None
    lora_r: Positive = None
    lora_alpha: Above = None


class _InnerReply(BaseModel):
    hyperparameters: Annotated[_SettingsReply | None, LENIENT] = None


class _MethodReply(BaseModel):
    supervised: Annotated[_InnerReply | None, LENIENT] = None
    dpo: Annotated[_InnerReply | None, LENIENT] = None


class JobReply(BaseModel):
    id: str
    model: Text = None
    status: Text = None
    created_at: Moment = None
    finished_at: Moment = None
    estimated_finish: Moment = None
    fine_tuned_model: Text = None
    trained_tokens: Count = None
    training_file: Text = None
    validation_file: Text = None
    result_files: Texts = ()
    error: Annotated[_ErrorReply | None, BeforeValidator(_as_message), LENIENT] = None
    hyperparameters: Annotated[_SettingsReply | None, LENIENT] = None
    method: Annotated[_MethodReply | None, LENIENT] = None
    metadata: Annotated[dict[str, object] | None, LENIENT] = None
    suffix: Text = None
    user_provided_suffix: Text = None
    trained_steps: Count = None  # Nebius states its steps on the job
    total_steps: Count = None

    def carries(self, run: str) -> bool:
        """Tell whether the job carries our tag: in its metadata, or as its suffix where the host keeps no metadata."""
        if self.metadata:
            return self.metadata.get(TAG) == run
        return run in (self.user_provided_suffix, self.suffix)

    def is_anothers(self, job: Job) -> bool:
        """Tell whether the reply contradicts being about ``job``: by its tag, its model or its file."""
        tag = (self.metadata or {}).get(TAG)
        suffix = self.user_provided_suffix or self.suffix or ""
        tagged = tag != job.run if tag is not None else suffix.startswith("tw-") and suffix != job.run
        file = job.extra.get("training_file")
        other_file = file is not None and self.training_file not in (None, file)
        return tagged or other_file or not same_model(job.model, self.model)

    @property
    def known_status(self) -> JobStatus:
        """Return the status; a word we do not know is a running job's, unless the job states when it finished."""
        known = _STATUSES.get(self.status or "")
        if known is None and self.finished_at is not None:
            return JobStatus.SUCCEEDED if self.fine_tuned_model else JobStatus.FAILED
        return known or JobStatus.RUNNING


def job_reply(found: object) -> JobReply:
    return JobReply.model_validate(content(found))


def job_page(found: object) -> tuple[list[JobReply], str | None]:
    """Read a page of jobs, and the job behind which the next page begins. Rows without an id are no jobs."""
    page = content(found)
    jobs = [JobReply.model_validate(row) for row in rows(page) if isinstance(row.get("id"), str)]
    return jobs, jobs[-1].id if jobs and page.get("has_more") is True else None


def accepted(reply: JobReply) -> Hyperparameters | None:
    """Return the settings the provider took; what is not decided yet ("auto", -1) stays None."""
    inner = (reply.method.dpo or reply.method.supervised) if reply.method else None
    found = reply.hyperparameters or (inner.hyperparameters if inner else None)
    if found is None:
        return None
    return Hyperparameters(
        epochs=found.n_epochs,
        batch_size=found.batch_size,
        learning_rate=found.learning_rate,
        learning_rate_multiplier=found.learning_rate_multiplier,
        dpo_beta=found.beta,
        lora_rank=found.lora_r,
        lora_alpha=None if found.lora_alpha is None else int(found.lora_alpha),
    )


def snapshot(job: Job, reply: JobReply) -> Job:
    """Return ``job`` as the reply has it. Raises Unreadable when the reply is about another job."""
    if reply.is_anothers(job):
        raise Unreadable(f"it is about another job, {reply.id}")
    status, error = reply.known_status, None
    # A healthy job carries `"error": {}`.
    if reply.error is not None and (reply.error.code or reply.error.message):
        error = f"{reply.error.message or 'no reason given'} ({reply.error.code or 'no code'})"
    elif status is JobStatus.FAILED:
        error = f"The provider ended it as '{reply.status}' and gives no reason."
    extra = dict(job.extra)
    for key, _ in FILES:
        if value := getattr(reply, key):
            extra[key] = value
    if reply.result_files:
        extra["result_files"] = ",".join(reply.result_files)
    fresh = replace(
        job,
        id=reply.id,
        status=status,
        detail=reply.status or "",
        stage=reply.status or "",
        created=reply.created_at or job.created,
        finished=reply.finished_at,
        estimated_finish=reply.estimated_finish,
        steps_done=job.steps_done if reply.trained_steps is None else reply.trained_steps,
        steps_total=job.steps_total if reply.total_steps is None else reply.total_steps,
        trained_tokens=reply.trained_tokens,
        tuned_model=reply.fine_tuned_model,
        error=error,
        accepted=accepted(reply),
        extra=extra,
    )
    return later(job, fresh)


def event_page(found: object) -> tuple[list[dict[str, object]], str | None]:
    """Read a page of events, newest first, and the event behind which the next page begins."""
    page = content(found)
    listed = [row for row in rows(page) if isinstance(row.get("id"), str)]
    return listed, str(listed[-1]["id"]) if listed and page.get("has_more") is True else None


def job_event(event: Mapping[str, object]) -> JobEvent:
    data = numbers(event.get("data"))
    step = data.pop("step", None)
    data.pop("total_steps", None)
    level = str(event.get("level"))
    return JobEvent(
        id=str(event["id"]),
        time=moment(event.get("created_at")) or UNTIMED,
        level={"warn": "warning", "error": "error"}.get(level, "info"),
        message=str(event.get("message") or event.get("type") or ""),
        step=None if step is None else int(step),
        metrics=data,
    )


def checkpoint_page(found: object) -> tuple[list[Checkpoint], str | None]:
    page = content(found)
    kept, last = [], None
    for row in rows(page):
        model, step = row.get("fine_tuned_model_checkpoint"), number(row.get("step_number"))
        if isinstance(model, str) and step is not None:
            kept.append(Checkpoint(model, int(step), numbers(row.get("metrics"))))
            last = row.get("id")
    return kept, last if isinstance(last, str) and page.get("has_more") is True else None


def numbers(data: object) -> dict[str, float]:
    found = data if isinstance(data, Mapping) else {}
    read = {_METRIC_NAMES.get(str(name), str(name)): number(value) for name, value in found.items()}
    return {name: value for name, value in read.items() if value is not None}


def metric_rows(reply: Any) -> tuple[Mapping[str, float], ...]:
    """Read a result file: CSV, or base64 of CSV. Empty cells are left out of their row. Raises Unreadable."""
    raw = reply.read()
    text = raw.decode("utf-8-sig", errors="replace")
    if "," not in text.split("\n", 1)[0]:
        try:
            text = base64.b64decode(raw, validate=False).decode("utf-8-sig", errors="replace")
        except binascii.Error:
            raise Unreadable("no table") from None
    found_rows = []
    for row in csv.DictReader(io.StringIO(text)):
        found: dict[str, float] = {}
        for name, cell in row.items():
            try:
                value = float(cell)
            except (TypeError, ValueError):
                continue
            if math.isfinite(value):
                found[_METRIC_NAMES.get(name, name)] = value
        if "step" in found:
            found_rows.append(found)
    return tuple(found_rows)
