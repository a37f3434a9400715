"""How ``plan diff`` looks, on a terminal and as part of a comment: what became of the advice, why, what differs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from advisor.cli import render
from advisor.cli.render.safe_text import for_markdown, without_folders
from advisor.cli.render.screen import Screen
from advisor.recommend import PlanDiff
from advisor.recommend import wording as words
from advisor.recommend.plan_diff import Change, LineChange, OptionChange, Sum
from backends import Json

_MOST = 8  # items of one section; --json has all
_FINGERPRINT = 12  # characters that tell two fingerprints apart


def page(found: PlanDiff) -> None:
    """Print the difference for a person."""
    screen = Screen()
    screen.paragraph(headline(found), "bold")
    if cost := _cost(found):
        screen.paragraph(cost)
    for title, items in _sections(found):
        screen.section(title, _cut(items))


def markdown(found: PlanDiff) -> str:
    """Return the difference as Markdown for a comment; text from elsewhere cannot become markup in it."""
    parts = [f"**{for_markdown(headline(found))}** {for_markdown(_cost(found))}".rstrip()]
    for title, items in _sections(found):
        if items:
            parts.append(f"**{title}**\n\n" + "\n".join(f"- {for_markdown(item)}" for item in _cut(items)))
    return without_folders("\n\n".join(parts)) + "\n"


def headline(found: PlanDiff) -> str:
    """Say in one sentence what became of the advice."""
    if found.advice_changed:
        return f"The advice changed. Before: {found.old.headline} Now: {found.new.headline}"
    if found.same:
        return f"Nothing changed. The advice: {found.new.headline}"
    return f"The advice is the same: {found.new.headline}"


def _cost(found: PlanDiff) -> str:
    both = found.old, found.new
    before, after = (f"{words.plain_range(side.total_usd)} over {words.months(side.months)}" for side in both)
    return "" if before == after else f"It costs {after}, before {before}."


def _sections(found: PlanDiff) -> Iterator[tuple[str, Sequence[str]]]:
    yield "Why", [*found.why, *_reasons(found)]
    yield "Data", [_change(one) for one in found.data]
    yield "Workload", [_change(one) for one in found.workload]
    yield "Prices", list(_prices(found))
    yield "Bill of the advice", [_line(one) for one in found.lines]
    yield "Options", [_option(one) for one in found.options]


def _reasons(found: PlanDiff) -> Iterator[str]:
    old, new = found.old.reasons, found.new.reasons
    yield from (f"Said before: {reason}" for reason in old if reason not in new)
    yield from (f"Said now: {reason}" for reason in new if reason not in old)
    if found.old.confidence != found.new.confidence:
        yield f"Confidence: from {found.old.confidence or 'not said'} to {found.new.confidence or 'not said'}."


def _prices(found: PlanDiff) -> Iterator[str]:
    old, new = found.old.prices_as_of, found.new.prices_as_of
    if old != new:
        before, after = (words.day(one) if one else "an unknown day" for one in (old, new))
        yield f"read by {after}, before by {before}"
    for one in found.prices:
        read = f", {words.day(one.checked)}" if one.checked else ""
        amounts = f"from {render.usd(one.old_usd)} to {render.usd(one.new_usd)} a {one.unit}"
        yield f"{one.line}, {one.option}: {amounts} ({one.source}{read})"


def _option(one: OptionChange) -> str:
    because = f". {'Before: ' if one.change == 'stands again' else ''}{one.because}" if one.because else ""
    return f"{one.name}: {one.change}{because}"


def _line(one: LineChange) -> str:
    often = "once" if one.period == "once" else f"a {one.period}"
    return f"{one.name}, {often}: {_sum(one.new, one.unit)}; before {_sum(one.old, one.unit)}"


def _sum(one: Sum | None, unit: str) -> str:
    if one is None:
        return "nothing"
    return f"{words.quantity(one.quantity)} {unit} x {render.usd(one.unit_usd)} = {render.usd(one.usd)}"


def _change(one: Change) -> str:
    cut = _FINGERPRINT if one.what == "fingerprint" else None
    return f"{one.what}: from {_said(one.old)[:cut]} to {_said(one.new)[:cut]}"


def _said(value: Json) -> str:
    if value is None or value == [] or value == "":
        return "not said"
    if isinstance(value, list):
        return ", ".join(map(_said, value))
    return words.count(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _cut(items: Sequence[str]) -> list[str]:
    more = len(items) - _MOST
    return [*items[:_MOST], *([f"and {more} more; --json lists all"] if more > 0 else [])]
