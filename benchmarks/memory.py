"""Back-test of the memory and time model on published measurements: python benchmarks/memory.py ROWS.csv.

Prints one JSON document: how far the single-GPU peaks are off, how often the displayed verdict would be wrong near a
card's limit, the same with each source left out of the calibration, several GPUs apart, and time.
"""

from __future__ import annotations

import json
import math
import random
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from memory_rows import Row, card_of, number, read_rows, seconds_of, setup_of, shape_of, single_gpu

from advisor.hardware import Architecture, Setup, calibrate, peak, step_seconds
from advisor.hardware.fit import CONTEXT_GB
from advisor.hardware.training_stacks import HF
from backends.local.training_memory import USABLE

# The constants of a stack that are measured, what analysis alone would say, and how far one may move them for one
# unit of penalty. Bounds keep a source without rows of a kind at the analytic value.
MEASURED = {
    "logits": (14.0, 6.0),
    "logits_kbit": (16.0, 6.0),
    "layer": (1.0, 0.25),
    "layer_kbit": (1.0, 0.4),
    "eager": (20.0, 6.0),
    "reserve": (1.05, 0.05),
    "fixed_gb": (0.0, 1.0),
}
PENALTY = 0.06
CARDS_GIB = (12, 16, 24, 40, 48, 80)


@dataclass(frozen=True)
class Case:
    row: Row
    arch: Architecture
    setup: Setup
    gb: float

    def predict(self, constants: dict[str, float] | None = None) -> float:
        stack = replace(self.setup.stack, **constants) if constants else self.setup.stack  # type: ignore[arg-type]
        return peak(self.arch, replace(self.setup, stack=stack)).reserved_gb


def cases_of(rows: Iterable[Row]) -> tuple[list[Case], list[str]]:
    """Return what can be predicted, and the ids of rows whose shape or batch is not known."""
    cases, skipped = [], []
    for row in rows:
        gb = number(row, "peak_gb")
        if gb is None:
            continue
        arch, setup = shape_of(row), setup_of(row)
        if arch is None or setup is None:
            skipped.append(row["id"])
        else:
            cases.append(Case(row, arch, setup, gb))
    return cases, skipped


def summary(errors: Sequence[float]) -> dict[str, float | int]:
    if not errors:
        return {"n": 0}
    sizes = [abs(error) for error in errors]
    return {
        "n": len(errors),
        "median_abs_pct": round(100 * median(sizes), 2),
        "bias_pct": round(100 * median(errors), 2),
        "within_10_pct": round(100 * sum(size <= 0.10 for size in sizes) / len(sizes), 1),
        "within_20_pct": round(100 * sum(size <= 0.20 for size in sizes) / len(sizes), 1),
        "worst_pct": round(100 * max(sizes), 1),
    }


def verdicts(predicted: Sequence[tuple[Case, float]]) -> dict[str, float | int]:
    """Judge the displayed "yes" on common cards, each within a factor of two of the need."""
    wrong = refused = decisions = 0
    for case, estimate in predicted:
        for gib in CARDS_GIB:
            budget = USABLE * gib * 2**30 / 1e9 - CONTEXT_GB
            if not 0.5 <= case.gb / budget <= 2:
                continue
            fits, yes = case.gb <= budget, estimate * case.setup.stack.margin <= budget
            decisions += 1
            wrong += yes and not fits
            refused += fits and not yes
    if not decisions:
        return {"decisions": 0}
    return {
        "decisions": decisions,
        "wrong_fits_pct": round(100 * wrong / decisions, 2),
        "needless_refusals_pct": round(100 * refused / decisions, 2),
    }


def refit(cases: Sequence[Case]) -> dict[str, float]:
    """Find the measured constants of one stack from its rows, drawn towards what analysis says."""
    best = {name: value for name, (value, _) in MEASURED.items()}

    def loss(constants: dict[str, float]) -> float:
        logs = [abs(math.log(case.predict(constants) / case.gb)) for case in cases]
        pull = sum(((constants[name] - value) / scale) ** 2 for name, (value, scale) in MEASURED.items())
        return sum(logs) + sum(log * log for log in logs) + PENALTY * pull

    lowest = loss(best)
    steps = {name: scale for name, (_, scale) in MEASURED.items()}
    while max(steps[name] / MEASURED[name][1] for name in steps) > 0.02:
        moved = False
        for name in steps:
            for sign in (1, -1):
                value = best[name] + sign * steps[name]
                if value < (1.0 if name == "reserve" else 0.0):
                    continue
                tried = loss({**best, name: value})
                if tried < lowest - 1e-9:
                    best, lowest, moved = {**best, name: value}, tried, True
                    break
        if not moved:
            steps = {name: step / 2 for name, step in steps.items()}
    return best


def without_source(cases: Sequence[Case]) -> list[tuple[Case, float]]:
    """Predict each source with constants refitted without it.

    From the stack's other sources where there are any, else those of transformers with PEFT: then only what is known
    of the program's code is its own.
    """
    found = []
    for source in dict.fromkeys(case.row["source_group"] for case in cases):
        others = [case for case in cases if case.row["source_group"] != source]
        fitted: dict[str, dict[str, float]] = {}
        for case in cases:
            if case.row["source_group"] != source:
                continue
            name = case.setup.stack.name
            if name not in fitted:
                same = [other for other in others if other.setup.stack.name == name]
                fitted[name] = refit(same or [other for other in others if other.setup.stack.name == HF.name])
            found.append((case, case.predict(fitted[name])))
    return found


def half_split(cases: Sequence[Case], seed: int = 0) -> list[tuple[Case, float]]:
    """Predict each random half of a stack's rows with constants refitted on the other half."""
    found = []
    by_stack: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        by_stack[case.setup.stack.name].append(case)
    for group in by_stack.values():
        shuffled = group[:]
        random.Random(seed).shuffle(shuffled)
        half = len(shuffled) // 2
        for learn, test in ((shuffled[:half], shuffled[half:]), (shuffled[half:], shuffled[:half])):
            constants = refit(learn)
            found += [(case, case.predict(constants)) for case in test]
    return found


def errors(predicted: Iterable[tuple[Case, float]]) -> list[float]:
    return [estimate / case.gb - 1 for case, estimate in predicted]


def by_source(predicted: Sequence[tuple[Case, float]]) -> dict[str, dict[str, float | int]]:
    groups: dict[str, list[float]] = defaultdict(list)
    for case, estimate in predicted:
        groups[case.row["source_group"]].append(estimate / case.gb - 1)
    return {name: summary(group) for name, group in sorted(groups.items())}


def upper_bounds(cases: Sequence[Case]) -> dict[str, float | int]:
    """Judge rows that state only the longest length allowed: a peak predicted there should not be below theirs."""
    if not cases:
        return {"n": 0}
    below = sum(case.predict() < 0.95 * case.gb for case in cases)
    return {"n": len(cases), "more_than_5_pct_below": below}


def speed(rows: Iterable[Row]) -> dict[str, object]:
    """Judge the uncalibrated speed, and the middles of series whose shortest and longest step calibrate it."""
    ratios, inside = [], 0
    series: dict[tuple[str, ...], list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        arch, setup, card = shape_of(row), setup_of(row), card_of(row)
        if arch is None or setup is None or card is None or card.peak_tflops is None:
            continue
        timed = seconds_of(row, setup)
        if timed is None:
            continue
        tokens, seconds = timed
        if row["framework"].lower().startswith(("nemo", "megatron")) and not row["grad_ckpt"]:
            setup = replace(setup, checkpointing=False)
        if "fp8" in row["precision"].lower() or "float8" in row["precision"].lower():
            card = replace(card, peak_tflops=2 * card.peak_tflops)  # dense fp8 is twice dense bf16
        band = step_seconds(arch, setup, card)
        assert band is not None
        scale = tokens / setup.tokens
        band = type(band)(*(setup.stack.step_s + (value - setup.stack.step_s) * scale for value in band))
        ratios.append(seconds / band.mid - 1)
        inside += band.low <= seconds <= band.high
        key: tuple[str, ...] = (
            row["source_group"],
            row["model"],
            row["gpu"],
            row["method"],
            row["quant"],
            row["sharding"],
        )
        key += (row["attention"], row["grad_ckpt"], row["target_modules"], row["offload"], row["n_gpu"])
        key += (row["framework"], row["precision"], row["optimizer"])
        series[key].append((band.mid, seconds))
    middles = []
    for points in series.values():
        ordered = sorted(dict(points).items())
        if len(ordered) < 3 or ordered[-1][0] < 1.5 * ordered[0][0]:
            continue
        fixed, scale, _ = calibrate([ordered[0], ordered[-1]])
        middles += [(fixed + scale * work) / seconds - 1 for work, seconds in ordered[1:-1]]
    if not ratios:
        return {"n": 0}
    factors = [max(1 + ratio, 1 / (1 + ratio)) for ratio in ratios]
    return {
        "n": len(ratios),
        "median_abs_pct": round(100 * median(abs(ratio) for ratio in ratios), 1),
        "within_2x_pct": round(100 * sum(factor <= 2 for factor in factors) / len(factors), 1),
        "within_range_pct": round(100 * inside / len(ratios), 1),
        "two_point": {
            "n": len(middles),
            "median_abs_pct": round(100 * median(map(abs, middles)), 1) if middles else None,
            "within_25_pct": round(100 * sum(abs(e) <= 0.25 for e in middles) / len(middles), 1) if middles else None,
        },
    }


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python benchmarks/memory.py ROWS.csv")
    rows, caps = read_rows(Path(sys.argv[1]))
    cases, skipped = cases_of(row for row in rows if single_gpu(row))
    several, _ = cases_of(row for row in rows if not single_gpu(row))
    predicted = [(case, case.predict()) for case in cases]
    left_out, halves = without_source(cases), half_split(cases)
    document = {
        **summary(errors(predicted)),
        **verdicts(predicted),
        "by_source": by_source(predicted),
        "leave_one_source_out": {
            **summary(errors(left_out)),
            **verdicts(left_out),
            "by_source": by_source(left_out),
        },
        "half_split": {**summary(errors(halves)), **verdicts(halves)},
        "several_gpus": summary(errors((case, case.predict()) for case in several)),
        "caps": upper_bounds(cases_of(row for row in caps if single_gpu(row))[0]),
        "not_predicted": skipped,
        "time": speed(rows),
    }
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
