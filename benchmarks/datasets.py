"""What ``tunewise check`` finds in real datasets, as the table of docs/datasets.md.

    python benchmarks/datasets.py FOLDER        the folder that holds datasets/, openai/ and together/

A dataset that cannot be read is in the table with the reason.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

FILES = (
    "openai/drone_training.jsonl",
    "openai/toy_chat_fine_tuning.jsonl",
    "datasets/banking77/train.csv",
    "datasets/banking77/test.csv",
    "datasets/banking77/categories.json",
    "datasets/gsm8k/train.jsonl",
    "datasets/gsm8k/test.jsonl",
    "datasets/scitldr/train.jsonl",
    "datasets/scitldr/dev.jsonl",
    "datasets/scitldr/test.jsonl",
    "datasets/reg_arc_challenge/test.json",
    "datasets/reg_ifeval/ifeval_data.jsonl",
    "datasets/bfcl_tools/BFCL_v4_multiple.json",
    "datasets/bfcl_tools/BFCL_v4_simple_python.json",
    "datasets/bfcl_tools/BFCL_v4_live_simple.json",
    "datasets/bfcl_tools/answers_BFCL_v4_multiple.json",
    "datasets/bfcl_tools/answers_BFCL_v4_simple_python.json",
    "datasets/bfcl_tools/answers_BFCL_v4_live_simple.json",
    "datasets/wnut17_ner/train.conll",
    "datasets/wnut17_ner/dev.conll",
    "datasets/wnut17_ner/test.conll",
    "together/small_coqa_10.jsonl",
)


def table(folder: Path) -> str:
    """Return the table in Markdown."""
    from advisor.dataset import Dataset
    from advisor.errors import DataError
    from advisor.tokens import profile

    lines = [
        "| file | format | examples | billed per epoch | longest | task | findings |",
        "|---|---|---:|---:|---:|---|---|",
    ]
    for name in FILES:
        try:
            found = profile(Dataset.open(folder / name))
        except DataError as error:
            reason = str(error).removeprefix(str(folder / name)).lstrip(",: ").replace(str(folder / name), "FILE")
            lines.append(f"| {name} | - | - | - | - | - | refused: {reason} |")
            continue
        codes = Counter(f"{problem.code}" for problem in found.problems if problem.line is not None)
        codes.update({problem.code: 0 for problem in found.problems if problem.line is None})
        told = ", ".join(f"{code} {count}" if count else code for code, count in sorted(codes.items())) or "none"
        billed = found.billed_tokens_per_epoch["gpt-4.1-2025-04-14"]
        lines.append(
            f"| {name} | {found.format.value} | {found.examples:,} | {billed:,} | {found.longest:,}"
            f" | {found.task_type.value} | {told} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(table(Path(sys.argv[1])))
