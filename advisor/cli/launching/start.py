"""From an agreement to a job: kept, sent, told; and a run that was interrupted, gone on with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from advisor.cli import render
from advisor.cli.launching.confirm import Proposal, Terms, again, consent, left_for
from advisor.cli.launching.leftover_uploads import offer_deletion
from advisor.errors import AdvisorError

if TYPE_CHECKING:
    from advisor.runs import Ledger
    from backends import Backend, Job


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
    max_cost: Decimal | None,
    monthly_limit: Decimal | None,
    settle: float | None,
    follow_it: bool,
    as_json: bool,
) -> int:
    """Keep each run, then send it; with several, a failure of one does not stop the others."""
    import backends
    from advisor.runs import Ledger, record

    ledger = Ledger.open()
    started: list[str] = []
    failure: Exception | None = None
    for one in proposals:
        try:
            say_uncounted(record(ledger, one.run, monthly_limit=monthly_limit, now=datetime.now(UTC)))
            send(
                ledger, one.run.id, one.backend, settle, left_for(one.run, [other.run for other in proposals], max_cost)
            )
            started.append(one.run.id)
        except (AdvisorError, backends.BackendError) as error:
            offer_deletion(ledger, one.run.id, one.backend, error)
            if len(proposals) == 1:
                raise
            render.error(f"{one.run.spec.backend}: {error}")
            failure = error
    code = _tell(ledger, started, follow_it, as_json)
    return getattr(failure, "exit_code", 1) if failure is not None else code


def go_on(
    name: str,
    terms: Terms,
    monthly_limit: Decimal | None,
    settle: float | None,
    dry_run: bool,
    follow_it: bool,
    as_json: bool,
) -> int:
    """Go on with a run; one that has no job yet, and would cost money, is agreed to like a new one."""
    from contextlib import closing

    import backends
    from advisor.runs import Ledger
    from advisor.runs.launch.submit import reserve

    ledger = Ledger.open()
    found = ledger.get(name)
    with closing(backends.get(found.spec.backend)) as backend:
        proposal = again(found, backend)
        if dry_run:
            show_requests([proposal], as_json)
            return 0
        if found.job.id is None and proposal.costs_money:
            terms.check_somebody_is_here()
            consent([proposal], terms, as_json)
        goes_on = found.job.id is None or (found.spec.backend == "local" and not found.job.tuned_model)
        if goes_on and (found.job.status.finished or ledger.last(found.id, "reserved") is None):
            # A run that was refused or broke off gave its reservation back, or never had one.
            say_uncounted(reserve(ledger, found, monthly_limit=monthly_limit, now=datetime.now(UTC)))
        try:
            send(ledger, found.id, backend, settle, terms.max_usd)
        except (AdvisorError, backends.BackendError) as error:
            offer_deletion(ledger, found.id, backend, error)
            raise
    return _tell(ledger, [found.id], follow_it, as_json)


def say_uncounted(runs: Sequence[str]) -> None:
    """Name the runs of this month that a limit could not count, since nobody knows what they cost."""
    if runs:
        render.note(
            f"warning: --monthly-limit does not count {', '.join(runs)}: what they cost is not known. Look it up at "
            "the provider and lower the limit by it."
        )


def send(ledger: Ledger, run: str, backend: Backend, settle: float | None, most_usd: Decimal | None = None) -> Job:
    from advisor import runs
    from advisor.runs.launch.submit import SETTLE_S

    try:
        return runs.send(ledger, run, backend, settle_s=SETTLE_S if settle is None else settle, most_usd=most_usd)
    except KeyboardInterrupt:
        render.note(f"To look up whether {run} was created, and go on with it: tunewise launch --resume {run}")
        raise


def _tell(ledger: Ledger, runs: Sequence[str], follow_it: bool, as_json: bool) -> int:
    """Say what was started, or follow it to its end."""
    from advisor.cli.render.runs import beside_theirs, changed_text
    from advisor.runs import view

    if follow_it and runs:
        from advisor.cli.commands.watch import follow

        return follow(runs, as_json=as_json)
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
    return 0
