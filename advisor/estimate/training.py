"""What training costs: tokens billed by a provider, or hours of a GPU."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from advisor import hardware
from advisor.estimate import formulas
from advisor.estimate.case import Case
from advisor.estimate.request_shape import Three
from advisor.estimate.serving import DOUBTS, gpu_hour
from advisor.estimate.sheet import Sheet
from advisor.estimate.values import Spread
from advisor.pricing import TrainingOffer, TrainingRate
from backends import DEFAULT_LORA_RANK, Hyperparameters, Method

# How far another tokenizer may be from the one we count with. An assumption, not a measurement.
_PROXY = (Decimal("0.85"), Decimal(1), Decimal("1.15"))
_EXACT = (Decimal(1), Decimal(1), Decimal(1))
_HOUR_DIGITS = 4  # decimals of an hour, a third of a second: what is shown multiplies to what is charged
_VALIDATION_SHARE = Decimal("0.1")


def epochs_of(settings: Hyperparameters, offer: TrainingOffer | None, examples: int) -> int:
    """Return the epochs asked for, else what the provider (or our trainer) does by itself."""
    if settings.epochs is not None:
        return settings.epochs
    if offer is not None and offer.billing.default_epochs is not None:
        return offer.billing.default_epochs
    if offer is not None and offer.billing.rule == "file_tokens":
        return openai_auto_epochs(examples)
    return 3


def openai_auto_epochs(examples: int) -> int:
    """Return OpenAI's automatic epochs: 3, more for little data, fewer for much (the cookbook's own rule)."""
    if examples * 3 < 100:
        return min(25, 100 // max(1, examples))
    if examples * 3 > 25_000:
        return max(1, 25_000 // examples)
    return 3


def hosted(case: Case, sheet: Sheet) -> None:
    """Add the line of the training job(s) a provider bills."""
    offer, candidate = case.offer, case.candidate
    if offer is None:
        sheet.missing("once", f"{candidate.backend} is not known to train {candidate.model}.")
        return
    tier = case.terms.training_tier
    if tier == "standard" and case.in_region and offer.rate(candidate.method, candidate.objective, "data_zone"):
        tier = "data_zone"
    rate = offer.rate(candidate.method, candidate.objective, tier)
    if rate is None and tier != "standard":
        rate = offer.rate(candidate.method, candidate.objective)
        sheet.assume(f"{offer.provider} does not train {offer.model} in the {tier} tier: the standard one is counted.")
    if rate is None:
        sheet.missing("once", f"What {offer.provider} charges to train {offer.model} this way is not known.")
        return
    if rate.unit != "mtok":
        sheet.missing("once", f"{offer.provider} bills training by the {rate.unit}; how long it takes is not known.")
        return
    epochs = epochs_of(candidate.hyperparameters, offer, case.profile.examples)
    if candidate.hyperparameters.epochs is None:
        sheet.assume(f"{_epochs(epochs)}, what {offer.provider} does by itself, or three where it has no rule.")
    tokens = billed_tokens(case, offer, epochs, sheet)
    if tokens is None:
        sheet.missing("once", "How many tokens the data has is not known.")
        return
    _job_line(case, offer, rate, tokens, epochs, sheet)


def billed_tokens(case: Case, offer: TrainingOffer, epochs: int, sheet: Sheet) -> Three | None:
    """Return the tokens one job is billed for: low, middle, high; None when the data's size is not known."""
    settings = case.candidate.hyperparameters
    per_epoch, spread = _tokens_per_epoch(case, offer, sheet)
    if settings.packing is False and offer.billing.padded_without_packing:
        length = settings.max_seq_length or offer.max_context.get(case.candidate.objective)
        per_epoch = None if length is None else Decimal(case.profile.examples * length)
        spread = _EXACT
        sheet.assume(f"Without packing every example is billed as {length} tokens.")
    if per_epoch is None:
        return None
    passes = settings.evaluations or 0
    checked = Decimal(0)
    if passes and offer.billing.validation_billed:
        size = case.terms.validation_tokens
        if size is None or not case.counted_tokens:
            checked = per_epoch * _VALIDATION_SHARE
            sheet.assume(f"{passes} validation passes over a tenth of the data are billed as well.")
        else:  # billed by the same rule as the training file, so in proportion to it
            checked = (per_epoch * size / case.counted_tokens).to_integral_value()
            sheet.assume(f"{passes} validation passes over {size:,} tokens are billed as well.")
    low, mid, high = (
        formulas.processed_tokens(per_epoch * s, epochs, passes, checked * s).to_integral_value() for s in spread
    )
    return low, mid, high


def _tokens_per_epoch(case: Case, offer: TrainingOffer, sheet: Sheet) -> tuple[Decimal | None, Three]:
    known = _sampled(case)
    for name, tokens in case.profile.billed_tokens_per_epoch.items():
        if name == offer.model or name.startswith(f"{offer.model}-20"):
            if case.profile.exact:
                sheet.assume(f"{tokens:,} billed tokens an epoch, counted by the provider's own rule.")
                return Decimal(tokens), _EXACT
            if known is not None and not (case.profile.is_preference or case.profile.has_images):
                low, _, high = (round(tokens * side) for side in known)
                sheet.assume(f"{tokens:,} billed tokens an epoch, from a sample: {low:,} to {high:,} at 95%.")
                return Decimal(tokens), known
            sheet.assume(f"{tokens:,} billed tokens an epoch, an estimate: 15% either way.")
            return Decimal(tokens), _PROXY
    counted = case.counted_tokens
    if counted is None:
        return None, _EXACT
    sheet.assume(f"{counted:,} tokens an epoch, counted with another model's tokenizer: 15% either way.")
    if known is None:
        return Decimal(counted), _PROXY
    return Decimal(counted), (known[0] * _PROXY[0], Decimal(1), known[2] * _PROXY[2])


def _sampled(case: Case) -> Three | None:
    """Return how far the tokens of a sample may be off, as factors; None when all was counted."""
    sampled, middle = case.profile.sampled, case.profile.tokens.get("o200k_base")
    if sampled is None or not middle:
        return None
    return Decimal(sampled.low) / middle, Decimal(1), Decimal(sampled.high) / middle


def _job_line(case: Case, offer: TrainingOffer, rate: TrainingRate, tokens: Three, epochs: int, sheet: Sheet) -> None:
    runs = case.terms.runs
    price = rate.price.times(case.factor(offer.provider))
    minimum = offer.min_charge
    floors = (Decimal(0),) * 3 if minimum is None else (minimum.low, minimum.mid, minimum.high)
    rates = (price.low, price.mid, price.high)
    low, mid, high = (
        runs * formulas.training_usd(count, usd, floor) for count, usd, floor in zip(tokens, rates, floors, strict=True)
    )
    metered = formulas.training_usd(tokens[1], price.mid)
    times = "1 run" if runs == 1 else f"{runs} runs"
    if minimum is not None and minimum.mid > metered:
        name = f"training, {times} at the minimum charge"
        sheet.add(name, Decimal(runs), "job", minimum.mid, minimum.cited, period="once", low=low, high=high)
        sheet.assume(f"{tokens[1] / formulas.MILLION:f} Mtok would be {metered:.4f} USD; the minimum charge is higher.")
    else:
        name = f"training, {times} of {_epochs(epochs)}"
        quantity = runs * tokens[1] / formulas.MILLION
        sheet.add(name, quantity, "Mtok", price.mid, price.cited, period="once", low=low, high=high)
    if minimum is not None and minimum.cited.status == "disputed":
        either = f"${minimum.low:f} or ${minimum.high:f} a job"
        sheet.warn(f"Sources disagree on {offer.provider}'s minimum charge: {either} (${minimum.mid:f} taken).")
    if price.cited.status in DOUBTS:
        sheet.warn(f"The training rate of {offer.model} at {offer.provider} {DOUBTS[price.cited.status]}.")
    if runs == 1:
        sheet.assume(f"One training run; every further one (a sweep, a retry) costs about {mid:.2f} USD.")


def _epochs(count: int) -> str:
    return "1 epoch" if count == 1 else f"{count} epochs"


def local(case: Case, sheet: Sheet) -> tuple[Spread | None, float | None]:
    """Add the line of training on a GPU; return its minutes for one run, and the peak GPU memory in GB."""
    rented = case.candidate.trained_on
    gpu, counted, model = rented or case.gpu, case.counted_tokens, case.candidate.model
    price = gpu_hour(case, sheet, gpu, period="once")
    if price is None or gpu is None:
        return None, None
    settings = case.candidate.hyperparameters
    method = case.candidate.strategy.method or Method.LORA
    length = settings.max_seq_length or max(128, -(-int(case.profile.per_example.p95) // 128) * 128)
    shape = _shape(model, method, gpu, settings.lora_rank or DEFAULT_LORA_RANK, length)
    if counted is None or shape is None:
        sheet.missing("once", f"How long training {model} on a {gpu} takes is not known.")
        return None, None
    speed, memory_gb = shape
    if speed is None:
        sheet.missing("once", f"How fast a {gpu} trains {model} is not known.")
        return None, memory_gb
    epochs, runs = epochs_of(settings, None, case.profile.examples), case.terms.runs
    setup = Decimal(0) if rented is None and case.owns(gpu) else case.terms.setup_hours
    if setup:
        sheet.assume(f"{setup} hours to set a rented machine up, on top of training.")
    rates = [Decimal(str(round(rate, 4))) * case.terms.speed_factor for rate in reversed(speed)]
    hours = [round(formulas.training_hours(Decimal(epochs * counted), rate, setup), _HOUR_DIGITS) for rate in rates]
    low, mid, high = (runs * each for each in hours)
    name = f"training on {gpu}, {'1 run' if runs == 1 else f'{runs} runs'} of {_epochs(epochs)}"
    ends = low * price.low, high * price.high
    sheet.add(name, mid, "hour", price.mid, price.cited, period="once", low=ends[0], high=ends[1])
    fast, likely, slow = (float((each - setup) * 60) for each in hours)
    return Spread(fast, likely, slow), memory_gb


@lru_cache(maxsize=512)
def _shape(
    model: str, method: Method, gpu: str, rank: int, length: int
) -> tuple[tuple[float, float, float] | None, float] | None:
    """Return tokens per second (low, mid, high) and peak GB of this training; None when model or GPU is unknown."""
    arch, card = hardware.architecture(model), hardware.gpu(gpu)
    if arch is None or card is None:
        return None
    verdict = hardware.fit(arch, method, card, rank=rank, seq=length, micro_batch=None)
    speed = verdict.tokens_per_s
    return (None if speed is None else (speed.low, speed.mid, speed.high)), verdict.peak_gb
