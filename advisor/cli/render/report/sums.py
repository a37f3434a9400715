"""Every line of every estimate in a report: quantity, unit price, what it makes, and whose price it is."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.cli.render.report.markup import Html, bullets, folded, join, section, spread, table, tag
from advisor.estimate import LineItem, Range
from advisor.recommend import Option, Plan
from advisor.recommend import wording as words

_PERIODS = {"once": "once", "request": "each request", "month": "each month", "horizon": "within the horizon"}


def sums_section(plan: Plan) -> Html:
    """Return the lines of every estimate, with sources and dates; the answer's own lie open."""
    priced = [option for option in plan.advice.options if option.estimate and option.estimate.lines]
    if not priced:
        return Html("")
    answer = [_told(option) for option in priced if option.id == plan.option.id]
    others = [option for option in priced if option.id != plan.option.id]
    parts = []
    for title, fallen in (("other options that fit", False), ("options ruled out", True)):
        found = [option for option in others if (option.ruled_out_by is not None) is fallen]
        if found:
            inside = [folded(words.full_name(option), _sums(option)) for option in found]
            told = f"The cost lines of {len(found)} {title}"
            parts.append(folded(told, tag("div", *inside, class_="inside"), class_="appendix"))
    return section("sums", "Every cost line and its source", *answer, *parts)


def _told(option: Option) -> Html:
    return join((tag("h3", words.full_name(option)), _sums(option)))


def _sums(option: Option) -> Html:
    found = option.estimate
    if found is None:
        return Html("")
    rows = [_line_row(line) for line in found.lines]
    head = ["Item", "when", "quantity", "unit price", "cost", "source of the price"]
    sums = [
        f"{name}: {words.plain_range(amount)}"
        for name, amount in (
            ("Once", found.one_off_usd),
            ("A month", found.monthly_usd),
            (f"Over {words.months(found.months)}", found.total_usd),
        )
    ]
    minutes = found.train_minutes
    if minutes:
        sums.append(f"Training: about {minutes.mid:,.0f} minutes ({minutes.low:,.0f} to {minutes.high:,.0f})")
    if found.gpu_gb:
        sums.append(f"GPU memory at its peak: {found.gpu_gb:.1f} GB")
    return join(
        (
            table(f"Cost lines of {words.full_name(option)}", head, rows, numbers=(2, 3, 4)),
            tag("p", ". ".join(sums) + "."),
            tag("p", "It assumes:") if found.assumptions else "",
            bullets(found.assumptions),
            bullets(found.warnings, "warnings"),
        )
    )


def _line_row(line: LineItem) -> Sequence[str]:
    checked = f", read {words.day(line.checked)}" if line.checked else ", undated"
    low, high = sorted((line.usd_low, line.usd_high))  # what comes from a cache costs more where less of the rest does
    amount = spread(Range(low, line.usd, high))
    return [
        line.name,
        _PERIODS.get(line.period, line.period),
        f"{words.quantity(line.quantity)} {line.unit}",
        f"${words.quantity(line.unit_usd)}",
        amount,
        f"{line.source or 'no source named'}{checked}",
    ]
