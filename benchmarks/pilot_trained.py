"""Does a pilot's forecast come true: trained on 25, 50 and 100 rows, held against really training on 400.

    python benchmarks/pilot_trained.py BANKING77_FOLDER [--seeds 1] [--model smollm2]

The folder holds Banking77's train.csv and test.csv (PolyAI, CC-BY-4.0; columns text, category). Ten of its intents are
drawn for each seed and made into chats whose system prompt lists the labels; ``tunewise pilot`` trains on nested parts
and scores each on the same test rows. Prints one JSON document: for each seed the forecast for 400 with its 80 % band,
and what training on 400 scored with its 95 % interval. Without the folder it says so and ends well.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from advisor.evaluate.curve import fit, predict  # noqa: E402

PILOT, GOAL, INTENTS = (25, 50, 100), 400, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--max-examples", type=int, default=300, help="test rows that each part is scored on")
    arguments = parser.parse_args()
    files = [arguments.folder / name for name in ("train.csv", "test.csv")]
    if missing := [str(path) for path in files if not path.is_file()]:
        print(f"skipped: {' and '.join(missing)} not there; Banking77 is not ours to ship.")
        return
    rows = [row for path in files for row in csv.DictReader(path.open(newline="", encoding="utf-8"))]
    with tempfile.TemporaryDirectory() as scratch:
        found = [one(rows, Path(scratch), arguments, seed) for seed in range(arguments.seeds)]
    print(json.dumps({"model": arguments.model, "sizes": [*PILOT, GOAL], "runs": found}, indent=1))


def one(rows: list[dict[str, str]], scratch: Path, arguments: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Train on all four parts in one pilot, then forecast the largest from the others."""
    chance = random.Random(seed)
    labels = sorted(chance.sample(sorted({row["category"] for row in rows}), INTENTS))
    prompt = f"Say what the customer of a bank asks about. Answer with one label and nothing else: {', '.join(labels)}."
    data = scratch / f"intents-{seed}.jsonl"
    with data.open("w", encoding="utf-8") as out:
        for row in rows:
            if row["category"] in labels:
                turns = [("system", prompt), ("user", row["text"]), ("assistant", row["category"])]
                out.write(json.dumps({"messages": [{"role": role, "content": text} for role, text in turns]}) + "\n")
    line = [sys.executable, "-m", "advisor", "pilot", str(data), "--model", arguments.model, "--metric", "label"]
    line += ["--sizes", ",".join(map(str, (*PILOT, GOAL))), "--max-examples", str(arguments.max_examples)]
    done = subprocess.run(
        [*line, "--seed", str(seed), "--yes", "--json"], stdout=subprocess.PIPE, text=True, cwd=ROOT, check=True
    )
    pilot = json.loads(done.stdout)
    scores = {point["examples"]: point for point in pilot["points"]}
    said = predict(fit([(size, scores[size]["score"]) for size in PILOT]), GOAL, pilot["test_examples"])
    return {
        "seed": seed,
        "labels": labels,
        "test_examples": pilot["test_examples"],
        "measured": {size: interval(point) for size, point in scores.items()},
        "forecast": interval({"score": said.score, "low": said.low, "high": said.high}),
        "inside_the_band": said.low <= scores[GOAL]["score"] <= said.high,
    }


def interval(point: dict[str, Any]) -> list[float]:
    """Return the score with both ends of its interval."""
    return [round(point[key], 3) for key in ("score", "low", "high")]


if __name__ == "__main__":
    main()
