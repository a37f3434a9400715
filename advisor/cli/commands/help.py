"""``tunewise help [COMMAND]``: what --help of a command shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from advisor.cli.flags.command import Command, Group

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def _commands(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    root = ctx.find_root()
    assert isinstance(root.command, Group)
    return [CompletionItem(name) for name in root.command.list_commands(root) if name.startswith(incomplete)]


@click.command("help", cls=Command)
@click.argument("words", metavar="[COMMAND]...", nargs=-1, shell_complete=_commands)
@click.pass_context
def command(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Show the help of a command, or the list of commands.

    \b
    tunewise help plan
    tunewise help prices list
    """
    place = ctx.find_root()
    for word in words:
        if not isinstance(place.command, Group):
            raise click.UsageError(f"'{place.command_path}' has no subcommands.")
        place = click.Context(place.command.find(place, word), info_name=word, parent=place)
    click.echo(place.command.get_help(place))
