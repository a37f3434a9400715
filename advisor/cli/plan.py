"""``tunewise plan``: what to do with this data for this workload, why, and what it costs."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from advisor.cli import options, render
from advisor.errors import OverLimit

if TYPE_CHECKING:
    from advisor.recommend import Recommendation
    from advisor.workload import Workload


class _Pair(click.ParamType[tuple[str, str]]):
    """KEY=VALUE."""

    name = "KEY=VALUE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        key, found, text = str(value).partition("=")
        if not (found and key and text):
            self.fail(f"'{value}' is not of the form KEY=VALUE, such as prompt=0.71.", param, ctx)
        return key.strip(), text.strip()


@click.command("plan")
@click.argument("data", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--workload", "file", type=click.Path(path_type=Path), help="A YAML file with what follows (docs/workload.md)."
)
@click.option("--task", metavar="TASK", help="classification, extraction ... (docs/workload.md); default: inferred.")
@click.option("--requests-per-month", type=click.IntRange(0))
@click.option("--prompt-tokens", type=_Pair(), multiple=True, help="Of one request: system=300, user=200, output=100.")
@click.option(
    "--cache-hit", type=click.FloatRange(0, 1), help="Share of requests whose fixed part is found in the cache."
)
@click.option("--horizon-months", type=click.IntRange(1, 120), help="Default: 12.")
@click.option("--budget-usd", "--budget", type=options.Usd(), help="For training and the first month.")
@click.option("--privacy", metavar="WHAT", help="any, no_training_use, region:NAME or on_premises.")
@click.option("--latency-p95-ms", type=click.IntRange(1))
@click.option("--gpu", "gpus", multiple=True, help="A GPU you own; again for each one.")
@click.option("--may-rent-gpus/--no-rented-gpus", default=None, help="Default: may rent.")
@click.option("--standing", type=_Pair(), multiple=True, help="openai=never_fine_tuned, active or inactive.")
@click.option("--measured", type=_Pair(), multiple=True, help="A score you have, 0 to 1: prompt=0.71, few_shot=0.78.")
@click.option("--measured-with", metavar="MODEL", help="The model whose prompt was measured; default: the one advised.")
@click.option("--quality-target", type=click.FloatRange(0, 1))
@click.option("--error-cost-usd", type=options.Usd(), help="What one wrong answer costs.")
@click.option("--knowledge-changes", type=click.Choice(["never", "monthly", "daily"]))
@click.option("--backend", "backends", multiple=True, help="Tune only there; again for each one.")
@click.option("--model", "models", multiple=True, help="Weigh only this model; again for each one.")
@click.option("--out", type=click.Path(path_type=Path), help="Keep the advice in a file for 'tunewise launch'.")
@click.option("--explain", metavar="OPTION", help="Everything about one option: sums, settings, sources.")
@click.option("--max-cost", type=options.Usd(), help="Exit 4 when the advice costs more once, in US dollars.")
@click.option("--max-monthly", type=options.Usd(), help="Exit 4 when the advice costs more a month, in US dollars.")
@click.option("--pilot", type=click.Path(path_type=Path), help="What 'tunewise pilot --json' printed for this data.")
@options.exact
@options.today
@options.as_json
def command(
    data: tuple[Path, ...],
    file: Path | None,
    task: str | None,
    requests_per_month: int | None,
    prompt_tokens: tuple[tuple[str, str], ...],
    cache_hit: float | None,
    horizon_months: int | None,
    budget_usd: Decimal | None,
    privacy: str | None,
    latency_p95_ms: int | None,
    gpus: tuple[str, ...],
    may_rent_gpus: bool | None,
    standing: tuple[tuple[str, str], ...],
    measured: tuple[tuple[str, str], ...],
    measured_with: str | None,
    quality_target: float | None,
    error_cost_usd: Decimal | None,
    knowledge_changes: str | None,
    backends: tuple[str, ...],
    models: tuple[str, ...],
    out: Path | None,
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
    from advisor.cli.experience import of_ledger, of_pilot
    from advisor.cli.render import plan as pages
    from advisor.pricing import PriceBook
    from advisor.recommend import recommend, write_plan

    said: dict[str, object] = {
        "task": task,
        "requests_per_month": requests_per_month,
        "prompt_tokens": dict(prompt_tokens),
        "cache_hit": cache_hit,
        "horizon_months": horizon_months,
        "budget_usd": budget_usd,
        "privacy": privacy,
        "latency_p95_ms": latency_p95_ms,
        "gpus": gpus,
        "may_rent_gpus": may_rent_gpus,
        "standing": dict(standing),
        "measured": dict(measured),
        "measured_with": measured_with,
        "quality_target": quality_target,
        "error_cost_usd": error_cost_usd,
        "knowledge_changes": knowledge_changes,
    }
    limits = {"--max-cost": max_cost, "--max-monthly": max_monthly}
    workload = _workload(file, said)
    profile = options.profile_of(data, workload, exact=exact)
    own, notes = of_ledger(profile.fingerprint, on_premises=workload.on_premises)
    if pilot:
        own = (of_pilot(pilot, profile.examples), *own)
    found = recommend(
        profile,
        workload,
        PriceBook.load(),
        today=today,
        backends=backends,
        models=models,
        data=shlex.join(str(path) for path in data) or "DATA",
        flags=_again(data),
        own=own,
        notes=notes,
    )
    if out and found.recommendation and found.recommendation.strategy.tunes:
        found = replace(found, next_step=f"tunewise launch {shlex.quote(str(out))}")
    if as_json:
        render.json_document(pages.document(found, profile))
    elif explain:
        pages.explanation(found, explain)
    else:
        pages.page(found, workload)
    if out:
        write_plan(
            out,
            found,
            data=data,
            fingerprint=profile.fingerprint,
            workload=workload,
            today=today,
            created=date.today(),
        )
        render.note(f"plan written to {out}")
    _hold(found, limits)


def _again(data: tuple[Path, ...]) -> str:
    """Return the flags of this very call, for the command that carries the advice out."""
    names = {str(path) for path in data}
    given = sys.argv[sys.argv.index("plan") + 1 :] if "plan" in sys.argv else []
    return "".join(f" {shlex.quote(word)}" for word in given if word not in names and word != "--json")


def _workload(file: Path | None, said: Mapping[str, object]) -> Workload:
    """Lay the flags over the workload file; mappings are merged key by key."""
    from advisor.workload import load_workload, parse_workload

    content: dict[str, object] = load_workload(file).model_dump(exclude_unset=True) if file else {}
    for key, value in said.items():
        if value is None or value in ((), {}):
            continue
        before = content.get(key)
        content[key] = {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value
    return parse_workload(content, where="the flags" if file is None else f"the flags and {file}")


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
            raise OverLimit(f"{option.id}: what it costs is unknown, so {flag} {limit} cannot be kept.")
        if cost.high > limit:
            raise OverLimit(f"{option.id}: costs up to ${cost.high:,.2f}, over {flag} {limit}.")
