"""``tunewise plan diff OLD.yaml NEW.yaml``: what changed between two kept plans, and why."""

from __future__ import annotations

from pathlib import Path

import click

from advisor.cli import render
from advisor.cli.flags import common
from advisor.cli.flags.command import Command

_PLAN = click.Path(path_type=Path, dir_okay=False)


@click.command("diff", cls=Command)
@click.argument("old", metavar="OLD.yaml", type=_PLAN)
@click.argument("new", metavar="NEW.yaml", type=_PLAN)
@click.option("--md", is_flag=True, help="Print Markdown, for a comment on a pull request.")
@common.as_json
def command(old: Path, new: Path, md: bool, as_json: bool) -> None:
    """Say what changed between two kept plans in data, workload, prices and advice, and why.

    \b
    tunewise plan diff before.yaml plan.yaml
    tunewise plan diff before.yaml plan.yaml --md
    """
    from advisor.cli.render import plan_diff as pages
    from advisor.recommend import plan_diff, read_plan

    found = plan_diff(read_plan(old), read_plan(new))
    if as_json:
        render.json_document(found)
    elif md:
        render.out(pages.markdown(found))
    else:
        pages.page(found)
