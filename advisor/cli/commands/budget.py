"""``tunewise budget``: the best use of a given sum, month by month."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from advisor.cli import render
from advisor.cli.flags import common
from advisor.cli.flags.workload import workload_flags
from advisor.errors import OverLimit

if TYPE_CHECKING:
    from advisor.cli.render.spending import Choice, Spending
    from advisor.estimate import Flip, Scenario, Step
    from advisor.pricing import PriceBook
    from advisor.recommend import Option, Recommendation
    from advisor.tokens import Profile
    from advisor.workload import Workload


@click.command("budget")
@click.argument("data", nargs=-1, type=click.Path(path_type=Path))
@click.option("--limit", "usd", required=True, type=common.Usd(), help="The sum, in US dollars, for everything.")
@workload_flags
@click.option(
    "--backend",
    "backends",
    type=common.BackendName(sellers=True),
    multiple=True,
    help="Tune only there; again for each one.",
)
@click.option("--model", "models", multiple=True, help="Weigh only this model; again for each one.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page to share here.")
@common.exact
@common.today
@common.as_json
def command(
    data: tuple[Path, ...],
    usd: Decimal,
    workload: Workload,
    backends: tuple[str, ...],
    models: tuple[str, ...],
    html: Path | None,
    exact: bool,
    today: date,
    as_json: bool,
) -> None:
    """Does the sum do? Which option, how many epochs and examples, for how long, and what more money would buy.

    Exits with 4 when the sum buys nothing.

    \b
    tunewise budget train.jsonl --limit 200 --requests-per-month 20000:50000:90000
    tunewise budget train.jsonl --limit 200 --workload work.yaml --html budget.html
    tunewise budget --workload work.yaml --limit 1000        no data yet
    """
    from advisor.cli.render import budget as screen
    from advisor.cli.render import spending
    from advisor.pricing import PriceBook
    from advisor.recommend import recommend, sharpened, with_gpu_names
    from advisor.runs.evaluation.measurements import of_ledger

    workload = with_gpu_names(workload.model_copy(update={"budget_usd": None}))
    profile = common.profile_of(data, workload, exact=exact)
    book = PriceBook.load()
    own, notes = of_ledger(profile.fingerprint, on_premises=workload.on_premises)
    ask = partial(recommend, profile, book=book, today=today, backends=backends, models=models, own=own, notes=notes)
    advice, within = ask(workload), ask(workload.model_copy(update={"budget_usd": usd}))
    found = _spent(usd, advice, within.recommendation, profile, sharpened(workload, own), book, today)
    if html is not None:
        from advisor.cli.commands.report import write
        from advisor.cli.render.report.budget import page

        write(html, page(found))
        render.note(f"written: {html}")
    if as_json:
        render.json_document(spending.document(found))
    else:
        screen.page(found)
    if found.best is None:
        raise OverLimit(found.verdict.removeprefix("No: "))


def _spent(
    usd: Decimal,
    advice: Recommendation,
    within: Option | None,
    profile: Profile,
    workload: Workload,
    book: PriceBook,
    today: date,
) -> Spending:
    """Return what the sum buys; ``within`` is the advice of a plan with that budget, None where nothing fits it."""
    from advisor.cli.render.spending import Choice, Spending
    from advisor.estimate import afford, per_dollar

    choices = []
    for option in advice.options:
        if option.ruled_out_by is not None:
            choices.append(Choice(option, None, option.ruled_out_by))
        elif option.estimate is None:
            choices.append(Choice(option, None, "What it costs is not known."))
        else:
            buys = afford(usd, option.candidate, profile, workload, book, option.estimate, today=today)
            choices.append(Choice(option, buys, "" if buys else _why_not(option)))
    best = _best(choices, within, workload)
    priced = best.option.estimate if best else None
    return Spending(
        limit_usd=usd,
        best=best,
        choices=choices,
        advice=advice,
        workload=workload,
        today=today,
        needed_usd=_cheapest(choices),
        scenarios=_scenarios(usd, best, profile, workload, book, today),
        steps=_steps(usd, best, advice.recommendation),
        per_dollar=per_dollar(priced) if priced else None,
        shares=_shares(choices, workload),
        mistakes=_mistakes(choices, workload),
        flips=_changes(choices, best, profile, workload, book, today),
    )


def _scenarios(
    usd: Decimal, best: Choice | None, profile: Profile, workload: Workload, book: PriceBook, today: date
) -> tuple[Scenario, ...]:
    from advisor.estimate import scenarios

    if best is None or best.option.estimate is None:
        return ()
    return scenarios(usd, best.option.candidate, profile, workload, book, today=today)


def _steps(usd: Decimal, best: Choice | None, advised: Option | None) -> list[Step]:
    from advisor.cli.render import words
    from advisor.estimate import steps

    if best is None or best.buys is None:
        return []
    better = advised if advised is not None and advised.id != best.option.id else None
    name = words.phrase(better) if better else ""
    return steps(usd, best.buys, words.phrase(best.option), better.estimate if better else None, name)


def _best(choices: list[Choice], within: Option | None, workload: Workload) -> Choice | None:
    """Return what a plan with this budget advises; where nothing fits it whole, what lasts longest.

    Of what the sum carries for a part of the time only, a prompt that was measured goes before one that was not.
    """
    from advisor.recommend.select import used_prompt

    partly = {choice.option.id: choice for choice in choices if choice.buys is not None}
    if within is not None and within.id in partly:
        return partly[within.id]
    measured = used_prompt([choice.option for choice in partly.values()], workload)
    if measured is not None and measured.quality is not None:
        return partly[measured.id]
    bought = [(choice.buys.months, -choice.buys.total_usd, choice) for choice in choices if choice.buys is not None]
    return max(bought, key=lambda item: item[:2], default=(None, None, None))[2]


def _shares(choices: list[Choice], workload: Workload) -> dict[str, float | None]:
    """Return how often each standing option is the cheapest, over the ranges of volume and price."""
    from advisor.estimate import chance_cheapest

    standing = {
        choice.option.id: choice.option.estimate
        for choice in choices
        if choice.option.ruled_out_by is None and choice.option.estimate is not None
    }
    return chance_cheapest(standing, workload.requests_per_month)


def _mistakes(choices: list[Choice], workload: Workload) -> dict[str, Decimal | None]:
    """Return what a request costs with its mistakes, where the score was measured and an error has a price."""
    from advisor.estimate import worth

    if workload.error_cost_usd is None:
        return {}
    priced = {choice.option.id: choice.option.estimate for choice in choices if choice.option.estimate is not None}
    return {row.option: row.with_mistakes_usd for row in worth(priced, _scores(choices), workload.error_cost_usd)}


def _scores(choices: list[Choice]) -> dict[str, float]:
    return {choice.option.id: choice.option.quality.mid for choice in choices if choice.option.quality is not None}


def _changes(
    choices: list[Choice], best: Choice | None, profile: Profile, workload: Workload, book: PriceBook, today: date
) -> tuple[Flip, ...]:
    """Return what would make another option that fits the sum cheaper than the best one.

    Where one is cheaper already, a third that becomes so says nothing: only what mistakes cost is told then.
    """
    from advisor.estimate import flips

    if best is None:
        return ()
    compared = {}
    for choice in choices:
        if choice.buys is None or choice.option.estimate is None or _other_recipe(choice.option, best.option):
            continue
        compared[choice.option.id] = choice.option.candidate
    found = flips(compared, best.option.id, profile, workload, book, today=today, quality=_scores(choices))
    mine, *others = (
        choice.option.estimate.amortised_monthly_usd
        for choice in sorted(choices, key=lambda choice: choice is not best)
        if choice.option.id in compared and choice.option.estimate
    )
    undercut = mine is not None and any(other is not None and other.mid < mine.mid for other in others)
    told = ("quality", "error_cost_usd") if undercut else tuple({one.variable for one in found})
    return tuple(one for one in found if one.flips_at != "0" and one.variable in told)


def _other_recipe(one: Option, best: Option) -> bool:
    """Tell whether an option is the same model prompted otherwise: a shorter prompt is cheaper at any price."""
    return one.id != best.id and one.model == best.model and not (one.strategy.tunes or best.strategy.tunes)


def _why_not(option: Option) -> str:
    once = option.estimate.one_off_usd if option.estimate else None
    if once is None:
        return "What it costs is not known."
    monthly = option.estimate.monthly_usd if option.estimate else None
    first = "" if monthly is None else f" and {render.usd(monthly.mid)} for the first month"
    return f"It takes {render.usd(once.mid)} once{first}, over the sum."


def _cheapest(choices: list[Choice]) -> Decimal | None:
    """Return what the cheapest option takes for its first month."""
    starts = [
        choice.option.estimate.one_off_usd.mid
        + (choice.option.estimate.monthly_usd.mid if choice.option.estimate.monthly_usd else 0)
        for choice in choices
        if choice.option.ruled_out_by is None and choice.option.estimate and choice.option.estimate.one_off_usd
    ]
    return min(starts, default=None)
