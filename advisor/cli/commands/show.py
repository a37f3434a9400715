"""``tunewise show RUN``: one run, as it stands."""

from __future__ import annotations

import click

from advisor.cli import render
from advisor.cli.flags import common


@click.command("show")
@click.argument("run")
@click.option("--offline", is_flag=True, help="What the ledger knows, without asking the provider.")
@common.as_json
def command(run: str, offline: bool, as_json: bool) -> None:
    """Show one run; RUN is its id, or the beginning or ending of it.

    \b
    tunewise show tw-1122-7f3a9c01
    """
    from contextlib import closing

    import backends
    from advisor.runs import Ledger, view
    from advisor.runs.follow.watch import refreshed

    ledger = Ledger.open()
    found = ledger.get(run)
    if not offline and found.job.id is not None and not found.job.status.finished:
        try:
            with closing(backends.get(found.spec.backend)) as backend:
                found = refreshed(ledger, found, backend)
        except backends.BackendError as error:
            render.note(f"not refreshed: {error}")
    if as_json:
        render.json_document(view(found))
        return
    from advisor.cli.render.runs import card

    card(view(found))
