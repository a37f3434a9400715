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

    A flag is stronger than a variable, a variable than tunewise.yaml in this folder, and that than the user's own.
    Whether to agree to something (--yes) can only be said on the command line.

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
