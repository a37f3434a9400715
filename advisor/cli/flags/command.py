"""The kinds of command: help is short with -h and whole, in groups, with --help; flags of old still work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import click

from advisor.nearest import no_such

if TYPE_CHECKING:
    _Mixed = click.Command
else:
    _Mixed = object

_SHORT = "tunewise.short_help"


def is_short(ctx: click.Context) -> bool:
    """Tell whether -h asked for the help."""
    return bool(ctx.meta.get(_SHORT))


def _show_short(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        ctx.meta[_SHORT] = True
        click.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()


_SHORT_HELP = click.Option(
    ["-h"],
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_short,
    help="Show a short help: the flags used most.",
)


class _Helped(_Mixed):
    """Help by ``groups`` (heading -> names of parameters; the others come last), of which -h shows the ``usual``.

    ``renamed`` are flags of old: they work, are listed nowhere and say what they are called now.
    """

    groups: ClassVar[Mapping[str, Sequence[str]]] = {}
    usual: ClassVar[Sequence[str]] = ()
    renamed: ClassVar[Mapping[str, str]] = {}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, self.renewed(args))

    def renewed(self, words: Sequence[str]) -> list[str]:
        """Return the words of a call, its flags as they are called now; what follows ``--`` are no flags."""
        end = words.index("--") if "--" in words else len(words)
        return [*map(self._now, words[:end]), *words[end:]]

    def _now(self, word: str) -> str:
        flag, equals, value = word.partition("=")
        if flag not in self.renamed:
            return word
        from advisor.cli import render

        render.note(f"note: {flag} is called {self.renamed[flag]} now.")
        return f"{self.renamed[flag]}{equals}{value}"

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*super().get_params(ctx), _SHORT_HELP]

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if not is_short(ctx):
            super().format_help_text(ctx, formatter)
            return
        from inspect import cleandoc

        words, _, examples = cleandoc(self.help or "").partition("\n\b\n")
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(words.partition("\n\n")[0])
            formatter.write_paragraph()
            formatter.write_text(
                "\b\n" + (examples if isinstance(self, click.Group) and not self.usual else examples.partition("\n")[0])
            )

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        told = {param.name: record for param in options if (record := param.get_help_record(ctx)) is not None}
        if is_short(ctx):
            shown: Mapping[str, Sequence[str]] = {"Options": [*(self.usual or map(str, told))]}
        else:
            placed = {name for names in self.groups.values() for name in names}
            rest = [str(name) for name in told if name not in placed]
            shown = {**self.groups, "Other" if self.groups else "Options": rest}
        for heading, names in shown.items():
            if records := [told[name] for name in names if name in told]:
                with formatter.section(heading):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if is_short(ctx) and (self.usual or isinstance(self, click.Group)):
            formatter.write_paragraph()
            formatter.write_text(f"'{ctx.command_path} --help' shows everything.")
        else:
            super().format_epilog(ctx, formatter)


class Command(_Helped, click.Command):
    """A command."""


class Group(_Helped, click.Group):
    """A command of commands, which says what was meant where there is none of that name."""

    command_class = Command

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.usual or not is_short(ctx):
            super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def find(self, ctx: click.Context, name: str) -> click.Command:
        """Return the command of that name; a usage error where there is none."""
        found = self.get_command(ctx, name)
        if found is None:
            names = self.list_commands(ctx)
            ctx.fail(no_such("command", name, names, see=f"'{ctx.command_path} --help' lists them"))
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not ctx.resilient_parsing:  # completion: nothing is said
            self.find(ctx, args[0])
        return super().resolve_command(ctx, args)


def helped(
    *,
    usual: Sequence[str] = (),
    renamed: Mapping[str, str] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
) -> type[Command]:
    """Return a kind of command for ``click.command(cls=...)``: names of parameters shown by -h, old flags, groups."""
    return type("Command", (Command,), {"usual": usual, "renamed": renamed or {}, "groups": groups or {}})
