"""Following runs on the screen until they end, and what Ctrl-C may mean on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from advisor.cli import render

if TYPE_CHECKING:
    from advisor.runs import Ledger, Run, View
    from advisor.runs.follow.notify import Notifier
    from backends import Backend


def follow(runs: Sequence[str], tells: Notifier | None = None, *, as_json: bool, document: bool = True) -> int:
    """Follow ``runs`` and return the exit code: 3 when one failed, 1 when one was given up before it ended.

    ``tells`` sends a word for each that ends on the way; ``document``: print the JSON at the end.
    """
    from contextlib import ExitStack, closing
    from datetime import UTC, datetime
    from functools import cache

    import backends
    from advisor.cli.render.watch import Progress
    from advisor.errors import RunError
    from advisor.pricing import PriceBook
    from advisor.runs import Ledger, Watch, view
    from advisor.runs.standstill import Standings

    ledger = Ledger.open()
    for run in runs:
        job = ledger.get(run).job
        if job.id is None and not job.status.finished:
            raise RunError(f"{run} has no job to follow; 'tunewise launch --resume {run}' goes on with it.")
    standings = Standings(ledger, PriceBook.load())
    local = all(ledger.get(run).spec.backend == "local" for run in runs)
    with ExitStack() as held, Progress(talk=as_json) as progress:

        @cache
        def backend_of(name: str) -> Backend:
            return held.enter_context(closing(backends.get(name)))

        live = {run for run in runs if not ledger.get(run).job.status.finished}
        lost = leaving = False
        while not leaving:
            leaving = True
            try:
                progress.go_on()
                for update in Watch(ledger, runs, backend_of, shortest_s=0.5 if local else 2.0).updates():
                    lost = lost or update.given_up
                    now = ledger.get(update.job.run)
                    progress.show(now, update, standings.lately(now, datetime.now(UTC)))
                    if now.id in live and (update.given_up or now.job.status.finished):
                        live.remove(now.id)
                        if tells is not None:
                            tells.tell(now, given_up=update.given_up)
            except KeyboardInterrupt:
                progress.stand_still()
                if progress.can_ask:
                    leaving = _leaves(ledger, runs, backend_of)
                if leaving:
                    names = " ".join(runs)
                    render.note(
                        f"The job goes on. Follow it again: tunewise watch {names}; stop it: tunewise cancel {runs[0]}"
                    )
                    raise
        progress.finish()
    for failed in () if tells is None else tells.finish():
        render.note(f"warning: {failed}")
    last = [ledger.get(run) for run in dict.fromkeys(runs)]
    ended = tuple(view(run, standings.of(run, datetime.now(UTC))) for run in last)
    if as_json and document:
        render.json_document(ended[0] if len(ended) == 1 else {"runs": ended})
    elif document and len(ended) == 1 and render.draws(stderr=False):
        render.out(f"Next: {_next(ended[0])}")
    if any(one.status == "failed" for one in ended):
        return 3
    return 1 if lost else 0


def _next(run: View) -> str:
    """Return the command that a run which is no longer followed asks for."""
    name = run.name or run.run
    if run.status == "succeeded" and not run.rehearses:
        return f"tunewise evaluate {name}"
    if run.status == "failed":
        return f"tunewise logs {name}"
    return f"tunewise receipt {name}" if run.status.finished else f"tunewise show {name}"


def notifier(ctx: click.Context, addresses: Sequence[str]) -> Notifier | None:
    """Return what sends a word to the addresses of --notify; None where there are none.

    An address that cannot be used ends a command that names it itself. One of a file or variable is only warned of:
    it must not keep anybody from following a run.
    """
    if not addresses:
        return None
    from click.core import ParameterSource

    from advisor.errors import AdvisorError
    from advisor.runs.follow.notify import Notifier

    try:
        return Notifier(addresses)
    except AdvisorError as error:
        if ctx.get_parameter_source("notify") is ParameterSource.COMMANDLINE:
            raise
        render.note(f"warning: {error}")
        return None


def _leaves(ledger: Ledger, runs: Sequence[str], backend_of: Callable[[str], Backend]) -> bool:
    """Ask what Ctrl-C was meant to do; False is to go on watching, also the end of what was cancelled."""
    import backends
    from advisor.runs import cancel

    known = [ledger.get(run) for run in dict.fromkeys(runs)]
    live = [run for run in known if not run.job.status.finished]
    jobs = "job" if len(live) == 1 else f"{len(live)} jobs"
    asked = f"Leave the {jobs} running (Enter), cancel (c), or go on watching (w)?"
    try:
        answer = click.prompt(asked, type=click.Choice(["l", "c", "w"]), default="l", show_choices=False, err=True)
        if answer != "c":
            return bool(answer == "l")
        chosen = [run.id for run in live] if len(live) < 2 else _which(live)
        if not chosen or not render.confirm(
            f"Cancel {', '.join(chosen)}? What was trained so far may be billed.", err=True
        ):
            return False
    except click.Abort:
        return True
    for run in chosen:
        try:
            cancel(ledger, run, backend_of(ledger.get(run).spec.backend))
        except backends.BackendError as error:
            render.error(f"{run} could not be cancelled: {error}")
    return False


def _which(live: Sequence[Run]) -> list[str]:
    """Ask which of several runs are meant, until all that was typed names one; Enter is none of them."""
    from advisor.runs.names import matching, with_name

    while True:
        typed = click.prompt("Which? Ids or names with spaces between, or all", default="none", err=True).split()
        if typed in (["all"], ["none"]):
            return [run.id for run in live] if typed == ["all"] else []
        meant = [matching(name, {run.id: run.name for run in live}) for name in typed]
        unclear = [name for name, fits in zip(typed, meant, strict=True) if len(fits) != 1]
        if not unclear:
            return list(dict.fromkeys(run for fits in meant for run in fits))
        render.note(f"'{unclear[0]}' means no single one of {', '.join(with_name(run.id, run.name) for run in live)}.")
