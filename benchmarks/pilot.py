"""How far a pilot's learning curve can be trusted: its extrapolation errors on published curves.

    python benchmarks/pilot.py [CURVES.csv]

The file has the columns source_id, task, model, method, n, score (0-100), metric. Every three neighbouring sizes are
taken for a pilot and extrapolated to the later sizes of the curve. Prints one JSON document: mean and 90th percentile
of the absolute error in points by how many times further it looked, and how often the 80 % band held; for the curves
that the band is built from also with each left out of it in turn.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from advisor.evaluate.curve import MEAN_ERROR, fit, predict  # noqa: E402

CURVES = ROOT.parent / "shared" / "data" / "evidence" / "learning_curves_dev.csv"
TIMES = (2, 4, 8, 16)
TOLERANCE = 0.1  # of the factor between two sizes
TEST_EXAMPLES = 250  # of the Bertsch runs (10 runs of 250 test items each)

Key = tuple[str, str, str, str, str]
GROUPS: dict[str, Callable[[Key], bool]] = {
    "bertsch: fine-tuned and retrieved": lambda key: key[0] == "bertsch2024" and "random" not in key[3],
    "bertsch: fine-tuned": lambda key: key[0] == "bertsch2024" and key[3].startswith("finetune"),
    "setfit: encoders": lambda key: key[0] == "setfit2022",
}


def read(path: Path) -> dict[Key, list[tuple[int, float]]]:
    """Return the curves as (examples, score from 0 to 1), smallest first."""
    curves: dict[Key, dict[int, float]] = defaultdict(dict)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["n"].isdigit() and row["higher_is_better"] == "1":
                key = (row["source_id"], row["task"], row["model"], row["method"], row["metric"])
                curves[key][int(row["n"])] = float(row["score"]) / 100
    return {key: sorted(points.items()) for key, points in curves.items()}


def errors(
    curves: list[list[tuple[int, float]]], known: Mapping[int, float] = MEAN_ERROR
) -> dict[int, list[tuple[float, bool]]]:
    """Return, by factor, the absolute error in points and whether the band held, for every pilot that can be cut."""
    found: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for points in curves:
        for end in range(3, len(points)):
            curve = fit(points[end - 3 : end])
            for size, score in points[end:]:
                for times in TIMES:
                    if abs(size / curve.examples / times - 1) <= TOLERANCE:
                        said = predict(curve, size, TEST_EXAMPLES, known)
                        found[times].append((100 * abs(said.score - score), said.low <= score <= said.high))
    return found


def measure(path: Path) -> dict[str, Any]:
    """Return the benchmark's document."""
    curves = read(path)
    document: dict[str, Any] = {"file": path.name}
    for name, belongs in GROUPS.items():
        by_factor = errors([points for key, points in curves.items() if belongs(key)])
        document[name] = {
            f"{times}x": {
                "pilots": len(found),
                "mean_error": round(fmean(error for error, _ in found), 1),
                "p90_error": round(sorted(error for error, _ in found)[int(0.9 * len(found))], 1),
                "band_held": round(fmean(held for _, held in found), 2),
            }
            for times in TIMES
            if (found := by_factor[times])
        }
    document["bertsch: fine-tuned"]["band_held_left_out"] = left_out(
        [points for key, points in curves.items() if GROUPS["bertsch: fine-tuned"](key)]
    )
    return document


def left_out(curves: list[list[tuple[int, float]]]) -> dict[str, float]:
    """Return, by factor, how often the band held on a curve when it was built from the other curves alone."""
    held: dict[int, list[bool]] = defaultdict(list)
    for place, points in enumerate(curves):
        others = errors(curves[:place] + curves[place + 1 :])
        known = {times: fmean(error for error, _ in others[times]) / 100 for times in TIMES if others[times]}
        for times, found in errors([points], known).items():
            held[times] += [hold for _, hold in found]
    return {f"{times}x": round(fmean(found), 2) for times, found in sorted(held.items())}


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]) if len(sys.argv) > 1 else CURVES), indent=2))
