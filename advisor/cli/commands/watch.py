"""``tunewise watch RUN...``: follow runs live."""

from __future__ import annotations

import click

from advisor.cli import render
from advisor.cli.flags import common, completing
from advisor.cli.flags.command import Command
from advisor.cli.following import follow, notifier


@click.command("watch", cls=Command)
@click.argument("runs", nargs=-1, shell_complete=completing.runs)
@click.option("--all", "every", is_flag=True, help="Follow every run that has not ended.")
@common.notify
@common.as_json
@click.pass_context
def command(ctx: click.Context, runs: tuple[str, ...], every: bool, notify: tuple[str, ...], as_json: bool) -> None:
    """Follow runs until they end: loss, accuracy, steps, estimated finish, spend.

    Ctrl-C stops following and the jobs go on; in a terminal it asks first, and can cancel them instead.

    \b
    tunewise watch tw-1122-7f3a9c01
    tunewise watch --all --notify https://hooks.example.com/tuning
    """
    from advisor.runs import Ledger

    ledger = Ledger.open()
    tells = notifier(ctx, notify)
    chosen = [common.named_run(ledger, run).id for run in runs]
    if every:
        chosen += [run.id for run in ledger.runs() if not run.job.status.finished and run.job.id is not None]
    if not chosen and not every:
        raise click.UsageError("Name a run, or give --all; 'tunewise jobs' lists them.")
    if not chosen:
        render.note("No run is active; 'tunewise jobs' lists them all.")
    ctx.exit(follow(chosen, tells, as_json=as_json))
