"""Scores the advice on published comparisons: python benchmarks/advice.py CASES.csv

CASES.csv has one row per option that was tried on a case, with its score. The advisor sees what a user would know: the
task, the numbers of examples, labels and test items, the measured prompting rows, which ways are on offer, and how
strong the prompted model is against those that would be tuned; never the tuned scores, the case's id, its task's name
or its source. It answers through ``advisor.recommend.judge``, which `tunewise plan` calls.

A way is right when its best row is within X = max(1 point, 1.96 standard errors of a difference) of the best row, and
no way of less effort is. Every figure is averaged by task group, over tiers A and B. ``open``: every row may be chosen.
``private``: only rows that run on the user's own machine. Missing fields count as not known. Of the family that stands
in four views of the same runs the pooled one counts. ``cross_validated`` fits the odds anew on nine tenths of this
file's own task groups for the tenth that is scored; the figures beside it are those of the packaged odds.
"""

from __future__ import annotations

import json
import math
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from advice_cases import Case, cases_of, one_view, read_rows

from advisor.evidence import HARD_TASKS, OddsModel
from advisor.recommend import Way, judge

LOCAL_FIRST = (Way.LOCAL, Way.HOSTED, Way.FULL)
FIFTHS = 5
FEWEST_TO_FIT = 20  # task groups


@dataclass(frozen=True, slots=True)
class Answer:
    way: Way
    p_finetune_wins: float


Rule = Callable[[Case], Answer]


def advice(case: Case) -> Answer:
    """Answer as the advisor does."""
    found = judge(case.facts)
    return Answer(found.way, found.odds.p)


def by_group(answers: Sequence[tuple[Case, Answer]], value: Callable[[Case, Answer], float]) -> float | None:
    """Average within each task group, then over the groups."""
    groups: dict[str, list[float]] = defaultdict(list)
    for case, answer in answers:
        groups[case.group].append(value(case, answer))
    shares = [sum(values) / len(values) for values in groups.values()]
    return sum(shares) / len(shares) if shares else None


def score(cases: Sequence[Case], rule: Rule) -> dict[str, float | None]:
    """Return the figures of one rule."""
    answers = [(case, rule(case)) for case in cases]
    tuned, prompted = (
        by_group([pair for pair in answers if pair[0].needs_tuning is needed], lambda case, said: case.right(said.way))
        for needed in (True, False)
    )
    figures = {
        "regret": by_group(answers, lambda case, said: max(case.best.values()) - case.best[said.way]),
        "strict": by_group(answers, lambda case, said: case.right(said.way)),
        "balanced": None if tuned is None or prompted is None else (tuned + prompted) / 2,
        "right_where_tuning_is_needed": tuned,
        "right_where_prompting_is_enough": prompted,
        "brier": by_group(answers, lambda case, said: (said.p_finetune_wins - case.needs_tuning) ** 2),
        "auc": auc(answers),
        "over": by_group(answers, lambda case, said: said.way is not Way.PROMPT and not case.needs_tuning),
        "under": by_group(answers, lambda case, said: said.way is Way.PROMPT and case.needs_tuning),
    }
    return {name: None if value is None else round(value, 4) for name, value in figures.items()}


def auc(answers: Sequence[tuple[Case, Answer]]) -> float | None:
    """Return how often a case that needed tuning was given higher odds than one that did not, task groups alike."""
    sizes: dict[str, int] = defaultdict(int)
    for case, _ in answers:
        sizes[case.group] += 1
    sides: tuple[list[tuple[float, float]], list[tuple[float, float]]] = ([], [])
    for case, said in answers:
        sides[case.needs_tuning].append((said.p_finetune_wins, 1 / sizes[case.group]))
    pairs = [(a, b, v * w) for a, v in sides[True] for b, w in sides[False]]
    whole = sum(weight for _, _, weight in pairs)
    return sum(weight * (1.0 if a > b else 0.5 if a == b else 0.0) for a, b, weight in pairs) / whole if whole else None


def calibration(cases: Sequence[Case], rule: Rule) -> list[dict[str, float]]:
    """Return what was said and what came true by fifths of the stated P, task groups alike within each."""
    answers = [(case, rule(case)) for case in cases]
    found = []
    for fifth in range(FIFTHS):
        some = [pair for pair in answers if min(int(pair[1].p_finetune_wins * FIFTHS), FIFTHS - 1) == fifth]
        if some:
            said = by_group(some, lambda case, answer: answer.p_finetune_wins) or 0.0
            came = by_group(some, lambda case, answer: case.needs_tuning) or 0.0
            groups = len({case.group for case, _ in some})
            found.append(
                {
                    "from": fifth / FIFTHS,
                    "n": len(some),
                    "groups": groups,
                    "said": round(said, 3),
                    "came_true": round(came, 3),
                }
            )
    return found


def split(cases: Sequence[Case], rule: Rule, key: Callable[[Case], str]) -> dict[str, dict[str, float]]:
    """Return what was said and what came true by ``key``."""
    parts: dict[str, list[tuple[Case, Answer]]] = defaultdict(list)
    for case in cases:
        parts[key(case)].append((case, rule(case)))
    return {
        name: {
            "groups": len({case.group for case, _ in some}),
            "said": round(by_group(some, lambda case, said: said.p_finetune_wins) or 0.0, 3),
            "came_true": round(by_group(some, lambda case, said: case.needs_tuning) or 0.0, 3),
            "brier": round(
                by_group(some, lambda case, said: (said.p_finetune_wins - case.needs_tuning) ** 2) or 0.0, 3
            ),
        }
        for name, some in sorted(parts.items())
    }


def year_of(case: Case) -> str:
    """Return the year of the prompted model, those before 2024 together."""
    year = case.facts.situation.year
    return "not known" if year is None else "before 2024" if year < 2024 else str(int(year))


def always(way: Way) -> Rule:
    return lambda case: _baseline(case, way is not Way.PROMPT)


def _baseline(case: Case, tune: bool) -> Answer:
    way = next(way for way in LOCAL_FIRST if way in case.best) if tune else Way.PROMPT
    return Answer(way, float(tune))


def _examples(case: Case) -> float:
    found = case.facts.situation.examples
    return math.inf if found is None else found


def _per_label(case: Case) -> bool:
    seen, examples = case.facts.situation, _examples(case)
    enough = examples / seen.labels >= 20 if seen.labels else examples >= 200
    assert seen.prompt_score is not None
    return enough and seen.prompt_score < (0.55 if seen.task in HARD_TASKS else 0.88)


BASELINES: dict[str, Rule] = {
    "always prompt": always(Way.PROMPT),
    "always fine-tune": always(Way.HOSTED),
    "under 100 examples prompt, else fine-tune": lambda case: _baseline(case, _examples(case) >= 100),
    "under 1000 examples prompt, else fine-tune": lambda case: _baseline(case, _examples(case) >= 1000),
    "reasoning, knowledge, code prompt; else fine-tune from 100": lambda case: _baseline(
        case, case.facts.situation.task not in HARD_TASKS and _examples(case) >= 100
    ),
    "20 per label (or 200) and prompt < 88 (hard tasks < 55): fine-tune": lambda case: _baseline(
        case, _per_label(case)
    ),
}


def refitted(scenarios: dict[str, list[Case]]) -> Rule | None:
    """Return a rule whose odds were fitted without the case's own task group; None where the file is too small."""
    from fit_odds import fits_without

    if len({case.group for cases in scenarios.values() for case in cases}) < FEWEST_TO_FIT:
        return None
    return by_models(fits_without(scenarios))


def by_models(models: Mapping[str, OddsModel]) -> Rule:
    """Return the rule that answers for each task group from its own model."""

    def rule(case: Case) -> Answer:
        found = judge(case.facts, models[case.group])
        return Answer(found.way, found.odds.p)

    return rule


def report(path: Path) -> dict[str, object]:
    """Return the whole document for the cases in ``path``."""
    rows = one_view(read_rows(path))
    scenarios = {name: cases_of(rows, private=name == "private") for name in ("open", "private")}
    checked = refitted(scenarios)
    document: dict[str, object] = {}
    for name, cases in scenarios.items():
        document[name] = {
            **figures_of(cases, advice),
            "cross_validated": checked and {**score(cases, checked), "calibration": calibration(cases, checked)},
            "baselines": {title: score(cases, rule) for title, rule in BASELINES.items()},
        }
    return document


def figures_of(cases: Sequence[Case], rule: Rule) -> dict[str, object]:
    """Return all that is measured of one rule on the cases of one scenario."""
    return {
        "cases": len(cases),
        "groups": len({case.group for case in cases}),
        **score(cases, rule),
        "brier_of_base_rate": base_rate(cases),
        "calibration": calibration(cases, rule),
        "by_family": split(cases, rule, lambda case: case.family),
        "by_task": split(cases, rule, lambda case: str(case.facts.situation.task)),
        "by_year": split(cases, rule, year_of),
    }


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
