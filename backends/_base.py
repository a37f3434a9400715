"""The nouns every backend shares, and the one interface it implements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Required, TypeAlias, TypedDict

from backends._errors import SpecRefused
from backends._hyperparameters import Hyperparameters, stated
from backends._provider import Provider
from backends._rows import RowFormat
from backends._serving import Rate, Serving
from backends._status import JobStatus as JobStatus

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


class FunctionCall(TypedDict):
    name: str
    arguments: str  # JSON text, exactly as the model must write it


class ToolCall(TypedDict, total=False):
    id: str
    type: str
    function: Required[FunctionCall]


class Message(TypedDict, total=False):
    """One turn, in the wire shape of OpenAI's chat format, which every provider here accepts or we convert from."""

    role: Required[str]
    content: str | list[dict[str, Json]] | None
    name: str
    tool_calls: list[ToolCall]
    tool_call_id: str
    weight: int
    reasoning_content: str


class Objective(StrEnum):
    """What the training minimises."""

    SFT = "sft"
    DPO = "dpo"


class Method(StrEnum):
    """Which parameters are trained, and in what precision the base is held."""

    LORA = "lora"
    QLORA = "qlora"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What to train.

    ``run`` is our own id for it, the tag we look it up by: unique, at most 24 characters of [a-z0-9-]. The files are
    already in this backend's own format. ``options`` holds what only one backend understands (listed in
    docs/concepts/providers.md and docs/concepts/trainer.md); an unknown option is refused.
    """

    run: str
    backend: str
    model: str
    train_file: Path
    validation_file: Path | None = None
    objective: Objective = Objective.SFT
    method: Method = Method.LORA
    hyperparameters: Hyperparameters = field(default_factory=Hyperparameters)
    options: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """A frozen snapshot of a training job; ``refresh`` returns the next one. It can be saved and read tomorrow.

    ``id`` is None until the paid request was answered. ``detail`` keeps the provider's own word for the status.
    ``stage`` is its word for where the job is, without how far it is; ``stage_since`` since when, where it says so.
    ``elsewhere`` are the flags of ``launch`` that start the same job in another region of it; "": there is none.
    ``billed_usd`` is set only where the provider states a price; ``trained_tokens`` only where it states tokens.
    ``extra`` keeps what the backend needs again (file ids, output folder), as text. ``twins`` are the ids of other jobs
    there that carry this run's tag: they may be billed too. ``trained_without`` says, in sentences, which rows were too
    long.
    """

    run: str
    backend: str
    model: str
    id: str | None = None
    status: JobStatus = JobStatus.QUEUED
    detail: str = ""
    stage: str = ""
    stage_since: datetime | None = None
    elsewhere: str = ""
    created: datetime | None = None
    started: datetime | None = None
    finished: datetime | None = None
    estimated_finish: datetime | None = None
    steps_done: int | None = None
    steps_total: int | None = None
    trained_tokens: int | None = None
    train_seconds: float | None = None
    billed_usd: Decimal | None = None
    tuned_model: str | None = None
    error: str | None = None
    metrics_path: Path | None = None
    accepted: Hyperparameters | None = None
    twins: tuple[str, ...] = ()
    trained_without: tuple[str, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One line or one set of metrics from the provider. ``id`` is unique and stable within the job."""

    id: str
    time: datetime
    level: str  # info | warning | error | sample: an answer of the model in training
    message: str
    step: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)  # train_loss, valid_loss, learning_rate, ...


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer. Token counts are the provider's; None where it gives none."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    latency_ms: float = 0.0
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One request that ``submit`` would make, with secrets left out: what ``--dry-run`` shows."""

    method: str
    url: str
    body: Mapping[str, Json]
    costs_money: bool = False


Save: TypeAlias = Callable[[Job], None]
Heard: TypeAlias = Callable[[str], None]


def _discard(job: Job) -> None:
    """The default of ``save``: keep nothing."""


class Backend(ABC):
    """A place a model can be trained and asked. One file in ``backends/`` implements it.

    Keys and base URLs come from the environment, read when first needed. Every method raises from ``BackendError``.
    """

    name: ClassVar[str]
    validates: ClassVar[frozenset[Objective]] = frozenset(Objective)  # the objectives a validation file goes with
    objectives: ClassVar[frozenset[Objective]] = frozenset(Objective)
    rows: ClassVar[RowFormat] = RowFormat()
    levels: ClassVar[Mapping[str, str]] = {}  # a finding of check -> error, warning or info, where it is another here
    provider: ClassVar[Provider | None] = None  # who is reached, where it is not this machine
    brings_model: ClassVar[bool] = False  # any model may be trained, since the user brings it
    advised: ClassVar[frozenset[str] | None] = None  # the settings that advice sets; None: whatever it takes
    advised_pair_rate: ClassVar[bool] = False  # advice states its own learning rate of preference tuning, too
    settings: ClassVar[frozenset[str] | None] = None  # the hyperparameters it takes; None: all
    deploys_by: ClassVar[str] = ""  # how a deployed tune is billed: "hour", "token"; "": nothing is deployed here
    validation_decides: ClassVar[bool] = False  # whether that file picks the weights that are kept
    at_once: ClassVar[int] = 8  # questions that are best asked together
    answers_here: ClassVar[bool] = False  # its models answer on this machine, so that no answer is billed
    gives_weights: ClassVar[bool] = False  # whether ``download`` brings what was trained
    resumes: ClassVar[bool] = False  # a paid job that broke off goes on in a further one, from its last checkpoint
    held_beside_minutes: ClassVar[int | None] = None  # a rented machine, beside training on it; None: rents none

    def preflight(self, spec: JobSpec) -> tuple[str, ...]:
        """Check, without spending or uploading, that this job can be created; return warnings.

        Raises SpecRefused, AuthenticationFailed, AccessClosed or ModelNotTunable.
        """
        return ()

    def credentials(self) -> str | None:
        """Return where this backend finds credentials beyond the key's variable and the keyring; None: nowhere."""
        return None

    def lacks(self, *, offline: bool) -> tuple[str, str] | None:
        """Return what a launch there lacks beside package and key, and the command that mends it; None: nothing."""
        return None

    def choose(self, spec: JobSpec, examples: int, tokens: int) -> Hyperparameters:
        """Return the settings with what this backend chooses for itself filled in, as far as the price depends on it.

        ``tokens`` is one pass over the ``examples`` training examples.
        """
        return spec.hyperparameters

    def fit_settings(self, chosen: Hyperparameters) -> Hyperparameters:
        """Return ``chosen`` without what this backend does not take, and within its bounds; what advice may name."""
        taken = self.settings if self.advised is None else self.advised
        if taken is None:
            return chosen
        foreign = {entry.name: None for entry in fields(chosen) if entry.name not in {*taken, "seed"}}
        return replace(chosen, **foreign)  # type: ignore[arg-type]

    def check_stated(self, spec: JobSpec) -> None:
        """Refuse an objective or a setting that this class does not state. Raises SpecRefused."""
        name = self.provider.title if self.provider else self.name
        if spec.objective not in self.objectives:
            raise SpecRefused(f"{name} trains {' and '.join(sorted(self.objectives))} only; change the objective.")
        for setting in stated(spec.hyperparameters):
            if self.settings is not None and setting not in self.settings:
                taken = ", ".join(sorted(self.settings)) or "none"
                raise SpecRefused(f"{name} has no setting '{setting}'; leave it out. It takes: {taken}.")

    def price_tier(self, spec: JobSpec) -> str:
        """Return the tier of the price book's training rates that a job is billed in."""
        return "standard"

    @abstractmethod
    def requests(self, spec: JobSpec) -> tuple[Request, ...]:
        """Return what ``submit`` would send, in order, with placeholders for ids not known yet."""

    @abstractmethod
    def submit(self, spec: JobSpec, save: Save = _discard, resume: Job | None = None) -> Job:
        """Upload and create the job; the paid request is sent exactly once, with retries off.

        ``save`` is called with a snapshot after every step that would be a pity to repeat (an upload), and with the
        created job before anything else happens. ``resume`` is the last saved snapshot of an interrupted submit.
        Raises OutcomeUnknown when the reply to the paid request was lost: call ``find`` before trying again.
        """

    @abstractmethod
    def find(self, spec: JobSpec) -> Job | None:
        """Look the job of ``spec.run`` up at the provider by its tag; None when there is none."""

    @abstractmethod
    def refresh(self, job: Job) -> Job:
        """Return the job as the provider sees it now. An unknown status is RUNNING, its word kept in ``detail``."""

    @abstractmethod
    def cancel(self, job: Job) -> Job:
        """Ask the provider to stop the job; a job that has ended is returned as it is."""

    @abstractmethod
    def events(self, job: Job, after: str | None = None) -> Iterator[JobEvent]:
        """Yield the job's events, oldest first, starting behind the event whose id is ``after``."""

    def metrics(self, job: Job) -> tuple[Mapping[str, float], ...]:
        """Return one row of numbers per logged step, oldest first, each with its "step"."""
        return tuple(
            {"step": float(event.step), **event.metrics}
            for event in self.events(job)
            if event.metrics and event.step is not None
        )

    def delete_uploads(self, job: Job) -> tuple[str, ...]:
        """Delete what was uploaded for ``job`` and still lies at the provider; return the ids that are gone now."""
        return ()

    @abstractmethod
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
        """Ask ``model`` (a base or a tuned model of this backend) once."""

    def stream(
        self, model: str, messages: Sequence[Message], heard: Heard, *, max_tokens: int = 512, temperature: float = 0.0
    ) -> Completion:
        """Ask as ``complete`` does; ``heard`` gets each part of the text as it comes, or all of it at the end."""
        answer = self.complete(model, messages, max_tokens=max_tokens, temperature=temperature)
        heard(answer.text)
        return answer

    def rates(self) -> tuple[Rate, ...]:
        """Return what serving a tuned model on a machine of its own costs there, cheapest first; () where it cannot."""
        return ()

    def serve(self, job: Job, *, idle_minutes: int = 30) -> Serving:
        """Start one replica for the tuned model, or return the one that stands. Costs money until it stops."""
        raise SpecRefused(f"{self.name} rents out no machines to serve a tuned model on.")

    def stop(self, serving: Serving) -> None:
        """End a serving and its bill."""
        raise SpecRefused(f"{self.name} rents out no machines to serve a tuned model on.")

    def download(self, job: Job, folder: Path) -> Path:
        """Write what was trained, an adapter or a whole model, into ``folder``, and return it."""
        raise SpecRefused(f"{self.name} does not hand out weights; its tuned models stay there.")

    def delete_model(self, job: Job) -> None:
        """Delete the tuned model of ``job`` at the provider, for good, and what keeping it costs."""
        raise SpecRefused(f"{self.name} deletes no tuned models over its API; delete it in its console.")

    def close(self) -> None:  # noqa: B027  most backends hold nothing open
        """Release what ``complete`` holds open (a loaded model, a connection pool)."""
