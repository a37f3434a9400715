"""``tunewise jobs``: the runs in the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from advisor.cli import render
from advisor.cli.flags import common, completing
from advisor.cli.flags.command import Command

if TYPE_CHECKING:
    from advisor.runs import Ledger, Run


@click.command("jobs", cls=Command)
@click.option("--backend", shell_complete=completing.backends, help="Only runs on this backend.")
@click.option(
    "--status",
    type=common.Choice(["queued", "running", "succeeded", "failed", "cancelled"]),
    help="Only runs in this state.",
)
@click.option(
    "--set-aside",
    metavar="RUN",
    shell_complete=completing.runs,
    help="Set a run aside that cannot be read, so that others may start.",
)
@common.as_json
def command(backend: str | None, status: str | None, set_aside: str | None, as_json: bool) -> None:
    """List the runs in the ledger, newest first. Runs on this machine are looked at; no provider is asked.

    \b
    tunewise jobs
    tunewise jobs --status running --json
    """
    from datetime import UTC, datetime

    from advisor.pricing import PriceBook
    from advisor.runs import Ledger, view
    from advisor.runs.standstill import Standings

    ledger = Ledger.open()
    if backend is not None and not any(run.spec.backend == backend for run in ledger.runs()):
        common.BackendName().convert(backend, None, None)  # of one that was taken out, runs may still be here
    if set_aside is not None:
        render.note(f"{ledger.set_aside(set_aside)} is set aside; its cost is not counted here.")
    for damaged in ledger.damaged():
        render.note(f"warning: {damaged}." + (" It was set aside." if damaged.set_aside else ""))
    found = (_as_it_is(ledger, run) for run in ledger.runs() if backend in (None, run.spec.backend))
    standings, now = Standings(ledger, PriceBook.load()), datetime.now(UTC)
    views = tuple(
        view(run, standings.of(run, now, asked=run.is_here)) for run in found if status in (None, run.job.status)
    )
    if as_json:
        render.json_document(views)
        return
    if not views and (backend or status):
        render.out("No run matches; 'tunewise jobs' lists all.")
        return
    from advisor.cli.render.runs import table

    table(views)
    for one in views:
        if one.job_id is None and not one.status.finished:
            render.note(f"{one.run} has no job: {one.detail}")
        if one.standstill:
            render.note(f"warning: {one.run}: {one.standstill}")


def _as_it_is(ledger: Ledger, run: Run) -> Run:
    """Look at a run of this machine that has not ended, or at a rehearsal; another run is as the ledger holds it."""
    return common.current_run(ledger, run.id) if run.is_here else run
