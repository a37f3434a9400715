"""The recommendation in a report: the answer, why, what would change it, and what it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from advisor.cli import render
from advisor.cli.render.flips import flip_sentences
from advisor.cli.render.report.markup import Html, bullets, join, section, spread, tag, text, tiles
from advisor.estimate import Range
from advisor.recommend import Option, Plan, Recommendation, in_tenths
from advisor.recommend import wording as words

_THOUSAND = Decimal(1000)


def lede(plan: Plan) -> Html:
    """Return what the answer costs and the reason that decides."""
    estimate = plan.option.estimate
    total = estimate.total_usd if estimate else None
    months = words.months(plan.workload.horizon_months)
    volume = plan.workload.requests_per_month
    at = f" at {volume.mid:,} requests a month" if volume else ""
    each = estimate.marginal_usd if estimate else None
    if total is None and volume is None and each is not None and each.high:
        cost = f"About {render.usd(each.mid)} a request; you did not say how many there will be."
    elif total is None:
        cost = "Its cost is not known."
    elif total.high == 0:
        cost = f"No bill over {months}"
        cost += "; electricity and wear of your own machine are not counted." if _at_home(plan.option) else "."
    else:
        cost = f"About {render.usd(total.mid)} over {months}{at}."
    rests = estimate.condition if estimate else ""
    said = (tag("small", f"The likely costs are for {rests}.", class_="range"),) if rests else ()
    return tag("p", tag("strong", cost), " ", plan.reason, *said, class_="lede")


def figures(plan: Plan) -> Html:
    """Return the figures of the answer box."""
    option, advice = plan.option, plan.advice
    found: list[tuple[str, Html]] = []
    if option.estimate:
        cost = option.estimate
        each = cost.per_request_usd
        amounts: list[tuple[str, Range | None]] = [
            (f"Over {words.months(plan.workload.horizon_months)}", cost.total_usd),
            ("A month", cost.monthly_usd),
            ("Once, to begin", cost.one_off_usd),
            ("Per 1,000 requests", each.times(_THOUSAND) if each else None),
        ]
        if cost.tax_usd is not None:
            amounts.append(("Tax, on top of that", cost.tax_usd))
        found += [(name, spread(amount)) for name, amount in amounts]
    if option.quality:
        q = option.quality
        ends = tag("small", f"{q.low:.0%} to {q.high:.0%}; {q.basis}", class_="range")
        found.append(("Right answers", join((words.percent(q.mid), ends), " ")))
    if advice.odds is not None:
        odds = advice.odds
        cases = tag(
            "small", f"similar published cases: {odds.cases_for} for, {odds.cases_against} against", class_="range"
        )
        found.append(("Odds that tuning beats the best prompt", join((in_tenths(odds.p), cases), " ")))
    if advice.confidence:
        found.append(("Confidence", text(advice.confidence)))
    return tiles(found)


def why(advice: Recommendation, title: str = "Why") -> Html:
    """Return the argument and what to watch out for, each with its source."""
    numbers = sources(advice)
    warned = [join((words.sentence(one.text), _source(one.source, numbers)), " ") for one in advice.warnings]
    reasons = [join((words.sentence(one.text), _source(one.source, numbers)), " ") for one in advice.reasons]
    return section("why", title, bullets(reasons), bullets(warned, "warnings"))


def sources(advice: Recommendation) -> dict[str, int]:
    """Number the titles of what the advice cites, in the order in which the page cites them."""
    cited = [*(one.source for one in (*advice.reasons, *advice.warnings)), *(one.source for one in advice.evidence)]
    return {title: number for number, title in enumerate(dict.fromkeys(map(words.cited, cited)), 1)}


def flips_section(advice: Recommendation, gpus: Sequence[str] | None) -> Html:
    """Return what would have to change for the answer to change. ``gpus``: those the user owns; None: not known."""
    said, alone = flip_sentences(advice, gpus)
    return section(
        "flips",
        "What would change the answer",
        bullets(said),
        tag("h3", "What would change which is cheapest, but not the answer") if alone else "",
        bullets(alone),
    )


def grounds_section(plan: Plan) -> Html:
    """Return the assumptions, what is not known, the published evidence, and all sources."""
    advice = plan.advice
    numbers = sources(advice)
    evidence = [
        join((words.capital(one.claim) + _cases(one.n_cases) + ".", _source(one.source, numbers)), " ")
        for one in advice.evidence
    ]
    return section(
        "grounds",
        "What this rests on",
        tag("h3", "Assumptions") if advice.assumptions else "",
        bullets(advice.assumptions),
        tag("h3", "Not known") if advice.unknowns else "",
        bullets(advice.unknowns),
        tag("h3", "Published evidence") if evidence else "",
        bullets(evidence),
        source_list(advice),
    )


def source_list(advice: Recommendation) -> Html:
    """Return the sources by their numbers; nothing when none is cited."""
    listed = [tag("li", title, id=f"source-{number}") for title, number in sources(advice).items()]
    return join((tag("h3", "Sources"), tag("ol", *listed, class_="plain sources"))) if listed else Html("")


def _at_home(option: Option) -> bool:
    return option.strategy.local or option.serving == "self_hosted"


def _source(id: str, numbers: Mapping[str, int]) -> Html:
    number = numbers[words.cited(id)]
    return tag("a", f"[{number}]", href=f"#source-{number}", class_="cite")


def _cases(count: int | None) -> str:
    return "" if count is None else f" ({count} {'case' if count == 1 else 'cases'})"
