"""Inference prices of the big labs, from the genai-prices package: bundled, offline, exact."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from advisor.errors import PriceError
from advisor.nearest import no_such
from advisor.pricing.rates import Citation, Cliff, TokenPrices

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice

# Tier -> what genai-prices calls it. It answers a word it does not know with the standard price, so we ask only these.
TIERS: dict[str, dict[str, str]] = {
    "standard": {},
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "fast": {"service_tier": "fast"},
}
# Some models are priced by the time of day: all of ours are quoted for noon UTC.
_HOUR = time(12, 0, tzinfo=UTC)


def known_tier(tier: str) -> str:
    """Return ``tier``. Raises PriceError for a misspelt one, which must never be billed as standard."""
    if tier not in TIERS:
        raise PriceError(no_such("price tier", tier, TIERS))
    return tier


@lru_cache(maxsize=1024)
def token_prices(provider: str | None, model: str, tier: str, on: date, checked: date | None) -> TokenPrices | None:
    """Return the prices of ``model`` on that day; None when the package does not know them."""
    from genai_prices import __version__ as version
    from genai_prices.data_snapshot import get_snapshot

    when = datetime.combine(on, _HOUR)
    context = TIERS[known_tier(tier)]
    try:
        seller, info = get_snapshot().find_provider_model(model, None, provider, None)
    except LookupError:
        return None
    if context and not _sells(info, context, when):
        return None
    prices = info.get_prices(when, context or None)
    base = _rates(prices, above=None)
    if base is None:
        return None
    edges = sorted({edge for key in _KEYS for edge in _edges(prices, key)})
    cliffs = []
    for edge in edges:
        rates = _rates(prices, above=edge)
        if rates:
            cliffs.append(Cliff(edge, rates[0], rates[1], rates[2], rates[3]))
    return TokenPrices(
        model=info.id,
        provider=seller.id,
        tier=tier,
        input_usd_per_mtok=base[0],
        output_usd_per_mtok=base[1],
        cached_usd_per_mtok=base[2],
        cache_write_usd_per_mtok=base[3],
        cliffs=tuple(cliffs),
        cited=Citation(f"genai-prices {version}, {seller.id}", checked, "high"),
    )


_KEYS = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")


def _sells(info: ModelInfo, context: dict[str, str], when: datetime) -> bool:
    return any(
        variant.when == context and (variant.constraint is None or variant.constraint.active(when))
        for variant in info.price_variants or ()
    )


def _rates(prices: ModelPrice, above: int | None) -> tuple[Decimal, Decimal, Decimal | None, Decimal | None] | None:
    """Return input, output, cached and cache write per million tokens beyond ``above`` tokens of input."""
    found = [_at(getattr(prices, key), above) for key in _KEYS]
    if found[0] is None or found[1] is None:
        return None
    return found[0], found[1], found[2], found[3]


def _at(value: object, above: int | None) -> Decimal | None:
    if value is None or isinstance(value, Decimal):
        return value
    tiers = getattr(value, "tiers", ())
    base = getattr(value, "base", None)
    passed = [tier for tier in tiers if above is not None and tier.start <= above]
    chosen = max(passed, key=lambda tier: tier.start).price if passed else base
    return chosen if isinstance(chosen, Decimal) else None


def _edges(prices: ModelPrice, key: str) -> list[int]:
    return [int(tier.start) for tier in getattr(getattr(prices, key), "tiers", ())]
