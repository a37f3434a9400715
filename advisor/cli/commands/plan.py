"""``tunewise plan``: what to do with this data for this workload, why, and what it costs."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import click

from advisor.cli import WORDS, render
from advisor.cli.commands import plan_diff
from advisor.cli.flags import common
from advisor.cli.flags.command import Group
from advisor.cli.flags.workload import GROUPS, RENAMED, workload_flags
from advisor.errors import OverLimit

if TYPE_CHECKING:
    from advisor.recommend import Recommendation
    from advisor.workload import Workload


class _Plan(Group):
    """The advice on DATA; ``diff`` as the first word compares two kept plans. A file of that name is ./diff."""

    allow_interspersed_args = True  # flags may stand behind DATA
    usual = ("file", "requests_per_month", "measured", "backends", "models", "why", "every", "chart", "html", "out")
    renamed = RENAMED
    groups: ClassVar = {
        **GROUPS,
        "The advice": ("backends", "models", "pilot", "exact", "out"),
        "What is shown": ("why", "every", "chart", "html", "explain"),
        "Refuse": ("max_cost", "max_monthly"),
    }

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: object
    ) -> click.Context:
        if args[:1] != [plan_diff.command.name]:
            return super().make_context(info_name, args, parent, **extra)
        between = click.Context(click.Group(info_name), parent, info_name)  # without DATA in the usage it shows
        return plan_diff.command.make_context(args[0], args[1:], between)


@click.command("plan", cls=_Plan, invoke_without_command=True, subcommand_metavar="")
@click.argument("data", nargs=-1, type=click.Path(path_type=Path))
@workload_flags
@common.sellers
@common.models
@click.option("--out", type=click.Path(path_type=Path), help="Write the plan to this file, for 'tunewise launch'.")
@click.option(
    "--why", is_flag=True, help="The reasons and their sources, what is not known, what is taken for granted."
)
@click.option("--all", "every", is_flag=True, help="Every option that fits, and why the others do not.")
@click.option("--chart", is_flag=True, help="Draw what a month costs, by how many requests it has.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write the advice as a page to share.")
@click.option("--explain", metavar="OPTION", help="Show everything about one option: costs, settings, sources.")
@click.option("--max-cost", type=common.Usd(), help="Exit with 4 when the one-off cost is higher, in US dollars.")
@click.option("--max-monthly", type=common.Usd(), help="Exit with 4 when the monthly cost is higher, in US dollars.")
@click.option("--pilot", type=click.Path(path_type=Path), help="The output of 'tunewise pilot --json' for this data.")
@common.exact
@common.today
@common.as_json
def command(
    data: tuple[Path, ...],
    workload: Workload,
    backends: tuple[str, ...],
    models: tuple[str, ...],
    out: Path | None,
    why: bool,
    every: bool,
    chart: bool,
    html: Path | None,
    explain: str | None,
    max_cost: Decimal | None,
    max_monthly: Decimal | None,
    pilot: Path | None,
    exact: bool,
    today: date,
    as_json: bool,
) -> None:
    """Recommend: prompt, few-shot, retrieval, or fine-tune; where, with what, for how much, and what would change it.

    \b
    tunewise plan train.jsonl --measured prompt=0.71 --requests-per-month 50000
    tunewise plan train.jsonl --workload work.yaml --out plan.yaml
    tunewise plan --workload work.yaml            no data yet: its 'data:' block describes it
    """
    from advisor.cli.render import plan as pages
    from advisor.cli.render.screen import MenuBelow
    from advisor.pricing import PriceBook
    from advisor.recommend import DataFacts, plan_of, recommend, write_plan
    from advisor.runs.evaluation.measurements import of_ledger, of_pilot
    from advisor.runs.evaluation.plain_classifier import measured_on

    limits = {"--max-cost": max_cost, "--max-monthly": max_monthly}
    profile = common.profile_of(data, workload, exact=exact)
    own, notes = of_ledger(profile.fingerprint, on_premises=workload.on_premises)
    own = (*own, *measured_on(data, profile, workload))
    if pilot:
        own = (of_pilot(pilot, profile.examples), *own)
    named = shlex.join(str(path) for path in data)
    flags = _again(data)
    found = recommend(
        profile,
        workload,
        PriceBook.load(),
        today=today,
        backends=backends,
        models=models,
        data=named or "DATA",
        flags=flags,
        own=own,
        notes=notes,
    )
    if out and found.recommendation and found.recommendation.strategy.tunes:
        found = replace(found, next_step=f"tunewise launch {shlex.quote(str(out))}")

    made = {"today": today, "created": date.today()}
    below = click.get_current_context().find_object(MenuBelow)

    def keep(path: Path) -> None:
        facts = DataFacts.of(profile)
        write_plan(path, found, data=data, fingerprint=profile.fingerprint, data_facts=facts, workload=workload, **made)
        if below is None:
            render.note(f"plan written to {path}")

    if out and found.recommendation:  # before the page, so that who stops reading it has the file
        keep(out)
    if as_json:
        render.json_document(pages.document(found, profile))
    elif explain:
        pages.explanation(found, explain)
    else:
        parts = [name for name, asked in (("why", why), ("all", every), ("chart", chart)) if asked]
        pages.page(found, workload, " ".join(("tunewise plan", named)).rstrip() + flags, parts, below)
    if html:
        from advisor.cli.commands import report

        plan = plan_of(found, data=data, fingerprint=profile.fingerprint, workload=workload, **made)
        report.page_of(plan, profile if data else None, html, today)
    if out and not found.recommendation:
        keep(out)  # says that there is no plan to write
    _hold(found, limits)


command.add_command(plan_diff.command)

_ASIDE = frozenset(("--", "--json", "--why", "--all", "--chart"))
_ASIDE_WITH_A_VALUE = frozenset(("--out", "--html", "--explain"))


def _again(data: tuple[Path, ...]) -> str:
    """Return the flags of this very call that shape the advice, for the command that carries it out."""
    context, names = click.get_current_context(), {str(path) for path in data}
    words = iter(context.meta.get(WORDS, ()))
    given: list[str] = []
    for word in words:
        if word in _ASIDE_WITH_A_VALUE:
            next(words, None)
        elif str(Path(word)) not in names and word not in _ASIDE and word.partition("=")[0] not in _ASIDE_WITH_A_VALUE:
            given.append(word)
    pricing = context.find_root().params.get("pricing")
    return "".join(f" {shlex.quote(word)}" for word in (*given, *(("--pricing", pricing) if pricing else ())))


def _hold(found: Recommendation, limits: Mapping[str, Decimal | None]) -> None:
    """Raise OverLimit when the advice costs more than a flag allows; an unknown price is over every limit."""
    option = found.recommendation
    if option is None or option.estimate is None:
        return
    sums = {"--max-cost": option.estimate.one_off_usd, "--max-monthly": option.estimate.monthly_usd}
    for flag, limit in limits.items():
        if limit is None:
            continue
        cost = sums[flag]
        if cost is None:
            raise OverLimit(f"{option.id}: what it costs is unknown, so {flag} {limit} cannot be enforced.")
        if cost.high > limit:
            raise OverLimit(f"{option.id}: costs up to ${cost.high:,.2f}, over {flag} {limit}.")
