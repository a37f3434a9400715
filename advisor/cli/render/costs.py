"""The two drawings of money: a month's cost over requests, and what is spent over time; and what they show in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from advisor.cli import render
from advisor.cli.render.chart import BOTTOM, LEFT, RIGHT, TOP, Chart, Series
from advisor.cli.render.curves import Crossing, Line, crossings
from advisor.cli.render.scale import Scale, linear, short
from advisor.recommend import wording as words
from advisor.workload import Volume, Workload

_SAMPLES = 60
_USUAL = Decimal(10_000)  # requests a month, read where nobody said how many


def over_requests(found: Sequence[Line], workload: Workload, than: str) -> Chart | None:
    """Return a month's cost over requests a month; None when there is nothing to draw or all of it costs nothing.

    ``than`` is what the first line is called.
    """
    volume = workload.requests_per_month
    here = Decimal(volume.mid) if volume and volume.mid else _USUAL
    if not any(line.monthly(here).mid for line in found):
        return None
    met = crossings(found)
    x = _requests(here, volume, met)
    at = _positions(x, here, met)
    values = [[float(line.monthly(Decimal(str(position))).mid) for position in at] for line in found]
    low = [float(found[0].monthly(Decimal(str(position))).low) for position in at]
    high = [float(found[0].monthly(Decimal(str(position))).high) for position in at]
    y = _money([value for curve in (*values, low, high) for value in curve])
    shown = [render.usd(line.monthly(here).mid) for line in found]
    series = _series(found, values, shown, low, high)
    you = "your volume" if volume and volume.mid else f"read here, at {short(float(here))}"
    return Chart(
        id="requests",
        title="What a month costs, by how many requests it has",
        summary=" ".join(crossing_sentences(found, workload, than)),
        x=x,
        y=y,
        x_title="requests a month",
        y_title="US dollars a month",
        x_ticks=[(value, short(value)) for value in x.ticks(6)],
        unit="$",
        positions=at,
        labels=[f"{position:,.0f} requests a month" for position in at],
        series=series,
        reading=f"At {here:,.0f} requests a month",
        marks=[
            (float(one.requests), float(found[one.first].monthly(one.requests).mid)) for one in met if _seen(one, x)
        ],
        here=[(float(here), you)],
        rows=_spaced(at, here),
    )


def crossing_sentences(found: Sequence[Line], workload: Workload, than: str) -> list[str]:
    """Say for each option drawn where it starts, or stops, to cost less than the first, which is called ``than``."""
    said = zip(found[1:], crossing_phrases(found, workload, than), strict=True)
    return [f"{words.full_name(line.option)}: {phrase}." for line, phrase in said]


def crossing_phrases(found: Sequence[Line], workload: Workload, than: str) -> list[str]:
    """Say the same of every line but the first, without naming it."""
    volume = workload.requests_per_month
    here = Decimal(volume.mid) if volume and volume.mid else None
    met = {one.second: one for one in crossings(found) if one.first == 0}
    said = []
    for place, line in enumerate(found[1:], 1):
        if place in met:
            at = met[place].requests
            times = f", {_times(at / here)} times your volume" if here else ""
            if met[place].cheaper:
                said.append(f"cheaper than {than} from {_about(at)} requests a month on{times}")
            else:
                said.append(f"cheaper than {than} only up to {_about(at)} requests a month{times}")
            continue
        at = here or _USUAL
        gap = [line.fixed(at).mid - found[0].fixed(at).mid, line.each.mid - found[0].each.mid]
        if not any(gap):
            said.append(f"costs the same as {than}")
        else:
            said.append(f"{'more expensive' if max(gap) > 0 else 'cheaper'} than {than} at every volume")
    return said


def over_time(found: Sequence[Line], workload: Workload, start: date) -> Chart | None:
    """Return what has been spent by the end of each month; None when no volume was given or all of it is nothing."""
    known = [line for line in found if line.cumulative]
    if not any(line.cumulative[-1][1].mid for line in known):
        return None
    horizon = workload.horizon_months
    at = sorted({*map(float, range(horizon + 1)), *(float(month) for line in known for month, _ in line.cumulative)})
    # Those of unknown cost keep their place, so that a letter means the same in every drawing of a page.
    values = [_over(line, at, "mid") for line in found]
    low, high = _over(found[0], at, "low"), _over(found[0], at, "high")
    y = _money([value for curve in (*values, low, high) for value in curve if value is not None])
    x = Scale(0.0, float(horizon), LEFT, RIGHT)
    every = max(1, math.ceil(horizon / 5))
    ticks = [(float(month), _short_month(start, month)) for month in range(0, horizon + 1, every)]
    shown = [_end_value(line, horizon, start) for line in found]
    series = _series(found, values, shown, low, high, ends=[_end(line, horizon) for line in found])
    end = words.month_after(start, horizon)
    return Chart(
        id="time",
        title="What you will have spent by the end of each month",
        summary=" ".join(f"{one.name}: {one.shown}." for one in series),
        x=x,
        y=y,
        x_title="end of month",
        y_title="US dollars",
        x_ticks=ticks,
        unit="$",
        positions=at,
        labels=[_label(start, month) for month in at],
        series=series,
        reading=f"After {words.months(horizon)}, in {words.month_name(end)} {end.year}",
        rows=[place for place, month in enumerate(at) if month == int(month) and int(month) % every == 0],
    )


def retirements(found: Sequence[Line], workload: Workload) -> list[str]:
    """Say which options end inside the horizon."""
    said = []
    for line in found:
        if line.months < workload.horizon_months:
            when = f" on {words.day(line.option.retires)}" if line.option.retires else ""
            name = words.full_name(line.option)
            said.append(f"{name}: the base model retires{when}, after {words.months(line.months)}.")
    return said


def _requests(here: Decimal, volume: Volume | None, met: Sequence[Crossing]) -> Scale:
    """Return the axis of requests, as far as the highest volume and what is near it; what is farther is said."""
    high = max(here, Decimal(volume.high)) if volume else here
    near = [float(one.requests) for one in met if one.requests <= 4 * high]
    return linear(0, max(2 * float(high), *(1.25 * at for at in near), 1.0), LEFT, RIGHT)


def _positions(x: Scale, here: Decimal, met: Sequence[Crossing]) -> list[float]:
    even = [x.high * step / _SAMPLES for step in range(_SAMPLES + 1)]
    known = [float(here), *(round(float(one.requests)) for one in met if _seen(one, x))]
    return sorted({*even, *known})


def _about(requests: Decimal) -> str:
    """Write a volume to three digits; an estimate knows no more."""
    rounded = float(f"{requests:.3g}")
    return f"{rounded:,.0f}" if rounded == requests else f"about {rounded:,.0f}"


def _times(factor: Decimal) -> str:
    return f"{factor:,.0f}" if factor >= 10 else f"{float(factor):.2g}"


def _seen(one: Crossing, x: Scale) -> bool:
    return x.low <= float(one.requests) <= x.high


def _money(values: Sequence[float]) -> Scale:
    return linear(0, max(values), BOTTOM, TOP)


def _spaced(at: Sequence[float], here: Decimal) -> list[int]:
    """Return about ten positions for the table, the user's own among them."""
    every = max(1, len(at) // 9)
    return sorted({*range(0, len(at), every), at.index(float(here)), len(at) - 1})


def _over(line: Line, at: Sequence[float], end: str) -> list[float | None]:
    """Return what has been spent at each month, None once the option has ended or where it is not known."""
    if not line.cumulative:
        return [None] * len(at)
    known = {float(month): float(getattr(spent, end)) for month, spent in line.cumulative}
    last = max(known)
    return [_at(known, month) if month <= last else None for month in at]


def _at(known: dict[float, float], month: float) -> float:
    """Return what has been spent at a month, which may lie between two known ones."""
    if month in known:
        return known[month]
    below = max(at for at in known if at < month)
    above = min(at for at in known if at > month)
    share = (month - below) / (above - below)
    return known[below] + share * (known[above] - known[below])


def _end(line: Line, horizon: int) -> str:
    if line.months >= horizon:
        return ""
    return f"retires {words.day(line.option.retires)}" if line.option.retires else "ends here"


def _end_value(line: Line, horizon: int, start: date) -> str:
    if not line.cumulative:
        return "unknown"
    spent = render.usd(line.cumulative[-1][1].mid)
    if line.months >= horizon:
        return spent
    when = words.day(line.option.retires) if line.option.retires else _label(start, float(line.months))
    return f"{spent} by {when}, when it ends"


def _series(
    found: Sequence[Line],
    values: Sequence[Sequence[float | None]],
    shown: Sequence[str],
    low: Sequence[float | None],
    high: Sequence[float | None],
    ends: Sequence[str] = (),
) -> list[Series]:
    """Return the lines to draw; only the answer, the first, has its low and high shaded."""
    return [
        Series(
            name=words.full_name(line.option),
            values=values[place],
            shown=shown[place],
            low=() if place else low,
            high=() if place else high,
            dashed=line.option.ruled_out_by is not None,
            end=ends[place] if ends else "",
            note="ruled out, for comparison" if line.option.ruled_out_by else "",
        )
        for place, line in enumerate(found)
    ]


def _label(start: date, month: float) -> str:
    if month != int(month):
        return f"after {month:g} months"
    then = words.month_after(start, int(month))
    return f"{words.month_name(then)} {then.year}" + (", before the first request" if month == 0 else "")


def _short_month(start: date, month: int) -> str:
    then = words.month_after(start, month)
    return f"{words.month_name(then)[:3]} {then.year % 100:02}"
