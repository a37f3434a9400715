"""The page of a budget: yes or no, spending over time against the sum, scenarios, what more money would buy."""

from __future__ import annotations

from decimal import Decimal

from advisor.cli import render
from advisor.cli.render.budget import FITS, plan_lines
from advisor.cli.render.budget import document as figures
from advisor.cli.render.chart import BOTTOM, LEFT, RIGHT, TOP, Chart, Series
from advisor.cli.render.estimate import flip
from advisor.cli.render.report import charts
from advisor.cli.render.report.markup import Html, bullets, folded, section, spread, table, tag, usd
from advisor.cli.render.report.outer import contents, document, embedded
from advisor.cli.render.scale import Scale, linear
from advisor.estimate import Range, Scenario
from advisor.recommend import wording as words
from advisor.recommend.spending import Spending


def page(found: Spending) -> str:
    """Return the whole page. The same budget gives the same page, to the byte."""
    chart = spending_chart(found)
    parts = [
        ("months", "Month by month", _months(found, chart)),
        ("traffic", "Less and more traffic", _scenarios(found)),
        ("more", "More money", _more(found)),
        ("others", "Other options", _others(found)),
        ("grounds", "Grounds", _grounds(found)),
    ]
    told = [part for part in parts if part[2]]
    content = (_answer(found), contents(told), *(html for _, _, html in told))
    drawn = {} if chart is None else {chart.id: charts.payload(chart)}
    inside = render.to_json({"budget": figures(found), "charts": drawn})
    assert isinstance(inside, dict)
    title = f"What {render.usd(found.limit_usd)} buys"
    prices = f" with prices read by {words.day(found.advice.prices_as_of)}" if found.advice.prices_as_of else ""
    footer = [f"Made by tunewise on {words.day(found.today)}{prices}. Nothing on this page came from a network."]
    return document(title, content, footer, embedded(inside))


def spending_chart(found: Spending) -> Chart | None:
    """Return what has been spent by the end of each month, in every scenario, against the sum; None without months."""
    buys = found.buys
    if buys is None or not found.scenarios or not any(one.total_usd.mid for one in found.scenarios):
        return None
    likely = next((one for one in found.scenarios if one.buys and one.monthly_usd == buys.monthly_usd), None)
    likely = likely or found.scenarios[len(found.scenarios) // 2]
    ordered = [likely, *(one for one in found.scenarios if one is not likely)]
    months = [Decimal(month) for month in range(int(buys.of_months) + 1)]
    if months[-1] != buys.of_months:
        months.append(buys.of_months)
    once = buys.full_one_off_usd
    series = []
    for place, one in enumerate(ordered):
        spent = [once + one.monthly_usd.times(month) for month in months]
        low, high = ((), ()) if place else (_floats(spent, "low"), _floats(spent, "high"))
        name = f"{_traffic(one)}: {one.requests:,} requests a month"
        series.append(Series(name, _floats(spent, "mid"), render.usd(spent[-1].mid), low, high))
    limit = float(found.limit_usd)
    series.append(Series("the sum", [limit] * len(months), render.usd(found.limit_usd), dashed=True))
    highest = max(value for one in series for value in (*one.values, *one.high) if value is not None)
    x, y = Scale(0.0, float(months[-1]), LEFT, RIGHT), linear(0, highest, BOTTOM, TOP)
    return Chart(
        id="spending",
        title="What has been spent by the end of each month",
        summary=" ".join(f"{one.name}: {one.shown} in the end." for one in series),
        x=x,
        y=y,
        x_title="end of month",
        y_title="US dollars spent",
        x_ticks=[(float(month), str(month)) for month in months if month == int(month) and _ticked(month, months)],
        unit="$",
        positions=[float(month) for month in months],
        labels=[f"the end of month {month:f}" if month else "the start" for month in months],
        series=series,
        reading=f"After {words.months(buys.of_months)}",
    )


def _floats(spent: list[Range], end: str) -> tuple[float, ...]:
    return tuple(float(getattr(one, end)) for one in spent)


def _ticked(month: Decimal, months: list[Decimal]) -> bool:
    return int(month) % max(1, len(months) // 7) == 0


def _traffic(one: Scenario) -> str:
    return one.name[:1].upper() + one.name[1:]


def _answer(found: Spending) -> Html:
    said = [tag("p", text) for text in (found.condition, found.beside) if text]
    tiles: list[tuple[str, Html | str]] = [("The sum", usd(found.limit_usd))]
    if found.buys is not None:
        buys = found.buys
        tiles.append((f"Likely, over {words.months(buys.months)}", usd(buys.total_usd)))
        tiles.append(("At the dear end", usd(buys.dear_usd)))
        tiles.append(("A month", spread(buys.monthly_usd)))
        tiles.append(("Left over", usd(buys.left_usd)))
    figures = tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in tiles), class_="tiles")
    over = tag("p", "Budget", class_="over")
    title = tag("h1", f"Does {render.usd(found.limit_usd)} do?")
    verdict = tag("p", tag("strong", found.verdict), class_="lede")
    return tag("header", over, title, verdict, *said, figures, id="answer", tabindex="-1")


def _months(found: Spending, chart: Chart | None) -> Html:
    buys = found.buys
    if buys is None:
        return Html("")
    rows = [[str(month.number), words.day(month.starts), usd(month.usd), usd(month.so_far_usd)] for month in buys.spend]
    shown = table("The likely spending, month by month", ["month", "from", "spends", "so far"], rows, numbers=(2, 3))
    cuts = [f"To stay within the sum it {cut}." for cut in buys.cuts]
    return section(
        "months",
        "Month by month",
        bullets([*plan_lines(found)]),
        bullets(cuts, "warnings"),
        charts.figure(chart) if chart else "",
        folded("The likely spending as a table", shown) if rows else "",
    )


def _scenarios(found: Spending) -> Html:
    rows = []
    for one in found.scenarios:
        partly = f"for {words.months(one.buys.months)}" if one.buys and not one.buys.whole else ""
        carried = partly or FITS[one.fit]
        rows.append([_traffic(one), f"{one.requests:,}", spread(one.monthly_usd), spread(one.total_usd), carried])
    if not rows or found.buys is None:
        return Html("")
    head = ["Traffic", "requests a month", "a month", words.months(found.buys.of_months), "does the sum carry it?"]
    return section("traffic", "Less and more traffic", table("Scenarios of traffic", head, rows, numbers=(1, 2, 3)))


def _more(found: Spending) -> Html:
    items = [f"{render.usd(one.usd)}, {render.usd(one.extra_usd)} more: {one.buys}." for one in found.steps]
    if found.dollar:
        items.insert(0, f"{words.sentence(found.dollar)}")
    return section("more", "What more money buys", bullets(items))


def _others(found: Spending) -> Html:
    rows = [
        [
            words.full_name(choice.option),
            usd(choice.buys.total_usd),
            usd(choice.buys.dear_usd),
            "; ".join(choice.buys.cuts) or "whole",
        ]
        for choice in found.choices
        if choice.buys and choice is not found.best
    ]
    if not rows:
        return Html("")
    head = ["Option", "likely", "at the dear end", "what the sum does not carry"]
    return section("others", "What else the sum buys", table("Other options", head, rows, numbers=(1, 2)))


def _grounds(found: Spending) -> Html:
    flips = [
        f"{words.capital(flip(one.variable, one.current, one.flips_at))}: {found.named(one.to)} becomes cheaper"
        for one in found.flips
    ]
    estimate = found.best.option.estimate if found.best else None
    lines = estimate.assumptions if estimate else ()
    return section(
        "grounds",
        "What this rests on",
        bullets([found.advice.reason]),
        tag("h3", "What would make another cheaper") if flips else "",
        bullets(flips),
        tag("h3", "Taken for granted") if lines else "",
        bullets(lines),
        bullets(estimate.warnings if estimate else (), "warnings"),
    )
