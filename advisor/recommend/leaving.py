"""What to do, by when, where a model that was tuned at a provider ends there: the dates on which doors close."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from advisor.estimate.formulas import DAYS_PER_MONTH
from advisor.pricing import PriceBook, TrainingOffer
from advisor.recommend.measurements import PROMPTED, tuned_score
from advisor.recommend.prospect import named
from advisor.recommend.select import best_tuned
from advisor.recommend.values import Deadline, Option, Reason
from advisor.workload import Workload

_SOON_DAYS = 365  # a shutdown farther off is for the next plan


def deadlines(
    workload: Workload, weighed: Sequence[Option], book: PriceBook, today: date, data: str
) -> tuple[Deadline, ...]:
    """Return the steps of an organisation whose tuned model ends, by date; none where nothing of its own does."""
    ending = _ending(workload, book, today)
    if ending is None or ending.retires is None:
        return ()
    return tuple(sorted(_steps(ending, workload, weighed, book, today, data), key=lambda one: one.day))


def ending_soon(workload: Workload, book: PriceBook, today: date) -> Reason | None:
    """Return the sentence that heads the advice of who has a tuned model that ends."""
    ending = _ending(workload, book, today)
    if ending is None or ending.retires is None:
        return None
    found, left = tuned_score(workload), (ending.retires - today).days
    beat = f", and scores {found[1]:.0%}" if found else ""
    what = f"your fine-tune of {ending.model} shuts down with its base"
    if not _named_tuned(workload):
        what = f"what you tuned at {ending.provider} shuts down with its base, {ending.model} for one,"
    successor = f"{ending.replacement}, the named successor," if ending.replacement else "a successor"
    text = (
        f"{what} on {ending.retires.isoformat()}, {left} days from now{beat}; measure {successor} on that test set now"
    )
    return Reason(text, "price-book")


def _named_tuned(workload: Workload) -> tuple[str, ...]:
    """Return the base models of the user's own tuned models, as far as he names them."""
    names = [workload.scored_with(name) for name in workload.measured if name not in PROMPTED]
    if workload.current and workload.current.strategy not in PROMPTED:
        names.insert(0, workload.current.model)
    return tuple(name for name in names if name)


def _ending(workload: Workload, book: PriceBook, today: date) -> TrainingOffer | None:
    """Return the offer behind the user's own tuned model, where it ends within a year."""
    said = _named_tuned(workload)
    active = [name for name, standing in workload.standing.items() if standing == "active"]
    for provider in dict.fromkeys((*active, *book.providers)):
        for offer in book.offers(provider):
            mine = named(offer.model, said) if said else provider in active
            if mine and offer.retires and today < offer.retires <= today + timedelta(days=_SOON_DAYS):
                return offer
    return None


def _steps(
    ending: TrainingOffer, workload: Workload, weighed: Sequence[Option], book: PriceBook, today: date, data: str
) -> Iterator[Deadline]:
    retires = ending.retires
    assert retires is not None
    which = "the model you tuned" if not workload.current else f"your fine-tune of {ending.model}"
    yield Deadline(
        retires,
        f"keep the test set, and what {which} answers to it: 'tunewise evaluate TEST.jsonl --backend "
        f"{ending.provider} --model YOUR-MODEL-ID' keeps every answer; after this day nobody can ask it",
    )
    if ending.replacement:
        yield Deadline(
            retires,
            f"measure {ending.replacement}, the named successor, on the same rows: 'tunewise evaluate TEST.jsonl "
            f"--backend {ending.provider} --model {ending.replacement} --against base,few-shot:5'",
        )
    open_ones = [one for one in weighed if one.ruled_out_by is None and one.strategy.tunes]
    if other := best_tuned([one for one in open_ones if one.backend != ending.provider], workload.gpus):
        once = other.estimate.one_off_usd if other.estimate else None
        price = f" for about ${once.mid:,.0f}" if once else ""
        yield Deadline(
            retires,
            f"train an open replacement on the same data{price}: 'tunewise launch {data} --backend {other.backend} "
            f"--model {other.model}'; take whichever of the two is level with what you have",
        )
    last = min((item.new_jobs_until for item in ending.lifecycle if item.standing is None), default=None)
    if last is not None and today < last < retires:
        days = (retires - last).days
        yield Deadline(
            last,
            f"{book.name_of(ending.provider)} takes no new fine-tuning jobs from this day on, and one started the day "
            f"before could be used for only {days + 1} days: do not tune there",
        )
    yield Deadline(retires, f"be on the replacement: {ending.model} and every fine-tune of it shut down")


def dying(option: Option | None, workload: Workload, today: date) -> Reason | None:
    """Return the sentence for an advised model that ends within the horizon; it stands in the first lines."""
    if option is None or option.retires is None or option.serving == "self_hosted":
        return None
    if option.retires > today + timedelta(days=int(workload.horizon_months * DAYS_PER_MONTH)):
        return None
    left = (option.retires - today).days
    what = "what you tune on it ends with it" if option.strategy.tunes else "the prompt has to move to another model"
    return Reason(
        f"{option.model} shuts down on {option.retires.isoformat()}, {left} days from now: {what}", "price-book"
    )
