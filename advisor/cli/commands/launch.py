"""``tunewise launch``: start a training job on any backend, once, after a person agreed."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import click
from click.core import ParameterSource

from advisor.cli import render
from advisor.cli.flags import common, completing, hyperparameters, workers
from advisor.cli.flags.command import helped
from advisor.cli.flags.common import Usd
from advisor.cli.flags.orders import extras, over
from backends.local.options import TRACKERS

# What may be said anew of a run that goes on; all else is as it was launched.
_RESUMED = frozenset(
    {
        "resume",
        "max_cost",
        "monthly_limit",
        "yes",
        "stale_too",
        "again",
        "dry_run",
        "follow_it",
        "notify",
        "settle",
        "today",
        "as_json",
    }
)


@click.command(
    "launch",
    cls=helped(
        usual=("backend_names", "models", "method", "epochs", "max_cost", "yes", "dry_run", "follow_it", "resume"),
        groups={
            "Data": ("validation", "held_out", "seed"),
            "Where and what": ("backend_names", "models", "method", "objective", "extra", "gpu"),
            "Training": hyperparameters.names(),
            "Machines": workers.NAMES,
            "Money": ("max_cost", "monthly_limit", "yes", "stale_too", "again"),
            "Start and follow": ("name", "dry_run", "rehearse", "follow_it", "notify", "log_to", "resume", "settle"),
        },
    ),
)
@click.argument("sources", metavar="[PLAN.yaml|DATA...]", nargs=-1, shell_complete=completing.files)
@click.option(
    "--backend",
    "backend_names",
    type=common.BackendName(),
    multiple=True,
    help="Where to train; repeat the flag to start a run at each.",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    shell_complete=completing.models,
    help="The model to train; one for all backends, or one for each.",
)
@click.option("--method", type=common.Choice(["lora", "qlora", "full"]), help="Default: lora.")
@click.option("--objective", type=common.Choice(["sft", "dpo"]), help="Default: the one the data is made for.")
@hyperparameters.flags
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the split and of the training.")
@click.option(
    "--validation", type=click.Path(path_type=Path), help="Your own validation file, instead of a tenth of the data."
)
@click.option(
    "--held-out", type=common.Share(0.9), default=0.1, show_default=True, help="Share of the data to hold out."
)
@click.option(
    "--option", "-o", "extra", multiple=True, metavar="KEY=VALUE", help="An option that only this backend has."
)
@workers.flags
@click.option(
    "--gpu", type=common.GpuName(), help="The GPU a local run trains on, at its rent. Default: this machine, free."
)
@click.option("--max-cost", type=Usd(), help="Refuse (exit 4) when the quote is higher.")
@common.monthly_limit
@common.agreed
@common.stale_too
@click.option("--again", is_flag=True, help="Start although a run of the same work has not ended.")
@click.option("--name", help="What to call the run here; of several, NAME-1, NAME-2 and so on.")
@click.option("--dry-run", is_flag=True, help="Show the exact requests, secrets hidden, and send nothing.")
@click.option("--rehearse", is_flag=True, help="Rehearse a hosted launch: no key, nothing sent, nothing paid.")
@click.option(
    "--log-to", type=common.Choice(TRACKERS), help="Log the settings and metrics of a local run to a tracker."
)
@click.option("--watch", "follow_it", is_flag=True, help="Follow the run until it ends.")
@common.notify
@click.option(
    "--resume", metavar="RUN", shell_complete=completing.runs, help="Go on with a launch that was interrupted."
)
@click.option("--settle", type=click.FloatRange(0), help="Seconds to wait for a lost request before it is sent again.")
@common.today
@common.as_json
@click.pass_context
def command(
    ctx: click.Context,
    sources: tuple[str, ...],
    backend_names: tuple[str, ...],
    models: tuple[str, ...],
    method: str | None,
    objective: str | None,
    seed: int,
    validation: Path | None,
    held_out: float,
    extra: tuple[str, ...],
    gpu: str | None,
    max_cost: Decimal | None,
    monthly_limit: Decimal | None,
    yes: bool,
    stale_too: bool,
    again: bool,
    name: str | None,
    dry_run: bool,
    rehearse: bool,
    log_to: str | None,
    follow_it: bool,
    notify: tuple[str, ...],
    resume: str | None,
    settle: float | None,
    today: date,
    as_json: bool,
) -> None:
    """Start a training job: from a plan file, or from DATA with --backend and --model.

    \b
    tunewise launch plan.yaml
    tunewise launch train.jsonl --backend local --model tiny --watch
    tunewise launch train.jsonl --backend together --model Qwen/Qwen3.5-9B --max-cost 10 --yes
    tunewise launch --resume tw-1122-7f3a9c01
    """
    from advisor.cli.following import notifier
    from advisor.cli.launching.confirm import check_somebody_is_here, consent
    from advisor.cli.launching.skypilot import rent
    from advisor.cli.launching.start import go_on, show_requests, start
    from advisor.runs.launch.data_warnings import readable
    from advisor.runs.launch.limits import Limits, hold_rehearsal
    from advisor.runs.launch.orders import check_models, orders
    from advisor.runs.launch.proposal import Proposal, discard, propose, rehearsed, to_rehearse
    from advisor.runs.launch.worker_terms import WorkerTerms, shared
    from backends import Hyperparameters, Method, Objective

    limits = Limits(today, max_cost, monthly_limit, unattended=yes, stale_prices=stale_too, again=again)
    if rehearse and (resume or dry_run):
        raise click.UsageError("--rehearse cannot be combined with --resume or --dry-run.")
    if not follow_it and ctx.get_parameter_source("notify") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--notify needs --watch here; 'tunewise watch RUN --notify URL' does it later.")
    tells = notifier(ctx, notify) if follow_it else None
    if resume:
        settings = [
            param.opts[0]
            for param in ctx.command.params
            if param.name not in _RESUMED and ctx.get_parameter_source(str(param.name)) is ParameterSource.COMMANDLINE
        ]
        if settings:
            raise click.UsageError(
                f"--resume RUN goes on with that run as it is; leave the data and settings out ({settings[0]})."
            )
        ctx.exit(go_on(resume, limits, settle, dry_run, follow_it, tells, as_json))
    asked = workers.machines(ctx)
    given = Hyperparameters(**hyperparameters.given(ctx), seed=seed)  # type: ignore[arg-type]
    ordered, notes = orders(sources, backend_names or asked.backends, models, name)
    for note in notes:
        render.note(f"note: {note}")
    wanted = [
        replace(
            order,
            method=Method(method) if method else order.method,
            objective=Objective(objective) if objective else order.objective,
            hyperparameters=over(order.hyperparameters, given),
            options={**order.options, **extras(extra), **({"log_to": log_to} if log_to else {})},
            held_out=held_out,
            validation=validation,
        )
        for order in asked.apply(ordered)
    ]
    if log_to and any(order.backend != "local" for order in wanted):
        raise click.UsageError("--log-to is for --backend local; 'tunewise watch' keeps the metrics of a hosted run.")
    check_models(wanted)
    for order in wanted:
        if order.backend == "local":
            common.made_ready(order.model)
    if gpu is not None and not any(order.backend == "local" for order in wanted):
        raise click.UsageError("--gpu prices a run with --backend local on a rented GPU; leave it out.")
    if asked.rents:
        if len(wanted) != 1:
            raise click.UsageError("--engine skypilot writes the task of one run; name one model.")
        unheard = {
            "--name": name is not None,
            "--rehearse": rehearse,
            "--watch": follow_it,
            "--settle": settle is not None,
        }
        if any(unheard.values()):
            flag = next(flag for flag, given in unheard.items() if given)
            raise click.UsageError(f"--engine skypilot writes a task and starts nothing here; leave {flag} out.")
        if monthly_limit is not None:
            render.note("note: --monthly-limit does not count a rented machine; --max-cost limits its hours.")
        rent(wanted[0], gpu=gpu, max_cost=max_cost, seed=seed, dry_run=dry_run, as_json=as_json)
        return
    wanted = readable(wanted)
    if rehearse and not sys.stdin.isatty():
        limits = replace(limits, unattended=True)  # nothing is sent or paid that anybody would have to agree to
    if not dry_run:
        check_somebody_is_here(limits)
    proposals: list[Proposal] = []
    try:
        terms = WorkerTerms(asked.usd_per_hour, None if max_cost is None else shared(max_cost, len(wanted)))
        proposals.extend(propose(order, gpu=gpu, today=today, seed=seed, workers=terms) for order in wanted)
        if dry_run:
            show_requests(proposals, as_json)
            return
        if rehearse:
            hold_rehearsal(proposals, limits)
            proposals = [to_rehearse(one) for one in proposals]
        consent(proposals, limits, as_json)
        proposals = [rehearsed(one) for one in proposals] if rehearse else proposals
    except BaseException:
        discard(proposals)
        raise
    finally:
        if dry_run:
            discard(proposals)
    try:
        code = start(proposals, limits, settle, follow_it, tells, as_json)
    finally:
        for proposal in proposals:
            proposal.backend.close()
    ctx.exit(code)
