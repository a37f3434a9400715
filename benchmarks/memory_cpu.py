"""Memory on this machine's processor against its quote: python benchmarks/memory_cpu.py [--model M] [--lengths N,...].

Trains a LoRA of the model for a few steps on rows of each length in each precision, one process each, and prints one
JSON document: what ``fit`` says of the pass that the trainer would take, and the most memory that was resident.
``process`` is what Python with its libraries and the tokenizer takes before there is a model. Nearly every token is
learned, so logits are at their most; ``demo`` is the shipped data of short labels.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from advisor.hardware import architecture, fit, gpu
from backends import Hyperparameters, JobSpec, Json, Method
from backends.local import pretrained
from backends.local.folder import RunFolder, read_json, write_json
from backends.local.options import read_options, spec_to_json
from backends.local.training_memory import largest_pass
from backends.local.workers.process import command, environment

_DEMO = Path(__file__).resolve().parent.parent / "examples" / "bike_intents.jsonl"
_STEPS, _LONG = 3, 2048  # rows this long and longer take two steps
_TEMPLATE = 40  # tokens of a row beside its words
_WORDS = (
    "the",
    "river",
    "runs",
    "past",
    "an",
    "old",
    "mill",
    "and",
    "nobody",
    "in",
    "town",
    "remembers",
    "who",
    "built",
    "it",
)
_PROCESS = """
import resource, sys
import peft, transformers
import backends.local.trainer.train
transformers.AutoTokenizer.from_pretrained(sys.argv[1])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--lengths", default="128,512,1024,2048,4096")
    parser.add_argument("--precisions", default="bf16,fp32")
    arguments = parser.parse_args()
    pretrained.make(arguments.model)
    base = pretrained.located(arguments.model)
    own = subprocess.run([sys.executable, "-c", _PROCESS, base], capture_output=True, text=True, check=True)
    with tempfile.TemporaryDirectory() as name:
        work, cases = Path(name), list[dict[str, Any]]()
        for precision in arguments.precisions.split(","):
            for length in map(int, arguments.lengths.split(",")):
                data = work / f"{length}.jsonl"
                batch, steps = max(1, 1024 // length), _STEPS - (length >= _LONG)
                data.write_text("".join(f"{json.dumps(row(length, n))}\n" for n in range(batch * steps)))
                cases.append({"rows": length} | measure(work, base, data, precision, batch, steps))
            cases.append({"rows": "demo"} | measure(work, base, _DEMO, precision, 8, 2 * _STEPS))
    print(json.dumps({"model": arguments.model, "process_gb": round(float(own.stdout), 2), "cases": cases}, indent=1))


def row(length: int, number: int) -> dict[str, Any]:
    """Return a row of about ``length`` tokens, every second one shorter, so that the shapes of passes differ."""
    chance = random.Random(number)
    words = max(4, length - _TEMPLATE) * (1 if number % 2 == 0 else 0.8)
    said = " ".join(chance.choice(_WORDS) for _ in range(int(words)))
    return {"messages": [{"role": "user", "content": "Tell me a story."}, {"role": "assistant", "content": said}]}


def measure(work: Path, base: str, data: Path, precision: str, batch: int, steps: int) -> dict[str, Any]:
    """Train in a process of its own; return its peak in GB beside the quote's low, middle and high."""
    print(f"training: {data.stem} in {precision}", file=sys.stderr)
    run = RunFolder(work / f"{data.stem}-{precision}")
    run.path.mkdir()
    options: dict[str, Json] = {"device": "cpu", "max_steps": steps, "precision": precision, "threads": 1}
    options |= {"validation_fraction": 0.0}
    settings = Hyperparameters(epochs=1, batch_size=batch, lora_rank=16, lora_alpha=32, evaluations=0)
    spec = JobSpec("memory", "local", base, data, method=Method.LORA, options=options, hyperparameters=settings)
    write_json(run.config, spec_to_json(spec))
    done = subprocess.run(
        command(read_options(options).starts, str(run.path)), env=environment(), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    found = read_json(run.summary)
    if not found:
        return {"precision": precision, "failed": str(read_json(run.status).get("error") or done.stderr[-300:])}
    longest, peak = int(str(found["longest_tokens"])), float(str(found["peak_resident_gb"]))
    arch, card = architecture(base), gpu("cpu")
    assert arch is not None and card is not None
    tokens = largest_pass(longest, cpu=True, step=batch * longest)
    learned = float(str(found["supervised_tokens"])) / float(str(found["trained_tokens"]))
    card = replace(card, bf16=precision == "bf16")
    quoted = fit(arch, Method.LORA, card, seq=tokens, micro_batch=None, supervised=learned)
    return {
        "precision": precision,
        "pass_tokens": tokens,
        "learned": round(learned, 2),
        "packed": read_json(run.chosen)["packed"],
        "quoted_gb": [round(gb, 2) for gb in (quoted.peak_low_gb, quoted.peak_gb, quoted.peak_high_gb)],
        "peak_gb": round(peak, 2),
        "off_pct": round(100 * (peak / quoted.peak_gb - 1), 1),
        "inside": quoted.peak_low_gb <= peak <= quoted.peak_high_gb,
    }


if __name__ == "__main__":
    main()
