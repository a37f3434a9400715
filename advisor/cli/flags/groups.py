"""Help in groups: flags that belong together stand together, under a heading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import click


class GroupedCommand(click.Command):
    """A command whose help lists its flags by ``groups``: heading -> names of parameters. The others come last."""

    groups: ClassVar[Mapping[str, Sequence[str]]] = {}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        told = {param.name: param.get_help_record(ctx) for param in options}
        grouped = {name for names in self.groups.values() for name in names}
        rest = [str(name) for name in told if name not in grouped]
        for heading, names in (*self.groups.items(), ("Other", rest)):
            records = [record for name in names if (record := told.get(name)) is not None]
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


def grouped(**groups: Sequence[str]) -> type[GroupedCommand]:
    """Return a kind of command with these groups; a heading's underscores are spaces."""
    headings = {heading.replace("_", " "): names for heading, names in groups.items()}
    return type("Grouped", (GroupedCommand,), {"groups": headings})
