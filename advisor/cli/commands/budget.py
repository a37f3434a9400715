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
from advisor.cli.flags.command import helped
from advisor.cli.flags.workload import GROUPS, RENAMED, workload_flags
from advisor.errors import OverLimit

if TYPE_CHECKING:
    from advisor.workload import Workload


@click.command(
    "budget",
    cls=helped(
        usual=("usd", "file", "requests_per_month", "backends", "models", "html"),
        renamed=RENAMED,
        groups={"The sum": ("usd",), **GROUPS, "The advice": ("backends", "models", "exact", "html")},
    ),
)
@click.argument("data", nargs=-1, type=click.Path(path_type=Path))
@click.option("--limit", "usd", required=True, type=common.Usd(), help="The budget, in US dollars, for everything.")
@workload_flags
@common.sellers
@common.models
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page to share here.")
@common.everything
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
    everything: bool,
    exact: bool,
    today: date,
    as_json: bool,
) -> None:
    """Say what a budget buys: which option, how many epochs and examples, for how long; and what more would buy.

    Exits with 4 when the budget buys nothing.

    \b
    tunewise budget train.jsonl --limit 200 --requests-per-month 20000:50000:90000
    tunewise budget train.jsonl --limit 200 --workload work.yaml --html budget.html
    tunewise budget --workload work.yaml --limit 1000        no data yet
    """
    from advisor.cli.render import budget as screen
    from advisor.pricing import PriceBook
    from advisor.recommend import recommend, sharpened, spending, with_gpu_names
    from advisor.runs.evaluation.measurements import of_ledger
    from advisor.runs.evaluation.plain_classifier import measured_on

    workload = with_gpu_names(workload.model_copy(update={"budget_usd": None}))
    profile = common.profile_of(data, workload, exact=exact)
    book = PriceBook.load()
    own, notes = of_ledger(profile.fingerprint, on_premises=workload.on_premises)
    own = (*own, *measured_on(data, profile, workload))
    ask = partial(recommend, profile, book=book, today=today, backends=backends, models=models, own=own, notes=notes)
    advice, within = ask(workload), ask(workload.model_copy(update={"budget_usd": usd}))
    found = spending.spend(usd, advice, within.recommendation, profile, sharpened(workload, own), book, today)
    if html is not None:
        from advisor.cli.commands.report import write
        from advisor.cli.render.report.budget import page

        write(html, page(found))
        render.note(f"written: {html}")
    if as_json:
        render.json_document(screen.document(found))
    else:
        screen.page(found, everything=everything)
    if found.best is None:
        raise OverLimit(found.verdict.removeprefix("No: "))
