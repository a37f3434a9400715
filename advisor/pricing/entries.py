"""The price book as a flat list: one entry per figure, with its unit, source, date and trust."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from pydantic import BaseModel

from advisor.pricing import schema, schema_base
from advisor.pricing.book import PriceBook

# Days after which a price is worth reading again; hourly hardware moves by the week.
FRESH_DAYS = 45
FRESH_DAYS_HOURLY = 14
# Days after which nothing is launched on it unattended.
REFUSE_DAYS = 120


@dataclass(frozen=True, slots=True)
class Entry:
    """One figure of the book. ``key`` is its place in the file; ``unit`` is the end of the key, spelled as there."""

    key: str
    provider: str
    model: str
    name: str
    value: Decimal | date | str
    unit: str
    source: str
    checked: date | None
    confidence: str
    status: str
    note: str
    readings: tuple[str, ...] = ()

    @property
    def fresh_days(self) -> int:
        """Return for how many days after ``checked`` the figure counts as fresh."""
        return FRESH_DAYS_HOURLY if self.unit.endswith("usd_per_hour") and "train" not in self.unit else FRESH_DAYS

    def age_days(self, today: date) -> int | None:
        """Return the days since it was read; None when the source is undated."""
        return None if self.checked is None else (today - self.checked).days

    def stale(self, today: date) -> bool:
        """Tell whether it should be read again; an undated figure always should."""
        age = self.age_days(today)
        return age is None or age > self.fresh_days


def entries(book: PriceBook) -> tuple[Entry, ...]:
    """Return every figure and every lifecycle date of the book, in the order of the file."""
    content = book.content
    found: list[Entry] = []
    for key, provider in content.providers.items():
        found += _of(provider, f"providers.{key}", key, "", content.sources)
    for name, rental in content.gpu_rental.items():
        found += _of(rental, f"gpu_rental.{name}", "rental", name, content.sources)
    return tuple(found)


def _of(part: BaseModel, key: str, provider: str, model: str, sources: dict[str, str]) -> Iterator[Entry]:
    cited = part if isinstance(part, schema_base.Cited) else None
    for field in type(part).model_fields:
        value = getattr(part, field)
        if field in ("readings", "checked", "unusual", "figures"):
            continue
        if isinstance(value, BaseModel):
            batch = part.batch_entry if isinstance(part, schema.Tokens) and field == "batch" else None
            yield from _of(batch or value, f"{key}.{field}", provider, model, sources)
        elif isinstance(value, dict):
            for name, item in value.items():
                if isinstance(item, BaseModel):
                    below = name if field == "models" else model
                    place = f"{key}.{name}" if field == "models" else f"{key}.{field}.{name}"
                    yield from _of(item, place, provider, below, sources)
        elif isinstance(value, tuple):
            for number, item in enumerate(value):
                if isinstance(item, BaseModel):
                    yield from _of(item, f"{key}.{_label(item, field, number)}", provider, model, sources)
        elif cited is not None and _is_figure(field, value):
            stated = cited.stated(field)
            yield Entry(
                key=f"{key}.{field}",
                provider=provider,
                model=model,
                name=_name(key, provider, model),
                value=value,
                unit=field,
                source=sources[stated.source],
                checked=stated.checked,
                confidence=stated.confidence,
                status=stated.status,
                note=stated.note,
                readings=_readings(cited, field, sources),
            )


def _readings(cited: schema_base.Cited, field: str, sources: dict[str, str]) -> tuple[str, ...]:
    """Return the other readings of this figure, each as value, source and date in one sentence."""
    return tuple(
        f"{getattr(reading, field):f} ({sources[reading.source]}, {reading.checked or 'undated'})"
        for reading in getattr(cited, "readings", ())
        if getattr(reading, field) is not None
    )


def _is_figure(field: str, value: object) -> bool:
    return isinstance(value, Decimal) or (field in ("new_jobs_until", "retires", "restricted_since") and bool(value))


def _label(item: BaseModel, field: str, number: int) -> str:
    if isinstance(item, schema.Rate):
        tier = "" if item.tier == "standard" else f".{item.tier}"
        return f"{field}.{item.method}.{'+'.join(item.objectives)}{tier}"
    if isinstance(item, schema.Replica):
        return f"{field}.{item.gpu}"
    if isinstance(item, schema.Band):
        return f"{field}.up_to_{int(item.up_to_b)}b"
    if isinstance(item, schema.Ending):
        return f"{field}.{item.whom}"
    return f"{field}.{number}"


def _name(key: str, provider: str, model: str) -> str:
    """Return what the figure is, without the provider and the model that stand beside it."""
    name = (
        key.removeprefix(f"providers.{provider}").removeprefix("gpu_rental").removeprefix(f".{model}" if model else "")
    )
    return name.removeprefix(".").replace(".", " ") or "rent"
