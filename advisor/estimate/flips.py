"""At which value of one variable, all others held, another option becomes the cheaper one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

from advisor.estimate import formulas
from advisor.estimate.case import terms_of
from advisor.estimate.cost import estimate
from advisor.estimate.request_shape import asked_in_the_data
from advisor.estimate.values import Candidate, Terms
from advisor.pricing import PriceBook
from advisor.workload import Volume, Workload

if TYPE_CHECKING:
    from advisor.tokens import Profile

_HUNT_BITS = 14  # halvings of the interval in which a flip was found: one part in 16,000
_LONGEST_MONTH = Decimal(744)  # hours

Setting: TypeAlias = "tuple[Workload, Terms, Terms]"  # the terms of the chosen option, then those of the others


@dataclass(frozen=True, slots=True)
class Flip:
    """``variable`` now stands at ``current`` (None: not said); from ``flips_at`` on, option ``to`` is cheaper.

    Where no error cost was said, ``flips_at`` of it ends with the side: "0.08 or less".
    """

    variable: str
    current: str | None
    flips_at: str
    to: str


@dataclass(frozen=True, slots=True)
class _Knob:
    """One variable: where it stands, the values to try outwards in each direction, and how to set it."""

    variable: str
    current: Decimal | None
    ladders: tuple[tuple[Decimal, ...], ...]
    at: Callable[[Decimal], Setting]
    whole: bool = False


def flips(
    options: Mapping[str, Candidate],
    chosen: str,
    profile: Profile,
    workload: Workload,
    book: PriceBook,
    *,
    today: date,
    terms: Terms | None = None,
    quality: Mapping[str, float] | None = None,
) -> tuple[Flip, ...]:
    """Return, per variable, the nearest value at which another option gets cheaper than ``chosen``.

    Costs are compared per month of life, training spread over it. ``quality`` holds measured scores (0-1) by option;
    with an error cost in the workload a mistake is part of the cost, and options without a score are left out.
    Where the chosen option itself has no score, mistakes are left out of every cost. An option that is as cheap
    already, or whose cost is not known, flips nothing.
    """
    terms = terms or terms_of(book)
    scores = dict(quality or {})
    if chosen not in scores:
        scores = {}
    elif workload.error_cost_usd is not None:
        options = {name: option for name, option in options.items() if name in scores}

    def cost(name: str, setting: Setting) -> Decimal | None:
        work, for_chosen, for_others = setting
        used = for_chosen if name == chosen else for_others
        result = estimate(options[name], profile, work, book, today=today, terms=used)
        if result.amortised_monthly_usd is None:
            return None
        return result.amortised_monthly_usd.mid + _mistakes(name, scores, work)

    found = []
    for knob in _knobs(options[chosen], profile, workload, terms):
        flip = _nearest(knob, chosen, tuple(options), cost)
        if flip:
            found.append(flip)
    found += _quality_flips(options, chosen, profile, workload, book, today, terms, scores)
    return tuple(found)


def _mistakes(name: str, scores: Mapping[str, float], workload: Workload) -> Decimal:
    """Return what the wrong answers of a month cost; 0 where score, error cost or volume was not given."""
    volume, usd = workload.requests_per_month, workload.error_cost_usd
    if volume is None or usd is None or name not in scores:
        return Decimal(0)
    return volume.mid * (1 - Decimal(str(scores[name]))) * usd


def _nearest(
    knob: _Knob, chosen: str, names: tuple[str, ...], cost: Callable[[str, Setting], Decimal | None]
) -> Flip | None:
    """Walk each ladder away from the current value until the order changes, then close in on the spot."""

    def cheaper(value: Decimal, or_equal: bool = False) -> list[str]:
        setting = knob.at(value)
        ours = cost(chosen, setting)
        if ours is None:
            return []
        others = ((name, cost(name, setting)) for name in names if name != chosen)
        below = [(usd, name) for name, usd in others if usd is not None and (usd < ours or (or_equal and usd == ours))]
        return [name for _, name in sorted(below)]

    best: tuple[Decimal, Flip] | None = None
    for ladder in knob.ladders:
        start = ladder[0]
        already = set(cheaper(start, or_equal=True))
        last = start
        for value in ladder[1:]:
            new = [name for name in cheaper(value) if name not in already]
            if new:
                to = new[0]
                edge = _close_in(knob, last, value, lambda at, to=to: to in cheaper(at))  # type: ignore[misc]
                flip = Flip(knob.variable, _text(knob.current), _text(edge) or "", to)
                distance = abs((edge / start).ln()) if edge > 0 and start > 0 else abs(edge - start)
                if best is None or distance < best[0]:
                    best = distance, flip
                break
            last = value
    return best[1] if best else None


def _close_in(knob: _Knob, stays: Decimal, flips_by: Decimal, flipped: Callable[[Decimal], bool]) -> Decimal:
    for _ in range(_HUNT_BITS):
        middle = (stays + flips_by) / 2
        if knob.whole:
            middle = Decimal(int(middle))
        if middle in (stays, flips_by):
            break
        stays, flips_by = (stays, middle) if flipped(middle) else (middle, flips_by)
    return flips_by


def _knobs(chosen: Candidate, profile: Profile, workload: Workload, terms: Terms) -> Iterator[_Knob]:
    volume = workload.requests_per_month
    now = Decimal(volume.mid) if volume else None

    def volumes(value: Decimal) -> Setting:
        many = int(value)
        volumes = Volume(low=many, mid=many, high=many)
        return workload.model_copy(update={"requests_per_month": volumes}), terms, terms

    if now is None:
        yield _Knob("requests_per_month", None, (_ladder(Decimal(100), 10, 7),), volumes, whole=True)
        return  # without a volume there is no monthly cost that the others could move
    if now:
        yield _Knob("requests_per_month", now, _both_ways(now, 10, 4), volumes, whole=True)
    said = workload.prompt_tokens or asked_in_the_data(profile)

    def prompts(value: Decimal) -> Setting:
        share = value / max(1, said.system + said.user)
        tokens = said.model_copy(update={"system": round(said.system * share), "user": round(said.user * share)})
        return workload.model_copy(update={"prompt_tokens": tokens}), terms, terms

    def answers(value: Decimal) -> Setting:
        tokens = said.model_copy(update={"output": int(value)})
        return workload.model_copy(update={"prompt_tokens": tokens}), terms, terms

    prompt, answer = Decimal(said.system + said.user), Decimal(said.output)
    if prompt:
        yield _Knob("prompt_tokens", prompt, _both_ways(prompt, 2, 5), prompts, whole=True)
    if answer:
        yield _Knob("output_tokens", answer, _both_ways(answer, 2, 5), answers, whole=True)

    def hits(value: Decimal) -> Setting:
        return workload.model_copy(update={"cache_hit": float(value)}), terms, terms

    hit = Decimal(str(workload.cache_hit)) if workload.cache_hit is not None else None
    at = hit if hit is not None else Decimal("0.5")
    steps = [Decimal(number) / 10 for number in range(11)]
    up, down = [step for step in steps if step > at], [step for step in reversed(steps) if step < at]
    yield _Knob("cache_hit", hit, ((at, *up), (at, *down)), hits)

    def prices(value: Decimal) -> Setting:
        return workload, replace(terms, price_factor=terms.price_factor * value), terms

    yield _Knob("price_factor", Decimal(1), (_ladder(Decimal(1), 2, 6),), prices)
    if chosen.strategy.local or chosen.serving in ("dedicated", "self_hosted"):

        def hours(value: Decimal) -> Setting:
            return workload, replace(terms, hours_on=value), terms

        def speeds(value: Decimal) -> Setting:
            return workload, replace(terms, speed_factor=terms.speed_factor * value), terms

        longer, shorter = _both_ways(terms.hours_on, 2, 3)
        within = (*(step for step in longer if step < _LONGEST_MONTH), max(terms.hours_on, _LONGEST_MONTH))
        yield _Knob("hours_on", terms.hours_on, (within, shorter), hours)
        yield _Knob("throughput_factor", Decimal(1), _both_ways(Decimal(1), 2, 4), speeds)


def _quality_flips(
    options: Mapping[str, Candidate],
    chosen: str,
    profile: Profile,
    workload: Workload,
    book: PriceBook,
    today: date,
    terms: Terms,
    scores: Mapping[str, float],
) -> list[Flip]:
    """Return the score of the chosen option, and the cost of one mistake, at which another option ties with it."""
    volume = workload.requests_per_month
    if volume is None or not volume.mid or chosen not in scores:
        return []
    each: dict[str, Decimal] = {}
    for name, option in options.items():
        cost = estimate(option, profile, workload, book, today=today, terms=terms).amortised_monthly_usd
        if cost is not None and name in scores:
            each[name] = cost.mid / volume.mid
    if chosen not in each:
        return []
    ours, score = each[chosen], Decimal(str(scores[chosen]))
    error = workload.error_cost_usd
    found: list[tuple[Decimal, Flip]] = []
    ties: list[tuple[Decimal, Flip]] = []
    for name in each.keys() - {chosen}:
        theirs, other = each[name], Decimal(str(scores[name]))
        tie = formulas.error_cost_of_tie(ours, score, theirs, other)
        better = score > other  # dear mistakes are for the better one
        if tie is not None and (error is None or (error > tie if better else error < tie)):
            side = "" if error is not None else " or less" if better else " or more"
            ties.append((abs(tie - (error or 0)), Flip("error_cost_usd", _text(error), f"{_text(tie)}{side}", name)))
        if error:
            needed = score + (theirs + (1 - other) * error - ours - (1 - score) * error) / -error
            if 0 <= needed < score:
                found.append((score - needed, Flip("quality", _text(score), _text(needed) or "0", name)))
    return [min(group, key=lambda pair: pair[0])[1] for group in (found, ties) if group]


def _both_ways(now: Decimal, factor: int, steps: int) -> tuple[tuple[Decimal, ...], ...]:
    return _ladder(now, factor, steps), tuple(now / factor**step for step in range(steps + 1))


def _ladder(now: Decimal, factor: int, steps: int) -> tuple[Decimal, ...]:
    return tuple(now * factor**step for step in range(steps + 1))


def _text(value: Decimal | None) -> str | None:
    """Write a value to four significant digits, whole numbers whole, never in exponent form."""
    if value is None:
        return None
    if value == value.to_integral_value():
        return f"{int(value)}"
    digits = max(0, 3 - value.adjusted())
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
