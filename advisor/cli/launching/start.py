"""A launch in words: what it would send, what was started, and what a refused one left behind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from advisor.cli import render
from advisor.cli.flags import common
from advisor.cli.launching.confirm import agrees_to_twin, check_somebody_is_here, consent, goes_by_our_quote
from advisor.cli.launching.leftover_uploads import offer_deletion
from advisor.runs.ledger import TwinRunning

if TYPE_CHECKING:
    from advisor.runs import Ledger
    from advisor.runs.follow.notify import Notifier
    from advisor.runs.launch.limits import Limits
    from advisor.runs.launch.proposal import Proposal
    from advisor.runs.launch.start import Started


def show_requests(proposals: Sequence[Proposal], as_json: bool) -> None:
    """Print what a launch would send, and what it is quoted at."""
    from advisor.cli.render.launch import proposal, requests

    shown = [
        {
            "backend": one.run.spec.backend,
            "settings": one.run.spec.hyperparameters,
            "requests": one.backend.requests(one.run.spec),
            "quote": one.run.quote,
            "notes": one.notes,
        }
        for one in proposals
    ]
    if as_json:
        render.json_document(shown[0] if len(shown) == 1 else {"runs": shown})
    else:
        for one in proposals:
            proposal(one, talk=False)
            requests(one)


def start(
    proposals: Sequence[Proposal],
    limits: Limits,
    settle_s: float | None,
    follow_it: bool,
    tells: Notifier | None,
    as_json: bool,
) -> int:
    """Start what was agreed to and say so, or follow it to its end; return the exit code."""
    from advisor.runs import Ledger
    from advisor.runs.launch import start as launch
    from advisor.runs.launch.look_up import SETTLE_S

    ledger = Ledger.open()
    settle_s = SETTLE_S if settle_s is None else settle_s
    runs = [one.run.id for one in proposals]
    results = launch.start(
        ledger, proposals, limits, settle_s=settle_s, agree=agrees_to_twin, say=render.note, unpriced=goes_by_our_quote
    )
    started, failure = said(ledger, results, runs)
    code = _tell(ledger, started, follow_it, tells, as_json)
    return getattr(failure, "exit_code", 1) if failure is not None else code


def go_on(
    name: str,
    limits: Limits,
    settle_s: float | None,
    dry_run: bool,
    follow_it: bool,
    tells: Notifier | None,
    as_json: bool,
) -> int:
    """Go on with a run; one that has no job yet, and would cost money, is agreed to like a new one."""
    import backends
    from advisor.runs import Ledger
    from advisor.runs.launch.look_up import SETTLE_S
    from advisor.runs.launch.proposal import to_resume
    from advisor.runs.launch.start import resume

    ledger = Ledger.open()
    found = common.run_to_act_on(ledger, name)
    with closing(backends.get(found.spec.backend)) as backend:
        proposal = to_resume(found, backend)
        if dry_run:
            show_requests([proposal], as_json)
            return 0
        broke_off = (
            backend.resumes and found.job.status.finished and found.job.status is not backends.JobStatus.SUCCEEDED
        )
        if proposal.costs_money and (found.job.id is None or broke_off):
            check_somebody_is_here(limits)
            consent([proposal], limits, as_json)
        settle_s = SETTLE_S if settle_s is None else settle_s
        done = (
            resume(
                ledger,
                one,
                limits,
                settle_s=settle_s,
                agree=agrees_to_twin,
                say=render.note,
                unpriced=goes_by_our_quote,
            )
            for one in [proposal]
        )
        said(ledger, done, [found.id])
    return _tell(ledger, [found.id], follow_it, tells, as_json)


def said(ledger: Ledger, results: Iterable[Started], runs: Sequence[str]) -> tuple[list[str], Exception | None]:
    """Say what became of each run as it is sent; return those that started, and the last error.

    The error of a single run is raised.
    """
    started: list[str] = []
    failure: Exception | None = None
    waiting = list(runs)
    try:
        for one in results:
            waiting.remove(one.run)
            say_uncounted(one.uncounted)
            if one.error is None:
                started.append(one.run)
                continue
            if not isinstance(one.error, TwinRunning):
                offer_deletion(ledger, one.run, one.proposal.backend, one.error)
            if len(runs) == 1:
                raise one.error
            render.error(f"{one.proposal.run.spec.backend}: {one.error}")
            failure = one.error
    except KeyboardInterrupt:
        run = waiting[0]
        render.note(f"To look up whether {run} was created, and go on with it: tunewise launch --resume {run}")
        raise
    return started, failure


def say_uncounted(runs: Sequence[str]) -> None:
    """Name the runs of this month that a limit could not count, since nobody knows what they cost."""
    if runs:
        render.note(
            f"warning: --monthly-limit does not count {', '.join(runs)}: what they cost is not known. Look it up at "
            "the provider and lower the limit by it."
        )


def _tell(ledger: Ledger, runs: Sequence[str], follow_it: bool, tells: Notifier | None, as_json: bool) -> int:
    """Say what was started, or follow it to its end."""
    from advisor.cli.render.runs import beside_theirs, changed_text, twins_text
    from advisor.runs import view

    if follow_it and runs:
        from advisor.cli.following import follow

        code = follow(runs, tells, as_json=as_json)
        _say_comparison(runs)
        return code
    views = [view(ledger.get(run)) for run in runs]
    if as_json:
        render.json_document(views[0] if len(views) == 1 else {"runs": views})
    else:
        for one in views:
            where = f"a REHEARSAL of {one.rehearses}" if one.rehearses else one.backend
            render.out(f"{one.run} is {one.status} on {where}. Follow it: tunewise watch {one.run}")
    for one in views:
        if one.provider_quote_usd is not None:
            render.note(beside_theirs(one))
        if one.changed_by_provider:
            render.note(f"warning: {changed_text(one)}")
        if one.twins:
            render.note(f"warning: {twins_text(one)}")
    _say_comparison(runs)
    return 0


def _say_comparison(runs: Sequence[str]) -> None:
    if len(runs) > 1:
        render.note(f"Once they have ended, compare them: tunewise evaluate {runs[0]} --against base,group")
