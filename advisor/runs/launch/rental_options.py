"""Which rented GPUs train a run, by the memory model, and what each costs by the price list: the cheapest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from advisor.hardware import Architecture, Fit, Gpu, fit, gpu, train_minutes
from backends import Method

if TYPE_CHECKING:
    from advisor.pricing import PriceBook

# Ours -> SkyPilot's: docs.skypilot.co/en/stable/compute/gpus.html, and get_common_gpus of its 0.14.1 for the last two.
NAMES = {
    "t4": "T4",
    "v100": "V100",
    "l4": "L4",
    "a10": "A10",
    "a10g": "A10G",
    "l40s": "L40S",
    "a100-40gb": "A100",
    "a100-80gb": "A100-80GB",
    "h100-80gb-sxm": "H100",
    "h200": "H200",
    "b200": "B200",
    "rtx-5090": "RTX5090",
}
_COUNTS = (1, 2, 4, 8)  # in which machines are rented out
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Choice:
    """``count`` GPUs of one kind in one machine. Prices are US dollars an hour for all of them; None is unknown."""

    gpu: str
    accelerator: str  # SkyPilot's name
    count: int
    shard: str  # ddp | fsdp
    peak_gb: float  # of one GPU
    memory_gb: float
    low_usd: Decimal
    typical_usd: Decimal
    high_usd: Decimal
    checked: date | None
    minutes: float | None
    usd: Decimal | None


def choices(
    shape: Architecture,
    method: Method,
    book: PriceBook,
    *,
    rank: int,
    seq: int,
    tokens: int,
    workers: int | None = None,
    only: str | None = None,
) -> tuple[Choice, ...]:
    """Return up to three choices that fit, all with as many GPUs and the model lying on them the same way.

    One GPU where a step fits on it, else the fewest it can be split over; the cheapest run decides which.
    ``tokens`` are those of all passes; ``workers`` and ``only`` (a GPU of ours) are what somebody asked for.
    """
    found = []
    for name in NAMES if only is None else (only,):
        card, rent = gpu(name), book.gpu(name)
        if card is None or rent is None or name not in NAMES:
            continue
        for count in (workers,) if workers else _COUNTS:
            placed = lies(shape, method, card, count, rank=rank, seq=seq)
            if placed is None:
                continue
            held, shard = placed
            minutes = _minutes(shape, method, card, tokens, rank, seq, count)
            typical = rent.typical * count
            found.append(
                Choice(
                    gpu=name,
                    accelerator=NAMES[name],
                    count=count,
                    shard=shard,
                    peak_gb=held.peak_gb,
                    memory_gb=card.memory_gb,
                    low_usd=rent.low * count,
                    typical_usd=typical,
                    high_usd=rent.high * count,
                    checked=rent.cited.checked,
                    minutes=minutes,
                    usd=None if minutes is None else (typical * Decimal(str(minutes)) / 60).quantize(Decimal("0.01")),
                )
            )
            break
    found.sort(key=_price)
    return tuple(one for one in found if (one.count, one.shard) == (found[0].count, found[0].shard))[:_SHOWN]


def lies(shape: Architecture, method: Method, card: Gpu, count: int, *, rank: int, seq: int) -> tuple[Fit, str] | None:
    """Return what a step takes of each of ``count`` cards, and how the model lies on them; None: it does not fit."""
    alone = fit(shape, method, card, rank=rank, seq=seq, micro_batch=None)
    whole = alone.fits == "yes" or count == 1 or method is Method.QLORA
    held = alone if whole else fit(shape, method, card, rank=rank, seq=seq, micro_batch=None, shards=count)
    return (held, "ddp" if whole else "fsdp") if held.fits == "yes" else None


def _minutes(
    shape: Architecture, method: Method, card: Gpu, tokens: int, rank: int, seq: int, count: int
) -> float | None:
    """Return the likely minutes, as if several GPUs shared the work without loss; None where the speed is unknown."""
    band = train_minutes(shape, method, card, tokens, rank=rank, seq=seq)
    return None if band is None else band.mid / count


def _price(choice: Choice) -> tuple[bool, Decimal]:
    return choice.usd is None, choice.usd if choice.usd is not None else choice.typical_usd
