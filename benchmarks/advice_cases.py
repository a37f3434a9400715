"""Reads published comparisons, one row per option tried, into cases: what the advice may see, and the scores."""

from __future__ import annotations

import csv
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from advisor.evidence import Situation, chance, strength
from advisor.recommend import Facts, Way
from advisor.task import TaskType

Row = Mapping[str, str]

PROMPTING = {"zero", "few-k", "many", "many-retrieval", "prompt-opt"}
TASKS = {
    "generation-style": "style",
    "generation": "style",
    "structured-output": "structured",
    "summarization": "summarisation",
    "tool-use": "tool_use",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One case in one scenario: what the advisor may see, and the best score of each way, in points.

    ``family`` and ``year`` (of the prompted model) are for the report alone.
    """

    group: str
    family: str
    facts: Facts
    best: Mapping[Way, float]
    allowance: Mapping[Way, float]  # how far this way may fall behind the best and still be as good

    def good(self, way: Way) -> bool:
        return max(self.best.values()) - self.best[way] <= self.allowance[way] + 1e-9

    @property
    def needs_tuning(self) -> bool:
        return not self.good(Way.PROMPT)

    @property
    def tuned_is_level(self) -> bool:
        """Tell that the best tuned model is no more than chance behind the best prompt."""
        tuned = max(score for way, score in self.best.items() if way is not Way.PROMPT)
        return self.best[Way.PROMPT] - tuned <= self.allowance[Way.PROMPT] + 1e-9

    def right(self, way: Way) -> bool:
        return self.good(way) and not any(self.good(other) and other.effort < way.effort for other in self.best)


def read_rows(path: Path) -> list[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def rows_by_case(rows: Iterable[Row], *, private: bool) -> dict[str, list[Row]]:
    """Group the rows of tiers A and B; ``private``: those that run on the user's own machine."""
    by_id: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if (row.get("tier") or "A").strip().upper() in ("A", "B") and (not private or flag(row, "local_ok")):
            by_id[row.get("case_id") or ""].append(row)
    return by_id


def cases_of(rows: Iterable[Row], *, private: bool) -> list[Case]:
    """Build the cases that have a measured prompt and a tuned model."""
    found = (case_of(case_rows, private=private) for case_rows in rows_by_case(rows, private=private).values())
    return [case for case in found if case]


def case_of(rows: Sequence[Row], *, private: bool) -> Case | None:
    scored = [(way_of(row), score, row) for row in rows if (score := points(row)) is not None]
    best: dict[Way, float] = {}
    for way, score, _ in scored:
        best[way] = max(score, best.get(way, -math.inf))
    if Way.PROMPT not in best or len(best) < 2:
        return None
    top = max(best.values())
    said = number(first(rows, "n_test"))
    items = int(said) if said else None
    facts = Facts(situation_of(scored, rows), offered=frozenset(best))
    return Case(
        group=first(rows, "group") or first(rows, "task") or first(rows, "case_id") or "",
        family=(first(rows, "case_id") or "").split("-")[0],
        facts=facts,
        best=best,
        allowance={
            way: 100 * chance(max(score, top) / 100, int(items) if items else None) for way, score in best.items()
        },
    )


def situation_of(scored: Sequence[tuple[Way, float, Row]], rows: Sequence[Row]) -> Situation:
    """Return what a user would know: of the prompts the scores, of the tuned models only which would be tuned."""
    prompts = [(score, row) for way, score, row in scored if way is Way.PROMPT]
    score, row = max(prompts, key=lambda item: item[0])
    asked = strength(row.get("model") or "")
    tuned = [
        found.index for way, _, row in scored if way is not Way.PROMPT and (found := strength(row.get("model") or ""))
    ]
    examples, labels, items = (number(first(rows, name)) for name in ("n_train", "n_labels", "n_test"))
    name = (first(rows, "task_type") or "").strip().lower()
    name = TASKS.get(name, name.replace("-", "_"))
    return Situation(
        task=TaskType(name) if name in set(TaskType) else TaskType.OTHER,
        examples=int(examples) if examples is not None else None,
        labels=int(labels) if labels else None,
        prompt_score=min(max(score / 100, 0.0), 1.0),
        gap=asked.index - max(tuned) if asked and tuned else None,
        year=asked.year if asked else None,
        few_shot=any((row.get("method") or "zero") != "zero" for _, row in prompts),
        test_items=int(items) if items else None,
    )


def one_view(cases: Iterable[Row]) -> list[Row]:
    """Keep the pooled view of the family that is in the table in four views of the same runs."""
    return [row for row in cases if not (row.get("case_id") or "").startswith(("US-0.", "US-1.", "US-4"))]


def way_of(row: Row) -> Way:
    """Tell which way a row is; an unknown method goes by its effort rank."""
    method = (row.get("method") or "").strip().lower()
    if method in PROMPTING:
        return Way.PROMPT
    if method == "hosted":
        return Way.HOSTED
    if "lora" in method:
        return Way.LOCAL
    if "full" in method or method.startswith("ft"):
        return Way.FULL
    effort = number(row.get("effort_rank"))
    if effort is None or effort < 3:
        return Way.PROMPT
    if effort > 3:
        return Way.FULL
    return Way.LOCAL if flag(row, "local_ok") else Way.HOSTED


def points(row: Row) -> float | None:
    score = number(row.get("score_pts"))
    if score is None and (share := number(row.get("score"))) is not None:
        score = share * 100 if abs(share) <= 1 else share
    if score is None:
        return None
    return 100 - score if (row.get("higher_is_better") or "1").strip() in ("0", "false") else score


def number(text: str | None) -> float | None:
    """Return the first number in ``text`` ('<=1000' is 1000); None when there is none."""
    found = re.search(r"-?\d+(\.\d+)?(e[+-]?\d+)?", (text or "").replace(",", ""))
    return float(found.group()) if found else None


def flag(row: Row, name: str) -> bool:
    return (row.get(name) or "").strip().lower() in ("1", "1.0", "true", "yes")


def first(rows: Sequence[Row], name: str) -> str | None:
    return next((value for row in rows if (value := row.get(name))), None)
