"""How one run spreads over the GPUs of a machine: a copy of the model on each, or the model split over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from advisor.hardware.fit import Fit, fit
from advisor.hardware.gpus import Gpu
from advisor.hardware.models import Architecture
from backends import DEFAULT_LORA_RANK, Method


@dataclass(frozen=True, slots=True)
class Spread:
    """How many ``workers``, one a GPU; ``ddp`` copies the model, ``fsdp`` splits it; what one GPU then has to hold."""

    workers: int
    shard: Literal["ddp", "fsdp"]
    fit: Fit
    reason: str


def spread(
    arch: Architecture, method: Method, cards: Sequence[Gpu], *, rank: int = DEFAULT_LORA_RANK, seq: int = 2048
) -> Spread:
    """Choose by the memory model: copies where the step fits on the smallest card, else split, else one with the truth.

    A 4-bit base is never split: its packed weights have no place in FSDP2's shards.
    """
    least = min(cards, key=lambda card: card.memory_gb)
    alone = fit(arch, method, least, rank=rank, seq=seq, micro_batch=None)
    count = len(cards)
    if count == 1:
        return Spread(1, "ddp", alone, f"One {least.title}.")
    if alone.fits != "no":
        return Spread(count, "ddp", alone, f"A copy of the model on each of {count} GPUs: a step fits on one of them.")
    if method is Method.QLORA:
        return Spread(
            1, "ddp", alone, "The model does not fit on one GPU, and a 4-bit base cannot be split over several."
        )
    shared = fit(arch, method, least, rank=rank, seq=seq, micro_batch=None, shards=count)
    if shared.fits == "no":
        return Spread(count, "fsdp", shared, f"Even split over {count} GPUs a step does not fit.")
    return Spread(count, "fsdp", shared, f"The model is split over {count} GPUs: a step does not fit on one of them.")
