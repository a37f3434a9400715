"""The recommendation in a report: the answer, why, the options, what would flip it, every sum and its source."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.cli import render
from advisor.cli.render.chart import Chart
from advisor.cli.render.costs import crossing_sentences, over_requests, over_time, retirements
from advisor.cli.render.curves import Line, drawn, lines
from advisor.cli.render.estimate import flip_sentences
from advisor.cli.render.options_table import pays_from, representatives
from advisor.cli.render.report.charts import figure
from advisor.cli.render.report.markup import Html, bullets, folded, join, section, spread, table, tag, text, usd
from advisor.estimate import Range
from advisor.recommend import Option, Plan, Reason, Recommendation, in_tenths
from advisor.recommend import wording as words

_FIRST = 12  # options of the table shown before it is unfolded: one of each kind


def lede(plan: Plan) -> Html:
    """Return what the answer costs and the reason that decides."""
    estimate = plan.option.estimate
    total = estimate.total_usd if estimate else None
    months = words.months(plan.workload.horizon_months)
    volume = plan.workload.requests_per_month
    at = f" at {volume.mid:,} requests a month" if volume else ""
    each = estimate.marginal_usd if estimate else None
    if total is None and volume is None and each is not None and each.high:
        cost = f"About {render.usd(each.mid)} a request; how many there are was not said."
    elif total is None:
        cost = "Its cost is not known."
    elif total.high == 0:
        cost = f"No bill over {months}"
        cost += "; power and wear of your own machine are not counted." if _at_home(plan.option) else "."
    else:
        cost = f"About {render.usd(total.mid)} over {months}{at}."
    rests = estimate.condition if estimate else ""
    said = (tag("small", f"The likely sums are for {rests}.", class_="range"),) if rests else ()
    return tag("p", tag("strong", cost), " ", plan.reason, *said, class_="lede")


def tiles(plan: Plan) -> Html:
    """Return the figures of the answer box."""
    option, advice = plan.option, plan.advice
    found: list[tuple[str, Html]] = []
    if option.estimate:
        for name, part in (
            (f"Over {words.months(plan.workload.horizon_months)}", "total_usd"),
            ("A month", "monthly_usd"),
            ("Once, to begin", "one_off_usd"),
            ("A request", "per_request_usd"),
        ):
            amount: Range | None = getattr(option.estimate, part)
            found.append((name, spread(amount)))
        if option.estimate.tax_usd is not None:
            found.append(("Tax, on top of that", spread(option.estimate.tax_usd)))
    if option.quality:
        q = option.quality
        ends = tag("small", f"{q.low:.0%} to {q.high:.0%}; {q.basis}", class_="range")
        found.append(("Right answers", join((words.percent(q.mid), ends), " ")))
    if advice.confidence:
        found.append(("Confidence", text(advice.confidence)))
    if advice.odds is not None:
        odds = advice.odds
        ends = tag(
            "small", f"published cases like it: {odds.cases_for} for, {odds.cases_against} against", class_="range"
        )
        found.append(("Odds that tuning beats the best prompt", join((in_tenths(odds.p), ends), " ")))
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in found), class_="tiles")


def why(advice: Recommendation, title: str = "Why") -> Html:
    """Return the argument and what to mind, each with its source."""
    minded = [join((tag("strong", "Mind: "), words.sentence(one.text), " ", _source(one))) for one in advice.warnings]
    reasons = [join((words.sentence(one.text), " ", _source(one))) for one in advice.reasons]
    return section("why", title, bullets(reasons), bullets(minded, "warnings"))


def options_section(plan: Plan) -> Html:
    """Return every option that stands, the answer marked."""
    standing = [option for option in plan.advice.options if option.ruled_out_by is None]
    if not standing:
        return Html("")
    first_ones = representatives(standing)
    standing = [*first_ones, *(option for option in standing if option not in first_ones)]
    chosen = next((place for place, option in enumerate(standing) if option.id == plan.option.id), -1)
    most = min(_FIRST, len(first_ones))
    months = plan.workload.horizon_months
    head = [
        "Option",
        words.months(months),
        "a month",
        "once",
        "a request",
        "pays off from",
        "right answers",
        "available",
    ]
    rows = [_option_row(option, option.id == plan.option.id, months) for option in standing]
    numbers = (1, 2, 3, 4, 5, 6)
    first = table("Options that stand", head, rows[:most], numbers=numbers, marked=chosen)
    note = tag(
        "p", "Each sum is the likely one; low and high beneath. “Pays off from”: requests from which it costs less "
        "than the prompt it is set against. “Odds”: that it answers better than the best prompt.", class_="note",
    )  # fmt: skip
    if len(rows) <= most:
        return section("options", "The options", first, note)
    rest = table("More options that stand", head, rows[most:], numbers=numbers)
    return section("options", "The options", first, folded(f"And {len(rows) - most} more that stand", rest), note)


def cost_charts(plan: Plan) -> list[Chart]:
    """Return the drawings of money that can be made honestly."""
    found = lines(drawn(plan.advice)[0], plan.workload)
    charts = (over_requests(found, plan.workload, _first(found, plan)), over_time(found, plan.workload, plan.today))
    return [chart for chart in charts if chart is not None]


def cost_section(plan: Plan) -> Html:
    """Return both drawings of money, and say what could not be drawn and why."""
    options, unknown = drawn(plan.advice)
    found = lines(options, plan.workload)
    notes = []
    if unknown:
        names = ", ".join(words.full_name(option) for option in unknown[:4])
        more = f" and {len(unknown) - 4} more" if len(unknown) > 4 else ""
        notes.append(f"Not drawn, because a price is unknown: {names}{more}.")
    than = _first(found, plan)
    requests, time = over_requests(found, plan.workload, than), over_time(found, plan.workload, plan.today)
    if requests is None:
        notes.append("Nothing is drawn: no option with a known cost has a bill.")
    if time is None and plan.workload.requests_per_month is None:
        notes.append("Cost over time is not drawn: no volume of requests was given.")
    crossing = bullets(crossing_sentences(found, plan.workload, than))
    said = "A ring marks where two cost the same. What is paid once is spread over the months"
    said += "; the shade is A's low to high."
    if any(option.serving in ("dedicated", "self_hosted") for option in options):
        said += " Rented machines are as many as your volume needs: far more requests would need more of them."
    spread_note = tag("p", said)
    parts = []
    if requests is not None:
        parts.append(figure(requests, crossing, tag("div", spread_note, class_="note")))
    if time is not None:
        parts.append(figure(time, bullets(retirements(found, plan.workload))))
    return section("cost", "What it costs", *parts, bullets(notes, "plain note"))


def flips_section(advice: Recommendation) -> Html:
    """Return what would have to change for the answer to change."""
    said, alone = flip_sentences(advice)
    return section(
        "flips",
        "What would change the answer",
        bullets(said),
        tag("h3", "What would change the cheapest, but not the answer") if alone else "",
        bullets(alone),
    )


def ruled_out_section(advice: Recommendation) -> Html:
    """Return the options that fell, grouped by why."""
    groups: dict[str, list[Option]] = {}
    for option in advice.options:
        if option.ruled_out_by:
            groups.setdefault(option.ruled_out_by, []).append(option)
    items = []
    for sentence, fallen in groups.items():
        names = "; ".join(dict.fromkeys(words.full_name(option) for option in fallen))
        items.append(join((words.sentence(sentence), tag("small", names, class_="range")), " "))
    count = sum(map(len, groups.values()))
    return section("ruled-out", f"Ruled out ({count})" if count else "", bullets(items))


def grounds_section(plan: Plan) -> Html:
    """Return what was taken for granted, what is not known, and the published evidence."""
    advice = plan.advice
    evidence = [
        join((words.sentence(one.claim), " ", tag("cite", words.cited(one.source) + _cases(one.n_cases))))
        for one in advice.evidence
    ]
    return section(
        "grounds",
        "What this rests on",
        tag("h3", "Taken for granted") if advice.assumptions else "",
        bullets(advice.assumptions),
        tag("h3", "Not known") if advice.unknowns else "",
        bullets(advice.unknowns),
        tag("h3", "Published evidence") if evidence else "",
        bullets(evidence),
    )


def _at_home(option: Option) -> bool:
    return option.strategy.local or option.serving == "self_hosted"


def _first(found: Sequence[Line], plan: Plan) -> str:
    """Return what the first option drawn is called: it is the answer unless that one's cost is not known."""
    if not found or found[0].option.id == plan.option.id:
        return "the answer"
    return words.full_name(found[0].option)


def _option_row(option: Option, chosen: bool, horizon: int) -> list[str]:
    found = option.estimate
    label = join(
        (
            tag("strong", words.name(option)),
            tag("span", "the answer", class_="mark") if chosen else "",
            tag("small", words.detail(option), class_="range"),
        ),
        " ",
    )
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
    request = usd(found.per_request_usd.mid if found and found.per_request_usd else None)
    return [label, *sums, request, _pays_off(option, horizon), quality, words.until(option)]


def _pays_off(option: Option, horizon: int) -> Html:
    found = option.estimate.break_even_requests if option.estimate else None
    said = pays_from(option, horizon)
    if not found:
        return text(said or "–")
    return join((said.replace("/", " a "), tag("small", f"{found:,} in all", class_="range")), " ")


def _source(reason: Reason) -> Html:
    return tag("cite", words.cited(reason.source))


def _cases(count: int | None) -> str:
    return "" if count is None else f": {count} {'case' if count == 1 else 'cases'}"
