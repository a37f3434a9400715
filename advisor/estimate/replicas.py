"""How many replicas carry a load, and how many GPUs one replica takes."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from functools import lru_cache

from advisor import hardware
from advisor.estimate import formulas
from advisor.estimate.case import Case
from advisor.estimate.request_shape import Load, Three
from advisor.estimate.sheet import Sheet

# Bytes a served parameter takes: two, and a fifth more for the cache of the conversation.
_SERVED_BYTES = Decimal("2.4")


def replicas_of(case: Case, load: Load, gpu: str, cards: int, sheet: Sheet) -> tuple[int, int, int]:
    """Return how many replicas carry the load: at least, likely, at most."""
    terms = case.terms
    prefill, decode = terms.prefill_tokens_per_s, terms.decode_tokens_per_s
    if terms.replicas is not None:
        return terms.replicas, terms.replicas, terms.replicas
    if load.requests is None or prefill is None or decode is None:
        least, busy, most = _busy_replicas(case, load, gpu, cards)
        peak = terms.peak_factor / terms.utilisation
        fewest, count, many = _whole(least), _whole(busy * peak), _whole(most * peak)
        carry = "carries" if count == 1 else "carry"
        sheet.assume(
            f"How much one replica answers was not given: {count} {carry} a peak of {terms.peak_factor}x the mean at "
            f"{terms.utilisation:.0%} of the peak arithmetic, which no server reaches; the real need may be higher. "
            f"Below {_whole(busy)} the mean load is impossible."
        )
        return fewest, count, many
    few, count, many = (
        formulas.replicas(
            requests_per_month=requests,
            prompt_tokens=load.prompt,
            output_tokens=output,
            prefill_tokens_per_s=prefill * terms.speed_factor,
            decode_tokens_per_s=decode * terms.speed_factor,
            hours_on=terms.hours_on,
            peak_factor=terms.peak_factor,
            utilisation=terms.utilisation,
        )
        for requests, output in zip(load.requests, load.outputs, strict=True)
    )
    carry = f"{count} {'replica carries' if count == 1 else 'replicas carry'} a peak of {terms.peak_factor}x the mean"
    span = "" if few == many else f" ({few} at the low end of the volume, {many} at the high end)"
    sheet.assume(f"{carry} at {terms.utilisation:.0%} use{span}.")
    return few, count, many


def _busy_replicas(case: Case, load: Load, gpu: str, cards: int) -> Three:
    """Return the replicas each volume keeps busy all the time, at two operations a parameter and token at peak.

    0 where the volume, the model's size or the GPU's speed is not known: one replica is the least that answers.
    """
    operations = _operations_per_token(case.candidate.model)
    if operations is None and case.offer is not None and case.offer.params_b is not None:
        operations = 2 * case.offer.params_b * 1_000_000_000
    peak = _peak_operations_per_s(gpu)
    if load.requests is None or operations is None or peak is None:
        return Decimal(0), Decimal(0), Decimal(0)
    each = (load.prompt + load.outputs[1]) * operations / (peak * cards * 3600 * case.terms.hours_on)
    few, mid, many = load.requests
    return few * each, mid * each, many * each


def _whole(replicas: Decimal) -> int:
    return max(1, int(replicas.to_integral_value(rounding=ROUND_CEILING)))


def cards_of(gpu: str, params: Decimal | None, sheet: Sheet) -> int:
    """Return how many GPUs hold one copy of the model."""
    memory = _memory_gb(gpu)
    if params is None or memory is None:
        sheet.assume("One GPU is taken to hold the model: its size is not known.")
        return 1
    return max(1, int((params * _SERVED_BYTES / memory).to_integral_value(rounding=ROUND_CEILING)))


@lru_cache(maxsize=256)
def params_b(model: str) -> Decimal | None:
    """Return the billions of parameters of a model whose shape we know."""
    arch = hardware.architecture(model)
    return None if arch is None else Decimal(arch.params) / 1_000_000_000


@lru_cache(maxsize=256)
def _memory_gb(gpu: str) -> Decimal | None:
    card = hardware.gpu(gpu)
    return None if card is None else Decimal(str(card.memory_gb))


@lru_cache(maxsize=256)
def _peak_operations_per_s(gpu: str) -> Decimal | None:
    card = hardware.gpu(gpu)
    return None if card is None or card.peak_tflops is None else Decimal(str(card.peak_tflops)) * 10**12


@lru_cache(maxsize=256)
def _operations_per_token(model: str) -> Decimal | None:
    arch = hardware.architecture(model)
    return None if arch is None else 2 * Decimal(arch.active_params or arch.params)
