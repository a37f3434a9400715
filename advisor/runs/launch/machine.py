"""Which machine a run rents at a provider of machines: the cheapest that holds a step, and for how long at most."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_UP, Decimal
from typing import TYPE_CHECKING

from advisor.errors import RunError
from advisor.estimate import LineItem
from advisor.hardware import Architecture, Band, Gpu, architecture, gpu, train_minutes
from advisor.money import usd
from advisor.pricing.serving_terms import serving_terms
from advisor.runs.launch.rental_options import lies
from advisor.runs.run import Quote, Run
from backends import DEFAULT_LORA_RANK, Backend, JobSpec, Json

if TYPE_CHECKING:
    from advisor.pricing import PriceBook
    from advisor.tokens import Profile

_CENT = Decimal("0.01")
_LEEWAY = 1.5  # of the longest time that is likely, before a machine is taken away


@dataclass(frozen=True, slots=True)
class Machine:
    """``gpus`` cards of one kind in one machine, and what a run on it takes; ``usd_per_hour`` is of all of it."""

    name: str
    card: Gpu
    gpus: int
    shard: str  # ddp | fsdp
    peak_gb: float  # of one card
    usd_per_hour: Decimal
    source: str
    checked: date | None
    minutes: Band | None

    def usd_for(self, minutes: float | int) -> Decimal:
        return (self.usd_per_hour * Decimal(str(minutes)) / 60).quantize(_CENT, ROUND_UP)


def with_machine(run: Run, backend: Backend, profile: Profile, book: PriceBook, cap_usd: Decimal | None) -> Run:
    """Return the run with its machine, the minutes after which that is taken away, and what it costs as its quote.

    What ``-o machine`` and ``-o max_minutes`` say stays. ``cap_usd``: at most so many US dollars, where they pay for
    the likely time. Raises RunError where nothing rented there holds the model, or the time is not known.
    """
    spec, shape = run.spec, architecture(run.spec.model)
    if shape is None:
        raise RunError(
            f"'{spec.model}' is not in the catalogue, so what it fits on and how long it takes is not known; give "
            "-o machine=NAME and -o max_minutes=N."
        )
    asked = spec.options.get("machine")
    found = [one for one in fitting(spec, backend, shape, profile, book) if asked in (None, one.name)]
    if not found:
        where = f"'{asked}'" if asked else "none that has a price here"
        raise RunError(
            f"Of the machines of {spec.backend}, {spec.model} by {spec.method} needs a larger one than {where}; try "
            "--method qlora or a smaller model."
        )
    best, held = found[0], backend.held_beside_minutes or 0
    options: dict[str, Json] = {"machine": best.name, **spec.options}
    if best.gpus > 1:
        options = {"workers": best.gpus, "shard": best.shard, **options}
    limit = options.get("max_minutes")
    if limit is None and best.minutes is None:
        raise RunError(f"How long {spec.model} takes on {best.card.title} is not known; give -o max_minutes=N.")
    likely = None if best.minutes is None else best.minutes.mid + held
    if best.minutes is not None and limit is None:
        limit = math.ceil(_LEEWAY * best.minutes.high) + held
        paid = None if cap_usd is None else int(cap_usd / best.usd_per_hour * 60)
        if paid is not None and likely is not None and likely <= paid < limit:
            limit = paid
    options["max_minutes"] = limit
    quoted = _quote(run.quote, best, held, limit) if isinstance(limit, int) else run.quote
    seller = book.providers.get(spec.backend)
    terms = serving_terms(book.offer(spec.backend, spec.model), seller.serving if seller else ())
    return replace(run, spec=replace(spec, options=options), quote=replace(quoted, serving=terms))


def fitting(
    spec: JobSpec, backend: Backend, shape: Architecture, profile: Profile, book: PriceBook
) -> tuple[Machine, ...]:
    """Return the machines that hold a step, the cheapest run first; those whose time is not known come last."""
    seller, tokens = book.providers.get(spec.backend), round(profile.per_example.mean * profile.examples)
    epochs = backend.choose(spec, profile.examples, tokens).epochs or 1
    longest = spec.hyperparameters.max_seq_length or max(1, profile.longest)
    seq, rank = min(longest, shape.context or longest), spec.hyperparameters.lora_rank or DEFAULT_LORA_RANK
    found = []
    for name, sold in (seller.machines if seller else {}).items():
        card = gpu(sold.gpu)
        placed = None if card is None else lies(shape, spec.method, card, sold.gpus, rank=rank, seq=seq)
        if card is None or placed is None:
            continue
        held, shard = placed
        band = train_minutes(shape, spec.method, card, tokens * epochs, rank=rank, seq=seq)
        shared = None if band is None else Band(band.low / sold.gpus, band.mid / sold.gpus, band.high / sold.gpus)
        source = book.content.sources[sold.source]
        found.append(
            Machine(name, card, sold.gpus, shard, held.peak_gb, sold.usd_per_hour, source, sold.checked, shared)
        )
    return tuple(sorted(found, key=lambda one: _price(one, backend)))


def _price(one: Machine, backend: Backend) -> tuple[bool, Decimal, int]:
    if one.minutes is None:
        return True, one.usd_per_hour, one.gpus
    return False, one.usd_for(one.minutes.mid + (backend.held_beside_minutes or 0)), one.gpus


def _quote(quote: Quote, one: Machine, held: int, limit: int) -> Quote:
    """Return the quote of a machine that is held for its likely time, and for ``limit`` minutes at most."""
    cap = one.usd_for(limit)
    said = (
        f"{one.name}: {one.gpus} x {one.card.title}, {one.peak_gb:.1f} of {one.card.memory_gb:.1f} GB each at most.",
        f"The machine is taken away after {limit} minutes, so {usd(cap, cents=True)} is the most it can cost.",
        f"{held} minutes to install the trainer, fetch the model and keep the result are billed as well.",
    )
    bare = replace(quote, usd_per_hour=one.usd_per_hour, high_usd=cap, cap_usd=cap, prices_as_of=one.checked)
    if one.minutes is None:
        return replace(bare, assumptions=(*quote.assumptions, *said))
    low, likely = (min(cap, one.usd_for(minutes + held)) for minutes in (one.minutes.low, one.minutes.mid))
    line = LineItem(
        name=f"machine {one.name}",
        quantity=Decimal(str(round((one.minutes.mid + held) / 60, 4))),
        unit="hour",
        unit_usd=one.usd_per_hour,
        usd=likely,
        usd_low=low,
        usd_high=cap,
        source=one.source,
        checked=one.checked,
    )
    return replace(
        bare,
        usd=likely,
        low_usd=low,
        lines=(line,),
        train_minutes=one.minutes.mid,
        train_minutes_range=(one.minutes.low, one.minutes.high),
        gpu_gb=one.peak_gb,
        assumptions=(*quote.assumptions, *said),
    )
