"""The page of a budget: yes or no, spending over time against the sum, scenarios, what more money would buy."""

from __future__ import annotations

from decimal import Decimal

from advisor.cli import render
from advisor.cli.render.budget import FITS, plan_lines
from advisor.cli.render.budget import document as figures
from advisor.cli.render.chart import BOTTOM, LEFT, RIGHT, TOP, Chart, Series
from advisor.cli.render.flips import flip
from advisor.cli.render.report import charts
from advisor.cli.render.report.markup import Html, bullets, folded, section, spread, table, tag, tiles, usd
from advisor.cli.render.report.options import label
from advisor.cli.render.report.outer import contents, document, embedded
from advisor.cli.render.scale import Scale, linear
from advisor.estimate import Affordable, Range, Scenario
from advisor.recommend import Option
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
    title = f"Is {render.usd(found.limit_usd)} enough?"
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
    series.append(Series("Budget", [limit] * len(months), render.usd(found.limit_usd), dashed=True))
    highest = max(value for one in series for value in (*one.values, *one.high) if value is not None)
    x, y = Scale(0.0, float(months[-1]), LEFT, RIGHT), linear(0, highest, BOTTOM, TOP)
    return Chart(
        id="spending",
        title="What you will have spent by the end of each month",
        summary=" ".join(f"{one.name}: {one.shown} in the end." for one in series),
        x=x,
        y=y,
        x_title="end of month",
        y_title="US dollars",
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
    buys, figures = found.buys, list[tuple[str, str]]()
    if buys is not None:
        figures.append(("Budget", usd(found.limit_usd)))
        if buys.monthly_usd is None:
            figures.append(("Once, to begin", usd(buys.total_usd)))
            figures.append(("Requests it then pays for", _requests(buys)))
        else:
            figures.append((f"Likely cost over {words.months(buys.months)}", usd(buys.total_usd)))
            figures.append(("Upper end", usd(buys.dear_usd)))
            figures.append(("A month", spread(buys.monthly_usd)))
            figures.append(("Left over", usd(buys.left_usd)))
    over = tag("p", "Budget", class_="over")
    title = tag("h1", f"Is {render.usd(found.limit_usd)} enough?")
    verdict = tag("p", tag("strong", found.verdict), class_="lede")
    return tag("header", over, title, verdict, *said, tiles(figures) if figures else "", id="answer", tabindex="-1")


def _months(found: Spending, chart: Chart | None) -> Html:
    buys = found.buys
    if buys is None:
        return Html("")
    rows = [[str(month.number), words.day(month.starts), usd(month.usd), usd(month.so_far_usd)] for month in buys.spend]
    head = ["month", "from", "cost", "total so far"]
    shown = table("The likely cost, month by month", head, rows, numbers=(2, 3))
    cuts = [f"To stay within budget it {cut}." for cut in buys.cuts]
    return section(
        "months",
        "Month by month",
        bullets([*plan_lines(found)]),
        bullets(cuts, "warnings"),
        charts.figure(chart) if chart else "",
        folded("The likely cost, month by month, as a table", shown, class_="appendix") if rows else "",
    )


def _scenarios(found: Spending) -> Html:
    rows = []
    for one in found.scenarios:
        partly = f"for {words.months(one.buys.months)}" if one.buys and not one.buys.whole else ""
        carried = partly or FITS[one.fit]
        rows.append([_traffic(one), f"{one.requests:,}", spread(one.monthly_usd), spread(one.total_usd), carried])
    if not rows or found.buys is None:
        return Html("")
    head = ["Traffic", "requests a month", "a month", words.months(found.buys.of_months), "within budget?"]
    return section("traffic", "Less and more traffic", table("Costs by traffic", head, rows, numbers=(1, 2, 3)))


def _more(found: Spending) -> Html:
    items = [f"{render.usd(one.usd)}, {render.usd(one.extra_usd)} more: {one.buys}." for one in found.steps]
    if found.dollar:
        items.insert(0, f"{words.sentence(found.dollar)}")
    return section("more", "What more money would buy", bullets(items))


def _others(found: Spending) -> Html:
    """Return the other options by their price: for the whole time, or for a request where no volume was given."""
    others = [(choice.option, choice.buys) for choice in found.choices if choice.buys and choice is not found.best]
    if not others:
        return Html("")
    by_time = all(_whole(option) for option, _ in others)
    priced = sorted(others, key=lambda one: _price(one[0], by_time=by_time))
    months = words.months(found.workload.horizon_months)
    head = ["Option", *([months] if by_time else ["per 1,000 requests", "requests it pays for"]), "for how long"]
    rows = [
        [
            label(option),
            *((spread(_whole(option)),) if by_time else (usd(_price(option, by_time=False)), _requests(buys))),
            "; ".join(buys.cuts) or f"all {months}",
        ]
        for option, buys in priced
    ]
    numbers = range(1, len(head) - 1)
    return section("others", "Other options", table("Other options by price", head, rows, numbers=numbers))


def _whole(option: Option) -> Range | None:
    return option.estimate.total_usd if option.estimate else None


def _price(option: Option, *, by_time: bool) -> Decimal:
    found = option.estimate
    amount = (found.total_usd if by_time else found.marginal_usd) if found else None
    return Decimal("Infinity") if amount is None else amount.mid * (1 if by_time else 1000)


def _requests(buys: Affordable) -> str:
    return "unknown" if buys.requests_left is None else f"{buys.requests_left:,}"


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
        tag("h3", "What would make another option cheaper") if flips else "",
        bullets(flips),
        tag("h3", "Assumptions") if lines else "",
        bullets(lines),
        bullets(estimate.warnings if estimate else (), "warnings"),
    )
