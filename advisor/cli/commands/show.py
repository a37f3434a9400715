"""``tunewise show RUN``: one run, as it stands."""

from __future__ import annotations

import click

from advisor.cli import render
from advisor.cli.flags import common, completing
from advisor.cli.flags.command import Command


@click.command("show", cls=Command)
@click.argument("run", shell_complete=completing.runs)
@click.option("--offline", is_flag=True, help="Show what the ledger knows, without asking the provider.")
@common.as_json
def command(run: str, offline: bool, as_json: bool) -> None:
    """Show one run; RUN is its id or name, or a part of either that no other run has.

    \b
    tunewise show tw-1122-7f3a9c01
    """
    from datetime import UTC, datetime

    from advisor.pricing import PriceBook
    from advisor.runs import Ledger, view
    from advisor.runs.standstill import Standings

    ledger = Ledger.open()
    found = common.named_run(ledger, run) if offline else common.current_run(ledger, run)
    standing = Standings(ledger, PriceBook.load()).of(found, datetime.now(UTC), asked=not offline)
    shown = view(found, standing)
    if as_json:
        render.json_document(shown)
        return
    from advisor.cli.render.runs import card

    card(shown)
