"""All that the price book knows under one name: a provider, a model, part of a model's name, or a GPU."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from advisor.pricing.book import PriceBook
from advisor.pricing.entries import Entry, entries
from advisor.pricing.rates import Availability, Price, Standing, TokenPrices, TrainingOffer, TrainingRate


@dataclass(frozen=True, slots=True)
class Sold:
    """One offer under the name, its size band resolved into rates, and whether it can be bought."""

    provider: str
    model: str
    availability: Availability
    rates: tuple[TrainingRate, ...]
    min_charge_usd: Price | None
    retires: date | None
    note: str


@dataclass(frozen=True, slots=True)
class Found:
    """Everything under the name; ``closed`` is why a provider sells nothing, or nothing that is known."""

    name: str
    provider: str | None
    note: str
    closed: str | None
    offers: tuple[Sold, ...]
    inference: TokenPrices | None
    entries: tuple[Entry, ...]


def look_up(book: PriceBook, name: str, today: date, standing: Standing | None) -> Found | None:
    """Return what is known under ``name``; None when nothing is."""
    rent, provider = book.gpu(name), book.providers.get(name.lower())

    def named(seller: str, model: str) -> bool:
        if provider is not None:
            return seller == name.lower()
        return bool(model) and (name.lower() in model.lower() or (rent is not None and model == rent.name))

    lines = tuple(entry for entry in entries(book) if named(entry.provider, entry.model))
    offers = tuple(_sold(book, offer, today, standing) for offer in book.offers() if named(offer.provider, offer.model))
    asked = None if provider or rent else book.inference(name, on=today)
    if not lines and not offers and asked is None and provider is None:
        return None
    return Found(
        name=name,
        provider=provider.name if provider else None,
        note=provider.note if provider else "",
        closed=provider.closure.reason if provider and provider.closure else None,
        offers=offers,
        inference=asked,
        entries=lines,
    )


def names(book: PriceBook) -> tuple[str, ...]:
    """Return every name that ``look_up`` knows: providers, models, GPUs."""
    sold = (offer.model for offer in book.offers())
    prompted = (one.model for one in book.prompt_models)
    return tuple(dict.fromkeys((*book.providers, *sold, *prompted, *(entry.model for entry in entries(book)))))


def _sold(book: PriceBook, offer: TrainingOffer, today: date, standing: Standing | None) -> Sold:
    return Sold(
        provider=offer.provider,
        model=offer.model,
        availability=book.availability(offer, today, standing),
        rates=offer.rates,
        min_charge_usd=offer.min_charge,
        retires=offer.retires,
        note=offer.note,
    )
