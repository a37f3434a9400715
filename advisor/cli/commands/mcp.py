"""``tunewise mcp``: a Model Context Protocol server over stdin and stdout, for agents and editors."""

from __future__ import annotations

from pathlib import Path

import click

from advisor.cli.flags.command import Command
from advisor.errors import UsageError
from backends import install_extra


@click.command("mcp", cls=Command)
@click.option(
    "--root", "roots", type=click.Path(path_type=Path, exists=True, file_okay=False), multiple=True,
    help="A folder whose files may be read; repeat the flag for more. Default: this folder.",
)  # fmt: skip
def command(roots: tuple[Path, ...]) -> None:
    """Serve check, plan, budget, fit, prices, jobs and receipt as tools. None of them spends or uploads.

    \b
    tunewise mcp --root ~/data
    """
    try:
        from advisor.mcp_server import server
    except ModuleNotFoundError as error:
        raise UsageError(f"The server needs the package '{error.name}': {install_extra('mcp')}") from error
    server(roots or (Path.cwd(),)).run("stdio")
