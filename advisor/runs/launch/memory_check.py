"""Whether this machine has the memory for a local run, asked before anything starts."""

from __future__ import annotations

from dataclasses import dataclass

from advisor.runs.run import Run
from advisor.tokens import Profile
from backends import DEFAULT_LORA_RANK

_LONGEST = 2048  # tokens of a sequence assumed where nothing says more; the trainer takes the longest example's


@dataclass(frozen=True, slots=True)
class TooLarge:
    """``sure``: it does not fit even by the low end of the estimate."""

    text: str
    sure: bool


def too_large(run: Run, profile: Profile) -> TooLarge | None:
    """Return why a local run will not fit this machine; None when it fits, or when that is not known here."""
    from advisor.hardware import architecture, detect, fit, gpu

    spec, arch = run.spec, architecture(run.spec.model)
    if spec.backend != "local" or arch is None or spec.options.get("engine") == "ray":
        return None
    card = gpu("cpu") if spec.options.get("device") == "cpu" else next(iter(detect()), None) or gpu("cpu")
    if card is None or not card.memory_gb:  # how much memory there is cannot be read on every system
        return None
    workers = spec.options.get("workers")
    shards = workers if isinstance(workers, int) and spec.options.get("shard") == "fsdp" else 1
    longest = spec.hyperparameters.max_seq_length or max(1, min(profile.longest, _LONGEST))
    rank = spec.hyperparameters.lora_rank or DEFAULT_LORA_RANK
    needs = fit(arch, spec.method, card, rank=rank, seq=longest, micro_batch=None, shards=shards)
    if needs.fits != "no":
        return None
    return TooLarge(
        f"{spec.model} by {spec.method} needs about {needs.peak_gb:.1f} GB ({needs.peak_low_gb:.1f} to "
        f"{needs.peak_high_gb:.1f}) and {card.title} has {card.memory_gb:.1f} GB. {needs.advice}",
        sure=needs.peak_low_gb > card.memory_gb,
    )
