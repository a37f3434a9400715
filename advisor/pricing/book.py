"""The price book: one validated file, asked for offers, availability, token prices and rent."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Self

from advisor.paths import packaged_prices
from advisor.pricing import genai_prices, schema, source_file
from advisor.pricing.lifecycle import availability
from advisor.pricing.offers import cite, offer_of, serverless_prices, tuned_prices
from advisor.pricing.rates import Availability, GpuRent, Standing, TokenPrices, TrainingOffer

OVERLAY = "pricing.local.yaml"


def overlay_start() -> str:
    """Return what a new overlay begins with: how it is written, and nothing in force."""
    return files("advisor.pricing").joinpath("overlay_start.yaml").read_text(encoding="utf-8")


@dataclass(frozen=True, eq=False)
class PriceBook:
    """Everything we know about prices, as of ``as_of``; immutable."""

    as_of: date
    files: tuple[Path, ...]
    content: schema.PriceFile
    _offers: Mapping[str, tuple[TrainingOffer, ...]] = field(repr=False)
    _rents: Mapping[str, GpuRent] = field(repr=False)

    @classmethod
    def load(cls, path: Path | None = None, overlays: Sequence[Path] | None = None) -> Self:
        """Read a price file and lay overlays over it, the last one on top.

        ``path`` None: $TUNEWISE_PRICING, else the packaged file with the overlays of ``standing_overlays()``. A file
        the user names replaces everything. Files that have not changed since the last call are not read again. Raises
        PriceError naming path, line and field.
        """
        named = path or (Path(os.environ["TUNEWISE_PRICING"]) if os.environ.get("TUNEWISE_PRICING") else None)
        if overlays is None:
            overlays = () if named else standing_overlays()
        paths = (named or packaged_prices(), *overlays)
        return cls._of(tuple((item, _stamp(item)) for item in paths))

    @classmethod
    @lru_cache(maxsize=8)
    def _of(cls, stamped: tuple[tuple[Path, tuple[int, ...]], ...]) -> Self:
        files = _still_newer([source_file.read(path) for path, _ in stamped])
        content = source_file.check(files)
        offers = {
            key: tuple(offer_of(key, provider, model_id, model, content) for model_id, model in provider.models.items())
            for key, provider in content.providers.items()
        }
        return cls(content.as_of, tuple(file.path for file in files), content, offers, _rents(content))

    @property
    def providers(self) -> Mapping[str, schema.Provider]:
        return self.content.providers

    def name_of(self, provider: str) -> str:
        """Return a provider's name as it writes itself."""
        known = self.providers.get(provider)
        return known.name if known else provider.replace("_", " ").title()

    def short_name_of(self, provider: str) -> str:
        """Return what a table calls a provider."""
        known = self.providers.get(provider)
        return (known and known.short) or self.name_of(provider)

    def short_name_of_model(self, model: str, provider: str | None) -> str:
        """Return what a table calls a model: as the price file says, else its id without owner and date."""
        known = self.providers.get(provider or "")
        listed = known.models.get(model) if known else None
        return (listed and listed.short) or _undated(model.rsplit("/", 1)[-1])

    @property
    def asks_standing(self) -> tuple[str, ...]:
        """The providers that sell to some organisations longer than to others."""
        return tuple(
            key for key, known in self.providers.items() if any(ending.whom != "all" for ending in known.lifecycle)
        )

    @property
    def prompt_models(self) -> tuple[schema.Prompted, ...]:
        """The models worth prompting, cheapest first; ``provider`` and ``model`` name them."""
        return self.content.prompt_models

    def offers(self, provider: str | None = None) -> tuple[TrainingOffer, ...]:
        """Return what can be trained, open or not: ask ``availability`` which."""
        if provider is not None:
            return self._offers.get(provider, ())
        return tuple(offer for offers in self._offers.values() for offer in offers)

    def offer(self, provider: str, model: str) -> TrainingOffer | None:
        """Return the offer for ``model``; None when there is none.

        Its date or its owner may be left out, also where the file has them, and a date may be there where the file has
        none; letters may be of either case.
        """
        offers = self.offers(provider)
        wanted = _base_model(model)
        for offer in offers:
            if offer.model == wanted:
                return offer
        lower = wanted.lower()
        for offer in offers:
            known = offer.model.lower()
            if lower in (known, _undated(known), known.split("/")[-1]) or _undated(lower) == known:
                return offer
        return None

    def availability(self, offer: TrainingOffer, today: date, standing: Standing | None = None) -> Availability:
        """Tell whether a new job can be created on that day by an organisation of that standing (None: not said)."""
        return availability(offer, today, standing)

    def inference(
        self, model: str, provider: str | None = None, *, tuned: bool = False, tier: str = "standard", on: date
    ) -> TokenPrices | None:
        """Return what asking ``model`` costs on that day; None when unknown.

        Our own file first, then genai-prices; a tuned model is never priced as its base. Raises PriceError for a
        tier that does not exist.
        """
        genai_prices.known_tier(tier)
        tuned = tuned or model.startswith("ft:")
        for key in (provider,) if provider else tuple(self.providers):
            seller = self.providers.get(key)
            offer = self.offer(key, model)
            if offer is None or seller is None:
                continue
            found = (
                tuned_prices(offer, tier)
                if tuned
                else serverless_prices(key, seller, offer.model, tier, self.content.sources)
            )
            if found is not None:
                return self._own_terms(found)
        if tuned:
            return None
        found = genai_prices.token_prices(provider, model, tier, on, self.content.labs_checked)
        return None if found is None else self._own_terms(found)

    def retirement(self, provider: str | None, model: str) -> schema.Retirement | None:
        """Return when asking ``model`` untuned ends, and who says so; None where no end is announced."""
        for item in self.prompt_models:
            if item.model == model and provider in (None, item.provider):
                return item.retirement
        seller = self.providers.get(provider or "")
        offer = self.offer(provider or "", model)
        if seller is None or offer is None:
            return None
        sold = seller.models[offer.model]
        return sold.base_retirement or sold.retirement

    def gpu(self, name: str) -> GpuRent | None:
        """Return what renting ``name`` costs per hour; None when no offer is known."""
        return self._rents.get(_plain(name))

    def gpu_at(self, provider: str | None, name: str) -> GpuRent | None:
        """Return what the provider's own cheapest machine with one such GPU costs an hour; None where it has none."""
        seller = self.providers.get(provider or "")
        sold = [
            one
            for one in (seller.machines.values() if seller else ())
            if one.gpus == 1 and _plain(one.gpu) == _plain(name)
        ]
        if seller is None or not sold:
            return None
        one = min(sold, key=lambda machine: machine.usd_per_hour)
        usd = one.usd_per_hour
        return GpuRent(name, usd, usd, usd, seller.name, seller.name, cite(one, self.content.sources))

    def discount(self, provider: str) -> Decimal:
        """Return the share of the list price this user saves at ``provider``; 0 unless an overlay says otherwise."""
        return self.content.own.discounts.get(provider, Decimal(0))

    def _own_terms(self, prices: TokenPrices) -> TokenPrices:
        """Add what the file knows about this seller's cache and reasoning; discounts are applied by the estimate."""
        seller = self.providers.get(prices.provider)
        minimum = seller.cache.minimum_tokens if seller and seller.cache else None
        reasons = any(item.reasons_by_default for item in self.prompt_models if item.model == prices.model)
        if minimum == prices.cache_minimum_tokens and reasons == prices.reasons_by_default:
            return prices
        return replace(prices, cache_minimum_tokens=minimum, reasons_by_default=reasons)


def standing_overlays() -> tuple[Path, ...]:
    """Return the overlay files that exist, lowest first: refreshed cache, user config, working folder."""
    return tuple(path for path in overlay_places() if path.is_file())


def overlay_places() -> tuple[Path, ...]:
    """Return where overlays are looked for, lowest first."""
    import platformdirs

    chosen = os.environ.get("TUNEWISE_HOME")
    state = Path(chosen).expanduser() if chosen else Path(platformdirs.user_data_dir("tunewise", appauthor=False))
    config = state if chosen else Path(platformdirs.user_config_dir("tunewise", appauthor=False))
    return (state / "cache" / "pricing.refreshed.yaml", config / "pricing.yaml", Path(OVERLAY))


def _stamp(path: Path) -> tuple[int, ...]:
    """Return what changes when the file does; nothing for one that is not there, which reading it will say."""
    try:
        seen = path.stat()
    except OSError:
        return ()
    return seen.st_dev, seen.st_ino, seen.st_mtime_ns, seen.st_size


def _still_newer(files: list[source_file.SourceFile]) -> list[source_file.SourceFile]:
    """Leave out a refreshed overlay that is older than the file it would lie over."""
    as_of = files[0].tree.get("as_of")
    kept = [files[0]]
    for file in files[1:]:
        refreshed = file.tree.get("refreshed")
        if not (isinstance(refreshed, date) and isinstance(as_of, date) and refreshed < as_of):
            kept.append(file)
    return kept


def _rents(content: schema.PriceFile) -> dict[str, GpuRent]:
    rents: dict[str, GpuRent] = {}
    for name, rental in content.gpu_rental.items():
        rent = GpuRent(
            name=name,
            low=rental.low_usd_per_hour,
            typical=rental.typical_usd_per_hour,
            high=rental.high_usd_per_hour,
            low_source=rental.low_at,
            high_source=rental.high_at,
            cited=cite(rental, content.sources, "typical_usd_per_hour"),
        )
        for spelling in (name, *rental.also):
            rents[_plain(spelling)] = rent
    return rents


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", re.sub(r"^(nvidia|geforce|tesla|[ _-])+", "", name.lower()))


def _base_model(model: str) -> str:
    """Return the base of a tuned model's id: ft:gpt-4.1-mini-2025-04-14:org::id -> gpt-4.1-mini-2025-04-14."""
    return model.split(":")[1] if model.startswith("ft:") and ":" in model[3:] else model.removeprefix("ft:")


def _undated(model: str) -> str:
    return re.sub(r"-(\d{4}-\d{2}-\d{2}|\d{4})$", "", model)
