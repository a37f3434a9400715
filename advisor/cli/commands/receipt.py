"""``tunewise receipt RUN``: quoted beside billed."""

from __future__ import annotations

import click

from advisor.cli import render
from advisor.cli.flags import common, completing
from advisor.cli.flags.command import Command


@click.command("receipt", cls=Command)
@click.argument("run", required=False, shell_complete=completing.runs)
@common.everything
@common.as_json
def command(run: str | None, everything: bool, as_json: bool) -> None:
    """Compare what a run was quoted with what it took: tokens, minutes, dollars, memory.

    Without RUN: how accurate all quotes were, as 'tunewise receipts' shows.

    \b
    tunewise receipt tw-1122-7f3a9c01
    """
    from advisor.cli.commands.receipts import overall
    from advisor.cli.render.runs import receipt_table
    from advisor.runs import Ledger, receipt

    if run is None:
        overall(as_json)
        return
    ledger = Ledger.open()
    found = receipt(ledger, common.current_run(ledger, run).id)
    if as_json:
        render.json_document(found)
    else:
        receipt_table(found, everything=everything)
