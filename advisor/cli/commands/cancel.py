"""``tunewise cancel RUN``: stop a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from advisor.cli import render
from advisor.cli.flags import common, completing
from advisor.cli.flags.command import Command
from advisor.errors import RunError

if TYPE_CHECKING:
    from advisor.runs import Run


@click.command("cancel", cls=Command)
@click.argument("run", shell_complete=completing.runs)
@click.option("--yes", is_flag=True, help="Do not ask. Without a terminal, or with --json, nobody is asked.")
@click.option("--delete-uploads", "uploads_too", is_flag=True, help="Also delete what was uploaded for it.")
@click.option("--delete-model", "model_too", is_flag=True, help="Also delete its tuned model there, for good.")
@common.as_json
def command(run: str, yes: bool, uploads_too: bool, model_too: bool, as_json: bool) -> None:
    """Ask the provider to stop a run. One that has ended is left alone; one that was never sent is abandoned.

    \b
    tunewise cancel tw-1122-7f3a9c01
    tunewise cancel tw-1122-7f3a9c01 --delete-uploads
    tunewise cancel tw-1122-7f3a9c01 --delete-model
    """
    from contextlib import closing

    import backends
    from advisor.runs import Ledger, cancel, delete_uploads, view

    ledger = Ledger.open()
    found = common.run_to_act_on(ledger, run)
    live = not found.job.status.finished
    if not live and found.job.id is None and not uploads_too:
        raise RunError(f"{found.id} was never created at {found.spec.backend}; there is nothing to stop.")
    if live and not yes and not as_json and render.is_terminal():
        _agree(found)
    with closing(backends.get(found.spec.backend)) as backend:
        if live:
            cancel(ledger, found.id, backend, say=render.note)
        if uploads_too:
            gone = delete_uploads(ledger, found.id, backend)
            render.note(f"Deleted at {found.spec.backend}: {', '.join(gone) or 'nothing, for nothing lies there'}.")
        if model_too and (yes or _agree_to_lose(found)):
            backend.delete_model(ledger.get(found.id).job)
            ledger.append(found.id, "model_deleted", {})
            render.note(f"{found.job.tuned_model} is deleted at {found.spec.backend}; keeping it costs nothing more.")
    shown = view(ledger.get(found.id))
    if as_json:
        render.json_document(shown)
    elif found.job.id is None or shown.status == "cancelled" or not shown.status.finished:
        render.out(f"{shown.run}: {shown.detail or shown.status}")
    else:
        render.out(f"{shown.run} had already {shown.status}.")


def _agree_to_lose(found: Run) -> bool:
    """Ask a person whether a tuned model may go, which nothing brings back. Raises RunError."""
    if not render.is_terminal():
        raise RunError("--delete-model deletes for good: agree in a terminal, or give --yes.")
    if not click.confirm(f"Delete {found.job.tuned_model} for good?", default=False):
        raise RunError(f"{found.job.tuned_model} was not deleted.")
    return True


def _agree(found: Run) -> None:
    """Ask a person; the answer by default is no."""
    from advisor.cli.render.runs import steps
    from advisor.runs.run_view import spent_so_far

    job, spent = found.job, spent_so_far(found)
    how_far = f", {done} steps done" if (done := steps(job.steps_done, job.steps_total)) else ""
    paid = f", about {render.usd(spent)} spent" if spent else ""
    render.out(f"{found.id}: {found.spec.model} on {found.spec.backend}, {job.status}{how_far}{paid}.")
    if not render.confirm("Cancel it?"):
        raise RunError(f"Nothing was cancelled; {found.id} goes on.")
