"""What Fireworks answers, read tolerantly: jobs of both kinds, their states as events, models and quotas."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator

from backends._base import Job, JobEvent, JobStatus
from backends._hosted import later
from backends._hyperparameters import Hyperparameters
from backends._replies import (
    LENIENT,
    UNTIMED,
    Above,
    CamelReply,
    Count,
    Moment,
    Number,
    Positive,
    Text,
    Unreadable,
    content,
    number,
)

# Every other state is of a job that still runs; ARCHIVED is newer than the SDK's list.
_STATUSES = {
    "CREATING": JobStatus.QUEUED,
    "PENDING": JobStatus.QUEUED,
    "VALIDATING": JobStatus.QUEUED,
    "CREATING_INPUT_DATASET": JobStatus.QUEUED,
    "RE_QUEUEING": JobStatus.QUEUED,
    "COMPLETED": JobStatus.SUCCEEDED,
    "EARLY_STOPPED": JobStatus.SUCCEEDED,
    "CANCELLED": JobStatus.CANCELLED,
    "FAILED": JobStatus.FAILED,
    "EXPIRED": JobStatus.FAILED,
    "DELETED": JobStatus.FAILED,
}
_EXPLAINED = {
    "PAUSED": "Fireworks pauses jobs of a suspended account, such as one whose payment failed; mend that in its "
    "console, and resume the job there",
    "EARLY_STOPPED": "the provider stopped before the last epoch; the model is complete",
}
_NANO = Decimal(10) ** -9


class Money(CamelReply):
    """An amount: whole units and billionths of one."""

    units: Count = None  # int64, so that it comes as text
    nanos: Count = None

    @property
    def usd(self) -> Decimal | None:
        if self.units is None and self.nanos is None:
            return None
        return (self.units or 0) + (self.nanos or 0) * _NANO


class Status(CamelReply):
    """How the last operation went; ``code`` is a name of gRPC's, or its number."""

    code: Annotated[str | int | None, LENIENT] = None
    message: Text = None

    @property
    def problem(self) -> str | None:
        return None if self.code in (None, "OK", 0) else self.message or str(self.code)


class _Progress(CamelReply):
    percent: Count = None
    epoch: Count = None


class _Settings(CamelReply):
    """The settings: in the job itself where it is supervised, in its trainingConfig where it learns preferences."""

    output_model: Text = None
    base_model: Text = None
    epochs: Positive = None
    learning_rate: Above = None
    batch_size_samples: Positive = None
    lora_rank: Positive = None  # 0 stands for full training
    max_context_length: Positive = None
    optimizer_weight_decay: Number = None


class JobReply(_Settings):
    name: str
    dataset: Text = None
    state: Text = None
    status: Annotated[Status, BeforeValidator(Status.of)] = Status()
    create_time: Moment = None
    update_time: Moment = None
    completed_time: Moment = None
    job_progress: Annotated[_Progress, BeforeValidator(_Progress.of)] = _Progress()
    training_config: Annotated[_Settings | None, LENIENT] = None
    loss_config: Annotated[dict[str, object] | None, LENIENT] = None

    @property
    def word(self) -> str:
        return (self.state or "").removeprefix("JOB_STATE_")

    @property
    def known_status(self) -> JobStatus:
        """Return the status; a word we do not know is a running job's, unless the job states when it completed."""
        return _STATUSES.get(self.word) or (JobStatus.RUNNING if self.completed_time is None else JobStatus.FAILED)

    @property
    def settings(self) -> _Settings:
        return self.training_config or self

    @property
    def accepted(self) -> Hyperparameters:
        found, dpo = self.settings, (self.loss_config or {}).get("dpo")
        return Hyperparameters(
            epochs=found.epochs,
            batch_size=found.batch_size_samples,
            learning_rate=found.learning_rate,
            weight_decay=found.optimizer_weight_decay,
            lora_rank=found.lora_rank,
            max_seq_length=found.max_context_length,
            dpo_beta=number(dpo.get("beta")) if isinstance(dpo, dict) else None,
        )


class ModelReply(CamelReply):
    """A model's flags. What is false is left out on the wire, so that None says no."""

    state: Text = None
    supervised_lora_tunable: Annotated[bool | None, LENIENT] = None
    supervised_full_parameter_tunable: Annotated[bool | None, LENIENT] = None
    tunable: Annotated[bool | None, LENIENT] = None  # by the older training stack
    supports_lora: Annotated[bool | None, LENIENT] = None
    training_context_length: Positive = None
    deprecation_date: Annotated[dict[str, int] | None, LENIENT] = None

    @property
    def deprecated(self) -> date | None:
        """Return the day the model goes; one in December, or the 28th, where no more is said."""
        found = self.deprecation_date or {}
        try:
            return date(found["year"], found.get("month") or 12, found.get("day") or 28)
        except (KeyError, ValueError):
            return None


class DeploymentReply(CamelReply):
    name: Text = None
    state: Text = None
    accelerator_type: Text = None
    accelerator_count: Positive = None
    autoscaling_policy: Annotated[dict[str, object] | None, LENIENT] = None

    @property
    def idle_minutes(self) -> int:
        """After how many minutes without a request it goes to zero; 0 where that is not stated."""
        window = str((self.autoscaling_policy or {}).get("scaleToZeroWindow"))
        return int(window[:-1]) // 60 if window[:-1].isdecimal() and window.endswith("s") else 0


def job_reply(reply: Any, job_id: str) -> JobReply:
    """Read the job called ``job_id``. Raises Unreadable when it is another, or none."""
    found = JobReply.model_validate(content(reply))
    if found.name.rsplit("/", 1)[-1] != job_id:
        raise Unreadable(f"it is about another job, {found.name}")
    return found


def addresses(reply: Any) -> dict[str, str]:
    """Read signed addresses by the name of their file."""
    found = content(reply).get("filenameToSignedUrls")
    if not isinstance(found, dict):
        raise Unreadable("no addresses")
    return {name: address for name, address in found.items() if isinstance(address, str)}


def snapshot(job: Job, reply: JobReply) -> Job:
    """Return ``job`` as the reply has it. Neither a bill nor the trained tokens are stated there."""
    status = reply.known_status
    account, short = reply.name.rsplit("/", 2)[0], reply.name.rsplit("/", 1)[-1]
    model = reply.settings.output_model or short
    tuned = model if model.startswith("accounts/") else f"{account}/models/{model}"
    failed = status is JobStatus.FAILED
    fresh = replace(
        job,
        id=short,
        status=status,
        detail=_detail(reply),
        stage=_word(reply),
        created=reply.create_time,
        finished=(reply.completed_time or reply.update_time) if status.finished else None,
        tuned_model=tuned if status is JobStatus.SUCCEEDED else None,
        error=(reply.status.problem or f"Fireworks ended it as '{reply.word.lower()}'.") if failed else None,
        accepted=reply.accepted,
    )
    return later(job, fresh)


def job_events(reply: JobReply) -> Iterator[JobEvent]:
    """Yield what a job's own record says: it has no list of events, and no losses are given."""
    made = (reply.create_time or UNTIMED).astimezone(UTC)
    yield JobEvent("created", made, "info", "created")
    status = reply.known_status
    ended = status.finished
    time = (reply.completed_time if ended else None) or reply.update_time or made
    level = "error" if status is JobStatus.FAILED else "warning" if reply.word == "PAUSED" else "info"
    said = f"{_detail(reply)}: {reply.status.problem}" if reply.status.problem else _detail(reply)
    name = f"state-{reply.word}" if ended else f"state-{_detail(reply)}"
    yield JobEvent(name, max(made, time.astimezone(UTC)), level, said)


def _word(reply: JobReply) -> str:
    return reply.word.lower().replace("_", " ")


def _detail(reply: JobReply) -> str:
    word, at = _word(reply), reply.job_progress
    if reply.word in _EXPLAINED:
        return f"{word}: {_EXPLAINED[reply.word]}"
    if at.percent is None or reply.word != "RUNNING":
        return word
    return f"{word}, {at.percent}%" + ("" if at.epoch is None else f", epoch {at.epoch + 1}")
