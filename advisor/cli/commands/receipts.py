"""``tunewise receipts``: how well all runs were quoted."""

from __future__ import annotations

import click

from advisor.cli import render
from advisor.cli.flags import common
from advisor.cli.flags.command import Command


@click.command("receipts", cls=Command)
@common.as_json
def command(as_json: bool) -> None:
    """Show how far all quotes were off: tokens, minutes, memory and dollars, by backend.

    \b
    tunewise receipts
    tunewise receipts --json
    """
    overall(as_json)


def overall(as_json: bool) -> None:
    """Print the error of every quantity over all ended runs."""
    from advisor.cli.render.runs import accuracy_table
    from advisor.runs import Ledger, accuracy

    found = accuracy(Ledger.open())
    if as_json:
        render.json_document(found)
    else:
        accuracy_table(found)
