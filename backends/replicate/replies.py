"""What Replicate answers: trainings, the inputs a trainer declares, and the numbers hidden in training logs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from pydantic import BaseModel, Field

from backends._base import Completion, Job, JobEvent, JobStatus, Json
from backends._errors import BackendError, ProviderUnavailable

_STATUSES = {
    "starting": JobStatus.QUEUED,
    "processing": JobStatus.RUNNING,
    "succeeded": JobStatus.SUCCEEDED,
    "failed": JobStatus.FAILED,
    "canceled": JobStatus.CANCELLED,
    "aborted": JobStatus.CANCELLED,  # ended before it started; the SDK's types do not know the word
}


class _Output(BaseModel):
    version: str | None = None
    weights: str | None = None


class TrainingReply(BaseModel):
    id: str
    status: str
    model: str | None = None
    version: str | None = None
    input: dict[str, object] = Field(default_factory=dict)
    output: _Output | None = None
    logs: str | None = None
    error: str | None = None
    metrics: dict[str, object] | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None

    @property
    def train_seconds(self) -> float | None:
        """Seconds of hardware that are billed; the SDK drops this number."""
        found = (self.metrics or {}).get("predict_time")
        return float(found) if isinstance(found, int | float) else None


_PROGRESS = re.compile(r"(?<![\d/])(\d+)/(\d+)(?![\d/])")
_PAIR = re.compile(r"['\"]?\b(train_loss|loss|eval_loss|valid_loss|learning_rate|lr)\b['\"]?\s*[:=]\s*([-+.\deE]+)")
_METRIC_NAMES = {"loss": "train_loss", "eval_loss": "valid_loss", "lr": "learning_rate"}


def log_events(reply: TrainingReply) -> Iterator[JobEvent]:
    """Yield the training's log as events, with the numbers that lines carry; lines have no time of their own."""
    created = _utc(reply.created_at)
    started = max(created, _utc(reply.started_at)) if reply.started_at else created
    yield JobEvent("created", created, "info", "Training created")
    step: int | None = None
    for number, line in enumerate((reply.logs or "").splitlines(), 1):
        if not line.strip():
            continue
        numbers: dict[str, float] = {}
        for name, value in _PAIR.findall(line):
            try:
                numbers[_METRIC_NAMES.get(name, name)] = float(value)
            except ValueError:
                continue
        progress = _PROGRESS.search(line)
        step = int(progress[1]) if progress else step
        if numbers and not progress:
            # Numbers without a step belong to one behind the last step seen, which is the least it can be.
            step = (step or 0) + 1
        yield JobEvent(f"log-{number}", started, "info", line.strip(), step if numbers else None, numbers)
    if reply.completed_at is not None:
        text = f"Training {reply.status}" + (f": {reply.error}" if reply.error else "")
        level = "error" if reply.error else "info"
        yield JobEvent("completed", max(started, _utc(reply.completed_at)), level, text)


def snapshot(job: Job, reply: TrainingReply) -> Job:
    """Return ``job`` as the reply has it."""
    status = _STATUSES.get(reply.status, JobStatus.RUNNING)
    done, total = progress(reply.logs) or (None, None)
    weights = {"weights_url": reply.output.weights} if reply.output and reply.output.weights else {}
    return replace(
        job,
        id=reply.id,
        status=status,
        detail=reply.status,
        created=reply.created_at,
        started=reply.started_at,
        finished=reply.completed_at,
        steps_done=done,
        steps_total=total,
        train_seconds=reply.train_seconds,
        tuned_model=reply.output.version if reply.output and status is JobStatus.SUCCEEDED else None,
        error=(reply.error or "Replicate gives no reason.") if status is JobStatus.FAILED else None,
        extra={**job.extra, **weights},
    )


def completion(prediction: Mapping[str, Json], latency_ms: float) -> Completion:
    """Return the answer in a prediction. Raises ProviderUnavailable before its end, BackendError when it holds none."""
    if prediction.get("status") in ("starting", "processing"):
        raise ProviderUnavailable("Replicate's model has not answered in five minutes; it may still start. Ask later.")
    if prediction.get("status") != "succeeded":
        raise BackendError(
            f"Replicate ended the answer as '{prediction.get('status')}': {prediction.get('error')}. Ask again."
        )
    output, metrics = prediction.get("output"), prediction.get("metrics")
    counts = metrics if isinstance(metrics, dict) else {}
    return Completion(
        text="".join(map(str, output)) if isinstance(output, list) else str(output or ""),
        prompt_tokens=whole(counts.get("input_token_count")),
        completion_tokens=whole(counts.get("output_token_count")),
        latency_ms=latency_ms,
        finish_reason="stop",
    )


def whole(value: Json) -> int | None:
    return int(value) if isinstance(value, int | float) else None


def progress(logs: str | None) -> tuple[int, int] | None:
    """Return (steps done, steps in all) of the last progress bar in the log."""
    found = _PROGRESS.findall(logs or "")
    return (int(found[-1][0]), int(found[-1][1])) if found else None


def _utc(time: datetime | None) -> datetime:
    return datetime.fromtimestamp(0, UTC) if time is None else time.astimezone(UTC)
