"""The front of the advice: prospects, gates, judgement, money, and the argument that comes with the answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

import backends as places
from advisor import hardware
from advisor.errors import WorkloadError
from advisor.evidence import Odds, catalogue
from advisor.nearest import meant, no_such
from advisor.pricing import PriceBook
from advisor.recommend import rationale
from advisor.recommend.candidates import prospects
from advisor.recommend.choose import choose
from advisor.recommend.collecting import collecting
from advisor.recommend.doubt import doubted
from advisor.recommend.flips import flips_of
from advisor.recommend.gates import only_by_hand
from advisor.recommend.joint_flips import Weigh, joint_flips
from advisor.recommend.leaving import deadlines, dying, ending_soon
from advisor.recommend.measurements import Measurement, all_named, sharpened, tuned_score, with_current
from advisor.recommend.next_step import next_step
from advisor.recommend.options import options, with_break_even, with_scores
from advisor.recommend.prospect import Prospect, named
from advisor.recommend.rented import on_rented_machines
from advisor.recommend.select import prompt_to_beat, total
from advisor.recommend.values import Flip, Option, Recommendation
from advisor.recommend.worth import against_today
from advisor.tokens import Profile
from advisor.workload import Workload


def recommend(
    profile: Profile,
    workload: Workload,
    book: PriceBook,
    *,
    today: date,
    backends: Sequence[str] = (),
    models: Sequence[str] = (),
    data: str = "DATA",
    flags: str = "",
    own: Sequence[Measurement] = (),
    notes: Sequence[str] = (),
) -> Recommendation:
    """Recommend what to do with this data for this workload, as of ``today``.

    ``backends`` and ``models`` (empty: all) narrow what is tuned where; prompting is always weighed beside it.
    ``data`` and ``flags`` are how the next command should name the data and say the workload again.
    ``own`` are scores from the user's own runs on this data, which outrank the literature; ``notes`` go with the
    assumptions.
    """
    all_named(workload)
    prompted_with = workload.measured_with
    workload = sharpened(with_current(with_gpu_names(workload), profile), own)

    def ways(profile: Profile, workload: Workload) -> tuple[Prospect, ...]:
        asked = (profile, workload, book, tuple(backends), tuple(models))
        return (*prospects(*asked), *on_rented_machines(*asked))

    def weigh(profile: Profile, workload: Workload) -> tuple[Option, ...]:
        return with_scores(options(ways(profile, workload), profile, workload, book, today), workload, own)

    found = ways(profile, workload)
    _all_known(found, workload, book, backends, models)
    if prompted_with is not None:
        _can_be_prompted(prompted_with, found)
    weighed = with_scores(options(found, profile, workload, book, today), workload, own)
    choice = doubted(choose(weighed, profile, workload), weighed, profile, workload)
    judgement = choice.judgement
    chosen = choice.option
    ending = ending_soon(workload, book, today)
    first = ending if ending and tuned_score(workload) else None  # else it is news beside the answer
    news = (dying(chosen, workload, today), against_today(chosen, workload), ending if ending is not first else None)
    heads = (first, choice.deciding, *news)
    reasons = (*(one for one in heads if one is not None), *choice.supporting)
    weighed = with_break_even(weighed, prompt_to_beat(chosen, weighed, workload), workload.horizon_months)
    if judgement is not None:
        odds = _rounded(judgement.odds)
        weighed = tuple(
            replace(item, p_finetune_wins=odds.p, odds=odds) if item.strategy.tunes else item for item in weighed
        )
    chosen = next((item for item in weighed if chosen and item.id == chosen.id), None)
    flips = flips_of(choice, weighed, profile, workload, book, today)
    joint = joint_flips(chosen, flips, weighed, profile, workload, weigh)
    flips = (*_with_a_gpu(chosen, profile, workload, weigh), *joint, *flips)
    step = next_step(choice, chosen, weighed, profile, workload, data, flags)
    weighed = tuple(_or_by_hand(item, chosen) for item in weighed)  # shown, and never chosen, now or by a flip
    return Recommendation(
        recommendation=chosen,
        reason=_sentence(reasons[0].text),
        options=_ordered(weighed, chosen),
        prices_as_of=book.as_of,
        assumptions=(
            *(f"{item.name}: {item.score:.0%} measured ({item.basis})." for item in own),
            *notes,
            *rationale.assumptions(choice, profile, workload, chosen, weighed, book),
            *rationale.of_the_horizon(flips, workload),
        ),
        flips=flips,
        evidence=rationale.evidence(choice, weighed, profile, workload, step),
        confidence=choice.confidence,
        next_step=step,
        reasons=reasons,
        unknowns=tuple(rationale.unknowns(choice, chosen, weighed, profile, workload)),
        warnings=tuple(rationale.warnings(chosen, profile, workload)),
        p_finetune_wins=round(judgement.p_finetune_wins, 3) if judgement else None,
        odds=_rounded(judgement.odds) if judgement else None,
        deadlines=deadlines(workload, weighed, book, today, data),
        collecting=collecting(judgement.situation, workload) if judgement and not profile.fingerprint else None,
    )


def with_gpu_names(workload: Workload) -> Workload:
    """Return the workload with our names for its GPUs. Raises WorkloadError for an unknown one."""
    return workload.model_copy(update={"gpus": tuple(hardware.gpu_named(said).name for said in workload.gpus)})


def _with_a_gpu(chosen: Option | None, profile: Profile, workload: Workload, weigh: Weigh) -> Iterator[Flip]:
    """Where nothing may leave the premises and no GPU stands there: what the smallest one worth having would do."""
    if chosen is not None or not workload.on_premises or workload.gpus:
        return
    owned = workload.model_copy(update={"gpus": catalogue().rented[:1]})
    if then := choose(weigh(profile, owned), profile, owned).option:
        yield Flip("gpus", "none", owned.gpus[0], then.id)


def _all_known(
    found: Sequence[Prospect], workload: Workload, book: PriceBook, backends: Sequence[str], models: Sequence[str]
) -> None:
    """Refuse a name nothing is known of. Raises WorkloadError."""
    for name in (*backends, *workload.standing):
        if name not in (*places.names(), *book.providers):
            where = "" if name in backends else "standing: "
            raise WorkloadError(where + no_such("backend", name, dict.fromkeys((*places.names(), *book.providers))))
    where = f" at {' or '.join(backends)}" if backends else ""
    for name in models:
        if not any(named(item.candidate.model, (name,)) for item in found):
            sold = (*(offer.model for offer in book.offers()), *(one.model for one in book.prompt_models))
            hint = meant(name, sold, see="'tunewise prices list' shows those with a price")
            raise WorkloadError(
                f"Neither a price nor a size is known for a model '{name}'{where}. {hint} A local folder with a "
                "config.json works too."
            )


def _can_be_prompted(model: str, found: Sequence[Prospect]) -> None:
    """Refuse a measured model that no option prompts: its score would be taken for another's. Raises WorkloadError."""
    if not any(named(item.candidate.model, (model,)) for item in found if not item.candidate.strategy.tunes):
        raise WorkloadError(
            f"measured_with: no option prompts a model '{model}', so none can have its score: no price of it is known, "
            "nor a GPU that holds it. 'tunewise prices list' shows the models with a price."
        )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _rounded(odds: Odds) -> Odds:
    return replace(odds, **{name: round(getattr(odds, name), 3) for name in ("p", "low", "high", "level")})


def _or_by_hand(option: Option, chosen: Option | None) -> Option:
    """Let a tuned option stand that falls because we cannot launch it alone, where it costs less than the advice."""
    if chosen is None or not chosen.strategy.tunes or option.ruled_out_by != only_by_hand(option.backend):
        return option
    theirs, ours = total(option), total(chosen)
    cheaper = theirs is not None and ours is not None and theirs < ours
    return replace(option, ruled_out_by=None, by_hand=True) if cheaper else option


def _ordered(weighed: Sequence[Option], chosen: Option | None) -> tuple[Option, ...]:
    """The chosen option first, then what stands, then what fell."""
    rank = {True: 1, False: 2}
    return tuple(
        sorted(weighed, key=lambda item: 0 if chosen and item.id == chosen.id else rank[item.ruled_out_by is None])
    )
