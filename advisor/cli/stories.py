"""Gathers what a report tells: from a plan file, or from a run with its plan, data, curves, scorecard and receipt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from advisor.cli.render.report import Story, Told
    from advisor.recommend import Plan
    from advisor.runs import Ledger, Run
    from advisor.runs.evaluation.samples import Sample
    from advisor.tokens import Profile

_DESCRIBED = "The plan was made from a description, before there was data."


def of_plan(plan: Plan, today: date) -> Story:
    """Return what there is to tell of a plan that was read, with its data where it is unchanged."""
    from advisor.cli.render.report import Story

    profile, notes = _profile(plan.data, plan.fingerprint) if plan.data else (None, [_DESCRIBED])
    return Story(made=today, version=_version(), plan=plan, profile=profile, notes=tuple(notes))


def of_plan_at_hand(plan: Plan, profile: Profile | None, today: date) -> Story:
    """Return what there is to tell of a plan that was just made; ``profile`` is None where its data is described."""
    from advisor.cli.render.report import Story

    notes = () if profile else (_DESCRIBED,)
    return Story(made=today, version=_version(), plan=plan, profile=profile, notes=notes)


def of_run(ledger: Ledger, run: Run, today: date, *, samples: int = 0) -> Story:
    """Return what there is to tell of a run: itself, the plan it came from and its data, as far as they are there.

    ``samples`` is how many of its evaluated answers to show.
    """
    from advisor.cli.render.report import Story
    from advisor.recommend import PlanError, read_plan

    profile, notes = _profile([Path(source) for source in run.origin.data], run.origin.fingerprint)
    plan = None
    if run.origin.source:
        try:
            plan = read_plan(Path(run.origin.source))
        except PlanError as error:
            notes.append(f"The plan it was launched from is not shown. {error}")
    found = replace(told(ledger, run), samples=_samples(run, samples))
    return Story(made=today, version=_version(), plan=plan, run=found, profile=profile, notes=tuple(notes))


def of_run_alone(ledger: Ledger, run: Run, today: date) -> Story:
    """Return what there is to tell of a run itself, quickly enough to be told every few seconds."""
    from advisor.cli.render.report import Story

    return Story(made=today, version=_version(), run=told(ledger, run))


def told(ledger: Ledger, run: Run) -> Told:
    """Return a run with its receipt, scorecard and losses."""
    from advisor.cli.render.report import Told
    from advisor.runs import receipt_of, view

    return Told(
        view=view(run),
        receipt=receipt_of(ledger, run),
        scorecard=run.scorecard if isinstance(run.scorecard, dict) else None,
        losses=losses(run),
    )


def _samples(run: Run, most: int) -> tuple[Sample, ...]:
    """Return some of the answers of the run's last evaluation, of the options that its scorecard compares."""
    from advisor.runs.evaluation.samples import read_answers

    card = run.scorecard if isinstance(run.scorecard, dict) else {}
    path, rows = card.get("samples_path"), card.get("rows")
    if not isinstance(path, str) or not isinstance(rows, list):
        return ()
    return read_answers(Path(path), [str(row["name"]) for row in rows if isinstance(row, dict)], most)


def losses(run: Run) -> Mapping[str, tuple[tuple[int, float], ...]]:
    """Return the loss curves: the trainer's own file, else what `watch` kept of the provider's events."""
    from advisor.evaluate.training import curves, curves_of
    from advisor.runs import read_events
    from backends.local.folder import read_lines

    path = run.job.metrics_path
    if path is not None and path.is_file():
        found = curves_of((row.get("step"), row) for _, row in read_lines(path))
    else:
        found = curves(read_events(run.id))
    return {name: points for name, points in (("training", found.train), ("validation", found.valid)) if points}


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


def _version() -> str:
    from importlib.metadata import version

    return version("tunewise")
