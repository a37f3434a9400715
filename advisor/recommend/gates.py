"""What rules an option out before quality and money are asked; each answer is one sentence."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from advisor import hardware
from advisor.estimate.formulas import DAYS_PER_MONTH
from advisor.estimate.values import Estimate, Strategy
from advisor.evidence import catalogue
from advisor.pricing import Availability, PriceBook
from advisor.recommend.prospect import Prospect
from advisor.tokens import Profile
from advisor.workload import Standing, Workload
from backends import Objective

# Providers refuse smaller files (OpenAI's limit); no published fine-tune below it was found either.
FEWEST_EXAMPLES = 10
# A LoRA of this rank holds the data before full fine-tuning is asked for.
_HIGHEST_RANK = 256
# A base with less left than this is not tuned anew, however short the horizon: its replacement has to be found anyway.
_LEAST_LIFE_DAYS = 180
_OVER_BUDGET = ", over your budget of $"


def standing(workload: Workload, provider: str) -> Standing:
    """Return the organisation's standing; who says nothing is taken never to have fine-tuned there."""
    return workload.standing.get(provider, "never_fine_tuned")


def availability(prospect: Prospect, workload: Workload, book: PriceBook, today: date) -> Availability:
    """Return whether the option can be bought on the day; what runs on a GPU, or is only prompted, is open."""
    if prospect.offer is None:
        return Availability("open", None, "", "")
    return book.availability(prospect.offer, today, standing(workload, prospect.offer.provider))


def ruled_out(
    prospect: Prospect,
    profile: Profile,
    workload: Workload,
    book: PriceBook,
    estimate: Estimate | None,
    found: Availability,
    today: date,
) -> str | None:
    """Return the sentence that rules the option out, None when it stands. The first gate that closes speaks."""
    if prospect.candidate.strategy is Strategy.RETRIEVAL:
        return nothing_to_look_up(workload, profile)
    return (
        _privacy(prospect, workload, book)
        or _closed(prospect, found)
        or _data(prospect, profile)
        or _hardware(prospect, workload)
        or _latency(prospect, workload, estimate)
        or _load(prospect, workload, estimate)
        or _needless(prospect, profile)
        or _licence(prospect)
        or _retires(prospect, workload, today)
        or _price(prospect, estimate)
        or _budget(prospect, workload, estimate)
        or (None if prospect.launchable else only_by_hand(prospect.candidate.backend))
    )


def _privacy(prospect: Prospect, workload: Workload, book: PriceBook) -> str | None:
    if workload.on_premises:
        if prospect.seller is not None:
            return f"Nothing may leave your premises, and {prospect.seller} would see the data."
        if prospect.candidate.gpu is not None and prospect.candidate.gpu not in workload.gpus:
            return f"Nothing may leave your premises, and the {prospect.candidate.gpu} would be rented."
        return None
    if workload.privacy == "any" or prospect.seller is None:
        return None
    provider = book.providers.get(prospect.seller)
    terms, name = (provider.data_terms, provider.name) if provider else (None, prospect.seller)
    if workload.privacy == "no_training_use":
        if terms is None:
            return f"Whether {name} trains on what it is sent is not known: no terms of it were read."
        return f"{name} may train on what it is sent." if terms.trains_on_it else None
    region = workload.privacy.removeprefix("region:")
    if terms is None:
        return f"Whether {name} can keep data in region {region} is not known: no terms of it were read."
    if region.lower() not in terms.regions:
        return f"{name} sells no way to keep data in region {region}."
    return None


def _closed(prospect: Prospect, found: Availability) -> str | None:
    if found.state in ("closed", "restricted", "unknown"):
        return found.reason
    return None


def only_by_hand(backend: str | None) -> str:
    """Say that nothing else speaks against an option; the last gate."""
    return f"Tunewise cannot launch at {backend}; its price is here to compare."


def _data(prospect: Prospect, profile: Profile) -> str | None:
    candidate = prospect.candidate
    if not candidate.strategy.tunes:
        return None
    if profile.examples < FEWEST_EXAMPLES:
        have = "1 example is" if profile.examples == 1 else f"{profile.examples} examples are"
        return f"{have} too few to train on; providers take {FEWEST_EXAMPLES} at least."
    if profile.has_images and not (prospect.offer and prospect.offer.images):
        return f"Your examples hold images, and {candidate.model} is trained on text here."
    offer = prospect.offer
    if candidate.objective is Objective.DPO and offer and Objective.DPO not in offer.objectives:
        return f"{offer.provider} does not train {offer.model} on preferences."
    limit = prospect.offer.max_context.get(candidate.objective) if prospect.offer else None
    context = limit or (prospect.arch.context if prospect.arch else None)
    if context is not None and profile.longest > context:
        return f"Your longest example has {profile.longest:,} tokens; {candidate.model} trains on {context:,} at most."
    return None


def _hardware(prospect: Prospect, workload: Workload) -> str | None:
    candidate = prospect.candidate
    if candidate.trained_on is not None and not workload.may_rent_gpus:
        return f"{candidate.backend} rents out the {candidate.trained_on} it trains on, and GPUs may not be rented."
    if candidate.gpu is None:
        return None
    if candidate.gpu not in workload.gpus and not workload.may_rent_gpus:
        return f"You have no {candidate.gpu}, and GPUs may not be rented."
    if prospect.fits == "no":
        return f"It does not fit on a {candidate.gpu}: {prospect.fit_advice}"
    if candidate.gpu in workload.gpus and prospect.arch is not None and prospect.served is None:
        return f"It does not fit on your {candidate.gpu} to answer, not even in 4 bits."
    return None


def _latency(prospect: Prospect, workload: Workload, estimate: Estimate | None) -> str | None:
    """Only what runs on a GPU has a speed on record."""
    limit, takes = workload.latency_p95_ms, estimate.answer_s if estimate else None
    if limit is None or takes is None or takes * 1000 <= limit:
        return None
    where = f"on a {prospect.candidate.gpu}" if prospect.candidate.gpu else "there"
    return f"An answer takes about {takes:.2g} s {where} even with nothing else to do; you allow {limit / 1000:g} s."


def _load(prospect: Prospect, workload: Workload, estimate: Estimate | None) -> str | None:
    """What the user owns answers only so much, even where it is fast."""
    gpu, machines = prospect.candidate.gpu, estimate.machines if estimate else None
    if gpu not in workload.gpus or machines is None or machines.carries is None or prospect.served is None:
        return None
    owned = workload.gpus.count(gpu) // prospect.served.cards
    if machines.counts[0] <= owned:
        return None
    most = f"{owned * machines.carries[0]:,.0f}"
    return f"Your {gpu} carries {most} requests a month with it at most; that load needs {machines.counts[0]} of them."


def _needless(prospect: Prospect, profile: Profile) -> str | None:
    """Full fine-tuning is for data that an adapter cannot hold."""
    if prospect.candidate.strategy is not Strategy.LOCAL_FULL or prospect.arch is None:
        return None
    holds = hardware.lora_params(prospect.arch, _HIGHEST_RANK)
    trained = max(profile.trained_tokens.values(), default=0)
    if trained > holds:
        return None
    return f"LoRA is enough: {trained:,} trained tokens against {holds:,} adapter parameters at rank 256."


def _licence(prospect: Prospect) -> str | None:
    licence = prospect.arch.licence if prospect.arch else None
    if licence and any(word in licence for word in catalogue().not_for_business):
        return f"Its licence ({licence}) does not allow business use."
    return None


def _retires(prospect: Prospect, workload: Workload, today: date) -> str | None:
    retires, candidate = prospect.retires, prospect.candidate
    if retires is None or candidate.serving == "self_hosted":
        return None
    if not candidate.strategy.tunes:  # another prompt is soon written
        return f"{candidate.model} was shut down on {retires.isoformat()}." if today >= retires else None
    end = today + timedelta(days=int(workload.horizon_months * DAYS_PER_MONTH))
    if retires >= max(end, today + timedelta(days=_LEAST_LIFE_DAYS)):
        return None
    if retires >= end:
        left = (retires - today).days
        return (
            f"Its base model shuts down on {retires.isoformat()}, {left} days from now, and its fine-tunes with it: "
            "too soon to train anything on it."
        )
    horizon = f"{workload.horizon_months} {'month' if workload.horizon_months == 1 else 'months'}"
    return (
        f"Its base model shuts down on {retires.isoformat()}, {(retires - today).days} days from now, and its "
        f"fine-tunes with it; your horizon of {horizon} ends on {end.isoformat()}."
    )


def _price(prospect: Prospect, estimate: Estimate | None) -> str | None:
    if not prospect.candidate.strategy.tunes or estimate is None or estimate.one_off_usd is not None:
        return None
    return next(iter(estimate.warnings), "The price of training it is not known.")


def _budget(prospect: Prospect, workload: Workload, estimate: Estimate | None) -> str | None:
    """What is not known keeps no budget. Where only the volume was not given, what is paid without a request counts."""
    budget = workload.budget_usd
    if budget is None or estimate is None:
        return None
    whole = whole_usd(estimate, workload)
    months = f"{workload.horizon_months} month{'' if workload.horizon_months == 1 else 's'}"
    what = f"{'training and ' if prospect.candidate.strategy.tunes else ''}{months} of it"
    if whole is None:
        return f"What {what} cost is not known, so your budget of ${budget:,.2f} may not hold."
    return None if whole <= budget else f"{what[:1].upper()}{what[1:]} cost ${whole:,.2f}{_OVER_BUDGET}{budget:,.2f}."


def whole_usd(estimate: Estimate, workload: Workload) -> Decimal | None:
    """Return what all of it costs over the horizon, as ``tunewise budget`` counts it; None where it is not known.

    A model that ends before is counted on, for something has to answer then. Where no volume was given, it is what is
    paid without a single request.
    """
    month = estimate.monthly_usd
    if month is None and workload.requests_per_month is None and estimate.marginal_usd is not None:
        month = estimate.fixed_monthly_usd
    if month is None or estimate.one_off_usd is None:
        return None
    if estimate.total_usd is None:
        return estimate.one_off_usd.mid + workload.horizon_months * month.mid
    return estimate.total_usd.mid + (workload.horizon_months - estimate.months) * month.mid


def is_over_budget(sentence: str | None) -> bool:
    """Tell whether only the budget ruled an option out, by the sentence it left: the budget is the last gate."""
    return sentence is not None and _OVER_BUDGET in sentence


def nothing_to_look_up(workload: Workload, profile: Profile) -> str | None:
    """Return why retrieval has nothing to do, None where it has."""
    if workload.knowledge_changes != "never" or (workload.task or profile.task_type) == "knowledge":
        return None
    return "The workload names no knowledge that changes, so there is nothing to look up."
