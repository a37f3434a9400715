"""The options in a report: those that fit side by side, and those ruled out with the reason."""

from __future__ import annotations

from decimal import Decimal

from advisor.cli.render.options_table import pays_from, telling
from advisor.cli.render.report.markup import Html, folded, join, section, spread, table, tag, text, usd
from advisor.estimate import Range
from advisor.recommend import Option, Plan, Recommendation, in_tenths, select
from advisor.recommend import wording as words

_FIRST = 12  # options of the table shown before it is unfolded
_THOUSAND = Decimal(1000)


def options_section(plan: Plan) -> Html:
    """Return every option that fits, the answer marked."""
    standing = [option for option in plan.advice.options if option.ruled_out_by is None]
    if not standing:
        return Html("")
    first_ones = [option for option in telling(plan.advice, plan.workload, _FIRST) if option.ruled_out_by is None]
    standing = [*first_ones, *(option for option in standing if option not in first_ones)]
    chosen = next((place for place, option in enumerate(standing) if option.id == plan.option.id), -1)
    most = len(first_ones)
    months = plan.workload.horizon_months
    head = ["Option", words.months(months), "a month", "once", "per 1,000 requests", "pays off from", "right answers"]
    rows = [_option_row(option, option.id == plan.option.id, months) for option in standing]
    numbers = range(1, len(head))
    first = table("Options that fit", head, rows[:most], numbers=numbers, marked=chosen)
    note = tag(
        "p", "Large figures are the likely cost, small ones its low and high end. “Pays off from”: the number of "
        "requests from which tuning costs less than the prompt it would replace. “Odds”: the chance that it answers "
        "better than the best prompt.", class_="note",
    )  # fmt: skip
    if len(rows) <= most:
        return section("options", "The options", first, note)
    rest = table("More options that fit", head, rows[most:], numbers=numbers)
    return section("options", "The options", first, folded(f"{len(rows) - most} more that fit", rest), note)


def ruled_out_section(advice: Recommendation) -> Html:
    """Return the options that do not fit, and why, the cheapest first."""
    fallen = [option for option in advice.options if option.ruled_out_by]
    if not fallen:
        return Html("")
    ranked = sorted(fallen, key=lambda option: (_total(option), words.full_name(option)))
    rows = [[label(option), usd(select.total(option)), words.sentence(option.ruled_out_by or "")] for option in ranked]
    found = table("Options ruled out", ["Option", "total", "why not"], rows, numbers=(1,))
    shown = folded("Show them, the cheapest first", found, class_="appendix") if len(rows) > 1 else found
    return section("ruled-out", f"Ruled out ({len(rows)})", shown)


def label(option: Option, *, chosen: bool = False) -> Html:
    """Name an option so that no other has the same name, with what limits it."""
    (short, detail), until = named(option), words.until(option)
    limits = tag("small", words.capital(until), class_="range limits") if until != "open" else ""
    mark = tag("span", "the answer", class_="mark") if chosen else ""
    parts = (tag("strong", short), mark, tag("small", detail, class_="range") if detail else "", limits)
    return join((part for part in parts if part), " ")


def named(option: Option) -> tuple[str, str]:
    """Return the name of an option and what else tells it from others: a prompt's examples belong to its name."""
    if option.strategy.tunes or not option.variant:
        return words.name(option), words.detail(option)
    return f"{words.name(option)}, {option.variant}", words.book().short_name_of(
        option.provider
    ) if option.provider else ""


def _option_row(option: Option, chosen: bool, horizon: int) -> list[str]:
    found = option.estimate
    total, *rest = (getattr(found, part) if found else None for part in ("total_usd", "monthly_usd", "one_off_usd"))
    covered = words.shortened(option, horizon)
    sums = [join((spread(total), tag("small", covered, class_="range") if covered else "")), *map(spread, rest)]
    if option.quality:
        quality = text(words.percent(option.quality.mid))
    elif option.odds is not None:
        odds = tag("small", f"odds {in_tenths(option.odds.p)}", class_="range")
        quality = join((tag("span", "not measured", class_="unknown"), odds), " ")
    else:
        quality = tag("span", "not measured", class_="unknown")
    each: Range | None = found.per_request_usd if found else None
    request = usd(each.mid * _THOUSAND if each else None)
    return [label(option, chosen=chosen), *sums, request, _pays_off(option, horizon), quality]


def _pays_off(option: Option, horizon: int) -> Html:
    found = option.estimate.break_even_requests if option.estimate else None
    said = pays_from(option, horizon)
    if not found:
        return text(said or "–")
    return join((said.replace("/", " a "), tag("small", f"{found:,} in all", class_="range")), " ")


def _total(option: Option) -> Decimal:
    """Sort key: what it costs, what is unknown last."""
    found = select.total(option)
    return Decimal("Infinity") if found is None else found
