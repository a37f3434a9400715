"""``tunewise report PLAN.yaml|RUN``: a page to share."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from advisor.cli import render, stories
from advisor.cli.flags import common, completing
from advisor.cli.flags.command import Command

if TYPE_CHECKING:
    from advisor.cli.render.report import Story
    from advisor.recommend import Plan
    from advisor.tokens import Profile

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("report", cls=Command)
@click.argument("what", metavar="PLAN.yaml|RUN", shell_complete=completing.runs_or_files)
@click.option("--html", type=_FILE, help="Write a web page here: one file, which loads nothing from the network.")
@click.option("--md", type=_FILE, help="Write a comment for a pull request here.")
@click.option("--svg", type=_FILE, help="Write the front figure here, for a slide.")
@click.option(
    "--samples",
    type=click.IntRange(0, 20),
    default=3,
    show_default=True,
    metavar="N",
    help="For an evaluated run: show this many of its answers on the page. They are your data; 0 leaves them out.",
)
@click.option("--offline", is_flag=True, help="For a run: show what the ledger knows, without asking the provider.")
@common.today
@common.as_json
def command(
    what: str,
    html: Path | None,
    md: Path | None,
    svg: Path | None,
    samples: int,
    offline: bool,
    today: date,
    as_json: bool,
) -> None:
    """Make a page to share from a plan or a run: costs, sources, what would change the answer.

    \b
    tunewise report plan.yaml --html plan.html
    tunewise report tw-1122-7f3a9c01 --html run.html --md comment.md
    """
    if html is None and md is None and svg is None and not as_json:
        raise click.UsageError("Say what to write: --html OUT.html, --md OUT.md, --svg OUT.svg, or --json.")
    from advisor.cli.render.report import figures, markdown, page
    from advisor.recommend import read_plan

    if _is_plan(what):
        story = stories.of_plan(read_plan(Path(what)), today)
    else:
        story = _of_run(what, today, samples, offline=offline)
    for path, text in ((html, page), (md, markdown), (svg, _front)):
        if path is not None:
            write(path, text(story))
            render.note(f"written: {path}")
    if html is not None and story.run is not None and story.run.samples:
        shown = len(story.run.samples)
        render.note(f"note: {html} shows {shown} of your held-out examples; --samples 0 leaves them out.")
    if as_json:
        render.json_document(figures(story))


def _front(story: Story) -> str:
    from advisor.cli.render.report import slide, svg
    from advisor.errors import AdvisorError

    found = slide(story)
    if found is None:
        raise AdvisorError("There is no front figure: nothing with a known cost or a score can be compared yet.")
    return svg(found) + "\n"


def _is_plan(what: str) -> bool:
    return Path(what).is_file() or what.endswith((".yaml", ".yml"))


def page_of(plan: Plan, profile: Profile | None, html: Path, today: date) -> None:
    """Write the page of a plan to ``html``; ``profile`` is that of its data, None where it is only described."""
    from advisor.cli.render.report import page

    write(html, page(stories.of_plan_at_hand(plan, profile, today)))
    render.note(f"written: {html}")


def _of_run(name: str, today: date, samples: int, *, offline: bool) -> Story:
    from advisor.runs import Ledger

    ledger = Ledger.open()
    run = common.named_run(ledger, name) if offline else common.current_run(ledger, name)
    return stories.of_run(ledger, run, today, samples=samples)


def write(path: Path, text: str) -> None:
    """Write a page or a comment to share. Raises AdvisorError where it cannot be."""
    from advisor.atomic import write_whole
    from advisor.errors import AdvisorError

    try:
        write_whole(path, text.encode(), private=False)
    except OSError as error:
        raise AdvisorError(f"{path}: cannot be written ({error.strerror}); choose another place.") from error
