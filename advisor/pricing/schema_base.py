"""The base of every part of a price file: unknown keys refused, prices bounded by their unit, sources named."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from advisor.pricing.rates import Confidence

# Bounds lie less than 1000 apart around every price in the packaged file, so that a value off by 1000 is outside.
# A true price outside them is entered with `unusual: true`.
BOUNDS: dict[str, tuple[str, str]] = {
    "train_usd_per_mtok": ("0.03", "55"),
    "train_usd_per_hour": ("1", "900"),
    "train_usd_per_second": ("0.00001", "0.05"),
    "input_usd_per_mtok": ("0.005", "15"),
    "output_usd_per_mtok": ("0.02", "55"),
    "cached_usd_per_mtok": ("0.002", "9"),
    "cache_write_usd_per_mtok": ("0.005", "19"),
    "hosting_usd_per_hour": ("0.03", "90"),
    "usd_per_hour": ("0.03", "90"),
    "low_usd_per_hour": ("0.02", "90"),
    "typical_usd_per_hour": ("0.02", "90"),
    "high_usd_per_hour": ("0.02", "90"),
    "usd": ("0.5", "60"),
    "usd_per_gb_month": ("0.01", "10"),
    "usd_per_model_month": ("0.1", "50"),
    "times": ("0.2", "5"),
}

TrainingTier: TypeAlias = Literal["standard", "developer", "data_zone", "regional"]
Usd: TypeAlias = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]


class Part(BaseModel):
    """A mapping of the price file; a key it does not know is refused, a price out of bounds too."""

    # Built when first used: only the whole file is ever validated, so its parts need no validators of their own.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    @model_validator(mode="after")
    def _within_bounds(self) -> Self:
        if getattr(self, "unusual", False):
            return self
        for name in type(self).model_fields:
            value = getattr(self, name)
            if name in BOUNDS and isinstance(value, Decimal) and value != 0:
                low, high = (Decimal(end) for end in BOUNDS[name])
                if not low <= value <= high:
                    raise ValueError(
                        f"{name} is {value}, outside {low} to {high}: is the unit right? "
                        "If the price is true, add 'unusual: true'"
                    )
        return self


Status: TypeAlias = Literal["", "disputed", "superseded", "unverified"]


class Stated(Part):
    """Who says it and when it was read."""

    source: str
    checked: date | None
    confidence: Confidence = "medium"
    status: Status = ""
    note: str = ""

    @model_validator(mode="after")
    def _known_source(self, info: ValidationInfo) -> Self:
        is_listed(self.source, info)
        return self


class Cited(Stated):
    """An entry. ``figures`` names those of its figures that were read elsewhere, or on another day."""

    unusual: bool = False
    figures: dict[str, Stated] = Field(default_factory=dict)

    @field_validator("figures")
    @classmethod
    def _its_own_figures(cls, figures: dict[str, Stated]) -> dict[str, Stated]:
        for name in figures:
            if name not in cls.model_fields:
                raise ValueError(f"there is no figure '{name}' in this entry")
        return figures

    def stated(self, figure: str) -> Stated:
        """Return who says this figure."""
        return self.figures.get(figure, self)


def is_listed(source: str, info: ValidationInfo) -> None:
    """Refuse a source that the file does not name under 'sources'."""
    known = (info.context or {}).get("sources")
    if known is not None and source not in known:
        raise ValueError(f"source '{source}' is not listed under 'sources'")
