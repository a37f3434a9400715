"""What Together answers, read tolerantly: jobs, and their events merged with their metrics."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, Field, FiniteFloat

from backends._base import Job, JobEvent, JobStatus
from backends._hosted import Checkpoint, later, same_model
from backends._hyperparameters import Hyperparameters
from backends._replies import (
    LENIENT,
    UNTIMED,
    Above,
    Count,
    Moment,
    Number,
    Positive,
    Text,
    Unreadable,
    content,
    count,
    moment,
    number,
    rows,
)

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
    type: Text = None
    lora_r: Positive = None
    lora_alpha: Above = None
    lora_dropout: Number = None


class _TrainingMethod(BaseModel):
    method: Text = None
    dpo_beta: Above = None


class _Progress(BaseModel):
    estimate_available: Annotated[bool | None, LENIENT] = None
    seconds_remaining: Annotated[int | None, Field(gt=0, le=10**8), LENIENT] = None

    @property
    def left_s(self) -> int | None:
        return self.seconds_remaining if self.estimate_available else None


class JobReply(BaseModel):
    id: str
    status: Text = None
    model: Text = None
    created_at: Moment = None
    started_at: Moment = None
    updated_at: Moment = None
    suffix: Text = None
    model_output_name: Text = None
    model_object_id: Text = None
    adapter_object_id: Text = None
    training_file: Text = None
    validation_file: Text = None
    n_epochs: Positive = None
    n_evals: Count = None
    batch_size: Positive = None
    learning_rate: Above = None
    warmup_ratio: Number = None
    weight_decay: Number = None
    max_seq_length: Positive = None
    training_type: Annotated[_TrainingType | None, LENIENT] = None
    training_method: Annotated[_TrainingMethod | None, LENIENT] = None
    token_count: Count = None  # of one epoch
    total_price: Annotated[int | None, Field(ge=0, le=10**18), LENIENT] = None  # nano-dollars
    total_steps: Count = None
    steps_completed: Count = None
    progress: Annotated[_Progress | None, LENIENT] = None

    def carries(self, run: str) -> bool:
        """Tell whether the job carries our tag: as its suffix, or in the name of its model where it repeats none."""
        if self.suffix:
            return self.suffix == run
        return f"-{run}-" in (self.model_output_name or "")

    def is_anothers(self, job: Job) -> bool:
        """Tell whether the reply contradicts being about ``job``: by its tag, its model or its file."""
        file = job.extra.get("training_file")
        other_file = file is not None and self.training_file not in (None, file)
        return self.suffix not in (None, job.run) or other_file or not same_model(job.model, self.model)

    @property
    def billed_usd(self) -> Decimal | None:
        return None if self.total_price is None else Decimal(self.total_price) * _NANO

    @property
    def accepted(self) -> Hyperparameters:
        kind = self.training_type or _TrainingType()
        return Hyperparameters(
            epochs=self.n_epochs,
            batch_size=self.batch_size,
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


class Estimate(BaseModel):
    """The provider's own price of a job that is not created yet, in US dollars."""

    estimation_available: Annotated[bool | None, LENIENT] = None
    unavailable_reason: Text = None
    allowed_to_proceed: Annotated[bool | None, LENIENT] = None
    estimated_total_price: Annotated[FiniteFloat | None, Field(ge=0), LENIENT] = None
    estimated_train_token_count: Count = None
    user_limit: Number = None


def job_reply(found: object) -> JobReply:
    return JobReply.model_validate(content(found))


def job_list(found: object) -> list[JobReply]:
    """Read the list of jobs. Rows without an id are no jobs."""
    return [JobReply.model_validate(row) for row in rows(content(found)) if isinstance(row.get("id"), str)]


def snapshot(job: Job, reply: JobReply) -> Job:
    """Return ``job`` as the reply has it. Raises Unreadable when the reply is about another job."""
    if reply.is_anothers(job):
        raise Unreadable(f"it is about another job, {reply.id}")
    status = _STATUSES.get(reply.status or "", JobStatus.RUNNING)
    extra = dict(job.extra)
    for key in ("training_file", "validation_file", "model_object_id", "adapter_object_id"):
        if value := getattr(reply, key):
            extra[key] = value
    if reply.token_count:
        extra["tokens_per_epoch"] = str(reply.token_count)
    left = reply.progress.left_s if reply.progress else None
    paid = status in (JobStatus.SUCCEEDED, JobStatus.CANCELLED)  # failed jobs are refunded in full
    trained = status is JobStatus.SUCCEEDED and reply.token_count and reply.n_epochs
    fresh = replace(
        job,
        id=reply.id,
        status=status,
        detail=reply.status or "",
        stage=reply.status or "",
        created=reply.created_at or job.created,
        started=reply.started_at,
        finished=reply.updated_at if status.finished else None,
        estimated_finish=datetime.now(UTC) + timedelta(seconds=left) if left else None,
        steps_done=reply.steps_completed,
        steps_total=reply.total_steps,
        trained_tokens=(reply.token_count or 0) * (reply.n_epochs or 0) if trained else None,
        billed_usd=reply.billed_usd if paid else None,
        tuned_model=reply.model_output_name if status is JobStatus.SUCCEEDED else None,
        accepted=reply.accepted,
        extra=extra,
    )
    return later(job, fresh)


def event_rows(found: object) -> list[dict[str, object]]:
    return rows(content(found))


def metric_rows(found: object) -> list[dict[str, object]]:
    """Read the list of metrics, which is null until there are some."""
    page = content(found)
    return [] if page.get("metrics") is None else rows(page, "metrics")


def checkpoint_rows(found: object) -> list[Checkpoint]:
    read = ((row.get("path"), number(row.get("step"))) for row in rows(content(found)))
    return [Checkpoint(path, int(step)) for path, step in read if isinstance(path, str) and step is not None]


def previews(found: object) -> tuple[RowPreview, ...]:
    read = []
    for row in rows(content(found), "rows"):
        tokens, trained = count(row.get("num_tokens")), count(row.get("num_trained_tokens"))
        if tokens is None or trained is None:
            raise Unreadable("a row without its tokens")
        read.append(RowPreview(tokens, trained, row.get("truncated") is True))
    return tuple(read)


def job_events(events: Sequence[Mapping[str, object]], metrics: Sequence[Mapping[str, object]]) -> list[JobEvent]:
    """Merge the two lists by time, oldest first; ids are made of content, so that they stay the same."""
    found = [_event(event) for event in events]
    latest = max((event.time for event in found), default=UNTIMED)
    found += [_metric_event(row, latest) for row in metrics]
    unique = {event.id: event for event in found}
    return sorted(unique.values(), key=lambda event: (event.time, event.step or 0))


def _event(event: Mapping[str, object]) -> JobEvent:
    text = f"{event.get('created_at')}|{event.get('type')}|{event.get('step')}|{event.get('message')}"
    level = str(event.get("level") or "info").removeprefix("legacy_i").removeprefix("legacy_")
    return JobEvent(
        id=hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16],
        time=moment(event.get("created_at")) or UNTIMED,
        level=level if level in ("info", "warning", "error") else "info",
        message=str(event.get("message") or event.get("type")),
        step=count(event.get("step")) or None,
    )


def _metric_event(row: Mapping[str, object], latest: datetime) -> JobEvent:
    step = count(row.get("train/global_step", row.get("eval/global_step")))
    read = {
        _METRIC_NAMES.get(name, name.replace("/", "_")): number(value)
        for name, value in row.items()
        if name != "timestamp" and not name.endswith(("/global_step", "/epoch"))
    }
    values = {name: value for name, value in read.items() if value is not None}
    kind = "eval" if "eval/loss" in row else "train"
    return JobEvent(
        id=f"{kind}-{step}",
        time=moment(row.get("timestamp")) or latest,
        level="info",
        message=f"step {step}: " + ", ".join(f"{name} {value:.4g}" for name, value in values.items()),
        step=step,
        metrics=values,
    )


def size(stored: Any) -> int | None:
    return count(content(stored).get("bytes"))
