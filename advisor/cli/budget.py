"""``tunewise budget``: the best use of a given sum, month by month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from advisor.cli import options, render
from advisor.errors import OverLimit

if TYPE_CHECKING:
    from advisor.estimate import Affordable, Flip
    from advisor.pricing import PriceBook
    from advisor.recommend import Option
    from advisor.tokens import Profile
    from advisor.workload import Workload


@dataclass(frozen=True, slots=True)
class Choice:
    """An option and what the sum buys of it: None, with the sentence why."""

    option: Option
    buys: Affordable | None
    reason: str


@click.command("budget")
@click.argument("data", nargs=-1, type=click.Path(path_type=Path))
@click.option("--limit", "usd", required=True, type=options.Usd(), help="The sum, in US dollars, for everything.")
@click.option("--workload", "file", type=click.Path(path_type=Path), help="A YAML file (docs/workload.md).")
@click.option("--backend", "backends", multiple=True, help="Tune only there; again for each one.")
@click.option("--model", "models", multiple=True, help="Weigh only this model; again for each one.")
@options.exact
@options.today
@options.as_json
def command(
    data: tuple[Path, ...],
    usd: Decimal,
    file: Path | None,
    backends: tuple[str, ...],
    models: tuple[str, ...],
    exact: bool,
    today: date,
    as_json: bool,
) -> None:
    """The best use of a given sum: which option, how many epochs and examples, for how long, month by month.

    Exits with 4 when the sum buys nothing.

    \b
    tunewise budget train.jsonl --limit 200 --workload work.yaml
    tunewise budget --workload work.yaml --limit 1000        no data yet
    """
    from advisor.cli.render import budget as page
    from advisor.estimate import afford
    from advisor.pricing import PriceBook
    from advisor.recommend import recommend
    from advisor.workload import load_workload, parse_workload

    workload = load_workload(file) if file else parse_workload({}, where="the flags")
    workload = workload.model_copy(update={"budget_usd": None})
    profile = options.profile_of(data, workload, exact=exact)
    book = PriceBook.load()
    advice = recommend(profile, workload, book, today=today, backends=backends, models=models)
    choices = []
    for option in advice.options:
        if option.ruled_out_by is not None:
            choices.append(Choice(option, None, option.ruled_out_by))
        elif option.estimate is None:
            choices.append(Choice(option, None, "What it costs is not known."))
        else:
            buys = afford(usd, option.candidate, profile, workload, book, option.estimate, today=today)
            choices.append(Choice(option, buys, "" if buys else _why_not(option)))
    best = _best(choices, advice.recommendation, workload)
    found = page.Findings(
        shares=_shares(choices, workload),
        mistakes=_mistakes(choices, workload),
        flips=_changes(choices, best, profile, workload, book, today),
    )
    if as_json:
        render.json_document(page.document(usd, best, choices, advice, found))
    else:
        page.page(usd, best, choices, advice, found)
    if best is None:
        raise OverLimit(
            f"${usd:,.2f} buys not one month of any option: the cheapest takes {_cheapest(choices)} for its first."
        )


def _best(choices: list[Choice], recommended: Option | None, workload: Workload) -> Choice | None:
    """Return the recommended option where the sum carries it whole, else the prompt in use, else what lasts longest."""
    from advisor.recommend.pick import used_prompt

    carried = {choice.option.id: choice for choice in choices if choice.buys is not None and choice.buys.whole}
    if recommended is not None and recommended.id in carried:
        return carried[recommended.id]
    prompted = used_prompt([choice.option for choice in carried.values()], workload)
    if prompted is not None:
        return carried[prompted.id]
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
    """Return what would make another option that fits the sum cheaper than the best one."""
    from advisor.estimate import estimate, flips

    if best is None:
        return ()
    compared = {}
    for choice in choices:
        candidate = choice.option.candidate
        if choice.buys is None or choice.option.estimate is None:
            continue
        again = estimate(candidate, profile, workload, book, today=today)
        # Some recipes are priced with a prompt of their own, which a change of one variable would lose.
        if again.amortised_monthly_usd == choice.option.estimate.amortised_monthly_usd:
            compared[choice.option.id] = candidate
    if best.option.id not in compared:
        return ()
    return flips(compared, best.option.id, profile, workload, book, today=today, quality=_scores(choices))


def _why_not(option: Option) -> str:
    once = option.estimate.one_off_usd if option.estimate else None
    if once is None:
        return "What it costs is not known."
    monthly = option.estimate.monthly_usd if option.estimate else None
    first = "" if monthly is None else f" and {render.usd(monthly.mid)} for the first month"
    return f"It takes {render.usd(once.mid)} once{first}, over the sum."


def _cheapest(choices: list[Choice]) -> str:
    starts = [
        choice.option.estimate.one_off_usd.mid
        + (choice.option.estimate.monthly_usd.mid if choice.option.estimate.monthly_usd else 0)
        for choice in choices
        if choice.option.ruled_out_by is None and choice.option.estimate and choice.option.estimate.one_off_usd
    ]
    return render.usd(min(starts, default=None))
