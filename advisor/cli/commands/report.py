"""``tunewise report PLAN.yaml|RUN``: a page to share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import click

from advisor.cli import render
from advisor.cli.flags import common, completing
from advisor.cli.flags.command import Command

if TYPE_CHECKING:
    from advisor.cli.render.report import Story, Told
    from advisor.recommend import Plan
    from advisor.runs import Ledger, Run
    from advisor.tokens import Profile

_CURVES = {"train_loss": "training", "valid_loss": "validation"}
_DESCRIBED = "The plan was made from a description, before there was data."
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("report", cls=Command)
@click.argument("what", metavar="PLAN.yaml|RUN", shell_complete=completing.runs_or_files)
@click.option("--html", type=_FILE, help="Write the page here: one file, which asks the network for nothing.")
@click.option("--md", type=_FILE, help="Write a comment for a pull request here.")
@click.option("--svg", type=_FILE, help="Write the front figure here, for a slide.")
@click.option("--offline", is_flag=True, help="Of a run, what the ledger knows, without asking the provider.")
@common.today
@common.as_json
def command(
    what: str, html: Path | None, md: Path | None, svg: Path | None, offline: bool, today: date, as_json: bool
) -> None:
    """Make a page to share of a plan or of a run: costs, sources, what would change the answer.

    \b
    tunewise report plan.yaml --html plan.html
    tunewise report tw-1122-7f3a9c01 --html run.html --md comment.md
    """
    if html is None and md is None and svg is None and not as_json:
        raise click.UsageError("Say what to write: --html OUT.html, --md OUT.md, --svg OUT.svg, or --json.")
    story = _of_plan(Path(what), today) if _is_plan(what) else _of_run(what, today, offline=offline)
    from advisor.cli.render.report import figures, markdown, page

    for path, text in ((html, page), (md, markdown), (svg, _front)):
        if path is not None:
            write(path, text(story))
            render.note(f"written: {path}")
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
    from advisor.cli.render.report import Story, page

    notes = () if profile else (_DESCRIBED,)
    write(html, page(Story(made=today, version=_version(), plan=plan, profile=profile, notes=notes)))
    render.note(f"written: {html}")


def _of_plan(path: Path, today: date) -> Story:
    from advisor.cli.render.report import Story
    from advisor.recommend import read_plan

    plan = read_plan(path)
    profile, notes = _profile(plan.data, plan.fingerprint) if plan.data else (None, [_DESCRIBED])
    return Story(made=today, version=_version(), plan=plan, profile=profile, notes=tuple(notes))


def _of_run(name: str, today: date, *, offline: bool) -> Story:
    from advisor.cli.render.report import Story
    from advisor.recommend import PlanError, read_plan
    from advisor.runs import Ledger

    ledger = Ledger.open()
    run = ledger.get(name) if offline else common.current_run(ledger, name)
    profile, notes = _profile([Path(source) for source in run.origin.data], run.origin.fingerprint)
    plan = None
    if run.origin.source:
        try:
            plan = read_plan(Path(run.origin.source))
        except PlanError as error:
            notes.append(f"The plan it was launched from is not shown. {error}")
    told = _told(ledger, run)
    return Story(made=today, version=_version(), plan=plan, run=told, profile=profile, notes=tuple(notes))


def _told(ledger: Ledger, run: Run) -> Told:
    from advisor.cli.render.report import Told
    from advisor.runs import receipt, view

    return Told(
        view=view(run),
        receipt=receipt(ledger, run.id),
        scorecard=run.scorecard if isinstance(run.scorecard, dict) else None,
        losses=_losses(run),
    )


def _losses(run: Run) -> Mapping[str, tuple[tuple[int, float], ...]]:
    """Return the loss curves: the trainer's own file, else what `watch` kept of the provider's events."""
    from advisor.runs import read_events

    path = run.job.metrics_path
    rows: list[Mapping[str, object]] = []
    if path is not None and path.is_file():
        rows = [row for line in path.read_text(encoding="utf-8").splitlines() if (row := _row(line))]
    else:
        rows = [{"step": event.step, **event.metrics} for event in read_events(run.id)]
    found: dict[str, dict[int, float]] = {}
    for row in rows:
        step = row.get("step")
        for key, name in _CURVES.items():
            value = row.get(key)
            if isinstance(step, int | float) and isinstance(value, int | float) and isfinite(value):
                found.setdefault(name, {})[int(step)] = float(value)
    return {name: tuple(sorted(found[name].items())) for name in _CURVES.values() if name in found}


def _row(line: str) -> Mapping[str, object]:
    """Read one line of metrics; one torn by a crash is left out."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _profile(sources: Sequence[Path], fingerprint: str) -> tuple[Profile | None, list[str]]:
    """Return what the data is, when it is at hand and still the same; else why not."""
    from advisor.dataset import Dataset
    from advisor.errors import AdvisorError
    from advisor.tokens import profile

    names = ", ".join(source.name for source in sources)
    if not sources or not all(source.exists() for source in sources):
        return None, [f"The data ({names or 'not named'}) is not at hand, so nothing is shown of it."]
    try:
        dataset = Dataset.open(*sources)
        if fingerprint and dataset.fingerprint != fingerprint:
            return None, [f"The data ({names}) has changed since, so nothing is shown of it."]
        return profile(dataset), []
    except AdvisorError as error:
        return None, [f"The data ({names}) cannot be read any more: {error}"]


def write(path: Path, text: str) -> None:
    """Write a page or a comment to share. Raises AdvisorError where it cannot be."""
    from advisor.atomic import write_whole
    from advisor.errors import AdvisorError

    try:
        write_whole(path, text.encode(), private=False)
    except OSError as error:
        raise AdvisorError(f"{path}: cannot be written ({error.strerror}); choose another place.") from error


def _version() -> str:
    from importlib.metadata import version

    return version("tunewise")
