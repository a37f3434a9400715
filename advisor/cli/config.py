"""``tunewise config``: what tunewise.yaml and the environment set, and which of them is in force."""

from __future__ import annotations

import click

from advisor.cli import options, render


@click.command("config")
@options.as_json
def command(as_json: bool) -> None:
    """Show every setting, its value, and where it comes from.

    A flag is stronger than a variable, a variable than tunewise.yaml in this folder, and that than the user's own.
    Whether to agree to something (--yes) can only be said on the command line.

    \b
    tunewise config
    tunewise config --json
    """
    from advisor.cli import defaults

    found = defaults.in_force()
    settings = tuple(found.get(key) or defaults.Setting(key, None, "default") for key in defaults.KEYS)
    files = tuple({"path": path, "read": path.is_file()} for path in defaults.files())
    if as_json:
        render.json_document({"files": files, "settings": settings})
        return
    from advisor.cli.render.config import show

    show(settings, defaults.files())
