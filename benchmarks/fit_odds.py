"""Fits the odds and writes the evidence: python benchmarks/fit_odds.py DEV.csv MORE.csv ... [--write]

A logistic regression on the features of `advisor.evidence.odds`, with a ridge penalty, and weights held to the sign
that sense asks of them (a higher score never raises the odds, more rows never lower them). Every task group weighs the
same.
Without ``--write`` it prints the fit and its figures, cross-validated ten-fold by task group (of the family that stands
in four views of the same runs the pooled one is scored); with it,
``advisor/evidence/odds.yaml`` and ``published.csv`` are written anew.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from advice_cases import Case, Row, cases_of, one_view, read_rows
from advice_published import write_published

from advisor.evidence import HARD_TASKS, KINDS, Gain, Odds, OddsModel, Weight, features, odds_of

EVIDENCE = Path(__file__).resolve().parent.parent / "advisor" / "evidence"
Vector = NDArray[np.float64]

PENALTY = 1.0
RESAMPLES = 300
FOLDS = 10
# A feature's scale before the penalty, and the sign its weight is held to (0: free).
SCALES: Mapping[str, tuple[float, int]] = {
    "score": (4, -1),
    "room": (1, +1),
    "rows": (2, +1),
    "few_rows": (3, +1),
    "labels": (1, -1),
    "gap": (0.25, -1),
    "year": (1, -1),
    "few_shot": (1, -1),
    "hard_x_score": (4, -1),
    **dict.fromkeys((*KINDS, "code"), (0.7, 0)),
}
HEADER = """\
# The odds that a tuned model beats the best prompt by more than chance: written by benchmarks/fit_odds.py, not by hand.
#
# log odds = constant + sum(weight x (feature - mean)); a feature that is not known counts as its mean, and its spread
# widens the interval. advisor/evidence/odds.py says what each feature is, docs/concepts/advice.md how good they are.
# `cross_validated`: Brier score beside that of saying the base rate, and AUC, of groups left out of the fit.

"""


def design(cases: Sequence[Case]) -> tuple[list[str], Vector]:
    """Return the features' names and a table of them, a row a case; nan where not known."""
    found = [features(case.facts.situation) for case in cases]
    table = [[np.nan if value is None else value for value in one.values()] for one in found]
    return list(found[0]), np.array(table, float)


def weights(cases: Sequence[Case]) -> Vector:
    """Every task group weighs one, whatever number of cases it has."""
    sizes = Counter(case.group for case in cases)
    return np.array([1 / sizes[case.group] for case in cases])


def ridge(x: Vector, y: Vector, weight: Vector, signs: Vector, penalty: float = PENALTY) -> Vector:
    """Fit a logistic regression by Newton's steps; a weight that turns against its sign is set to 0 and stays there.

    ``x`` [cases, features] has ones in front, which are not penalised.
    """
    size = np.full(x.shape[1], penalty)
    size[0] = 1e-3
    found, held = np.zeros(x.shape[1]), np.zeros(x.shape[1], bool)
    for _ in range(60):
        p = 1 / (1 + np.exp(-x @ found))
        slope = x.T @ (weight * (p - y)) + size * found
        curve = (x * (weight * p * (1 - p))[:, None]).T @ x + np.diag(size)
        free = ~held
        step = np.zeros_like(found)
        step[free] = np.linalg.solve(curve[np.ix_(free, free)], slope[free])
        then = found - step
        wrong = np.sign(then) * signs < 0
        then[wrong] = 0
        held |= wrong
        if np.abs(then - found).max() < 1e-9:
            return then
        found = then
    return found


def fit(scenarios: Sequence[Sequence[Case]], resamples: int = 0, seed: int = 0) -> OddsModel:
    """Fit the model on the cases of both scenarios; ``resamples`` fits on drawn task groups give the covariance."""
    cases = [case for one in scenarios for case in one]
    names, table = design(cases)
    weight = np.concatenate([weights(one) for one in scenarios])
    y = np.array([case.needs_tuning for case in cases], float)
    known = ~np.isnan(table)
    share = weight[:, None] * known
    filled = np.where(known, table, 0.0)
    mean = (share * filled).sum(0) / share.sum(0)
    spread = np.sqrt((share * (filled - mean) ** 2 * known).sum(0) / share.sum(0))
    scale = np.array([1.0, *(SCALES.get(name, (1, 0))[0] for name in names)])
    signs = np.array([0, *(SCALES.get(name, (1, 0))[1] for name in names)])
    x = np.hstack([np.ones((len(cases), 1)), np.where(known, table - mean, 0.0)]) * scale
    found = ridge(x, y, weight, signs) * scale
    level = np.array([case.tuned_is_level for case in cases], float)
    free = np.where(np.array(["", *names]) == "room", 0, signs)  # little room makes a tie likelier
    as_good = ridge(x, level, weight, free) * scale
    covariance = np.zeros((len(found), len(found)))
    if resamples:
        draw = np.random.default_rng(seed)
        groups = sorted({case.group for case in cases})
        place = {group: index for index, group in enumerate(groups)}
        of = np.array([place[case.group] for case in cases])
        fits = []
        for _ in range(resamples):
            times = np.bincount(draw.integers(0, len(groups), len(groups)), minlength=len(groups))
            fits.append(ridge(x, y, weight * times[of], signs) * scale)
        covariance = np.cov(np.array(fits).T)
    return OddsModel(
        fitted=date.today(),
        source="own-survey",
        penalty=PENALTY,
        data={},
        cases=len(cases),
        groups=len({case.group for case in cases}),
        constant=float(found[0]),
        level_constant=float(as_good[0]),
        features={
            name: Weight(weight=float(a), level=float(b), mean=float(m), spread=float(s))
            for name, a, b, m, s in zip(names, found[1:], as_good[1:], mean, spread, strict=True)
        },
        covariance=tuple(tuple(float(cell) for cell in row) for row in covariance),
        scores=_scores(cases),
        gain=_gain(cases),
        cross_validated={},
    )


def _scores(cases: Sequence[Case]) -> dict[str, tuple[float, ...]]:
    """Nine prompt scores at equal steps of the published ones, hard tasks apart."""
    steps = (np.arange(9) + 0.5) / 9
    found = {}
    for kind, hard in (("hard", True), ("other", False)):
        some = [case for case in cases if (case.facts.situation.task in HARD_TASKS) is hard]
        found[kind] = tuple(float(quantile(_score_of(some), weights(some), step)) for step in steps)
    return found


def _score_of(cases: Sequence[Case]) -> Vector:
    return np.array([case.facts.situation.prompt_score for case in cases], float)


def _gain(cases: Sequence[Case]) -> Gain:
    """Of the wrong answers of the best prompt, the share that tuning removed where it won; models of 2024 and later."""
    won = [case for case in cases if case.needs_tuning and (case.facts.situation.year or 0) >= 2024]
    score = _score_of(won)
    tuned = np.array([max(case.best.values()) / 100 for case in won])
    share, weight = (tuned - score) / (1 - score), weights(won)
    low, mid, high = (float(quantile(share, weight, step)) for step in (0.25, 0.5, 0.75))
    return Gain(low=low, mid=mid, high=high)


def quantile(values: Vector, weight: Vector, step: float) -> float:
    order = np.argsort(values)
    total = np.cumsum(weight[order]) / weight.sum()
    return float(values[order][min(int(np.searchsorted(total, step)), len(order) - 1)])


def fits_without(scenarios: Mapping[str, Sequence[Case]]) -> dict[str, OddsModel]:
    """Return for each task group a fit on the nine tenths of the groups that it is not among."""
    groups = sorted({case.group for cases in scenarios.values() for case in cases})
    np.random.default_rng(0).shuffle(groups)
    fold = {group: index % FOLDS for index, group in enumerate(groups)}
    fits = {
        index: fit([[case for case in cases if fold[case.group] != index] for cases in scenarios.values()])
        for index in set(fold.values())
    }
    return {group: fits[index] for group, index in fold.items()}


def brier_and_auc(cases: Sequence[Case], odds: Callable[[Case], Odds]) -> dict[str, float]:
    weight = weights(cases)
    said = [odds(case) for case in cases]
    p, level = np.array([one.p for one in said]), np.array([one.level for one in said])
    was_level = np.array([case.tuned_is_level for case in cases], float)
    rate_of_level = float((weight * was_level).sum() / weight.sum())
    y = np.array([case.needs_tuning for case in cases], float)
    rate = float((weight * y).sum() / weight.sum())
    won, lost = y == 1, y == 0
    ahead = (p[won][:, None] > p[lost][None]) + 0.5 * (p[won][:, None] == p[lost][None])
    pairs = weight[won][:, None] * weight[lost][None]
    figures = {
        "groups": len({case.group for case in cases}),
        "brier": float((weight * (p - y) ** 2).sum() / weight.sum()),
        "brier_of_base_rate": rate * (1 - rate),
        "auc": float((ahead * pairs).sum() / pairs.sum()) if pairs.size else float("nan"),
        "brier_of_level": float((weight * (level - was_level) ** 2).sum() / weight.sum()),
        "base_rate_of_level": rate_of_level * (1 - rate_of_level),
    }
    return {name: round(value, 3) for name, value in figures.items()}


def by_file(
    files: Mapping[str, Mapping[str, Sequence[Case]]], scored: Mapping[str, Mapping[str, Sequence[Case]]]
) -> dict[str, dict[str, dict[str, float]]]:
    """Return the cross-validated figures of each file and scenario of ``scored``, from fits on all ``files``."""
    together: dict[str, list[Case]] = defaultdict(list)
    for scenarios in files.values():
        for name, cases in scenarios.items():
            together[name] += cases
    models = fits_without(together)

    def odds(case: Case) -> Odds:
        return odds_of(case.facts.situation, models[case.group])

    return {
        file: {name: brier_and_auc(cases, odds) for name, cases in scenarios.items()}
        for file, scenarios in scored.items()
    }


def transfers(
    files: Mapping[str, Mapping[str, Sequence[Case]]], scored: Mapping[str, Mapping[str, Sequence[Case]]]
) -> dict[str, dict[str, dict[str, float]]]:
    """Return the figures of each file from a fit on the other files alone."""
    found = {}
    for file, scenarios in scored.items():
        others = [cases for other, some in files.items() if other != file for cases in some.values()]
        if others:
            found[file] = _judged(scenarios, fit(others))
    return found


def _judged(scenarios: Mapping[str, Sequence[Case]], model: OddsModel) -> dict[str, dict[str, float]]:
    return {
        name: brier_and_auc(cases, lambda case: odds_of(case.facts.situation, model))
        for name, cases in scenarios.items()
    }


def judged_without(
    files: Mapping[str, Mapping[str, Sequence[Case]]], scored: Mapping[str, Mapping[str, Sequence[Case]]]
) -> dict[str, object]:
    """Return the back-test of benchmarks/advice.py on each file, every task group judged by a fit without it."""
    from advice import by_models, figures_of

    together: dict[str, list[Case]] = defaultdict(list)
    for scenarios in files.values():
        for name, cases in scenarios.items():
            together[name] += cases
    rule = by_models(fits_without(together))
    return {
        file: {name: figures_of(cases, rule) for name, cases in scenarios.items()} for file, scenarios in scored.items()
    }


def scenarios_of(rows: Sequence[Row]) -> dict[str, list[Case]]:
    return {name: cases_of(rows, private=name == "private") for name in ("open", "private")}


def main() -> int:
    parser = argparse.ArgumentParser(description="Fit the odds on published cases.")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true", help="write advisor/evidence/odds.yaml and published.csv")
    asked = parser.parse_args()
    rows = {path.name: read_rows(path) for path in asked.files}
    files = {name: scenarios_of(some) for name, some in rows.items()}
    scored = {name: scenarios_of(one_view(some)) for name, some in rows.items()}
    model = fit([cases for scenarios in files.values() for cases in scenarios.values()], RESAMPLES)
    content = {
        "fitted": model.fitted,
        "source": model.source,
        "penalty": model.penalty,
        "data": {path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in asked.files},
        "cases": model.cases,
        "groups": model.groups,
        "constant": round(model.constant, 4),
        "level_constant": round(model.level_constant, 4),
        "features": {
            name: {key: round(getattr(one, key), 4) for key in ("weight", "level", "mean", "spread")}
            for name, one in model.features.items()
        },
        "scores": {name: [round(value, 3) for value in values] for name, values in model.scores.items()},
        "gain": {key: round(getattr(model.gain, key), 3) for key in ("low", "mid", "high")},
        "cross_validated": by_file(files, scored),
        "covariance": [[round(cell, 4) for cell in row] for row in model.covariance],
    }
    if asked.write:
        text = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=118)
        (EVIDENCE / "odds.yaml").write_text(HEADER + text, encoding="utf-8")
        print(f"{write_published(asked.files, EVIDENCE / 'published.csv')} cases written", file=sys.stderr)
    more = {
        "groups_left_out": judged_without(files, scored),
        "from_the_other_files_alone": transfers(files, scored),
    }
    print(json.dumps({**content, **more}, indent=2, default=str))
    return 0


if __name__ == "__main__":
    sys.exit(main())
