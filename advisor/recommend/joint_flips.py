"""What has to change together for the advice to become another, where no change alone does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from advisor.recommend.choose import choose
from advisor.recommend.flips import score_edge
from advisor.recommend.gates import FEWEST_EXAMPLES, whole_usd
from advisor.recommend.measurements import best_recipe, prompt_score, with_best_prompt
from advisor.recommend.select import kind_of
from advisor.recommend.values import Flip, Option
from advisor.recommend.worth import dollars
from advisor.tokens import Profile, synthetic
from advisor.workload import Volume, Workload

Weigh = Callable[[Profile, Workload], Sequence[Option]]

# What is tried where nobody said it: the mildest first.
_VOLUMES = (1_000, 10_000, 100_000, 1_000_000)  # requests a month
_SIZES = (300, 1_000, 3_000, 10_000)  # examples
_ERROR_COSTS = tuple(
    Decimal(f"{digit}e{power}") for power in (-2, -1, 0, 1) for digit in (1, 2, 5)
)  # USD a wrong answer
_LIKELY = 0.5  # a prompt that scores less is rare, so a condition below it hardly helps


@dataclass(frozen=True, slots=True)
class _Case:
    """A profile and a workload as they might be, what they make of the options, and what was changed for it."""

    profile: Profile
    workload: Workload
    weighed: Sequence[Option]
    changes: tuple[Flip, ...] = ()

    @property
    def tunable(self) -> bool:
        return any(option.strategy.tunes and option.ruled_out_by is None for option in self.weighed)

    def chosen(self) -> Option | None:
        return choose(self.weighed, self.profile, self.workload).option

    def scoring(self, share: float) -> Option | None:
        """Return what is chosen where the best prompt scores so much."""
        return choose(self.weighed, self.profile, with_best_prompt(self.workload, share)).option


def joint_flips(
    chosen: Option | None, found: Sequence[Flip], weighed: Sequence[Option], profile: Profile, workload: Workload,
    weigh: Weigh,
) -> Iterator[Flip]:  # fmt: skip
    """Yield what leads from a prompt to tuning, or from nothing to anything, where no flip ``found`` does.

    ``weigh`` prices the options again for another profile or workload. The first flip of a result is the change that
    opens the way; those in ``also`` have to hold with it.
    """
    now = _Case(profile, workload, weighed)
    if chosen is None:
        for case in _lifted(now, weigh):
            if then := case.chosen():
                yield _flip(case, then)
                return
        return
    by_id = {option.id: option for option in weighed}
    leads = any(flip.to in by_id and by_id[flip.to].strategy.tunes for flip in found if not flip.on_cost_alone)
    if kind_of(chosen) != "prompt" or leads:
        return
    opened: set[str] = set()  # by which limit; of the numbers of examples the least is enough
    for case in [now] if now.tunable else _lifted(now, weigh):
        limit = case.changes[0].variable if case.changes else ""
        if limit not in opened and case.tunable and (turned := _turned(case, weigh)):
            opened.add(limit)
            yield _flip(*turned)


def _lifted(now: _Case, weigh: Weigh) -> Iterator[_Case]:
    """Yield the case with each limit that the user set taken away, one at a time."""
    workload, data = now.workload, now.workload.data
    lifts: list[tuple[Flip, dict[str, object]]] = []
    if workload.budget_usd is not None:
        lifts.append((Flip("budget_usd", f"${workload.budget_usd:,.2f}", "", ""), {"budget_usd": None}))
    if not workload.may_rent_gpus:
        lifts.append((Flip("may_rent_gpus", "no", "yes", ""), {"may_rent_gpus": True}))
    if workload.privacy != "any":
        lifts.append((Flip("privacy", workload.privacy, "any", ""), {"privacy": "any"}))
    for flip, update in lifts:
        asked = workload.model_copy(update=update)
        yield _Case(now.profile, asked, weigh(now.profile, asked), (flip,))
    if data is None or now.profile.examples >= FEWEST_EXAMPLES:
        return
    for size in _SIZES:
        written = synthetic(data.model_copy(update={"examples": size}), workload.task)
        flip = Flip("examples", f"{now.profile.examples:,}", f"{size:,} or more", "")
        yield _Case(written, workload, weigh(written, workload), (flip,))


def _turned(case: _Case, weigh: Weigh) -> tuple[_Case, Option] | None:
    """Return the case, with as little more changed as can be, in which tuning is advised, and what is tuned then.

    A measured score is taken as it is first; one that is not is searched for the edge below which tuning is advised.
    """
    if prompt_score(case.workload) is not None:
        for one in (case, *_dearer(case)):
            if (then := one.chosen()) and then.strategy.tunes:
                return one, then
    one = case
    for one in (one for at_volume in _at_volumes(case, weigh) for one in (at_volume, *_dearer(at_volume))):
        if (then := one.scoring(_LIKELY)) and then.strategy.tunes:
            break
    edge = score_edge(one.weighed, one.profile, one.workload)
    if edge is None:
        return None
    score, then = edge
    now = prompt_score(one.workload)
    said = "not measured" if now is None else f"{now:g}"
    flip = Flip(f"measured.{best_recipe(one.workload)}", said, f"below {score:g}", "")
    return replace(one, changes=(*one.changes, flip)), then


def _at_volumes(case: _Case, weigh: Weigh) -> Iterator[_Case]:
    if case.workload.requests_per_month is not None:
        yield case
        return
    for count in _VOLUMES:
        asked = case.workload.model_copy(update={"requests_per_month": Volume(low=count, mid=count, high=count)})
        flip = Flip("requests_per_month", "not said", f"{count:,} or more", "")
        yield replace(case, workload=asked, weighed=weigh(case.profile, asked), changes=(*case.changes, flip))


def _dearer(case: _Case) -> Iterator[_Case]:
    """Yield the case with wrong answers that cost more than was said, in rising order."""
    said = case.workload.error_cost_usd
    now = "not said" if said is None else dollars(said)
    for usd in _ERROR_COSTS:
        if said is None or usd > said:
            flip = Flip("error_cost_usd", now, f"{dollars(usd)} or more", "")
            asked = case.workload.model_copy(update={"error_cost_usd": usd})
            yield replace(case, workload=asked, changes=(*case.changes, flip))


def _flip(case: _Case, then: Option) -> Flip:
    """Return the changes as one flip; a budget is the sum that carries what is advised then."""
    whole = whole_usd(then.estimate, case.workload) if then.estimate else None
    first, *also = (
        replace(one, flips_at=f"${whole:,.2f} or more") if one.variable == "budget_usd" else one for one in case.changes
    )
    return replace(first, to=then.id, also=tuple(also))
