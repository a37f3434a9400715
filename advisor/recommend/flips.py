"""What would change the advice, and at which value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from math import ceil

from advisor.estimate import Flip as CostFlip
from advisor.estimate import Strategy
from advisor.estimate import flips as cost_flips
from advisor.estimate.formulas import DAYS_PER_MONTH
from advisor.evidence import Odds
from advisor.pricing import PriceBook
from advisor.recommend.at_volume import horizon_flip, volume_flip
from advisor.recommend.choose import Choice, choose
from advisor.recommend.gates import is_over_budget, nothing_to_look_up, standing, whole_usd
from advisor.recommend.measurements import best_recipe, prompt_score, with_best_prompt
from advisor.recommend.options import with_scores
from advisor.recommend.select import kind_of, of_another_kind, prompt_to_beat, used_tuned
from advisor.recommend.values import ON_COST_ALONE, Flip, Option
from advisor.recommend.worth import price_of_tuning
from advisor.task import MISTAKEN
from advisor.tokens import Profile
from advisor.workload import Changes, Workload

_JUST_BELOW = Decimal("0.999")
_LEAST, _MOST = 10, 1_000_000  # examples that are worth asking about


def flips_of(
    choice: Choice, weighed: Sequence[Option], profile: Profile, workload: Workload, book: PriceBook, today: date
) -> tuple[Flip, ...]:
    """Return the flips of the advice, the likeliest first; those of money alone come last.

    None leads to the option that is chosen already, or to another of its kind, or names a value already passed.
    """
    open_ones = [option for option in weighed if option.ruled_out_by is None]
    chosen = choice.option
    tuned, prompted = used_tuned(open_ones, workload), prompt_to_beat(chosen, weighed, workload)
    found: list[Flip] = []
    if chosen is not None and choice.judgement is not None and tuned and prompted:
        found += _score(chosen, weighed, profile, workload)
        found += _examples(chosen, weighed, profile, workload)
        found += _volume(chosen, workload, tuned)
        found += _error_cost(chosen, choice.judgement.odds, weighed, profile, workload)
        if flip := volume_flip(chosen, (tuned, prompted), profile, workload, book, today):
            found.append(flip)
        found += _task(chosen, weighed, profile, workload)
        if flip := horizon_flip(chosen, (tuned, prompted), profile, workload, book, today):
            found.append(flip)
    found += _budget(chosen, weighed, profile, workload)
    found += _standing(weighed, workload, book, today)
    if chosen is not None:
        found += _target(chosen, weighed, profile, workload)
        found += _knowledge(chosen, choice, weighed, profile, workload)
    if chosen is not None and tuned and prompted:
        money = _on_cost(chosen, (tuned, prompted), profile, workload, book, today)
        named = {flip.variable for flip in found if flip.on_cost_alone}
        if not chosen.strategy.tunes:  # the break-even holds beyond; the nearest crossing may turn back
            named.add("requests_per_month")
        found += [flip for flip in money if flip.variable not in named]
    return tuple(found)


def _score(chosen: Option, weighed: Sequence[Option], profile: Profile, workload: Workload) -> Iterator[Flip]:
    """Search the best measured prompt's score for the point where the advice changes.

    The variable is named by the recipe that holds the best score, and a lower one is the best only without the others.
    Where that is another model's, the score asked for is the chosen prompt's own. A perfect score, which only says that
    nothing is left to gain, is no flip.
    """
    score = prompt_score(workload)
    if score is not None and kind_of(chosen) == "prompt" and chosen.quality is None and workload.current is not None:
        workload = with_best_prompt(workload, score).model_copy(update={"measured_with": chosen.model})
        weighed, score = with_scores(tuple(weighed), workload), None
    edge = score_edge(weighed, profile, workload)
    if edge is None:
        return
    above, tuned = edge
    variable = f"measured.{best_recipe(workload)}"
    current = "not measured" if score is None else f"{score:g}"
    if not chosen.strategy.tunes:
        if (then := of_another_kind(tuned, chosen)) and (score is None or score >= above):
            yield Flip(variable, current, f"below {above:g}", then.id)
    elif above < 1 and (score is None or score < above):
        kept = choose(weighed, profile, with_best_prompt(workload, above)).option
        if then := of_another_kind(kept, chosen):
            yield Flip(variable, current, f"{above:g} or more", then.id)


def score_edge(weighed: Sequence[Option], profile: Profile, workload: Workload) -> tuple[float, Option] | None:
    """Return the share of right answers below which a prompt's score asks for tuning, and what is tuned just below it.

    None where no score asks for it, or every one does. A higher score never asks to tune.
    """

    def at(percent: int) -> Option | None:
        option = choose(weighed, profile, with_best_prompt(workload, percent / 100)).option
        return option if option and option.strategy.tunes else None

    last, above, tuned = 0, 100, at(0)
    if tuned is None or at(100):
        return None
    while above - last > 1:
        middle = (last + above) // 2
        if option := at(middle):
            last, tuned = middle, option
        else:
            above = middle
    return above / 100, tuned


def _examples(chosen: Option, weighed: Sequence[Option], profile: Profile, workload: Workload) -> Iterator[Flip]:
    """Search the number of examples, more and fewer, for the nearest at which the advice changes; two digits do."""
    now = profile.examples

    def other(count: int) -> Option | None:
        return of_another_kind(choose(weighed, replace(profile, examples=count), workload).option, chosen)

    for factor, side in ((2.0, "or more"), (0.5, "or fewer")):
        last, count = now, round(now * factor)
        while _LEAST <= count <= _MOST and other(count) is None:
            last, count = count, round(count * factor)
        if not _LEAST <= count <= _MOST:
            continue
        while abs(count - last) > max(1, 0.02 * count):
            middle = (count + last) // 2
            last, count = (last, middle) if other(middle) else (middle, count)
        if then := other(count):
            yield Flip("examples", f"{now:,}", f"{count:,} {side}", then.id)


def _target(chosen: Option, weighed: Sequence[Option], profile: Profile, workload: Workload) -> Iterator[Flip]:
    """Ask again with a target just above the score that meets the present one, or at the one that does not meet it."""
    own, target = chosen.quality, workload.quality_target
    score = own.mid if own is not None else prompt_score(workload)
    if score is None or (target is None and kind_of(chosen) != "classifier"):
        return
    met = target is None or score >= target
    asked = workload.model_copy(update={"quality_target": min(1.0, score + 0.01) if met else score})
    if then := of_another_kind(choose(weighed, profile, asked).option, chosen):
        current = "not said" if target is None else f"{target:g}"
        yield Flip("quality_target", current, f"above {score:.2f}" if met else f"{score:g} or less", then.id)


def _task(chosen: Option, weighed: Sequence[Option], profile: Profile, workload: Workload) -> Iterator[Flip]:
    """Ask for the task where it was inferred and another one, that data is mistaken for, would turn the advice."""
    if workload.task is not None:
        return
    turned: dict[str, list[str]] = {}
    for task in MISTAKEN.get(profile.task_type, ()):
        asked = workload.model_copy(update={"task": task})
        if option := of_another_kind(choose(_looked_up(weighed, asked, profile), profile, asked).option, chosen):
            turned.setdefault(option.id, []).append(task.value)
    for id, tasks in turned.items():
        yield Flip("task", f"taken to be {profile.task_type}", " or ".join(tasks), id)


def _volume(chosen: Option, workload: Workload, tuned: Option) -> Iterator[Flip]:
    """The volume from which tuning costs less than prompting, where there is one and it is not reached."""
    if kind_of(chosen) != "prompt" or tuned.estimate is None:
        return
    requests = tuned.estimate.break_even_requests
    if not requests:
        return
    monthly = ceil(requests / workload.horizon_months)
    volume = workload.requests_per_month
    if volume is None or volume.mid < monthly:
        current = f"{volume.mid:,}" if volume else "not said"
        yield Flip("requests_per_month", current, f"{monthly:,} or more{ON_COST_ALONE}", tuned.id)


def _error_cost(
    chosen: Option, odds: Odds, weighed: Sequence[Option], profile: Profile, workload: Workload
) -> Iterator[Flip]:
    """What a wrong answer must cost for the expected gain of tuning to pay for itself."""
    found = price_of_tuning([option for option in weighed if option.ruled_out_by is None], workload, odds)
    if found is None or found.error_cost_of_tie_usd is None:
        return
    tie, now = found.error_cost_of_tie_usd, workload.error_cost_usd
    below = chosen.strategy.tunes
    if now is not None and (now < tie) == below:
        return
    asked = workload.model_copy(update={"error_cost_usd": tie * _JUST_BELOW if below else tie})
    if then := of_another_kind(choose(weighed, profile, asked).option, chosen):
        current = "not said" if now is None else f"${now:,.2f}" if now == round(now, 2) else f"${now:f}"
        usd = _two_digits(tie, ROUND_FLOOR if below else ROUND_CEILING)
        yield Flip("error_cost_usd", current, f"below ${usd}" if below else f"${usd} or more", then.id)


def _two_digits(usd: Decimal, side: str) -> str:
    """Round to two digits towards the side on which the advice is the other one."""
    return f"{usd.quantize(Decimal(1).scaleb(usd.adjusted() - 1), rounding=side).normalize():f}"


def _budget(chosen: Option | None, weighed: Sequence[Option], profile: Profile, workload: Workload) -> Iterator[Flip]:
    """What the advice would be if money were no limit, and the budget that carries it."""
    if workload.budget_usd is None:
        return
    lifted = [replace(one, ruled_out_by=None) if is_over_budget(one.ruled_out_by) else one for one in weighed]
    then = choose(lifted, profile, workload.model_copy(update={"budget_usd": None})).option
    if then is None or then.estimate is None or (chosen is not None and kind_of(then) == kind_of(chosen)):
        return
    first = whole_usd(then.estimate, workload)
    if first is not None and first > workload.budget_usd:
        yield Flip("budget_usd", f"${workload.budget_usd:,.2f}", f"${first:,.2f} or more", then.id)


def _standing(weighed: Sequence[Option], workload: Workload, book: PriceBook, today: date) -> Iterator[Flip]:
    """An organisation that may still buy what is closed to others should say so, where it lives long enough."""
    end = today + timedelta(days=int(workload.horizon_months * DAYS_PER_MONTH))
    for option in weighed:
        seller = option.backend or ""
        current = standing(workload, seller)
        if seller not in book.asks_standing or current == "active" or workload.on_premises:
            continue
        closed = option.strategy is Strategy.HOSTED and option.availability == "closed"
        offer = book.offer(seller, option.model) if closed and option.retires and option.retires >= end else None
        if offer is not None and book.availability(offer, today, "active").state in ("open", "closing"):
            yield Flip(f"standing.{seller}", current, "active", option.id)
            return


def _knowledge(
    chosen: Option, choice: Choice, weighed: Sequence[Option], profile: Profile, workload: Workload
) -> Iterator[Flip]:
    """Ask again with what it must know changing more often, or less often where that alone asks for looking it up."""
    now = workload.knowledge_changes
    looked_up = kind_of(chosen) == "retrieval"
    if looked_up and choice.judgement is not None:
        return
    often: tuple[Changes, ...] = ("never", "monthly", "daily")
    rarer, oftener = reversed(often[: often.index(now)]), often[often.index(now) + 1 :]
    for value in rarer if looked_up else oftener:
        asked = workload.model_copy(update={"knowledge_changes": value})
        if then := of_another_kind(choose(_looked_up(weighed, asked, profile), profile, asked).option, chosen):
            yield Flip(
                "knowledge_changes", now, "monthly or never" if looked_up and value != "never" else value, then.id
            )
            return


def _looked_up(weighed: Sequence[Option], asked: Workload, profile: Profile) -> list[Option]:
    """Return the options with retrieval ruled out, or not, as ``asked`` has it."""
    reason = nothing_to_look_up(asked, profile)
    return [
        replace(option, ruled_out_by=reason) if option.strategy is Strategy.RETRIEVAL else option for option in weighed
    ]


def _on_cost(
    chosen: Option,
    rivals: Sequence[Option],
    profile: Profile,
    workload: Workload,
    book: PriceBook,
    today: date,
) -> list[Flip]:
    """Turn one knob of the price at a time until the best option of the other kind gets cheaper."""
    others = (rival for rival in rivals if rival.strategy.tunes is not chosen.strategy.tunes)
    compared = {option.id: option.candidate for option in (chosen, *others) if option.estimate is not None}
    if chosen.id not in compared:
        return []
    found = cost_flips(compared, chosen.id, profile, workload, book, today=today)
    return [_worded(flip) for flip in found]


def _worded(flip: CostFlip) -> Flip:
    """Write a volume as people do, with the side on which the other option is cheaper."""
    now, then = flip.current, flip.flips_at
    if flip.variable == "requests_per_month":
        more = now is None or int(then) > int(now)
        now, then = now and f"{int(now):,}", f"{int(then):,} or {'more' if more else 'fewer'}"
    return Flip(flip.variable, now or "not said", f"{then}{ON_COST_ALONE}", flip.to)
