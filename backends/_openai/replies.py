"""What OpenAI's fine-tuning API answers, read tolerantly: unknown words survive, "auto" stays undecided."""

from __future__ import annotations

import base64
import binascii
import csv
import io
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

from pydantic import BaseModel

from backends._base import Hyperparameters, Job, JobEvent, JobStatus
from backends._files import FILES
from backends._hosted import as_dict, moment

_STATUSES = {
    "validating_files": JobStatus.QUEUED,
    "queued": JobStatus.QUEUED,
    "running": JobStatus.RUNNING,
    "succeeded": JobStatus.SUCCEEDED,
    "failed": JobStatus.FAILED,
    "cancelled": JobStatus.CANCELLED,
}

_METRIC_NAMES = {
    "train_mean_token_accuracy": "train_accuracy",
    "valid_mean_token_accuracy": "valid_accuracy",
    "full_valid_mean_token_accuracy": "full_valid_accuracy",
}


class _ErrorReply(BaseModel):
    code: str | None = None
    message: str | None = None


class _SettingsReply(BaseModel):
    n_epochs: int | str | None = None
    batch_size: int | str | None = None
    learning_rate_multiplier: float | str | None = None
    learning_rate: float | None = None
    beta: float | str | None = None
    lora_r: int | None = None
    lora_alpha: float | None = None


class _MethodReply(BaseModel):
    class Inner(BaseModel):
        hyperparameters: _SettingsReply | None = None

    supervised: Inner | None = None
    dpo: Inner | None = None


class JobReply(BaseModel):
    id: str
    model: str
    status: str
    created_at: float | None = None
    finished_at: float | None = None
    estimated_finish: float | None = None
    fine_tuned_model: str | None = None
    trained_tokens: int | None = None
    training_file: str | None = None
    validation_file: str | None = None
    result_files: list[str] | None = None
    error: _ErrorReply | None = None
    hyperparameters: _SettingsReply | None = None
    method: _MethodReply | None = None
    metadata: dict[str, str] | None = None
    suffix: str | None = None
    user_provided_suffix: str | None = None
    trained_steps: int | None = None  # Nebius states its steps on the job
    total_steps: int | None = None


def job_reply(found: object) -> JobReply:
    return JobReply.model_validate(as_dict(found))


def accepted(reply: JobReply) -> Hyperparameters | None:
    """Return the settings the provider took; "auto" that is not decided yet stays None."""
    inner = (reply.method.dpo or reply.method.supervised) if reply.method else None
    found = reply.hyperparameters or (inner.hyperparameters if inner else None)
    if found is None:
        return None
    return Hyperparameters(
        epochs=found.n_epochs if isinstance(found.n_epochs, int) else None,
        batch_size=found.batch_size if isinstance(found.batch_size, int) else None,
        learning_rate=found.learning_rate,
        learning_rate_multiplier=(
            found.learning_rate_multiplier if isinstance(found.learning_rate_multiplier, float) else None
        ),
        dpo_beta=found.beta if isinstance(found.beta, float) else None,
        lora_rank=found.lora_r,
        lora_alpha=None if found.lora_alpha is None else int(found.lora_alpha),
    )


def snapshot(job: Job, reply: JobReply) -> Job:
    """Return ``job`` as the reply has it."""
    error = None
    # A healthy job carries `"error": {}`.
    if reply.error is not None and (reply.error.code or reply.error.message):
        error = f"{reply.error.message or 'no reason given'} ({reply.error.code or 'no code'})"
    extra = dict(job.extra)
    for key, _ in FILES:
        if value := getattr(reply, key):
            extra[key] = value
    if reply.result_files:
        extra["result_files"] = ",".join(reply.result_files)
    return replace(
        job,
        id=reply.id,
        status=_STATUSES.get(reply.status, JobStatus.RUNNING),
        detail=reply.status,
        created=moment(reply.created_at),
        finished=moment(reply.finished_at),
        estimated_finish=moment(reply.estimated_finish),
        steps_done=job.steps_done if reply.trained_steps is None else reply.trained_steps,
        steps_total=job.steps_total if reply.total_steps is None else reply.total_steps,
        trained_tokens=reply.trained_tokens,
        tuned_model=reply.fine_tuned_model,
        error=error,
        accepted=accepted(reply),
        extra=extra,
    )


class EventReply(Protocol):
    """An event as the SDK has it; ``data`` is there for metrics only."""

    id: str
    created_at: int
    level: str
    message: str


def job_event(event: EventReply) -> JobEvent:
    data = numbers(getattr(event, "data", None))
    step = data.pop("step", None)
    data.pop("total_steps", None)
    return JobEvent(
        id=event.id,
        time=datetime.fromtimestamp(event.created_at, UTC),
        level={"warn": "warning"}.get(event.level, event.level),
        message=event.message,
        step=None if step is None else int(step),
        metrics=data,
    )


def numbers(data: object) -> dict[str, float]:
    if not isinstance(data, Mapping):
        return {}
    return {
        _METRIC_NAMES.get(str(k), str(k)): float(v)
        for k, v in data.items()
        if isinstance(v, int | float) and not isinstance(v, bool)
    }


def metric_rows(content: bytes) -> tuple[Mapping[str, float], ...]:
    """Read a result file: CSV, or base64 of CSV. Empty cells are left out of their row."""
    text = content.decode("utf-8-sig", errors="replace")
    if "," not in text.split("\n", 1)[0]:
        try:
            text = base64.b64decode(content, validate=False).decode("utf-8-sig", errors="replace")
        except binascii.Error:
            return ()
    rows = []
    for row in csv.DictReader(io.StringIO(text)):
        found: dict[str, float] = {}
        for name, cell in row.items():
            try:
                found[_METRIC_NAMES.get(name, name)] = float(cell)
            except (TypeError, ValueError):
                continue
        if "step" in found:
            rows.append(found)
    return tuple(rows)
