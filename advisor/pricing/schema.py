"""What a price file may say: its keys, and what has to stand beside what."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, model_validator

from advisor.pricing.rates import Confidence, Serving, Standing
from advisor.pricing.schema_base import Cited, Part, Status, TrainingTier, Usd, is_listed
from advisor.pricing.user_terms import Own


class Amount(Cited):
    """US dollars once per job, or other readings of it."""

    usd: Usd
    readings: tuple[AmountReading, ...] = ()

    @model_validator(mode="after")
    def _a_dispute_has_readings(self) -> Self:
        if self.status == "disputed" and not self.readings:
            raise ValueError("a disputed value needs the other reading under 'readings'")
        return self


class AmountReading(Cited):
    usd: Usd


class RateReading(Cited):
    train_usd_per_mtok: Usd


class Rate(Cited):
    """Training: exactly one unit."""

    method: Literal["lora", "full", "undisclosed"] = "lora"
    objectives: tuple[Literal["sft", "dpo", "rft"], ...] = ("sft",)
    tier: TrainingTier = "standard"
    train_usd_per_mtok: Usd | None = None
    train_usd_per_hour: Usd | None = None
    train_usd_per_second: Usd | None = None
    readings: tuple[RateReading, ...] = ()

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        units = (self.train_usd_per_mtok, self.train_usd_per_hour, self.train_usd_per_second)
        if sum(unit is not None for unit in units) != 1:
            raise ValueError("give exactly one of train_usd_per_mtok, train_usd_per_hour, train_usd_per_second")
        if self.status in ("disputed", "superseded") and not self.readings:
            raise ValueError(f"a {self.status} value needs the other reading under 'readings'")
        return self


class TokensReading(Cited):
    input_usd_per_mtok: Usd
    output_usd_per_mtok: Usd
    cached_usd_per_mtok: Usd | None = None


class BatchTokens(Part):
    """The batch price. It has the source of the entry it stands in unless it names its own."""

    input_usd_per_mtok: Usd
    output_usd_per_mtok: Usd
    cached_usd_per_mtok: Usd | None = None
    source: str | None = None
    checked: date | None = None
    confidence: Confidence = "medium"
    status: Status = ""
    note: str = ""
    readings: tuple[TokensReading, ...] = ()

    @model_validator(mode="after")
    def _says_who(self, info: ValidationInfo) -> Self:
        if self.source is not None:
            is_listed(self.source, info)
        elif self.status or self.checked:
            raise ValueError("a batch price with its own date or status needs its own 'source'")
        if self.status == "disputed" and not self.readings:
            raise ValueError("a disputed value needs the other reading under 'readings'")
        return self


class Tokens(Cited):
    """Inference, per million tokens; ``hosting_usd_per_hour`` comes on top where it is charged."""

    input_usd_per_mtok: Usd
    output_usd_per_mtok: Usd
    cached_usd_per_mtok: Usd | None = None
    cache_write_usd_per_mtok: Usd | None = None
    hosting_usd_per_hour: Usd | None = None
    batch: BatchTokens | None = None
    readings: tuple[TokensReading, ...] = ()

    @property
    def batch_entry(self) -> Tokens | None:
        """Return the batch price as an entry of its own."""
        batch = self.batch
        if batch is None:
            return None
        by = self if batch.source is None else batch
        return Tokens.model_construct(
            source=by.source or "",
            checked=by.checked,
            confidence=by.confidence,
            status=by.status,
            note=by.note,
            input_usd_per_mtok=batch.input_usd_per_mtok,
            output_usd_per_mtok=batch.output_usd_per_mtok,
            cached_usd_per_mtok=batch.cached_usd_per_mtok,
            readings=batch.readings,
        )

    @model_validator(mode="after")
    def _a_dispute_has_readings(self) -> Self:
        if self.status == "disputed" and not self.readings:
            raise ValueError("a disputed value needs the other reading under 'readings'")
        return self

    @model_validator(mode="after")
    def _cache_is_a_discount(self) -> Self:
        if self.cached_usd_per_mtok is not None and self.cached_usd_per_mtok > self.input_usd_per_mtok:
            raise ValueError("cached_usd_per_mtok is above input_usd_per_mtok: are they swapped?")
        return self


class HourReading(Cited):
    usd_per_hour: Usd


class Replica(Cited):
    """A dedicated replica, per GPU and hour."""

    gpu: str
    usd_per_hour: Usd
    granularity: Literal["second", "minute", "hour"]
    idle: str
    readings: tuple[HourReading, ...] = ()


class RentedMachine(Cited):
    """A machine of the provider's that trains: ``gpus`` cards of one kind, and what all of it costs an hour."""

    gpu: str
    gpus: int = 1
    usd_per_hour: Usd


class Billing(Cited):
    rule: Literal["file_tokens", "processed_tokens", "seconds", "hours"]
    validation_billed: bool
    padded_without_packing: bool = False
    default_epochs: int | None = None
    granularity: Literal["token", "second", "minute", "hour"]


class Ending(Cited):
    """From ``new_jobs_until`` on, no new job is accepted: for one standing, or for everybody (``whom: all``)."""

    whom: Literal["all"] | Standing
    new_jobs_until: date
    reason: str


class Retirement(Cited):
    retires: date
    replacement: str | None = None


class DataTerms(Cited):
    """What a provider does with what it is sent: whether it may train on it, and in which regions it can be kept.

    ``regions`` are those in which both answering and storing can be kept by a setting anybody may buy.
    """

    trains_on_it: bool
    regions: tuple[str, ...] = ()


class Closure(Cited):
    restricted_since: date | None
    state: Literal["closed", "unknown"]
    reason: str


class Limits(Cited):
    max_context: dict[Literal["sft", "dpo"], Annotated[int, Field(ge=128, le=10_000_000)]] = Field(default_factory=dict)
    max_lora_rank: int | None = Field(None, ge=1, le=1024)
    images: bool | None = None  # whether examples may hold images; None: not known


class FileRule(Cited):
    """The largest training file, in bytes."""

    max_bytes: int = Field(ge=1_000_000, le=10**12)


class Waits(Cited):
    """The longest that a job which then trained is known to have shown no progress."""

    longest_minutes: int = Field(ge=1)


class Storage(Cited):
    usd_per_gb_month: Usd | None = None
    usd_per_model_month: Usd | None = None


class Multiplier(Cited):
    times: Decimal


class CacheRule(Cited):
    """The shortest prefix the provider caches."""

    minimum_tokens: int = Field(ge=1)


class Model(Part):
    short: str = ""  # how a table calls it, where the id is no name
    params_b: Annotated[Decimal, Field(gt=0, le=5000)] | None = None
    open_weights: bool = False
    methods: tuple[Literal["lora", "full"], ...] = ()  # priced by the provider's size band
    objectives: tuple[Literal["sft", "dpo"], ...] = ()
    limits: Limits | None = None
    training: tuple[Rate, ...] = ()
    min_charge: Amount | None = None
    tuned: Tokens | None = None
    base: Tokens | None = None
    base_retirement: Retirement | None = None  # of asking the untuned model by the token; tunes of it live on
    serving: tuple[Serving, ...] | None = None
    retirement: Retirement | None = None
    closure: Closure | None = None
    note: str = ""


class Band(Part):
    """Training rates for models up to so many billion parameters in total."""

    up_to_b: Decimal
    training: tuple[Rate, ...]


class Provider(Part):
    name: str
    short: str = ""  # how a table calls it, where the name is long
    billing: Billing | None = None
    lifecycle: tuple[Ending, ...] = ()
    closure: Closure | None = None
    min_charge: Amount | None = None
    bands: tuple[Band, ...] = ()
    dedicated: tuple[Replica, ...] = ()
    machines: dict[str, RentedMachine] = Field(default_factory=dict)
    storage: Storage | None = None
    waits: Waits | None = None
    data_terms: DataTerms | None = None
    multipliers: dict[str, Multiplier] = Field(default_factory=dict)
    cache: CacheRule | None = None
    files: FileRule | None = None
    serving: tuple[Serving, ...] = ()
    models: dict[str, Model] = Field(default_factory=dict)
    note: str = ""

    @model_validator(mode="after")
    def _trains_by_a_rule(self) -> Self:
        if self.models and not self.billing and any(model.training or model.methods for model in self.models.values()):
            raise ValueError("models that are trained need the provider's 'billing' rule")
        return self


class Rental(Cited):
    low_usd_per_hour: Usd
    typical_usd_per_hour: Usd
    high_usd_per_hour: Usd
    low_at: str
    high_at: str
    offers: int = Field(ge=1)
    also: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low_usd_per_hour <= self.typical_usd_per_hour <= self.high_usd_per_hour:
            raise ValueError("low <= typical <= high must hold")
        return self


class Prompted(Cited):
    """A model worth prompting, the first one first; its prices come from genai-prices."""

    provider: str
    model: str
    reasons_by_default: bool = False
    retirement: Retirement | None = None


class PriceFile(Part):
    """The whole file."""

    version: Literal[1]
    as_of: date
    sources: dict[str, str]
    labs_checked: date | None = None
    refreshed: date | None = None  # when 'prices refresh' wrote this overlay
    prompt_models: tuple[Prompted, ...] = ()
    providers: dict[str, Provider]
    gpu_rental: dict[str, Rental] = Field(default_factory=dict)
    own: Own = Field(default_factory=Own.model_construct)
