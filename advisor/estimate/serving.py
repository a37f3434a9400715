"""What answering costs: by the token, on a dedicated replica, or on a GPU of one's own."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from advisor.estimate import formulas
from advisor.estimate.case import Case, gpu_name
from advisor.estimate.replicas import machines_of, serving_of
from advisor.estimate.request_shape import Load, Three
from advisor.estimate.sheet import OWNED, Sheet
from advisor.estimate.values import Machines, Range, Strategy
from advisor.pricing import Price, TokenPrices

_MILLION = formulas.MILLION
DOUBTS = {
    "disputed": "is given differently by different sources",
    "superseded": "is an older one; the new, lower one was not found",
    "unverified": "was not read on the provider's current page",
}


def serve(case: Case, prices: TokenPrices | None, load: Load, sheet: Sheet) -> Range | None:
    """Add the lines of answering requests; return what one more request costs, None when that is not known."""
    candidate = case.candidate
    if candidate.strategy is Strategy.CLASSIFIER:
        sheet.assume("It answers on any processor in a millisecond: no request is billed, and the processor is yours.")
        return Range.exact(0)
    if candidate.serving == "none":
        sheet.assume("Serving is not counted.")
        return Range.exact(0)
    if candidate.serving == "dedicated":
        return _dedicated(case, load, sheet)
    if candidate.strategy.local or candidate.serving == "self_hosted":
        return _self_hosted(case, load, sheet)
    if prices is None and "request" in sheet.unknown:
        return None
    if prices is None:
        tuned = "the tuned " if candidate.strategy.tunes else ""
        for period in ("request", "month"):
            sheet.missing(period, f"What asking {tuned}{candidate.model} costs by the token is not known.")
        return None
    return _by_token(prices, load, sheet)


def for_this_user(case: Case, prices: TokenPrices, sheet: Sheet) -> TokenPrices | None:
    """Apply the user's discount, the residency surcharge and the what-if factor to every price of a seller.

    None where a surcharge is due and not known.
    """
    discount = case.book.discount(prices.provider)
    if discount:
        sheet.assume(f"Your discount at {prices.provider} is {discount:.0%}.")
    surcharge = _residency(case, prices.provider, sheet)
    if surcharge is None:
        return None
    factor = case.factor(prices.provider) * surcharge
    return prices if factor == 1 else _scaled(prices, factor)


def gpu_hour(case: Case, sheet: Sheet, gpu: str | None, *, period: str) -> Price | None:
    """Return what an hour of a GPU costs: electricity when owned (off by default), else its rent."""
    if gpu is None:
        sheet.missing(period, "No GPU is named, so the price of an hour is not known.")
        return None
    at_provider = period == "once" and case.candidate.trained_on is not None
    if case.owns(gpu) and not at_provider:
        return _own_hour(case, gpu, sheet, period)
    rent = case.book.gpu_at(case.candidate.backend, gpu) if at_provider else None
    rent = rent or case.book.gpu(gpu)
    if rent is None:
        sheet.missing(period, f"What renting a {gpu} costs is not known.")
        return None
    if not case.workload.may_rent_gpus:
        sheet.warn(f"This rents a {gpu}, but the workload says GPUs may not be rented.")
    sheet.assume(
        f"A {rent.name} rents for {rent.typical:f} USD/h, {rent.low:f} ({rent.low_source}) to {rent.high:f} "
        f"({rent.high_source})."
    )
    return Price(rent.low, rent.typical, rent.high, rent.cited).times(case.terms.price_factor)


def _residency(case: Case, provider: str, sheet: Sheet) -> Decimal | None:
    """Return what keeping data in a region multiplies the provider's prices by; 1 where nobody asked, None: unknown."""
    region = case.terms.residency or ("residency" if case.in_region else None)
    if region is None:
        return Decimal(1)
    seller = case.book.providers.get(provider)
    surcharge = seller.multipliers.get(region) if seller else None
    if surcharge is None:
        for period in ("request", "month"):
            sheet.missing(period, f"What keeping data in a region costs at {provider} is not known.")
        return None
    sheet.assume(f"Data kept in a region costs {surcharge.times}x at {provider}.")
    return surcharge.times


def _by_token(prices: TokenPrices, load: Load, sheet: Sheet) -> Range:
    at = prices.at(int(load.prompt))
    if at is not prices:
        sheet.warn(
            f"The prompt of {load.prompt} tokens is past a price step of {prices.model}: every token costs more."
        )
    cases = [
        load.answers * formulas.request_usd(prices, prefix=load.prefix, user=load.user, output=output, hit=hit)
        for output, hit in zip(load.outputs, load.hits, strict=True)
    ]
    ends = [
        load.answers * formulas.request_usd(reading, prefix=load.prefix, user=load.user, output=output, hit=hit)
        for reading in prices.readings
        for output, hit in zip(load.outputs, load.hits, strict=True)
    ]
    if prices.cited.status in DOUBTS:
        sheet.warn(f"The price of {prices.model} at {prices.provider} by the token {DOUBTS[prices.cited.status]}.")
    hit = load.hits[1]
    pays_from = formulas.caching_pays_from(at)
    if hit is not None and pays_from and formulas.prefix_usd_per_mtok(at, hit) > at.input_usd_per_mtok:
        sheet.warn(
            f"At this hit rate the cache costs more than it saves; it pays from {pays_from:.2f} requests a write."
        )
    for name, parts, usd in _parts(at, load):
        read = [usd, *(_read(name, reading) for reading in prices.readings)]
        if load.requests is None:
            low, mid, high = (tokens / _MILLION for tokens in parts)
            each, unit, period = usd / _MILLION, "token", "request"
            mid = parts[1]
        else:
            low, mid, high = (n * tokens / _MILLION for n, tokens in zip(load.requests, parts, strict=True))
            each, unit, period = usd, "Mtok", "month"
        sheet.add(name, mid, unit, each, at.cited, period=period, low=low * min(read), high=high * max(read))
    if prices.hosting_usd_per_hour is not None:
        hours = formulas.HOURS_PER_MONTH
        sheet.add("hosting, used or not", hours, "hour", prices.hosting_usd_per_hour, at.cited, period="month")
    return Range(min(*cases, *ends), cases[1], max(*cases, *ends))


def _read(name: str, reading: TokenPrices) -> Decimal:
    """Return what another source says a part of a request costs per million tokens; in full where it names no cache."""
    if name == "output":
        return reading.output_usd_per_mtok
    cached = reading.cached_usd_per_mtok if name == "input from the cache" else None
    return reading.input_usd_per_mtok if cached is None else cached


def _parts(at: TokenPrices, load: Load) -> list[tuple[str, Three, Decimal]]:
    """Return name, tokens of a request in the three cases, and price per million tokens; empty lines left out."""
    none = Decimal(0)
    read, write = at.cached_usd_per_mtok, at.cache_write_usd_per_mtok
    cached = [none if hit is None else hit * load.prefix for hit in load.hits]
    written = [none if hit is None or write is None else (1 - hit) * load.prefix for hit in load.hits]
    plain = [load.prompt - hit - miss for hit, miss in zip(cached, written, strict=True)]
    rows: list[tuple[str, list[Decimal], Decimal | None]] = [
        ("input", plain, at.input_usd_per_mtok),
        ("input from the cache", cached, read),
        ("input written to the cache", written, write),
        ("output", list(load.outputs), at.output_usd_per_mtok),
    ]
    each = [(name, [load.answers * tokens for tokens in parts], usd) for name, parts, usd in rows]
    return [(name, (t[0], t[1], t[2]), usd) for name, t, usd in each if usd is not None and any(t)]


def _dedicated(case: Case, load: Load, sheet: Sheet) -> Range | None:
    """Add the line of an endpoint of one's own at the provider: one more request on it costs nothing."""
    offer, gpu = case.offer, case.candidate.gpu
    hosts = [host for host in offer.hosting if gpu is None or gpu_name(host.gpu) == gpu_name(gpu)] if offer else []
    if offer is None or not hosts:
        where = f"on {gpu or 'any GPU'} at {case.candidate.backend}"
        sheet.missing("month", f"What a dedicated endpoint {where} costs is not known.")
        return None
    host = hosts[0]
    served = serving_of(case, load, host.gpu, sheet)
    cards = served.cards if served else 1
    sheet.assume(f"A replica is {cards} x {host.gpu}, powered {case.terms.hours_on} hours a month; {host.idle}.")
    surcharge = _residency(case, offer.provider, sheet)
    if surcharge is None:
        return None
    price, each = host.usd_per_hour.times(case.factor(offer.provider) * surcharge), cards * case.terms.hours_on
    machines = machines_of(case, load, served, price, each, sheet)
    _hours_line("dedicated endpoint", machines, each, price, sheet)
    return Range.exact(0)


def _self_hosted(case: Case, load: Load, sheet: Sheet) -> Range | None:
    """Add the line of serving on a GPU owned or rented: one more request on it costs nothing."""
    gpu = case.gpu
    price = gpu_hour(case, sheet, gpu, period="month")
    if price is None or gpu is None:
        return None
    served = serving_of(case, load, gpu, sheet)
    cards = served.cards if served else 1
    each = cards * case.terms.hours_on
    machines = machines_of(case, load, served, price, each, sheet)
    sheet.assume(f"Self-hosting: {machines.counts[1] * cards} x {gpu}, powered {case.terms.hours_on} hours a month.")
    _hours_line(f"serving on {gpu}", machines, each, price, sheet)
    return Range.exact(0)


def _own_hour(case: Case, gpu: str, sheet: Sheet, period: str) -> Price | None:
    own = case.book.content.own
    usd = own.amortisation_usd_per_hour or Decimal(0)
    if own.electricity_usd_per_kwh is None:
        if not usd:
            sheet.assume(f"Your own {gpu} is counted as free; electricity and wear are not counted.")
        return Price.exact(usd, OWNED)
    if own.gpu_watts is None:
        sheet.missing(period, "Electricity has a price, but own.gpu_watts is not set in your price overlay.")
        return None
    sheet.assume(f"Electricity at {own.electricity_usd_per_kwh} USD/kWh and {own.gpu_watts} W.")
    return Price.exact(usd + own.electricity_usd_per_kwh * own.gpu_watts / 1000, OWNED)


def _hours_line(name: str, machines: Machines, each: Decimal, price: Price, sheet: Sheet) -> None:
    """Add the hours of a month: ``each`` is what one replica takes of them."""
    usd, sheet.machines = machines.usd, machines
    hours = machines.counts[1] * each
    sheet.add(name, hours, "hour", price.mid, price.cited, period="month", low=usd.low, high=usd.high)


def _scaled(prices: TokenPrices, factor: Decimal) -> TokenPrices:
    def times(usd: Decimal | None) -> Decimal | None:
        return None if usd is None else usd * factor

    return replace(
        prices,
        input_usd_per_mtok=prices.input_usd_per_mtok * factor,
        output_usd_per_mtok=prices.output_usd_per_mtok * factor,
        cached_usd_per_mtok=times(prices.cached_usd_per_mtok),
        cache_write_usd_per_mtok=times(prices.cache_write_usd_per_mtok),
        hosting_usd_per_hour=times(prices.hosting_usd_per_hour),
        readings=tuple(_scaled(reading, factor) for reading in prices.readings),
        cliffs=tuple(
            replace(
                cliff,
                input_usd_per_mtok=cliff.input_usd_per_mtok * factor,
                output_usd_per_mtok=cliff.output_usd_per_mtok * factor,
                cached_usd_per_mtok=times(cliff.cached_usd_per_mtok),
                cache_write_usd_per_mtok=times(cliff.cache_write_usd_per_mtok),
            )
            for cliff in prices.cliffs
        ),
    )
