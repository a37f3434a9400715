"""At which volume of requests, or horizon, the advice itself, not only the order of the costs, becomes another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date

from advisor.estimate import estimate
from advisor.pricing import PriceBook
from advisor.recommend.choose import choose
from advisor.recommend.select import kind_of, of_another_kind
from advisor.recommend.values import Flip, Option
from advisor.tokens import Profile
from advisor.workload import Volume, Workload

_FARTHEST = 4**9  # times the volume now, either way
_FIRST = 1000  # requests a month, where nobody said how many
_CLOSE = 1.002
_HORIZONS = (1, 3, 6, 12, 24, 36)  # months worth planning for


def volume_flip(
    chosen: Option,
    rivals: Sequence[Option],
    profile: Profile,
    workload: Workload,
    book: PriceBook,
    today: date,
) -> Flip | None:
    """Return the nearest volume at which another kind of option than ``chosen`` is advised; None where there is none.

    Only ``chosen`` and its ``rivals`` are priced anew: what was not advised changes nothing by being left out.
    """
    compared = (chosen, *(one for one in rivals if one.id != chosen.id))
    if any(one.estimate is None for one in compared):
        return None

    def advised(requests: int) -> Option | None:
        asked = workload.model_copy(update={"requests_per_month": Volume(low=requests, mid=requests, high=requests)})
        priced = [replace(one, estimate=estimate(one.candidate, profile, asked, book, today=today)) for one in compared]
        return choose(priced, profile, asked).option

    volume = workload.requests_per_month
    now = volume.mid if volume and volume.mid else _FIRST
    there = advised(now)
    if there is None or kind_of(there) != kind_of(chosen):
        return None
    for factor, side in ((4.0, "more"), (0.25, "fewer")):
        found = _nearest(now, factor, lambda requests: of_another_kind(advised(requests), chosen))
        if found is not None:
            edge, then = found
            return Flip("requests_per_month", f"{now:,}" if volume else "not said", f"{edge:,} or {side}", then.id)
    return None


def horizon_flip(
    chosen: Option, rivals: Sequence[Option], profile: Profile, workload: Workload, book: PriceBook, today: date
) -> Flip | None:
    """Return the nearest horizon, of a month to three years, at which another kind of option is advised; else None."""
    now = workload.horizon_months
    compared = (chosen, *(one for one in rivals if one.id != chosen.id))
    longer, shorter = [m for m in _HORIZONS if m > now], [m for m in reversed(_HORIZONS) if m < now]
    for months, side in (*((m, "or more") for m in longer), *((m, "or less") for m in shorter)):
        asked = workload.model_copy(update={"horizon_months": months})
        priced = [replace(one, estimate=estimate(one.candidate, profile, asked, book, today=today)) for one in compared]
        if then := of_another_kind(choose(priced, profile, asked).option, chosen):
            return Flip("horizon_months", f"{now}", f"{months} {side}", then.id)
    return None


def _nearest(now: int, factor: float, other: Callable[[int], Option | None]) -> tuple[int, Option] | None:
    """Walk from ``now`` in steps of ``factor`` until the advice is another, then close in; three digits are enough."""
    last, value = float(now), now * factor
    while value >= 1 and 1 / _FARTHEST <= value / now <= _FARTHEST:
        then = other(int(value))
        if then is None:
            last, value = value, value * factor
            continue
        while max(last, value) / min(last, value) > _CLOSE:
            middle = (last * value) ** 0.5
            closer = other(int(middle))
            last, value, then = (last, middle, closer) if closer is not None else (middle, value, then)
        return int(value), then
    return None
