"""Scores the advice on published comparisons: python benchmarks/advice.py CASES.csv

CASES.csv has one row per option that was tried on a case, with its score. The advisor sees the task type, the number of
examples and labels, the measured prompting rows and which ways are on offer; never the tuned scores, the case's id, its
task's name or its source. It answers through ``advisor.recommend.quality_rule``, which `tunewise plan` calls.

A way is right when its best row is within X = max(1 point, 1.96 standard errors of a difference) of the best row, and
no way of less effort is. Every figure is averaged by task group, over tiers A and B. ``open``: every row may be chosen.
``private``: only rows that run on the user's own machine. Missing fields count as not known; an unknown number of
examples counts as many. ``cross_validated`` counts the reference classes and picks their thresholds from a small grid
again without the group that is scored; the figures beside it are those of the packaged evidence.
"""

from __future__ import annotations

import csv
import itertools
import json
import math
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from advisor.evidence import HARD_TASKS, ClassCount, Classes, packaged
from advisor.recommend import Facts, Way, judge
from advisor.task import TaskType

PROMPTING = {"zero", "few-k", "many", "many-retrieval", "prompt-opt"}
TASKS = {
    "generation-style": "style",
    "generation": "style",
    "structured-output": "structured",
    "summarization": "summarisation",
    "tool-use": "tool_use",
}
LOCAL_FIRST = (Way.LOCAL, Way.HOSTED, Way.FULL)


@dataclass(frozen=True, slots=True)
class Case:
    """One case in one scenario: what the advisor may see, and the best score of each way, in points."""

    group: str
    facts: Facts
    best: Mapping[Way, float]
    allowance: Mapping[Way, float]  # how far this way may fall behind the best and still be as good

    def good(self, way: Way) -> bool:
        return max(self.best.values()) - self.best[way] <= self.allowance[way] + 1e-9

    @property
    def needs_tuning(self) -> bool:
        return not self.good(Way.PROMPT)

    def right(self, way: Way) -> bool:
        return self.good(way) and not any(self.good(other) and other.effort < way.effort for other in self.best)


@dataclass(frozen=True, slots=True)
class Answer:
    way: Way
    p_finetune_wins: float


Rule = Callable[[Case], Answer]


def cases_of(rows: Iterable[Mapping[str, str]], *, private: bool) -> list[Case]:
    """Build the cases that have a measured prompt and a tuned model, from rows of tiers A and B."""
    by_id: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    for row in rows:
        if (row.get("tier") or "A").strip().upper() in ("A", "B") and (not private or _flag(row, "local_ok")):
            by_id[row.get("case_id") or ""].append(row)
    found = (_case(case_rows, private=private) for case_rows in by_id.values())
    return [case for case in found if case]


def _case(rows: Sequence[Mapping[str, str]], *, private: bool) -> Case | None:
    scored = [(way_of(row), points, row) for row in rows if (points := _points(row)) is not None]
    best: dict[Way, float] = {}
    for way, points, _ in scored:
        best[way] = max(points, best.get(way, -math.inf))
    if Way.PROMPT not in best or len(best) < 2:
        return None
    top = max(best.values())
    items = _number(_first(rows, "n_test"))
    prompt_row = next(row for way, points, row in scored if way is Way.PROMPT and points == best[Way.PROMPT])
    examples, labels = _number(_first(rows, "n_train")), _number(_first(rows, "n_labels"))
    name = (_first(rows, "task_type") or "").strip().lower()
    name = TASKS.get(name, name.replace("-", "_"))
    facts = Facts(
        task=TaskType(name) if name in set(TaskType) else TaskType.OTHER,
        examples=int(examples) if examples is not None else None,
        labels=int(labels) if labels else None,
        prompt_score=min(max(best[Way.PROMPT] / 100, 0.0), 1.0),
        same_model=private or _flag(prompt_row, "local_ok"),
        offered=frozenset(best),
    )
    return Case(
        group=_first(rows, "group") or _first(rows, "task") or _first(rows, "case_id") or "",
        facts=facts,
        best=best,
        allowance={way: allowance(points, top, items) for way, points in best.items()},
    )


def allowance(a: float, b: float, items: float | None) -> float:
    """Return X in points: max(1, 1.96 standard errors of a difference on ``items`` test items)."""
    if not items:
        return 1.0
    share = min(max(max(a, b) / 100, 0.02), 0.98)
    return max(1.0, 196 * math.sqrt(2 * share * (1 - share) / items))


def way_of(row: Mapping[str, str]) -> Way:
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
    effort = _number(row.get("effort_rank"))
    if effort is None or effort < 3:
        return Way.PROMPT
    if effort > 3:
        return Way.FULL
    return Way.LOCAL if _flag(row, "local_ok") else Way.HOSTED


def _points(row: Mapping[str, str]) -> float | None:
    points = _number(row.get("score_pts"))
    if points is None and (share := _number(row.get("score"))) is not None:
        points = share * 100 if abs(share) <= 1 else share
    if points is None:
        return None
    return 100 - points if (row.get("higher_is_better") or "1").strip() in ("0", "false") else points


def _number(text: str | None) -> float | None:
    """Return the first number in ``text`` ('<=1000' is 1000); None when there is none."""
    found = re.search(r"-?\d+(\.\d+)?(e[+-]?\d+)?", (text or "").replace(",", ""))
    return float(found.group()) if found else None


def _flag(row: Mapping[str, str], name: str) -> bool:
    return (row.get(name) or "").strip().lower() in ("1", "1.0", "true", "yes")


def _first(rows: Sequence[Mapping[str, str]], name: str) -> str | None:
    return next((value for row in rows if (value := row.get(name))), None)


def score(cases: Sequence[Case], rule: Rule) -> dict[str, float | int | None]:
    """Return the figures of one rule, each averaged within a task group and then over the groups."""
    answers = [(case, rule(case)) for case in cases]

    def mean(value: Callable[[Case, Answer], float], only: bool | None = None) -> float | None:
        groups: dict[str, list[float]] = defaultdict(list)
        for case, answer in answers:
            if only is None or case.needs_tuning is only:
                groups[case.group].append(value(case, answer))
        shares = [sum(values) / len(values) for values in groups.values()]
        return sum(shares) / len(shares) if shares else None

    tuned, prompted = (mean(lambda case, answer: case.right(answer.way), only) for only in (True, False))
    figures = {
        "regret": mean(lambda case, answer: max(case.best.values()) - case.best[answer.way]),
        "strict": mean(lambda case, answer: case.right(answer.way)),
        "balanced": None if tuned is None or prompted is None else (tuned + prompted) / 2,
        "right_where_tuning_is_needed": tuned,
        "right_where_prompting_is_enough": prompted,
        "brier": mean(lambda case, answer: (answer.p_finetune_wins - case.needs_tuning) ** 2),
        "over": mean(lambda case, answer: answer.way is not Way.PROMPT and not case.needs_tuning),
        "under": mean(lambda case, answer: answer.way is Way.PROMPT and case.needs_tuning),
    }
    return {name: None if value is None else round(value, 4) for name, value in figures.items()}


def always(way: Way) -> Rule:
    return lambda case: _baseline(case, way is not Way.PROMPT)


def _baseline(case: Case, tune: bool) -> Answer:
    way = next(way for way in LOCAL_FIRST if way in case.best) if tune else Way.PROMPT
    return Answer(way, float(tune))


def _per_label(case: Case) -> bool:
    facts = case.facts
    examples = math.inf if facts.examples is None else facts.examples
    enough = examples / facts.labels >= 20 if facts.labels else examples >= 200
    assert facts.prompt_score is not None
    return enough and facts.prompt_score < (0.55 if facts.task in HARD_TASKS else 0.88)


def _examples(case: Case) -> float:
    return math.inf if case.facts.examples is None else case.facts.examples


BASELINES: dict[str, Rule] = {
    "always prompt": always(Way.PROMPT),
    "always fine-tune": always(Way.HOSTED),
    "under 100 examples prompt, else fine-tune": lambda case: _baseline(case, _examples(case) >= 100),
    "under 1000 examples prompt, else fine-tune": lambda case: _baseline(case, _examples(case) >= 1000),
    "reasoning, knowledge, code prompt; else fine-tune from 100": lambda case: _baseline(
        case, case.facts.task not in HARD_TASKS and _examples(case) >= 100
    ),
    "20 per label (or 200) and prompt < 88 (hard tasks < 55): fine-tune": lambda case: _baseline(
        case, _per_label(case)
    ),
}


def advice(classes: Classes) -> Rule:
    """Return the advisor itself as a rule."""

    def rule(case: Case) -> Answer:
        found = judge(case.facts, classes)
        return Answer(found.way, found.p_finetune_wins)

    return rule


def count(cases: Iterable[Case], classes: Classes) -> Classes:
    """Count the reference classes on ``cases``: by class, the share of each task group that needed fine-tuning."""
    groups: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for case in cases:
        facts = case.facts
        for score in (facts.prompt_score, None):
            name = classes.of(facts.task, facts.examples, facts.labels, score, facts.same_model)
            if score is not None or name.startswith("unmeasured"):
                groups[name][case.group].append(case.needs_tuning)
    return classes.with_counts(
        {
            name: ClassCount(sum(sum(found) / len(found) for found in by_group.values()), len(by_group))
            for name, by_group in groups.items()
        }
    )


def variants(classes: Classes) -> Iterator[Classes]:
    """Yield the grid of thresholds that cross-validation may pick from."""
    highs = ((0.85, 0.85), (0.95, 0.85), (0.95, 0.95))
    grid = itertools.product(highs, (0.55, 0.65), (10, 60, 100), (200, 600), (0.6, 0.7))
    for (form, high), hard, per_label, rows, from_p in grid:
        limits = replace(
            classes.thresholds,
            high_score={"format": form, "other": high},
            hard_task_score=hard,
            examples_per_label=per_label,
            examples={**classes.thresholds.examples, TaskType.CLASSIFICATION: rows},
            fine_tune_from=from_p,
        )
        yield replace(classes, thresholds=limits)


def cross_validate(scenarios: Mapping[str, Sequence[Case]], classes: Classes) -> dict[str, Rule]:
    """Return per scenario a rule that answers for each group from the other groups alone."""
    everything = [case for cases in scenarios.values() for case in cases]
    fitted: dict[str, Classes] = {}
    recounted: dict[str, Classes] = {}
    for group in {case.group for case in everything}:
        others = {name: [case for case in cases if case.group != group] for name, cases in scenarios.items()}
        pool = [case for cases in others.values() for case in cases]
        recounted[group] = count(pool, classes)
        fitted[group] = max((count(pool, variant) for variant in variants(classes)), key=lambda it: _merit(others, it))
    return {
        "cross_validated": lambda case: advice(fitted[case.group])(case),
        "cross_validated_counts": lambda case: advice(recounted[case.group])(case),
    }


def _merit(scenarios: Mapping[str, Sequence[Case]], classes: Classes) -> float:
    return sum(score(cases, advice(classes))["balanced"] or 0.0 for cases in scenarios.values())


def report(path: Path) -> dict[str, object]:
    """Return the whole document for the cases in ``path``."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    scenarios = {name: cases_of(rows, private=name == "private") for name in ("open", "private")}
    checked = cross_validate(scenarios, packaged())
    document: dict[str, object] = {}
    for name, cases in scenarios.items():
        base = base_rate(cases)
        document[name] = {
            "cases": len(cases),
            "groups": len({case.group for case in cases}),
            **score(cases, advice(packaged())),
            "brier_of_base_rate": base,
            **{kind: score(cases, rule) for kind, rule in checked.items()},
            "baselines": {title: score(cases, rule) for title, rule in BASELINES.items()},
        }
    return document


def base_rate(cases: Sequence[Case]) -> float | None:
    """Return the Brier score of saying the share of cases that needed fine-tuning every time."""
    needed = score(cases, always(Way.PROMPT))["under"]
    return None if needed is None else round(needed * (1 - needed), 4)


def main() -> int:
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_file():
        print("usage: python benchmarks/advice.py CASES.csv", file=sys.stderr)
        return 2
    print(json.dumps(report(Path(sys.argv[1])), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
