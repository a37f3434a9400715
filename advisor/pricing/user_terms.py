"""What a user adds in a price overlay: discounts, tax, electricity, and the terms of every estimate."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from advisor.pricing.schema_base import Part, TrainingTier, Usd


class OwnTerms(Part):
    """What the user's estimates assume beyond data and workload; what is not set keeps its default."""

    runs: int | None = Field(default=None, ge=1, le=1000)
    tier: Literal["standard", "batch", "flex", "priority", "fast"] | None = None
    training_tier: TrainingTier | None = None
    residency: str | None = None
    reasoning_tokens: int | None = Field(default=None, ge=0)
    evaluation_rows: int | None = Field(default=None, ge=0)
    evaluation_repeats: int | None = Field(default=None, ge=1)
    judge_usd_per_row: Usd | None = None
    data_usd: Usd | None = None
    people_hours: Usd | None = None
    people_usd_per_hour: Usd | None = None
    retrain_every_months: int | None = Field(default=None, ge=1)
    hours_on: Annotated[Decimal, Field(ge=0, le=744)] | None = None
    replicas: int | None = Field(default=None, ge=1)
    peak_factor: Annotated[Decimal, Field(ge=1)] | None = None
    utilisation: Annotated[Decimal, Field(gt=0, le=1)] | None = None
    prefill_tokens_per_s: Annotated[Decimal, Field(gt=0)] | None = None
    decode_tokens_per_s: Annotated[Decimal, Field(gt=0)] | None = None
    setup_hours: Usd | None = None
    migration_usd: Usd | None = None


class Own(Part):
    """What the user pays himself and assumes; all off unless set in an overlay."""

    electricity_usd_per_kwh: Annotated[Decimal, Field(ge=0, le=3)] | None = None
    gpu_watts: Annotated[Decimal, Field(gt=0, le=2000)] | None = None
    amortisation_usd_per_hour: Annotated[Decimal, Field(ge=0, le=50)] | None = None
    tax_rate: Annotated[Decimal, Field(ge=0, lt=1)] | None = None
    discounts: dict[str, Annotated[Decimal, Field(ge=0, lt=1)]] = Field(default_factory=dict)
    terms: OwnTerms = Field(default_factory=OwnTerms.model_construct)
