"""What differs between two kept plans: data, workload, prices, day, and what that did to the advice."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal

from advisor.estimate import LineItem, Range
from advisor.money import usd
from advisor.recommend import wording as words
from advisor.recommend.plan_file import Plan
from advisor.recommend.values import Option
from backends import Json

_DERIVED = "request"  # the unit whose price is worked out from others
_COUNTS = re.compile(r",.*|(?<= )[\d,]+ ")  # in a line's name: of runs and passes, of examples
_Key = tuple[str, str, str]  # what is paid for, the unit, how often


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two plans in short; ``total_usd`` is the advice's over ``months``."""

    option: str
    headline: str
    reasons: tuple[str, ...]
    confidence: str
    today: date
    prices_as_of: date | None
    months: int
    total_usd: Range | None


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs; None where it was not said, not known, or not there."""

    what: str
    old: Json
    new: Json


@dataclass(frozen=True, slots=True)
class PriceChange:
    """A unit price of an option that both plans weighed, in US dollars for one ``unit``."""

    option: str
    line: str
    unit: str
    old_usd: Decimal
    new_usd: Decimal
    source: str
    checked: date | None


@dataclass(frozen=True, slots=True)
class Sum:
    """``quantity`` x ``unit_usd`` = ``usd``, unless a minimum charge is higher."""

    quantity: Decimal
    unit_usd: Decimal
    usd: Decimal


@dataclass(frozen=True, slots=True)
class LineChange:
    """A line of the advice's bill that differs; None in the plan that lacks it."""

    name: str
    period: str
    unit: str
    old: Sum | None
    new: Sum | None


@dataclass(frozen=True, slots=True)
class OptionChange:
    """An option that came, went, was ruled out or stands again, and the sentence that says why, where there is one."""

    option: str
    name: str
    change: str
    because: str | None


@dataclass(frozen=True, slots=True)
class PlanDiff:
    """All that differs. ``inputs`` names what differs of: data, workload, prices, day. ``why`` are sentences."""

    old: Side
    new: Side
    advice_changed: bool
    inputs: tuple[str, ...]
    why: tuple[str, ...]
    data: tuple[Change, ...]
    workload: tuple[Change, ...]
    prices: tuple[PriceChange, ...]
    lines: tuple[LineChange, ...]
    options: tuple[OptionChange, ...]

    @property
    def same(self) -> bool:
        """Tell whether the plans say the same for the same reasons."""
        return not (self.advice_changed or self.inputs or self.lines or self.options)


def plan_diff(old: Plan, new: Plan) -> PlanDiff:
    """Compare two plans; options are matched by id, lines by name and unit."""
    data, workload, prices = _data(old, new), _workload(old, new), _prices(old, new)
    read = old.advice.prices_as_of != new.advice.prices_as_of
    differ = {"data": data, "workload": workload, "prices": prices or read, "day": old.today != new.today}
    inputs = tuple(name for name, found in differ.items() if found)
    changed = old.option.id != new.option.id
    lines = _lines(old.option, new.option)
    return PlanDiff(
        old=_side(old),
        new=_side(new),
        advice_changed=changed,
        inputs=inputs,
        why=tuple(_why(old, new, inputs)) if changed or lines else (),
        data=data,
        workload=workload,
        prices=prices,
        lines=lines,
        options=tuple(_options(old, new)),
    )


def _side(plan: Plan) -> Side:
    return Side(
        option=plan.option.id,
        headline=words.headline(plan.option, plan.advice.confidence),
        reasons=tuple(words.sentence(reason.text) for reason in plan.advice.reasons) or (plan.reason,),
        confidence=plan.advice.confidence,
        today=plan.today,
        prices_as_of=plan.advice.prices_as_of,
        months=plan.workload.horizon_months,
        total_usd=_total(plan.option),
    )


def _data(old: Plan, new: Plan) -> tuple[Change, ...]:
    if old.fingerprint == new.fingerprint:
        return ()
    before, after = ({} if plan.data_facts is None else asdict(plan.data_facts) for plan in (old, new))
    found = _leaves(before), _leaves(after)
    return (Change("fingerprint", old.fingerprint or None, new.fingerprint or None), *_differing(*found))


def _workload(old: Plan, new: Plan) -> tuple[Change, ...]:
    before, after = (_leaves(plan.workload.model_dump(mode="json")) for plan in (old, new))
    return tuple(_differing(before, after))


def _prices(old: Plan, new: Plan) -> tuple[PriceChange, ...]:
    """Return the unit prices that differ; the same price of a model that several options pay is named once."""
    found: dict[tuple[str, str, Decimal, Decimal], PriceChange] = {}
    weighed = {option.id: option for option in old.options}
    for option in new.options:
        before = _bill(weighed.get(option.id))
        for key, line in _bill(option).items():
            was, (kind, unit, _) = before.get(key), key
            if was is None or was.unit_usd == line.unit_usd or unit == _DERIVED:
                continue
            paid = f"{option.provider or option.backend or option.gpu}:{option.model}"
            change = PriceChange(option.id, kind, unit, was.unit_usd, line.unit_usd, line.source, line.checked)
            found.setdefault((paid, kind, was.unit_usd, line.unit_usd), change)
    return tuple(found.values())


def _lines(old: Option, new: Option) -> tuple[LineChange, ...]:
    """Return the lines of the bill that differ; none where the advice is for another option."""
    if old.id != new.id:
        return ()
    before, after = _bill(old), _bill(new)
    found = ((key, before.get(key), after.get(key)) for key in dict.fromkeys((*before, *after)))
    return tuple(_line(key, was, now) for key, was, now in found if (was and was.usd) != (now and now.usd))


def _line(key: _Key, was: LineItem | None, now: LineItem | None) -> LineChange:
    name, unit, period = key
    return LineChange(name, period, unit, _sum(was), _sum(now))


def _sum(line: LineItem | None) -> Sum | None:
    return None if line is None else Sum(line.quantity, line.unit_usd, line.usd)


def _bill(option: Option | None) -> dict[_Key, LineItem]:
    """Return an option's lines by what is paid for, its unit and how often."""
    lines = option.estimate.lines if option and option.estimate else ()
    return {(_COUNTS.sub("", line.name), line.unit, line.period): line for line in lines}


def _options(old: Plan, new: Plan) -> Iterator[OptionChange]:
    before, after = ({option.id: option for option in plan.options} for plan in (old, new))
    for id, option in after.items():
        name, was = words.full_name(option), before.get(id)
        if was is None:
            yield OptionChange(id, name, "new", option.ruled_out_by)
        elif was.ruled_out_by is None and option.ruled_out_by is not None:
            yield OptionChange(id, name, "ruled out", option.ruled_out_by)
        elif was.ruled_out_by is not None and option.ruled_out_by is None:
            yield OptionChange(id, name, "stands again", was.ruled_out_by)
    for id, option in before.items():
        if id not in after:
            yield OptionChange(id, words.full_name(option), "gone", None)


def _why(old: Plan, new: Plan, inputs: tuple[str, ...]) -> Iterator[str]:
    """Yield what the two plans tell of the reason; what they do not tell is said not to be told."""
    if old.option.id != new.option.id:
        yield from _what_fell(old, new)
    if not inputs:
        yield "Data, workload, prices and day are the same: measured runs or another version of tunewise did this."
    elif len(inputs) == 1:
        yield f"Of data, workload, prices and day, only the {inputs[0]} changed."
    else:
        named = f"{', '.join(inputs[:-1])} and {inputs[-1]}"
        yield f"{named.capitalize()} changed together; the two plans do not tell how much each contributed."


def _what_fell(old: Plan, new: Plan) -> Iterator[str]:
    """Say what became of the option advised before, and what the option advised now was before."""
    left, taken = words.full_name(old.option), words.full_name(new.option)
    now = next((option for option in new.options if option.id == old.option.id), None)
    before = next((option for option in old.options if option.id == new.option.id), None)
    if now is None:
        yield f"{left}: no longer among the options."
    elif now.ruled_out_by is not None:
        yield f"{left}: ruled out now. {now.ruled_out_by}"
    if before is None:
        yield f"{taken}: was not among the options before."
    elif before.ruled_out_by is not None:
        yield f"{taken}: was ruled out before. {before.ruled_out_by}"
    if now is not None and before is not None:
        for name, was, is_now in ((left, old.option, now), (taken, before, new.option)):
            yield f"{name}: {_amount(was)} before, {_amount(is_now)} now."


def _amount(option: Option) -> str:
    total = _total(option)
    return usd(total.mid) if total else "of unknown cost"


def _total(option: Option) -> Range | None:
    return option.estimate.total_usd if option.estimate else None


def _differing(old: Mapping[str, Json], new: Mapping[str, Json]) -> Iterator[Change]:
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            yield Change(name, old.get(name), new.get(name))


def _leaves(value: Json, path: str = "") -> dict[str, Json]:
    """Return the values of nested mappings by their path: prompt_tokens.system."""
    if not isinstance(value, dict):
        return {path: value}
    found: dict[str, Json] = {}
    for name, item in value.items():
        found |= _leaves(item, f"{path}.{name}".removeprefix("."))
    return found
