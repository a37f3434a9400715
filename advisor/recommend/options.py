"""Turns prospects into options: estimate, availability, the gate that closed, quality where it was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from advisor.estimate import Estimate, Strategy, break_even, estimate
from advisor.pricing import PriceBook
from advisor.pricing.serving_terms import serving_terms
from advisor.recommend.gates import availability, ruled_out
from advisor.recommend.hyperparameters import settings_reasons
from advisor.recommend.measurements import BASE, CLASSIFIER, PROMPTED, Measurement, measured_recipes
from advisor.recommend.prospect import Prospect, named
from advisor.recommend.select import best_prompt, best_tuned, recipe_of
from advisor.recommend.values import Option, Quality, Reason, cited
from advisor.task import TaskType
from advisor.tokens import Profile
from advisor.workload import Workload

# Test items assumed behind a score the user gives without saying how many.
_ITEMS = 200


def options(
    found: tuple[Prospect, ...],
    profile: Profile,
    workload: Workload,
    book: PriceBook,
    today: date,
) -> tuple[Option, ...]:
    """Return every prospect as an option, priced and passed through the gates."""
    return tuple(_option(item, profile, workload, book, today) for item in found)


def with_scores(weighed: tuple[Option, ...], workload: Workload, own: Sequence[Measurement] = ()) -> tuple[Option, ...]:
    """Give every measured score to the options it was measured on, and to no other; nothing is ever guessed.

    Where nobody said which model that was, it is the one that would be taken for that way of doing it.
    """
    standing = [option for option in weighed if option.ruled_out_by is None]
    asked = workload.measured_with or getattr(best_prompt(standing, measured_recipes(workload)), "model", None)
    found: dict[str, Quality] = {}
    for name, score in workload.scores.items():
        mine = next((item for item in own if item.name == name and item.score == score), None)
        quality = _quality(score, mine)
        model = workload.scored_with(name) or (mine.model if mine else None)
        if name == CLASSIFIER:
            taken = [option for option in weighed if option.strategy is Strategy.CLASSIFIER]
        elif name in PROMPTED:
            at = [option for option in weighed if recipe_of(option) == name and not option.strategy.tunes]
            taken = [option for option in at if named(option.model, (model or asked or "",))]
        elif name == BASE:
            taken = []  # what a tuned model starts from is neither its score nor that of a prompt
        else:
            tuned = [option for option in standing if option.strategy.tunes]
            at = [option for option in tuned if option.strategy == name] or tuned
            of_it = [option for option in at if model is None or named(option.model, (model,))]
            best = best_tuned(of_it, workload.gpus)
            taken = [best] if best else []
        found |= {option.id: quality for option in taken}
    return tuple(replace(option, quality=found.get(option.id)) for option in weighed)


def with_break_even(weighed: tuple[Option, ...], base: Option | None, months: int) -> tuple[Option, ...]:
    """Set on every tuned option from how many requests on it costs less than prompting ``base``."""
    if base is None or base.estimate is None:
        return weighed
    against = base.estimate
    return tuple(
        replace(item, estimate=replace(item.estimate, break_even_requests=break_even(against, item.estimate, months)))
        if item.strategy.tunes and item.estimate
        else item
        for item in weighed
    )


def _option(item: Prospect, profile: Profile, workload: Workload, book: PriceBook, today: date) -> Option:
    candidate = item.candidate
    priced = _estimate(item, profile, workload, book, today)
    found = availability(item, workload, book, today)
    return Option(
        id=item.id,
        strategy=candidate.strategy,
        backend=candidate.backend,
        model=candidate.model,
        availability=found.state,
        available_until=found.until,
        ruled_out_by=ruled_out(item, profile, workload, book, priced, found, today),
        reasons=_reasons(item, found.reason, _data_terms(item, workload, book)),
        quality=None,
        hyperparameters=candidate.hyperparameters,
        estimate=priced,
        method=candidate.method,
        objective=candidate.objective,
        provider=candidate.provider or (item.offer.provider if item.offer else None),
        variant=item.variant,
        shots=candidate.shots,
        varying_shots=candidate.varying_shots,
        serving=candidate.serving,
        serving_terms=_serving_terms(item, book),
        gpu=candidate.gpu,
        trained_on=candidate.trained_on,
        licence=item.arch.licence if item.arch else None,
        params_b=_params_b(item),
        context=_context(item),
        retires=item.retires,
    )


def _serving_terms(item: Prospect, book: PriceBook) -> str:
    """Say how a tune made at a provider is served; '' where it is made on machines of one's own."""
    seller = book.providers.get(item.candidate.backend or "")
    if item.candidate.strategy is not Strategy.HOSTED and not (seller and seller.machines):
        return ""
    return serving_terms(item.offer, seller.serving if seller else ())


def _estimate(item: Prospect, profile: Profile, workload: Workload, book: PriceBook, today: date) -> Estimate | None:
    if item.candidate.strategy is Strategy.RETRIEVAL:
        return None
    priced = estimate(item.candidate, profile, workload, book, today=today)
    if item.id.endswith(":optimised"):
        text = "An optimised prompt is longer than the plain one; by how much is not known, so it is priced like it."
        priced = replace(priced, assumptions=(*priced.assumptions, text))
    return priced


def _quality(score: float, mine: Measurement | None) -> Quality:
    """Return a measured score with its range: that of an own run where it comes from one."""
    if mine is not None:
        return Quality(mine.low, mine.score, mine.high, mine.basis)
    half = 1.96 * (score * (1 - score) / _ITEMS) ** 0.5
    basis = f"your own measurement; the range is that of {_ITEMS} test items"
    return Quality(max(0.0, score - half), score, min(1.0, score + half), basis)


def _params_b(item: Prospect) -> float | None:
    if item.arch is not None:
        return round(item.arch.params / 1e9, 2)
    return float(item.offer.params_b) if item.offer and item.offer.params_b is not None else None


def _context(item: Prospect) -> int | None:
    """Return the longest example in tokens that can be trained on, where it is known."""
    limit = item.offer.max_context.get(item.candidate.objective) if item.offer else None
    return limit or (item.arch.context if item.arch else None)


def _reasons(item: Prospect, lifecycle: str, terms: str | None) -> tuple[Reason, ...]:
    candidate = item.candidate
    found: list[Reason] = []
    if item.why:
        found.append(Reason(f"{candidate.model}: {item.why}", "own-choice"))
    if item.fits in ("yes", "tight"):
        found.append(
            Reason(f"fits on {candidate.trained_on or candidate.gpu}: {item.fits}. {item.fit_advice}", "memory-model")
        )
    if item.id.endswith(":optimised"):
        found.append(cited("prompt-optimisation"))
    if item.id.endswith(":retrieved"):
        found += [cited("retrieved-shots"), cited("many-labels")]
    if candidate.strategy is Strategy.LOCAL_QLORA:
        found.append(cited("qlora-equal"))
    if candidate.strategy is Strategy.LOCAL_FULL:
        found.append(cited("lora-capacity"))
    if candidate.strategy is Strategy.RETRIEVAL:
        found += for_retrieval()
    if item.offer is not None:
        found.append(Reason(lifecycle, "price-book"))
    if terms is not None:
        found.append(Reason(terms, "price-book"))
    if candidate.strategy.tunes:
        found += settings_reasons(
            candidate.backend or "", candidate.method, candidate.objective, candidate.hyperparameters
        )
    return tuple(found)


def _data_terms(item: Prospect, workload: Workload, book: PriceBook) -> str | None:
    """Return what the seller's terms say of the data, where the user asked for something of them."""
    seller = book.providers.get(item.seller or "")
    terms = seller.data_terms if seller else None
    if seller is None or terms is None or workload.privacy == "any":
        return None
    kept = f", and keeps it in {' or '.join(terms.regions)} where that is set" if terms.regions else ""
    uses = "may train on what it is sent" if terms.trains_on_it else "does not train on what it is sent"
    read = f"terms read on {terms.checked.isoformat()}" if terms.checked else "terms of an unknown day"
    return f"{seller.name} {uses}{kept} ({read}{f': {terms.note}' if terms.note else ''})"


def for_retrieval() -> tuple[Reason, ...]:
    """Return what speaks for looking facts up."""
    return tuple(cited(id) for id in ("facts-retrieval", "facts-retrieval-compared", "facts-retrieval-study"))


def task_of(profile: Profile, workload: Workload) -> TaskType:
    """Return the task: what the user says, else what the data looks like."""
    return (workload.task or profile.task_type).family
