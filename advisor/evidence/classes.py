"""Reference classes: which published comparisons a task is like, and how often fine-tuning was needed in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache

from pydantic import TypeAdapter

from advisor.evidence._files import read
from advisor.task import TaskType

# Where a larger prompted model's own knowledge and reasoning weigh more than examples of the task.
HARD_TASKS = frozenset({TaskType.REASONING, TaskType.KNOWLEDGE, TaskType.CODE})
# Where the answer's form is most of the task: published fine-tunes won nearly all of these, good prompts included.
# Style and summaries are not among them: no published prompt of theirs came near the scores this is about.
FORMAT_TASKS = frozenset({TaskType.EXTRACTION, TaskType.STRUCTURED, TaskType.TOOL_USE})


class ClassName(StrEnum):
    THIN = "thin"
    FRONTIER = "frontier"
    HIGH = "high"
    SAME_MODEL = "same_model"
    ORDINARY = "ordinary"
    UNMEASURED_SAME_MODEL = "unmeasured_same_model"
    UNMEASURED_HARD = "unmeasured_hard"
    UNMEASURED = "unmeasured"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where one class ends and the next begins; scores and P between 0 and 1."""

    fine_tune_from: float
    clear_from: float
    high_score: Mapping[str, float]
    hard_task_score: float
    examples_per_label: float
    examples: Mapping[str, int]
    few_groups: int

    def high_score_of(self, task: TaskType) -> float:
        """Return the prompt score from which on little is left to win."""
        return self.high_score["format" if task in FORMAT_TASKS else "other"]

    def examples_needed(self, task: TaskType) -> int:
        """Return how many examples fine-tuning needs where the labels are not known."""
        return self.examples.get(task, self.examples["other"])


@dataclass(frozen=True, slots=True)
class ClassCount:
    """``wins`` of ``groups`` task groups needed fine-tuning; a group that went both ways counts in part."""

    wins: float
    groups: int
    when: str = ""

    @property
    def p_finetune_wins(self) -> float:
        return (self.wins + 1) / (self.groups + 2)

    @property
    def halves(self) -> str:
        """Explain a count that is no whole number, for the end of the sentence that prints it."""
        return "" if self.wins == int(self.wins) else " (split groups count in part)"


@dataclass(frozen=True, slots=True)
class Band:
    """Measured prompt scores ``below`` this: the id of the claim about them, and the median gain of tuning, 0 to 1."""

    below: float
    claim: str
    median_gain: float


@dataclass(frozen=True, slots=True)
class Classes:
    """The thresholds and the counts, with the id of their source."""

    thresholds: Thresholds
    counts: Mapping[str, ClassCount] = field(default_factory=dict)
    source: str = "own-survey"
    bands: tuple[Band, ...] = ()

    def of(
        self,
        task: TaskType,
        examples: int | None,
        labels: int | None,
        prompt_score: float | None,
        same_model: bool,
    ) -> ClassName:
        """Return the class of a task. Unknown ``examples`` count as enough: published work rarely says when few."""
        limits = self.thresholds
        if examples is not None:
            needed = limits.examples_per_label * labels if labels else limits.examples_needed(task)
            if examples < needed:
                return ClassName.THIN
        if task in HARD_TASKS and not same_model:
            if prompt_score is None:
                return ClassName.UNMEASURED_HARD
            if prompt_score >= limits.hard_task_score:
                return ClassName.FRONTIER
        if prompt_score is None:
            return ClassName.UNMEASURED_SAME_MODEL if same_model else ClassName.UNMEASURED
        if prompt_score >= limits.high_score_of(task):
            return ClassName.HIGH
        return ClassName.SAME_MODEL if same_model else ClassName.ORDINARY

    def band(self, prompt_score: float) -> Band:
        """Return the band a measured prompt score lies in."""
        return next(band for band in self.bands if prompt_score < band.below)

    def count(self, name: ClassName) -> ClassCount:
        """Return the counts of a class; a class without published groups is even odds on no groups."""
        return self.counts.get(name, ClassCount(0, 0))

    def with_counts(self, counts: Mapping[str, ClassCount]) -> Classes:
        """Return the same classes counted on other cases."""
        named = {name: replace(count, when=self.count(ClassName(name)).when) for name, count in counts.items()}
        return replace(self, counts=named)


@cache
def packaged() -> Classes:
    """Return the classes of the packaged evidence file."""
    content = dict(read("classes.yaml"))
    counts = TypeAdapter(dict[str, ClassCount]).validate_python(content.pop("classes"))
    bands = TypeAdapter(tuple[Band, ...]).validate_python(content.pop("bands"))
    cited = str(content.pop("source"))
    return Classes(TypeAdapter(Thresholds).validate_python(content), counts, cited, bands)
