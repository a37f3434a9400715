"""How many replicas carry a load, how many GPUs one replica takes, and how long an answer takes on them."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from advisor import hardware
from advisor.estimate import formulas
from advisor.estimate.case import Case
from advisor.estimate.request_shape import Load, Three
from advisor.estimate.sheet import Sheet
from advisor.estimate.values import Machines, Range
from advisor.hardware import Architecture, Capacity, Serving
from advisor.pricing import Price


def machines_of(
    case: Case, load: Load, serving: Serving | None, hour: Price, hours_on: Decimal, sheet: Sheet
) -> Machines:
    """Return the replicas that carry the load, each ``hours_on`` of ``hour`` a month; their speed goes on the sheet.

    Their number is that at the low, the middle and the high volume, and at the fast, the likely and the slow speed.
    """
    terms, capacity = case.terms, None if serving is None else _capacity(case, load, serving, sheet)
    one = Range(hours_on * hour.low, hours_on * hour.mid, hours_on * hour.high)
    speeds = _speeds(case, load, capacity)
    if terms.replicas is not None:
        return Machines(one, (terms.replicas,) * 3, None)
    if load.requests is None or speeds is None:
        why = "no volume was given" if load.requests is None else "how fast it answers is not known"
        sheet.assume(f"One replica is counted, the least that answers: {why}.")
        return Machines(one, (1, 1, 1), None)
    fast, likely, slow = (
        formulas.carried_per_month(
            speed * terms.speed_factor / load.answers,
            hours_on=terms.hours_on,
            peak_factor=terms.peak_factor,
            utilisation=terms.utilisation,
        )
        for speed in speeds
    )
    low, mid, high = load.requests
    few, count, many = (
        formulas.whole_replicas(requests, carried) for requests, carried in ((low, fast), (mid, likely), (high, slow))
    )
    span = "" if few == many else f" ({few} to {many} over the range of volume and speed)"
    carry = f"{count} {'replica handles' if count == 1 else 'replicas handle'}"
    sheet.assume(f"{carry} a peak of {terms.peak_factor}x the mean load at {terms.utilisation:.0%} use{span}.")
    owned = case.workload.gpus.count(case.gpu) if case.gpu else 0
    if serving is not None and owned and count * serving.cards > owned:
        sheet.warn(f"Your {owned} x {case.gpu} may not handle this load; {count * serving.cards} probably will.")
    return Machines(one, (few, count, many), (fast, likely, slow))


def serving_of(case: Case, load: Load, gpu: str, sheet: Sheet) -> Serving | None:
    """Return the model on as many cards as hold it, the user's own where they are; None where a size is not known."""
    shape = shape_of(case.candidate.model, case.offer.params_b if case.offer else None)
    card = hardware.gpu(gpu)
    if shape is None or card is None:
        sheet.assume("One GPU is taken to hold the model: its size is not known.")
        return None
    owned = case.workload.gpus.count(card.name) or None
    found = hardware.placed(shape, card, float(load.prompt + load.outputs[1]), owned=owned)
    if found is None:
        sheet.warn(f"{shape.model} and a request of {load.prompt} tokens do not fit on {gpu}.")
    elif found.precision != "bf16":
        sheet.assume(
            f"{shape.model} is served in 4 bits on {gpu}, since 16 bits do not fit; test the 4-bit model's answers."
        )
    return found


@lru_cache(maxsize=256)
def shape_of(model: str, params_b: Decimal | None) -> Architecture | None:
    """Return the model's shape: the catalogued one, else that of a dense model of its size."""
    found = hardware.architecture(model) if model else None
    return hardware.like(float(params_b) * 1e9, model) if found is None and params_b is not None else found


def _capacity(case: Case, load: Load, serving: Serving, sheet: Sheet) -> Capacity | None:
    """Return what a replica answers within the latency that is asked, and say so."""
    limit = case.workload.latency_p95_ms
    prompt, output = float(load.prompt), float(load.outputs[1])
    found = hardware.capacity(serving, prompt, output, answer_s=None if limit is None else limit / 1000)
    if found is None:
        return None
    sheet.answer_s = found.answer_s
    low, mid, high = found.requests_per_s
    kept = "a token in 50 ms" if limit is None else f"95% of answers within {limit:,} ms"
    sheet.assume(
        f"A replica answers {mid:.2g} requests a second ({low:.2g} to {high:.2g}), {found.at_once} at once, at {kept}; "
        f"95% of answers arrive within {found.answer_s:.2g} s. Estimated: 9 of 10 published runs are within a factor "
        "of 2."
    )
    return found


def _speeds(case: Case, load: Load, capacity: Capacity | None) -> Three | None:
    """Return the requests a second of one replica: fast, likely and slow; the user's own figures go first."""
    prefill, decode = case.terms.prefill_tokens_per_s, case.terms.decode_tokens_per_s
    if prefill is not None and decode is not None:
        speed = 1 / (load.prompt / prefill + load.outputs[1] / decode)
        return speed, speed, speed
    if capacity is None:
        return None
    slow, likely, fast = (Decimal(str(speed)) for speed in capacity.requests_per_s)
    return fast, likely, slow
