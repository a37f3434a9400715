"""What Replicate answers: trainings, the inputs a trainer declares, and the numbers hidden in training logs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel

from backends._base import Completion, Job, JobEvent, JobStatus
from backends._errors import BackendError, ProviderUnavailable
from backends._hosted import later
from backends._replies import LENIENT, UNTIMED, Moment, Text, Unreadable, count, number, rows

_STATUSES = {
    "starting": JobStatus.QUEUED,
    "processing": JobStatus.RUNNING,
    "succeeded": JobStatus.SUCCEEDED,
    "failed": JobStatus.FAILED,
    "canceled": JobStatus.CANCELLED,
    "aborted": JobStatus.CANCELLED,  # ended before it started; the SDK's types do not know the word
}


class _Output(BaseModel):
    version: Text = None
    weights: Text = None


class TrainingReply(BaseModel):
    id: str
    status: Text = None
    model: Text = None
    version: Text = None
    input: Annotated[dict[str, object] | None, LENIENT] = None
    output: Annotated[_Output | None, LENIENT] = None
    logs: Text = None
    error: Text = None
    metrics: Annotated[dict[str, object] | None, LENIENT] = None
    created_at: Moment = None
    started_at: Moment = None
    completed_at: Moment = None

    @property
    def train_seconds(self) -> float | None:
        """Seconds of hardware that are billed; the SDK drops this number."""
        found = number((self.metrics or {}).get("predict_time"))
        return found if found is not None and found >= 0 else None

    @property
    def known_status(self) -> JobStatus:
        """Return the status; a word we do not know is a running training's, unless it states when it completed."""
        known = _STATUSES.get(self.status or "")
        if known is None and self.completed_at is not None:
            return JobStatus.SUCCEEDED if self.output and self.output.version else JobStatus.FAILED
        return known or JobStatus.RUNNING


_PROGRESS = re.compile(r"(?<![\d/])(\d+)/(\d+)(?![\d/])")
_PAIR = re.compile(r"['\"]?\b(train_loss|loss|eval_loss|valid_loss|learning_rate|lr)\b['\"]?\s*[:=]\s*([-+.\deE]+)")
_METRIC_NAMES = {"loss": "train_loss", "eval_loss": "valid_loss", "lr": "learning_rate"}


def log_events(reply: TrainingReply) -> Iterator[JobEvent]:
    """Yield the training's log as events, with the numbers that lines carry; lines have no time of their own."""
    created = _utc(reply.created_at)
    started = max(created, _utc(reply.started_at)) if reply.started_at else created
    yield JobEvent("created", created, "info", "Training created")
    step: int | None = None
    for place, line in enumerate((reply.logs or "").splitlines(), 1):
        if not line.strip():
            continue
        numbers: dict[str, float] = {}
        for name, value in _PAIR.findall(line):
            try:
                numbers[_METRIC_NAMES.get(name, name)] = float(value)
            except ValueError:
                continue
        progress = _PROGRESS.search(line)
        step = count(progress[1]) if progress else step
        if numbers and not progress:
            # Numbers without a step belong to one behind the last step seen, which is the least it can be.
            step = (step or 0) + 1
        yield JobEvent(f"log-{place}", started, "info", line.strip(), step if numbers else None, numbers)
    if reply.completed_at is not None:
        text = f"Training {reply.status}" + (f": {reply.error}" if reply.error else "")
        level = "error" if reply.error else "info"
        yield JobEvent("completed", max(started, _utc(reply.completed_at)), level, text)


def snapshot(job: Job, reply: TrainingReply) -> Job:
    """Return ``job`` as the reply has it. Raises Unreadable when the reply is about another training."""
    addresses = [value for value in (reply.input or {}).values() if isinstance(value, str) and "://" in value]
    if addresses and job.extra.get("training_url", addresses[0]) not in addresses:
        raise Unreadable(f"it is about another training, {reply.id}")
    status = reply.known_status
    done, total = progress(reply.logs) or (None, None)
    weights = {"weights_url": reply.output.weights} if reply.output and reply.output.weights else {}
    fresh = replace(
        job,
        id=reply.id,
        status=status,
        detail=reply.status or "",
        stage=reply.status or "",
        created=reply.created_at or job.created,
        started=reply.started_at,
        finished=reply.completed_at,
        steps_done=done,
        steps_total=total,
        train_seconds=reply.train_seconds,
        tuned_model=reply.output.version if reply.output and status is JobStatus.SUCCEEDED else None,
        error=(reply.error or "Replicate gives no reason.") if status is JobStatus.FAILED else None,
        extra={**job.extra, **weights},
    )
    return later(job, fresh)


def page(found: Mapping[str, object]) -> tuple[list[dict[str, object]], str | None]:
    """Read a page of a list, and where the next one is. Raises Unreadable when it holds no list."""
    following = found.get("next")
    return rows(found, "results"), following if isinstance(following, str) else None


def completion(prediction: Mapping[str, object], latency_ms: float) -> Completion:
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
        prompt_tokens=count(counts.get("input_token_count")),
        completion_tokens=count(counts.get("output_token_count")),
        latency_ms=latency_ms,
        finish_reason="stop",
    )


def progress(logs: str | None) -> tuple[int, int] | None:
    """Return (steps done, steps in all) of the last progress bar in the log."""
    found = _PROGRESS.findall(logs or "")
    done, total = (count(part) for part in found[-1]) if found else (None, None)
    return None if done is None or total is None else (done, total)


def _utc(time: datetime | None) -> datetime:
    return UNTIMED if time is None else time.astimezone(UTC)


def metadata(row: Mapping[str, object]) -> dict[str, object]:
    found = row.get("metadata")
    return found if isinstance(found, dict) else {}


def address(row: Mapping[str, object]) -> str:
    urls = row.get("urls")
    return str(urls.get("get") or "") if isinstance(urls, dict) else ""


def file_id(stored: Mapping[str, object]) -> str:
    found = stored.get("id")
    if not isinstance(found, str) or not address(stored):
        raise Unreadable("a file without an id or an address")
    return found


def username(account: Mapping[str, object]) -> str:
    found = account.get("username")
    if not isinstance(found, str) or not found:
        raise Unreadable("an account without a name")
    return found
