"""What Together answers, read tolerantly: jobs, and their events merged with their metrics."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from pydantic import BaseModel

from backends._base import Hyperparameters, Job, JobEvent, JobStatus
from backends._hosted import as_dict

_STATUSES = {
    "pending": JobStatus.QUEUED,
    "queued": JobStatus.QUEUED,
    "running": JobStatus.RUNNING,
    "compressing": JobStatus.RUNNING,
    "uploading": JobStatus.RUNNING,
    "cancel_requested": JobStatus.RUNNING,
    "completed": JobStatus.SUCCEEDED,
    "cancelled": JobStatus.CANCELLED,
    "error": JobStatus.FAILED,
    "user_error": JobStatus.FAILED,  # in the SDK's own enum, not in the description; there is no "failed"
}
_NANO = Decimal(10) ** -9  # total_price counts nano-dollars; estimate-price answers dollars
_METRIC_NAMES = {"train/loss": "train_loss", "eval/loss": "valid_loss", "train/learning_rate": "learning_rate"}


@dataclass(frozen=True, slots=True)
class RowPreview:
    """One training row as the provider's tokenizer sees it."""

    tokens: int
    trained_tokens: int
    truncated: bool


class _TrainingType(BaseModel):
    type: str | None = None
    lora_r: int | None = None
    lora_alpha: float | None = None
    lora_dropout: float | None = None


class _TrainingMethod(BaseModel):
    method: str | None = None
    dpo_beta: float | None = None


class _Progress(BaseModel):
    estimate_available: bool = False
    seconds_remaining: int = 0


class JobReply(BaseModel):
    id: str
    status: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    updated_at: datetime | None = None
    suffix: str | None = None
    model_output_name: str | None = None
    model_object_id: str | None = None
    adapter_object_id: str | None = None
    training_file: str | None = None
    validation_file: str | None = None
    n_epochs: int | None = None
    n_evals: int | None = None
    batch_size: int | str | None = None
    learning_rate: float | None = None
    warmup_ratio: float | None = None
    weight_decay: float | None = None
    max_seq_length: int | None = None
    training_type: _TrainingType | None = None
    training_method: _TrainingMethod | None = None
    token_count: int | None = None  # of one epoch
    total_price: int | None = None  # nano-dollars
    total_steps: int | None = None
    steps_completed: int | None = None
    progress: _Progress | None = None

    @property
    def billed_usd(self) -> Decimal | None:
        return None if self.total_price is None else Decimal(self.total_price) * _NANO

    @property
    def accepted(self) -> Hyperparameters:
        kind = self.training_type or _TrainingType()
        return Hyperparameters(
            epochs=self.n_epochs,
            batch_size=self.batch_size if isinstance(self.batch_size, int) else None,
            learning_rate=self.learning_rate,
            warmup_ratio=self.warmup_ratio,
            weight_decay=self.weight_decay,
            lora_rank=kind.lora_r,
            lora_alpha=None if kind.lora_alpha is None else int(kind.lora_alpha),
            lora_dropout=kind.lora_dropout,
            max_seq_length=self.max_seq_length,
            evaluations=self.n_evals,
            dpo_beta=self.training_method.dpo_beta if self.training_method else None,
        )


def job_reply(found: object) -> JobReply:
    return JobReply.model_validate(as_dict(found))


def snapshot(job: Job, reply: JobReply) -> Job:
    """Return ``job`` as the reply has it."""
    status = _STATUSES.get(reply.status or "", JobStatus.RUNNING)
    extra = dict(job.extra)
    for key in ("training_file", "validation_file", "model_object_id", "adapter_object_id"):
        if value := getattr(reply, key):
            extra[key] = value
    if reply.token_count:
        extra["tokens_per_epoch"] = str(reply.token_count)
    left = reply.progress.seconds_remaining if reply.progress and reply.progress.estimate_available else None
    paid = status in (JobStatus.SUCCEEDED, JobStatus.CANCELLED)  # failed jobs are refunded in full
    trained = status is JobStatus.SUCCEEDED and reply.token_count and reply.n_epochs
    return replace(
        job,
        id=reply.id,
        status=status,
        detail=reply.status or "",
        created=reply.created_at,
        started=reply.started_at,
        finished=reply.updated_at if status.finished else None,
        estimated_finish=None if left is None else datetime.now(UTC) + timedelta(seconds=left),
        steps_done=reply.steps_completed,
        steps_total=reply.total_steps,
        trained_tokens=(reply.token_count or 0) * (reply.n_epochs or 0) if trained else None,
        billed_usd=reply.billed_usd if paid else None,
        tuned_model=reply.model_output_name if status is JobStatus.SUCCEEDED else None,
        accepted=reply.accepted,
        extra=extra,
    )


def job_events(events: Sequence[object], metrics: Iterable[Mapping[str, float]]) -> list[JobEvent]:
    """Merge the two lists by time, oldest first; ids are made of content, so that they stay the same."""
    found = [_event(as_dict(event)) for event in events]
    latest = max((event.time for event in found), default=datetime.fromtimestamp(0, UTC))
    found += [_metric_event(row, latest) for row in metrics]
    unique = {event.id: event for event in found}
    return sorted(unique.values(), key=lambda event: (event.time, event.step or 0))


def _event(event: Mapping[str, object]) -> JobEvent:
    text = f"{event.get('created_at')}|{event.get('type')}|{event.get('step')}|{event.get('message')}"
    level = str(event.get("level") or "info").removeprefix("legacy_i").removeprefix("legacy_")
    step = event.get("step")
    return JobEvent(
        id=hashlib.sha256(text.encode()).hexdigest()[:16],
        time=datetime.fromisoformat(str(event["created_at"])).astimezone(UTC),
        level=level if level in ("info", "warning", "error") else "info",
        message=str(event.get("message") or event.get("type")),
        step=step if isinstance(step, int) and step > 0 else None,
    )


def _metric_event(row: Mapping[str, float], latest: datetime) -> JobEvent:
    nanoseconds = row.get("timestamp")
    step = row.get("train/global_step", row.get("eval/global_step"))
    values = {
        _METRIC_NAMES.get(name, name.replace("/", "_")): float(value)
        for name, value in row.items()
        if name != "timestamp" and not name.endswith(("/global_step", "/epoch"))
    }
    kind = "eval" if "eval/loss" in row else "train"
    return JobEvent(
        id=f"{kind}-{step}",
        time=latest if nanoseconds is None else datetime.fromtimestamp(nanoseconds / 1e9, UTC),
        level="info",
        message=f"step {step}: " + ", ".join(f"{name} {value:.4g}" for name, value in values.items()),
        step=None if step is None else int(step),
        metrics=values,
    )
