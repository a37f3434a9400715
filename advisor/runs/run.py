"""One run, as the ledger knows it: what was launched, what it was quoted at, where it came from, how it stands."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from advisor.estimate import LineItem
from advisor.paths import home
from backends import REHEARSAL, Job, JobSpec, Json


@dataclass(frozen=True, slots=True)
class Quote:
    """What a run was said to cost before it started; ``usd`` is None when a price was unknown."""

    usd: Decimal | None = None
    low_usd: Decimal | None = None
    high_usd: Decimal | None = None
    lines: tuple[LineItem, ...] = ()
    train_minutes: float | None = None
    train_minutes_range: tuple[float, ...] | None = None  # low and high
    gpu_gb: float | None = None
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    prices_as_of: date | None = None
    usd_per_hour: Decimal | None = None  # of all workers together, where they are paid by the hour
    cap_usd: Decimal | None = None  # at which a run paid by the hour is stopped
    serving: str = ""  # how what is trained can be served there, and what that costs
    validation_share: float = 0.0  # of the tokens in ``lines``, those of reading the validation file
    corrected: Mapping[str, float] = field(default_factory=dict)  # quantity -> factor that earlier runs taught

    @property
    def highest_usd(self) -> Decimal | None:
        """The high end of the price, where it has one; None is unknown."""
        return self.usd if self.high_usd is None else self.high_usd


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a run came from: its data, what was split from it, and the plan file when there was one."""

    data: tuple[str, ...] = ()
    fingerprint: str = ""  # sha256 of the data
    held_out: Path | None = None  # examples never shown to the trainer, in chat format
    train: Path | None = None  # the training part, in chat format
    task: str | None = None
    source: str | None = None  # the plan file
    share: float = 0.0  # of the data held out
    validation: Path | None = None  # the user's own validation file
    group: str | None = None  # runs launched together
    left_out: str = ""  # rows of the data that were not trained on, and why
    decides: bool = False  # what the trainer validates on picks the weights that are kept

    @property
    def decides_on_held_out(self) -> bool:
        """Whether the held-out examples picked the weights, so that scores on them are too good."""
        return self.decides and self.held_out is not None and self.held_out == self.validation


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a run."""

    run: str
    seq: int
    at: datetime
    # job | sending | unsent | doubt | reserved | settled | scorecard | hiring | serving | stopped | missing | set_aside
    kind: str
    body: Json


@dataclass(frozen=True, slots=True)
class Run:
    """An option that was launched, as the ledger knows it now.

    ``unanswered``: its request may have been sent and no answer to it is kept, so that there may be a job.
    """

    id: str
    created: datetime
    spec: JobSpec
    quote: Quote
    origin: Origin
    job: Job
    scorecard: Json = None
    unanswered: bool = False
    name: str | None = None  # what the person calls it; no provider is told

    @property
    def folder(self) -> Path:
        """Where this run keeps its files."""
        return folder_of(self.id)

    @property
    def called(self) -> str:
        """What a person calls it: its name, else its id."""
        return self.name or self.id

    @property
    def askable(self) -> str | None:
        """What to ask for the tuned model: the deployment that serves it, where it has to be rented, else itself."""
        return self.job.extra.get("served_as") or self.job.tuned_model

    @property
    def rehearses(self) -> str | None:
        """The backend a rehearsal stands for; None when the run is a real one."""
        return str(self.spec.options.get("stands_for")) if self.spec.backend == REHEARSAL else None

    @property
    def is_here(self) -> bool:
        """Whether how it stands is known on this machine: it trains here, on no cluster elsewhere, or is rehearsed."""
        return bool(self.rehearses) or (self.spec.backend == "local" and not self.spec.options.get("address"))

    def is_twin_of(self, other: Run) -> bool:
        """Tell whether this run has not ended and trains the same model on the same data with the same settings."""
        wanted = other.spec
        spec = replace(self.spec, run=other.id, train_file=wanted.train_file, validation_file=wanted.validation_file)
        same = spec == wanted and self.origin.fingerprint == other.origin.fingerprint
        return same and self.id != other.id and not self.job.status.finished

    @property
    def reserves(self) -> Decimal | None:
        """What is set aside for it, in US dollars: the cap at which it is stopped, else its quote; None is unknown."""
        if self.rehearses:
            return Decimal(0)
        return self.quote.usd if self.quote.cap_usd is None else self.quote.cap_usd


def folder_of(run: str) -> Path:
    """Return the folder of a run, made on first use and readable by its owner alone."""
    folder = home() / "runs" / run
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder


def new_id(now: datetime) -> str:
    """Return a fresh run id such as tw-1122-7f3a9c01: at most 24 characters of [a-z0-9-]."""
    return f"tw-{now:%m%d}-{secrets.token_hex(4)}"
