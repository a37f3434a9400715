"""Following runs on the screen until they end, and what Ctrl-C may mean on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from advisor.cli import render

if TYPE_CHECKING:
    from advisor.runs import Ledger
    from backends import Backend


def follow(runs: Sequence[str], *, as_json: bool, document: bool = True) -> int:
    """Follow ``runs`` and return the exit code: 3 when one failed, 1 when one was given up before it ended.

    ``document``: print the JSON at the end.
    """
    from contextlib import ExitStack, closing
    from functools import cache

    import backends
    from advisor.cli.render.watch import Progress
    from advisor.errors import RunError
    from advisor.runs import Ledger, Watch, view

    ledger = Ledger.open()
    for run in runs:
        job = ledger.get(run).job
        if job.id is None and not job.status.finished:
            raise RunError(f"{run} has no job to follow; 'tunewise launch --resume {run}' goes on with it.")
    local = all(ledger.get(run).spec.backend == "local" for run in runs)
    with ExitStack() as held, Progress(talk=as_json) as progress:

        @cache
        def backend_of(name: str) -> Backend:
            return held.enter_context(closing(backends.get(name)))

        lost = leaving = False
        while not leaving:
            leaving = True
            try:
                progress.go_on()
                for update in Watch(ledger, runs, backend_of, shortest_s=0.5 if local else 2.0).updates():
                    lost = lost or update.given_up
                    progress.show(ledger.get(update.job.run), update)
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
    ended = tuple(view(ledger.get(run)) for run in dict.fromkeys(runs))
    if as_json and document:
        render.json_document(ended[0] if len(ended) == 1 else {"runs": ended})
    if any(one.status == "failed" for one in ended):
        return 3
    return 1 if lost else 0


def _leaves(ledger: Ledger, runs: Sequence[str], backend_of: Callable[[str], Backend]) -> bool:
    """Ask what Ctrl-C was meant to do; False is to go on watching, also the end of what was cancelled."""
    import backends
    from advisor.runs import cancel

    live = [run for run in dict.fromkeys(runs) if not ledger.get(run).job.status.finished]
    jobs = "job" if len(live) == 1 else f"{len(live)} jobs"
    asked = f"Leave the {jobs} running (Enter), cancel (c), or go on watching (w)?"
    try:
        answer = click.prompt(asked, type=click.Choice(["l", "c", "w"]), default="l", show_choices=False, err=True)
        if answer != "c":
            return bool(answer == "l")
        chosen = live if len(live) < 2 else _which(live)
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


def _which(live: Sequence[str]) -> list[str]:
    """Ask which of several runs are meant, until all that was typed names one; Enter is none of them."""
    from advisor.runs.ledger_rows import matching

    while True:
        typed = click.prompt("Which? Their ids with spaces between, or all", default="none", err=True).split()
        if typed in (["all"], ["none"]):
            return list(live) if typed == ["all"] else []
        meant = [matching(name, live) for name in typed]
        unclear = [name for name, fits in zip(typed, meant, strict=True) if len(fits) != 1]
        if not unclear:
            return list(dict.fromkeys(run for fits in meant for run in fits))
        render.note(f"'{unclear[0]}' is the beginning or end of no single one of {', '.join(live)}.")
