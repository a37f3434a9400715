"""Writes the table of named published cases: the best prompt and the best tuned model of each, with the source's id."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from advice_cases import Row, case_of, one_view, points, read_rows, rows_by_case, situation_of, way_of

from advisor.recommend import Way

# By the first part of a case's id; where two surveys use one, the words of the source decide.
SOURCES = {
    "LL": "bakeoff",
    "LL2": "bakeoff",
    "FL": "finlora",
    "BIO": "bionlp",
    "LEX": "lexglue",
    "BER": "bertsch",
    "LLA": "llm-adapters",
    "FG": "fingpt",
    "SPL": "dbgpt",
    "SPD": "dailsql",
    "DSPY": "dspy",
    "GEPA": "dspy",
    "OAI": "openai-distillation",
    "PB": "distillation-playbook",
    "TA": "tinyagent",
    "AG": "agriculture",
    "VI": "vieira",
    "AN": "anyscale",
    "PEFT": "peft-metamath",
    "OP": "openpipe-recipes",
    "RAFT": "raft",
    "LAW": "lawma",
    "TM": "tailormatch",
    "DL": "distil-labs",
    "APE": "weavel-ape",
    "LD": "lettucedetect",
    "SKY": "sky-t1",
    "OT": "open-thoughts",
    "MISC": "clinical-notes",
    "EE": "euroeval",
    "US": "us58",
    "HIV": "hivdb",
    "TTT": "arc-ttt",
    "X": "open-projects",
}
RECIPES = {"zero": "zero-shot", "few-k": "few-shot", "many": "many-shot", "many-retrieval": "near examples"}
COLUMNS = [
    *("task", "task_type", "examples", "labels", "prompt", "prompt_points", "tuned", "tuned_points"),
    *("few_shot", "test_items", "tier", "source"),
]


def write_published(files: Sequence[Path], out: Path) -> int:
    """Write the table and return how many cases it holds."""
    found = [_row(rows) for path in files for rows in rows_by_case(one_view(read_rows(path)), private=False).values()]
    kept = [row for row in found if row]
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)
    return len(kept)


def _row(rows: Sequence[Row]) -> dict[str, object] | None:
    if case_of(rows, private=False) is None:
        return None
    scored = [(way_of(row), score, row) for row in rows if (score := points(row)) is not None]
    prompt_points, prompt = max(((s, row) for way, s, row in scored if way is Way.PROMPT), key=lambda one: one[0])
    tuned_points, tuned = max(((s, row) for way, s, row in scored if way is not Way.PROMPT), key=lambda one: one[0])
    seen = situation_of(scored, rows)
    return {
        "task": prompt["task"],
        "task_type": seen.task,
        "examples": seen.examples,
        "labels": seen.labels,
        "prompt": f"{_name(prompt)} {RECIPES.get(prompt['method'], 'optimised prompt')}",
        "prompt_points": round(prompt_points, 1),
        "tuned": _name(tuned),
        "tuned_points": round(tuned_points, 1),
        "few_shot": int(bool(seen.few_shot)),
        "test_items": seen.test_items,
        "tier": prompt["tier"],
        "source": _source(prompt),
    }


def _name(row: Row) -> str:
    return row["model"].replace("#no-thinking", "").replace(", full fine-tune", "")


def _source(row: Row) -> str:
    prefix = row["case_id"].split("-")[0]
    if prefix == "SP":
        return "dbgpt" if "DB-GPT" in row["source"] else "open-projects"
    return SOURCES[prefix]
