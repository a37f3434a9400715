"""Turns the price file's entries into offers and token prices: size bands resolved, sources spelled out."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from advisor.pricing import schema, schema_base
from advisor.pricing.rates import (
    BillingRule,
    Citation,
    Confidence,
    Hosting,
    Lifecycle,
    Price,
    TokenPrices,
    TrainingOffer,
    TrainingRate,
)
from backends import Method

_SURE: tuple[Confidence, ...] = ("high", "medium", "low")


def offer_of(
    key: str, provider: schema.Provider, model_id: str, model: schema.Model, content: schema.PriceFile
) -> TrainingOffer:
    """Return the offer of one model, with everything the provider's own entry says about all its models."""
    sources = content.sources
    closure = model.closure or provider.closure
    minimum = model.min_charge or provider.min_charge
    billing = provider.billing
    retirement = model.retirement
    no_rule = Citation("", None, "low", "unverified", "the billing rule is not known")
    return TrainingOffer(
        provider=key,
        model=model_id,
        rates=_rates(provider, model, sources),
        billing=BillingRule(
            rule=billing.rule,
            validation_billed=billing.validation_billed,
            padded_without_packing=billing.padded_without_packing,
            default_epochs=billing.default_epochs,
            granularity=billing.granularity,
            cited=cite(billing, sources),
        )
        if billing
        else BillingRule("unknown", False, False, None, "token", no_rule),
        min_charge=None
        if minimum is None
        else _price(minimum.usd, minimum, [r.usd for r in minimum.readings], sources),
        max_context={}
        if model.limits is None
        else {str(name): tokens for name, tokens in model.limits.max_context.items()},
        max_lora_rank=None if model.limits is None else model.limits.max_lora_rank,
        images=None if model.limits is None else model.limits.images,
        max_file_bytes=None if provider.files is None else provider.files.max_bytes,
        params_b=model.params_b,
        open_weights=model.open_weights,
        serving=model.serving if model.serving is not None else provider.serving,
        tuned=_tokens(key, model_id, model.tuned, "standard", sources),
        tuned_batch=_tokens(key, model_id, model.tuned, "batch", sources),
        hosting=tuple(
            Hosting(
                replica.gpu,
                _price(replica.usd_per_hour, replica, [r.usd_per_hour for r in replica.readings], sources),
                replica.granularity,
                replica.idle,
            )
            for replica in provider.dedicated
        ),
        storage=_storage(provider.storage, "usd_per_model_month", sources),
        storage_per_gb=_storage(provider.storage, "usd_per_gb_month", sources),
        lifecycle=tuple(
            Lifecycle(
                None if ending.whom == "all" else ending.whom,
                ending.new_jobs_until,
                ending.reason,
                cite(ending, sources),
            )
            for ending in provider.lifecycle
        ),
        retires=retirement.retires if retirement else None,
        retires_source=sources[retirement.source] if retirement else "",
        replacement=retirement.replacement if retirement else None,
        closed_state=closure.state if closure else "",
        restricted_since=closure.restricted_since if closure else None,
        closed_reason=closure.reason if closure else "",
        closed_source=sources[closure.source] if closure else "",
        note=model.note or provider.note,
    )


def tuned_prices(offer: TrainingOffer, tier: str) -> TokenPrices | None:
    """Return what a tuned model costs per token, where it is sold by the token."""
    return {"standard": offer.tuned, "batch": offer.tuned_batch}.get(tier)


def serverless_prices(
    key: str, provider: schema.Provider, model_id: str, tier: str, sources: dict[str, str]
) -> TokenPrices | None:
    """Return what the untuned model costs per token at this provider, where our file says so."""
    return _tokens(key, model_id, provider.models[model_id].base, tier, sources)


def cite(entry: schema_base.Cited, sources: dict[str, str], *figures: str) -> Citation:
    """Spell out who says these figures of the entry (none named: all).

    Figures read at different places are as old as the oldest reading, and as sure as the least sure.
    """
    said = [entry.stated(figure) for figure in figures] or [entry]
    dates = [stated.checked for stated in said if stated.checked is not None]
    return Citation(
        "; ".join(dict.fromkeys(sources[stated.source] for stated in said)),
        min(dates) if len(dates) == len(said) else None,
        max((stated.confidence for stated in said), key=_SURE.index),
        next((stated.status for stated in said if stated.status), ""),
        next((stated.note for stated in said if stated.note), ""),
    )


def _price(usd: Decimal, entry: schema_base.Cited, others: Sequence[Decimal], sources: dict[str, str]) -> Price:
    return Price(min(usd, *others) if others else usd, usd, max(usd, *others) if others else usd, cite(entry, sources))


def _rates(provider: schema.Provider, model: schema.Model, sources: dict[str, str]) -> tuple[TrainingRate, ...]:
    """Return the model's own rates first, then those its size gives it for what it has no own rate for."""
    own = [made for rate in model.training for made in _one_rate(rate, sources)]
    params = model.params_b
    if params is None or not model.methods:
        return tuple(own)
    band = next((band for band in provider.bands if params <= band.up_to_b), None)
    taken = {(rate.method, rate.objective, rate.tier) for rate in own}
    for rate in band.training if band else ():
        for made in _one_rate(rate, sources):
            sold = made.method in model.methods and made.objective in model.objectives
            if sold and (made.method, made.objective, made.tier) not in taken:
                own.append(made)
    return tuple(own)


def _one_rate(rate: schema.Rate, sources: dict[str, str]) -> list[TrainingRate]:
    for unit, usd in (
        ("mtok", rate.train_usd_per_mtok),
        ("hour", rate.train_usd_per_hour),
        ("second", rate.train_usd_per_second),
    ):
        if usd is not None:
            price = _price(usd, rate, [reading.train_usd_per_mtok for reading in rate.readings], sources)
            method = None if rate.method == "undisclosed" else Method(rate.method)
            return [TrainingRate(method, objective, price, unit, rate.tier) for objective in rate.objectives]
    return []


def _tokens(
    key: str, model_id: str, entry: schema.Tokens | None, tier: str, sources: dict[str, str]
) -> TokenPrices | None:
    if entry is None:
        return None
    rates = {"standard": entry, "batch": entry.batch_entry}.get(tier)
    if rates is None:
        return None
    figures = [name for name in schema_base.BOUNDS if getattr(rates, name, None) is not None]
    return TokenPrices(
        model=model_id,
        provider=key,
        tier=tier,
        input_usd_per_mtok=rates.input_usd_per_mtok,
        output_usd_per_mtok=rates.output_usd_per_mtok,
        cached_usd_per_mtok=rates.cached_usd_per_mtok,
        cache_write_usd_per_mtok=rates.cache_write_usd_per_mtok,
        hosting_usd_per_hour=entry.hosting_usd_per_hour,
        cited=cite(rates, sources, *figures),
        readings=tuple(
            TokenPrices(
                model=model_id,
                provider=key,
                tier=tier,
                input_usd_per_mtok=reading.input_usd_per_mtok,
                output_usd_per_mtok=reading.output_usd_per_mtok,
                cached_usd_per_mtok=reading.cached_usd_per_mtok,
                cited=cite(reading, sources),
            )
            for reading in rates.readings
        ),
    )


def _storage(entry: schema.Storage | None, unit: str, sources: dict[str, str]) -> Price | None:
    usd = (
        {}
        if entry is None
        else {"usd_per_model_month": entry.usd_per_model_month, "usd_per_gb_month": entry.usd_per_gb_month}
    )
    amount = usd.get(unit)
    return None if entry is None or amount is None else Price.exact(amount, cite(entry, sources, unit))
