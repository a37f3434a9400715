"""``tunewise logs RUN``: what the provider said, line by line."""

from __future__ import annotations

import click

from advisor.cli import render
from advisor.cli.flags import common, completing
from advisor.cli.flags.command import Command


@click.command("logs", cls=Command)
@click.argument("run", shell_complete=completing.runs)
@click.option("--metrics", is_flag=True, help="Also the lines that hold only numbers.")
@common.as_json
def command(run: str, metrics: bool, as_json: bool) -> None:
    """Print a run's events, oldest first: those stored here, then any more that the provider has.

    \b
    tunewise logs tw-1122-7f3a9c01
    """
    from contextlib import closing

    import backends
    from advisor.runs import Ledger, keep_events, read_events

    found = common.named_run(Ledger.open(), run)
    events = read_events(found.id)
    if found.job.id is not None:
        try:
            with closing(backends.get(found.spec.backend)) as backend:
                fresh = list(backend.events(found.job, events[-1].id if events else None))
            keep_events(found.id, fresh)
            events += fresh
        except backends.BackendError as error:
            render.note(f"only what was kept: {error}")
    if as_json:
        render.json_document(events)
        return
    if not events:
        render.note(f"Nothing is known of {found.id} beyond what 'tunewise show {found.id}' says.")
    from advisor.cli.render.runs import log

    log(event for event in events if metrics or event.message)
