"""``tunewise config``: what tunewise.yaml and the environment set, and which of them is in force."""

from __future__ import annotations

import click

from advisor.cli import render
from advisor.cli.flags import common
from advisor.cli.flags.command import Command


@click.command("config", cls=Command)
@common.as_json
def command(as_json: bool) -> None:
    """Show every setting, its value, and where it comes from.

    A flag wins over a variable, a variable over tunewise.yaml in this folder, and that over your own.
    Consent (--yes) can only be given on the command line.

    \b
    tunewise config
    tunewise config --json
    """
    from advisor.cli import settings

    found = settings.in_force()
    rows = tuple(settings.shown(found.get(key) or settings.Setting(key, None, "default")) for key in settings.KEYS)
    files = tuple({"path": path, "read": path.is_file()} for path in settings.files())
    if as_json:
        render.json_document({"files": files, "settings": rows})
        return
    from advisor.cli.render.config import show

    show(rows, settings.files())
