"""What a run is quoted at before it starts, and what its finished job makes of that: tokens, minutes, dollars."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import backends
from advisor.estimate import Candidate, LineItem, Strategy
from advisor.runs.launch.worker_terms import without_loss, workers_of
from advisor.runs.run import Quote, Run
from advisor.workload import Workload
from backends import DEFAULT_LORA_RANK

if TYPE_CHECKING:
    from advisor.pricing import PriceBook
    from advisor.tokens import Profile

OWN_TRAINER = "bring-your-own-trainer"  # in the price book: any trainer there that is not listed by its name


def quote(
    run: Run, profile: Profile, book: PriceBook, *, gpu: str | None, today: date, validation: Profile | None = None
) -> Quote:
    """Return what training this run costs: the lines paid once, for the part of the data that is trained on.

    ``validation`` is of the file the provider validates on; where there is one and it is None, a tenth of the data is
    assumed. ``gpu`` is what a local run trains on; None is this machine, which costs nothing but its time.
    """
    spec = run.spec
    if spec.backend == "local" and gpu is None:
        return _own_machine(run, profile)
    from advisor.estimate import Terms, estimate
    from advisor.estimate.case import counted_tokens
    from advisor.pricing.serving_terms import serving_terms

    candidate = Candidate(
        strategy=Strategy.by(spec.method) if spec.backend == "local" else Strategy.HOSTED,
        backend=spec.backend,
        model=spec.model,
        method=spec.method,
        objective=spec.objective,
        hyperparameters=spec.hyperparameters,
        serving="none",
        gpu=gpu,
    )
    tier, unknown = _tier(run, book)
    if unknown is not None:
        return Quote(warnings=(unknown,))
    checked = 0 if spec.validation_file is None else (counted_tokens(validation, spec.model) if validation else None)
    # Not the user's habits of sweeps and evaluations: those are other bills.
    one_job = Terms(evaluation_rows=0, training_tier=tier, validation_tokens=checked)
    found = estimate(candidate, profile, Workload.model_validate({}), book, today=today, terms=one_job)
    lines = tuple(line for line in found.lines if not line.recurring)
    total = found.one_off_usd
    minutes = found.train_minutes
    hourly, said = _by_the_second(run, book) if total is None else (None, ())
    return Quote(
        usd=None if total is None else total.mid,
        low_usd=None if total is None else total.low,
        high_usd=None if total is None else total.high,
        lines=lines,
        train_minutes=None if minutes is None else minutes.mid,
        gpu_gb=found.gpu_gb,
        assumptions=found.assumptions,
        warnings=(*said, *found.warnings),
        prices_as_of=found.prices_as_of,
        usd_per_hour=hourly,
        serving="" if spec.backend == "local" else serving_terms(book.offer(spec.backend, spec.model)),
        validation_share=_validation_share(run, book, counted_tokens(profile, spec.model), checked),
    )


def _validation_share(run: Run, book: PriceBook, trained: int | None, checked: int | None) -> float:
    """Return which part of the billed tokens goes into reading the validation file; a tenth of the data where unknown.

    ``trained`` and ``checked`` are the tokens of one pass over either file.
    """
    spec, chosen = run.spec, run.spec.hyperparameters
    offer = book.offer(spec.backend, spec.model)
    if offer is None or not offer.billing.validation_billed or not trained or not chosen.epochs:
        return 0.0
    read = (chosen.evaluations or 0) * (trained / 10 if checked is None else checked)
    return read / (chosen.epochs * trained + read)


def _by_the_second(run: Run, book: PriceBook) -> tuple[Decimal | None, tuple[str, ...]]:
    """Return what an hour costs where a trainer of one's own is billed by the second, and a sentence on it."""
    offer = book.offer(run.spec.backend, run.spec.model) or book.offer(run.spec.backend, OWN_TRAINER)
    rate = offer.rate(run.spec.method, run.spec.objective) if offer is not None else None
    if offer is None or rate is None or rate.unit != "second":
        return None, ()
    cited, second = rate.price.cited, rate.price.mid
    return second * 3600, (
        f"{run.spec.backend} bills the seconds a trainer runs: ${second} each. {offer.note} ({cited.source}, read "
        f"{cited.checked}). Neither time nor total is known in advance; the receipt computes them.",
    )


def _tier(run: Run, book: PriceBook) -> tuple[str, str | None]:
    """Return the tier of training rates this run is billed in, and, where the book has no rate in it, a sentence."""
    spec = run.spec
    tier = backends.get(spec.backend).price_tier(spec)
    offer = book.offer(spec.backend, spec.model)
    if tier != "standard" and offer is not None and offer.rate(spec.method, spec.objective, tier) is None:
        return "standard", (
            f"What {book.name_of(spec.backend)} charges to train {spec.model} at its {tier} rates is not known here. "
            "Its standard rates are known; or put yours in pricing.local.yaml."
        )
    return tier, None


def _own_machine(run: Run, profile: Profile) -> Quote:
    """Return the quote of a run on this machine: no dollars, but tokens, minutes and memory as far as they are known.

    Tokens are those of the model's own tokenizer where it is at hand, without the rows that are too long for the
    model; else those of o200k_base with three a message.
    """
    from advisor.hardware import architecture, detect, fit, gpu, train_minutes
    from backends.local.hyperparameters import batch_of
    from backends.local.training_memory import MOST_CPU_TOKENS, largest_pass

    spec, free = run.spec, Decimal(0)
    each, longest = tokens_of_own(profile)
    tokens = each * (spec.hyperparameters.epochs or 0)
    own = next(iter(detect()), None)
    arch, card = architecture(spec.model), own or gpu("cpu")
    rank = spec.hyperparameters.lora_rank or DEFAULT_LORA_RANK
    workers = workers_of(run) if own else 1
    mean = max(1, round(each / max(1, profile.examples)))
    if own is None:  # a processor's passes are short, and of examples as long as they are
        seq, micro_batch = mean, max(1, MOST_CPU_TOKENS // mean)
        batch = spec.hyperparameters.batch_size or batch_of(profile.examples)
        widest = largest_pass(longest, cpu=True, step=batch * longest)
    else:
        seq, micro_batch, widest = 2048, 1, 2048
    band = None
    if arch and card and tokens:
        band = train_minutes(arch, spec.method, card, tokens, rank=rank, seq=seq, micro_batch=micro_batch)
    shards = workers if spec.options.get("shard") == "fsdp" else 1
    needs = None
    if arch and card:
        learned = 1.0 if spec.options.get("loss_on") == "all" else _learned_share(profile, mean)
        needs = fit(arch, spec.method, card, rank=rank, seq=widest, micro_batch=None, shards=shards, supervised=learned)
    line = LineItem(
        name="training on this machine",
        quantity=Decimal(tokens) / 1_000_000,
        unit="million tokens",
        unit_usd=free,
        usd=free,
        usd_low=free,
        usd_high=free,
        source="your own machine; electricity is not counted",
        checked=None,
    )
    return Quote(
        usd=free,
        low_usd=free,
        high_usd=free,
        lines=(line,) if tokens else (),
        train_minutes=band.mid / workers if band else None,
        train_minutes_range=(band.low / workers, band.high / workers) if band else None,
        gpu_gb=needs.peak_gb if needs else None,
        assumptions=without_loss(workers, band.mid / workers if band else None),
    )


def _learned_share(profile: Profile, mean: int) -> float:
    """Return the share of an example's ``mean`` tokens that are learned: its answers and the two that end each."""
    return min(1.0, (profile.output_tokens + 2 * profile.turns) / mean)


def tokens_of_own(profile: Profile) -> tuple[int, int]:
    """Return the tokens of one pass of our trainer over the data, and those of its longest example."""
    facts = profile.quality.get("model_tokens")
    if isinstance(facts, dict) and facts.get("exact"):
        total, over, longest = (facts.get(key) for key in ("tokens", "over_tokens", "longest"))
        if isinstance(total, int) and isinstance(over, int) and isinstance(longest, int):
            return total - over, max(1, longest)
    return round(profile.per_example.mean * profile.examples), max(1, profile.longest)
