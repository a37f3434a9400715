"""``tunewise ui``: a local page that follows the runs."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from advisor.cli import render
from advisor.cli.flags import common
from advisor.cli.flags.command import Command


@click.command("ui", cls=Command)
@click.option(
    "--plan", "plans", type=click.Path(path_type=Path, dir_okay=False, exists=True), multiple=True,
    help="A plan file to show; repeat the flag for more.",
)  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on; 0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of this machine: 127.0.0.1 or ::1.")
@click.option("--no-browser", is_flag=True, help="Print the address, and open no browser.")
@common.today
def command(plans: tuple[Path, ...], port: int, host: str, no_browser: bool, today: date) -> None:
    """Show runs, live curves, plans, scorecards and receipts on a page of this machine, until Ctrl-C.

    The page changes nothing and asks no provider: a hosted run is as 'tunewise watch' or 'tunewise show' last saw it.
    Its address holds a secret; whoever has that sees the page.

    \b
    tunewise ui
    tunewise ui --plan plan.yaml --port 8377 --no-browser
    """
    import webbrowser

    from advisor.cli.ui import Pages, Server
    from advisor.recommend import read_plan
    from advisor.runs import Ledger

    for path in plans:
        read_plan(path)  # so that a file that is no plan is said now
    with Server(host, port, Pages(Ledger.open(), plans, today)) as server:
        render.out(server.address)
        render.note("Ctrl-C ends it.")
        if not no_browser:
            webbrowser.open(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            render.note("ended.")
