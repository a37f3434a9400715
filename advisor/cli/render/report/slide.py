"""The front figure: one drawing with title, number, bars and source that stands alone, on a slide for instance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from textwrap import wrap

from advisor.cli import render
from advisor.cli.render.curves import drawn
from advisor.cli.render.report.markup import Html, tag, text
from advisor.cli.render.report.options import named
from advisor.cli.render.report.run import run_headline, verdict
from advisor.cli.render.report.story import Story, Told
from advisor.cli.render.scale import Scale, linear
from advisor.estimate import Range
from advisor.recommend import Option, Plan
from advisor.recommend import wording as words

_WIDTH = 960
_LEFT, _RIGHT, _ROW = 420.0, 830.0, 62  # the plane of the bars, and the height of one, in drawing units
_MOST = 6
_NAME = 48  # characters of a name beside its bar
_INK, _QUIET, _RULE, _CHOSEN, _OTHER = "#1d1c1a", "#5d5a54", "#dedad2", "#1c5d46", "#c9c4b8"
_FONT = "Segoe UI, Helvetica, Arial, Liberation Sans, sans-serif"


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: likely value with its low and high end, and the value in words."""

    name: str
    detail: str
    low: float
    mid: float
    high: float
    shown: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Slide:
    """What the figure says. ``measure`` names what the bars count; ``highest`` is the end of their axis, if fixed."""

    title: str
    said: str
    measure: str
    bars: Sequence[Bar]
    source: str
    highest: float | None = None


def slide(story: Story) -> Slide | None:
    """Return the front figure of a report; None where there is nothing to compare: no price, no scorecard."""
    source = f"Made by tunewise {story.version} on {words.day(story.made)}"
    if story.run is not None:
        return _of_run(story.run, source)
    return _of_plan(story.plan, source) if story.plan is not None else None


def svg(found: Slide) -> Html:
    """Draw it. The colours are its own and its ground is white, so that it looks the same wherever it is put."""
    bars = found.bars[:_MOST]
    highest = found.highest or max(max(bar.mid, bar.high) for bar in bars) or 1.0
    x = linear(0, highest, _LEFT, _RIGHT)
    title = wrap(found.title, 52, max_lines=2, placeholder=" …")
    below = 62 + 38 * len(title)
    first = below + 58
    last = first + _ROW * len(bars)
    height = last + 64
    parts = [
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<rect width="{_WIDTH}" height="8" fill="{_CHOSEN}"/>',
        *(_text(40, 62 + 38 * place, line, 32, _INK, bold=True) for place, line in enumerate(title)),
        _text(40, below, found.said, 19, _INK),
        _text(40, below + 42, found.measure, 15, _QUIET),
        *(_bar(bar, x, first + _ROW * place) for place, bar in enumerate(bars)),
        f'<path d="M{_LEFT} {first}V{last}" stroke="{_QUIET}"/>',
        _text(40, height - 24, found.source, 13, _QUIET),
    ]
    summary = "; ".join(f"{bar.name}, {bar.detail}: {bar.shown}" for bar in bars)
    head = tag("title", found.title) + tag("desc", f"{found.said} {found.measure}: {summary}.")
    return Html(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{text(found.title)}" font-family="{_FONT}">{head}{"".join(parts)}</svg>'
    )


def _bar(bar: Bar, x: Scale, top: float) -> str:
    middle, thick = top + _ROW / 2, 26
    end, low, high = x(bar.mid), x(bar.low), x(bar.high)
    parts = [
        f'<rect x="{_LEFT}" y="{middle - thick / 2:.1f}" width="{end - _LEFT:.1f}" height="{thick:.1f}" '
        f'fill="{_CHOSEN if bar.chosen else _OTHER}"/>'
    ]
    if high > low:
        whisker = f"M{low} {middle:.1f}H{high}M{low} {middle - 6:.1f}v12M{high} {middle - 6:.1f}v12"
        parts.append(f'<path d="{whisker}" stroke="{_INK}" stroke-width="1.5" fill="none"/>')
    up = 3 if bar.detail else -6
    parts.append(_text(_LEFT - 14, middle - up, _cut(bar.name, _NAME), 15, _INK, bold=bar.chosen, anchor="end"))
    parts.append(_text(_LEFT - 14, middle + 15, _cut(bar.detail, 60), 12.5, _QUIET, anchor="end") if bar.detail else "")
    parts.append(_text(max(end, high) + 10, middle + 6, bar.shown, 17, _INK, bold=bar.chosen))
    return "".join(parts)


def _of_plan(plan: Plan, source: str) -> Slide | None:
    """Compare what the answer and the best of the other ways cost: over the horizon, else for 1,000 requests."""
    volume = plan.workload.requests_per_month
    options = drawn(plan.advice)[0]
    over = all(option.estimate and option.estimate.total_usd for option in options) and volume is not None
    bars = [bar for option in options if (bar := _cost(option, plan, over=over))]
    if len(bars) < 2 or not any(bar.high for bar in bars):
        return None
    months = words.months(plan.workload.horizon_months)
    answer = next((bar for bar in bars if bar.chosen), None)
    period = f"over {months} at {volume.mid:,} requests a month" if over and volume else "per 1,000 requests"
    said = f"{answer.shown} {period}" if answer else "The cost of the answer is not known"
    if plan.advice.confidence:
        said += f"; confidence {plan.advice.confidence}"
    prices = f"; prices read by {words.day(plan.advice.prices_as_of)}" if plan.advice.prices_as_of else ""
    return Slide(
        title=words.headline(plan.option, plan.advice.confidence).rstrip("."),
        said=f"{said}.",
        measure=f"Likely cost {period} in US dollars; the thin line is low to high",
        bars=bars,
        source=f"{source}{prices}",
    )


def _cost(option: Option, plan: Plan, *, over: bool) -> Bar | None:
    found = option.estimate
    each = found.marginal_usd if found else None
    by_request = found is not None and found.fixed_monthly_usd is not None and not found.fixed_monthly_usd.high
    amount: Range | None = None
    if over:
        amount = found.total_usd if found else None
    elif by_request and each is not None:  # a machine by the hour has no price for a request
        amount = each.times(Decimal(1000))
    if amount is None:
        return None
    name, detail = named(option)
    if not detail:
        name, _, detail = name.rpartition(", ") if len(name) > _NAME else (name, "", "")
    if option.ruled_out_by:
        detail = "; ".join(part for part in (detail, "ruled out") if part)
    elif covered := words.shortened(option, plan.workload.horizon_months):
        detail = "; ".join(part for part in (detail, covered) if part)
    ends = (float(amount.low), float(amount.mid), float(amount.high))
    return Bar(name, detail, *ends, render.usd(amount.mid), option.id == plan.option.id)


def _of_run(told: Told, source: str) -> Slide | None:
    """Compare the scores of the scorecard, with their intervals."""
    card = told.scorecard
    rows = card.get("rows") if card else None
    if card is None or not isinstance(rows, list):
        return None
    bars = []
    for row in rows:
        if isinstance(row, dict):
            low, score, high = (float(str(row[part])) for part in ("low", "score", "high"))
            ends = (low, high) if isfinite(low) and isfinite(high) else (score, score)
            chosen = row["name"] == card.get("winner")
            bars.append(Bar(str(row["name"]), "", ends[0], score, ends[1], f"{score:.3f}", chosen))
    return Slide(
        title=run_headline(told).rstrip("."),
        said=verdict(card),
        measure=f"Score by {card.get('metric')}, from 0 to 1; the thin line is the 95% interval",
        bars=bars,
        source=f"{source}; run {told.view.run}",
        highest=1.0,
    )


def _cut(said: str, most: int) -> str:
    return said if len(said) <= most else f"{said[: most - 1]}…"


def _text(
    across: float, down: float, said: str, size: float, colour: str, *, bold: bool = False, anchor: str = "start"
) -> str:
    weight = ' font-weight="600"' if bold else ""
    place = f'x="{across:.1f}" y="{down:.1f}" text-anchor="{anchor}"'
    return f'<text {place} font-size="{size:g}" fill="{colour}"{weight}>{text(said)}</text>'
