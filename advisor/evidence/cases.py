"""Published comparisons by name: the best measured prompt against the best tuned model on one benchmark."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

from advisor.evidence.claims import source as source_of
from advisor.evidence.odds import HARD_TASKS, Situation, chance
from advisor.evidence.strength import strength
from advisor.task import TaskType

_STYLE = frozenset({TaskType.STYLE, TaskType.SUMMARISATION, TaskType.CHAT})
_LIKE = 22  # benchmarks that count as like yours, where there are as many
_FAR = 3.0  # what is farther away is not like yours: 30 points of score, ten times the examples and two years, say
_LONG_AGO = 2024  # models before this year are shown beside later ones


@dataclass(frozen=True, slots=True)
class PublishedCase:
    """Scores are points of 100. ``examples`` and ``labels`` are None where the source does not say."""

    task: str
    task_type: TaskType
    examples: int | None
    labels: int | None
    prompt: str
    prompt_points: float
    tuned: str
    tuned_points: float
    few_shot: bool
    test_items: int | None
    tier: str
    source: str

    @property
    def lead(self) -> float:
        """Return by how many chance-sized leads the tuned model is ahead; more than 1 is a win, less than -1 a loss."""
        counts = chance(max(self.prompt_points, self.tuned_points) / 100, self.test_items)
        return (self.tuned_points - self.prompt_points) / 100 / counts

    @property
    def won(self) -> bool:
        return self.lead > 1 + 1e-9

    @property
    def gap(self) -> float | None:
        asked, tuned = strength(self.prompt), strength(self.tuned)
        return asked.index - tuned.index if asked and tuned else None

    @property
    def year(self) -> float | None:
        """Return the year of the prompted model, else of the source."""
        asked = strength(self.prompt)
        return asked.year if asked and asked.year else source_of(self.source).year

    @property
    def sentence(self) -> str:
        trained = f" on {self.examples:,} examples" if self.examples else ""
        went = "tuning won" if self.won else "the prompt won" if self.lead < -1 else "level"
        return (
            f"{self.task}: {self.prompt} {self.prompt_points:g} against {self.tuned} {self.tuned_points:g}{trained}: "
            f"{went} ({source_of(self.source).year}, tier {self.tier})"
        )


@cache
def published() -> tuple[PublishedCase, ...]:
    """Return every named case of the packaged table."""
    text = resources.files("advisor.evidence").joinpath("published.csv").read_text(encoding="utf-8")
    return tuple(_case(row) for row in csv.DictReader(text.splitlines()))


@cache
def like(situation: Situation) -> tuple[PublishedCase, ...]:
    """Return the published cases most like this one, the nearest first, one per benchmark.

    20 points of prompt score weigh as much as a factor of ten in examples or labels, six doublings of the gap, or three
    years; half as much, whether prompts with examples were tried.
    """
    chosen: dict[str, PublishedCase] = {}
    away = {case: _distance(case, situation) for case in _of_kind(situation.task)}
    for case in sorted(away, key=lambda case: away[case]):
        if away[case] <= _FAR:
            chosen.setdefault(case.task, case)
    return tuple(chosen.values())[:_LIKE]


@cache
def ever_won(task: TaskType) -> bool:
    """Tell whether tuning won a published case of this very task; of ``other`` any case is."""
    return any(case.won for case in published() if task in (case.task_type, TaskType.OTHER))


def nearest(situation: Situation, *, most: int = 4) -> tuple[PublishedCase, ...]:
    """Return the nearest cases, those on the other side and of the other time among them: conflicts are shown."""
    found = like(situation)
    wanted = (
        next(((case for case in found if case.won)), None),
        next(((case for case in found if not case.won)), None),
        next(((case for case in found if (case.year or 0) >= _LONG_AGO)), None),
        next(((case for case in found if (case.year or 0) < _LONG_AGO)), None),
    )
    chosen = dict.fromkeys(case for case in (*wanted, *found) if case is not None)
    kept = tuple(chosen)[:most]
    return tuple(case for case in found if case in kept)


def _of_kind(task: TaskType) -> Iterator[PublishedCase]:
    for case in published():
        same = case.task_type is task or task is TaskType.OTHER
        if same or (case.task_type in _STYLE and task in _STYLE) or {case.task_type, task} <= HARD_TASKS:
            yield case


def _distance(case: PublishedCase, asked: Situation) -> float:
    score = abs(case.prompt_points / 100 - asked.prompt_score) / 0.2 if asked.prompt_score is not None else 0.0
    data = abs(math.log10(max(asked.examples, 1) / case.examples)) if asked.examples and case.examples else 1.0
    if asked.labels and case.labels:
        many_labels = abs(math.log10(asked.labels / case.labels))
    else:
        many_labels = 0.5 if asked.labels or case.labels else 0.0
    gap = abs(case.gap - asked.gap) / 6 if case.gap is not None and asked.gap is not None else 0.5
    when = min(1.0, abs(case.year - asked.year) / 3) if case.year is not None and asked.year is not None else 0.5
    tried = 0.5 if asked.few_shot is not None and case.few_shot is not asked.few_shot else 0.0
    return score + data + many_labels + gap + when + tried


def _case(row: dict[str, str]) -> PublishedCase:
    return PublishedCase(
        task=row["task"],
        task_type=TaskType(row["task_type"]),
        examples=int(row["examples"]) if row["examples"] else None,
        labels=int(row["labels"]) if row["labels"] else None,
        prompt=row["prompt"],
        prompt_points=float(row["prompt_points"]),
        tuned=row["tuned"],
        tuned_points=float(row["tuned_points"]),
        few_shot=row["few_shot"] == "1",
        test_items=int(row["test_items"]) if row["test_items"] else None,
        tier=row["tier"],
        source=row["source"],
    )
