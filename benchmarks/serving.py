"""Back-test of the serving speed on published measurements: python benchmarks/serving.py ROWS.csv.

Prints one JSON document: how far the output tokens a second are off, by source, load and precision, beside the rule of
thumb of 60 % of the peak arithmetic. What counts: one GPU, tiers A and B, a load that keeps the server busy (no fixed
request rate). The constants were fitted on published rows, so rows never seen are the ones to try it on.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import TypeAlias

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from advisor import hardware
from advisor.hardware import Architecture, Precision, Serving

Row: TypeAlias = Mapping[str, str]

PRECISIONS: dict[str, Precision] = {
    "bf16": "bf16", "fp16": "bf16", "fp8": "fp8", "int8": "int8", "int8 weight-only": "int8-weights",
    "int4": "int4", "mxfp4": "int4", "w4a8": "int4",
}  # fmt: skip
CACHE_BYTES = {"fp8": 1.0, "int8": 1.0, "int4": 0.5}
# Rows name a family where the catalogue has a member of the same shape.
SHAPES = {
    "Mistral-7B": "mistralai/Mistral-7B-v0.3",
    "Mixtral-8x7B": "mistralai/Mixtral-8x7B-v0.1",
    "Llama-3-70B": "meta-llama/Llama-3.1-70B",
    "Qwen2-72B": "Qwen/Qwen2.5-72B",
    "Qwen-1.5-72B": "Qwen/Qwen2.5-72B",
    "Qwen2.5-VL-7B": "Qwen/Qwen2.5-7B",
    "Qwen3-VL-30B-A3B": "Qwen/Qwen3-30B-A3B",
}
RULE_OF_THUMB = 0.6


def counts(row: Row) -> bool:
    """Tell whether a row is of the kind the estimate is for."""
    plain = row["n_gpus"] == "1" and row["lora"] in ("", "0")
    return row["tier"] in ("A", "B") and plain and row["load"] not in ("open", "slo")


def shape_of(row: Row) -> Architecture | None:
    found = hardware.architecture(SHAPES.get(row["model"], row["model"]))
    if found is None and row["params_b"] and row["params_b"] == row["active_params_b"]:
        return hardware.like(float(row["params_b"]) * 1e9, row["model"])
    return found


def engine_of(row: Row) -> str:
    name = row["engine"].lower()
    if name == "vllm":
        version = re.match(r"~?0\.(\d+)(\D|$)|2024", row["engine_version"])
        return "old vllm" if version and int(version[1] or 0) <= 7 else "vllm"
    return next((engine for engine in hardware.ENGINES if engine in name), "vllm")


def serving_of(row: Row) -> Serving | None:
    arch, card = shape_of(row), hardware.gpu(row["gpu"])
    precision = PRECISIONS.get(row["precision"], "int4" if row["precision"].startswith("Q4") else None)
    if arch is None or card is None or precision is None:
        return None
    return Serving(arch, card, precision, 1, engine_of(row), CACHE_BYTES.get(row["kv_precision"], 2.0))


def predicted(row: Row, serving: Serving) -> float:
    """Return the output tokens a second at the row's requests in flight, as many as there is room for."""
    prompt, output = float(row["input_tokens"]), float(row["output_tokens"])
    room = max(1, serving.at_once(prompt, output))
    said = row["conc_eff"] or row["concurrency"]
    at_once = min(float(said), room) if said else room
    return serving.requests_per_s(at_once, prompt, output) * output


def by_rule_of_thumb(row: Row, serving: Serving) -> float:
    """Return what 60 % of the peak arithmetic would do, two operations a parameter and token."""
    prompt, output = float(row["input_tokens"]), float(row["output_tokens"])
    operations = 2.0 * serving.arch.active_params * (prompt + output)
    return RULE_OF_THUMB * (serving.card.peak_tflops or 0.0) * 1e12 / operations * output


def summary(ratios: Iterable[float]) -> dict[str, float | int]:
    """``bias`` is the middle of predicted over measured."""
    found = list(ratios)
    factors = [max(ratio, 1 / ratio) for ratio in found]
    if not found:
        return {"n": 0}
    return {
        "n": len(found),
        "median_factor": round(median(factors), 3),
        "within_2x_pct": round(100 * sum(factor <= 2 for factor in factors) / len(factors), 1),
        "bias": round(median(found), 3),
    }


def report(rows: Iterable[Row]) -> dict[str, object]:
    ratios: list[float] = []
    rule: list[float] = []
    groups: dict[str, dict[str, list[float]]] = {
        key: defaultdict(list) for key in ("source_group", "load", "precision", "gpu", "engine")
    }
    skipped = []
    for row in filter(counts, rows):
        serving = serving_of(row)
        if serving is None or not all(row[key] for key in ("input_tokens", "output_tokens", "output_tok_s")):
            skipped.append(row["id"])
            continue
        measured = float(row["output_tok_s"])
        ratios.append(predicted(row, serving) / measured)
        rule.append(by_rule_of_thumb(row, serving) / measured)
        for key, group in groups.items():
            group[row[key]].append(ratios[-1])
    names = {"source_group": "by_source", "load": "by_load", "precision": "by_precision", "gpu": "by_gpu"}
    sources = [summary(found)["median_factor"] for found in groups["source_group"].values()]
    return {
        **summary(ratios),
        "mean_of_sources": round(sum(sources) / len(sources), 3) if sources else None,
        "rule_of_thumb": summary(rule),
        **{
            names.get(key, f"by_{key}"): {name: summary(found) for name, found in sorted(group.items())}
            for key, group in groups.items()
        },
        "skipped": skipped,
    }


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python benchmarks/serving.py ROWS.csv")
    with Path(sys.argv[1]).open(encoding="utf-8", newline="") as lines:
        print(json.dumps(report(csv.DictReader(lines)), indent=1))
