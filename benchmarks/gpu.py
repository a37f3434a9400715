"""What the trainer does on a GPU, as one JSON document: speed, FLOPs used, peak memory beside the estimate.

    python benchmarks/gpu.py [--device cuda|cpu] [--minutes 6]

Cases: LoRA of the Llama-3-8B shape (random weights, bf16, packed to 4,096 tokens), QLoRA and full fine-tuning of the
Llama-3.2-1B shape, and two ranks with a copy each (DDP) where there are two GPUs. On a processor the same code runs on
a 5M shape, two gloo ranks included, so that every branch has been taken before a GPU is at hand. A case that would
begin after ``--minutes`` is left out and said; one that fails keeps its last words.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import trainer as bench

from backends import Hyperparameters, JobSpec, Json, Method
from backends.local.folder import RunFolder, read_json, read_lines, write_json
from backends.local.options import read_options, spec_to_json
from backends.local.workers.process import command, environment

_WARM = 3  # steps before the clock counts: kernels are chosen, memory is claimed
_STEPS = 12
_LIMIT_S = 240  # of one case


@dataclass(frozen=True, slots=True)
class Case:
    """One training: its shape on a GPU, the method, the rows of a step, and the ranks that share it."""

    name: str
    shape: str
    method: Method
    batch: int
    ranks: int = 1


CASES = (
    Case("lora_8b", "8b", Method.LORA, 32),
    Case("qlora_1b", "1b", Method.QLORA, 32),
    Case("full_1b", "1b", Method.FULL, 32),
    Case("ddp_1b", "1b", Method.LORA, 64, ranks=2),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--minutes", type=float, default=6.0)
    arguments = parser.parse_args()
    import torch

    gpus = torch.cuda.device_count() if arguments.device == "cuda" else 0
    began, cases = time.monotonic(), dict[str, Any]()
    with tempfile.TemporaryDirectory() as name:
        for case in CASES:
            if gpus and case.ranks > gpus:
                cases[case.name] = {"left_out": f"needs {case.ranks} GPUs, there are {gpus}"}
            elif time.monotonic() - began > 60 * arguments.minutes:
                cases[case.name] = {"left_out": "no time left"}
            else:
                print(f"training: {case.name}", file=sys.stderr)
                cases[case.name] = measure(case, Path(name), arguments.device)
    print(json.dumps({
        "device": torch.cuda.get_device_name() if gpus else "cpu",
        "gpus": gpus, "torch": torch.__version__, "seconds": round(time.monotonic() - began), "cases": cases,
    }, indent=1))  # fmt: skip


def measure(case: Case, work: Path, device: str) -> dict[str, Any]:
    """Train one case in processes of its own and return what its files say."""
    shape = case.shape if device == "cuda" else "5m"
    batch = case.batch if device == "cuda" else 4
    folder = prepared(work, shape, device, batch * _STEPS)
    run = RunFolder(work / case.name)
    run.path.mkdir()
    options: dict[str, Json] = {"device": device, "workers": case.ranks, "max_steps": _STEPS, "compile": False}
    options |= {"micro_batch_tokens": 4096} if device == "cuda" else {"threads": 1}
    spec = JobSpec(
        case.name, "local", str(folder / "model"), folder / "train.jsonl", method=case.method, options=options,
        hyperparameters=Hyperparameters(epochs=1, batch_size=batch, lora_rank=16, lora_alpha=32),
    )  # fmt: skip
    write_json(run.config, spec_to_json(spec))
    try:
        done = subprocess.run(
            command(read_options(options).starts, str(run.path)), env=environment(), capture_output=True, text=True,
            timeout=_LIMIT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"failed": f"took more than {_LIMIT_S} s"}
    if read_json(run.status).get("status") != "succeeded":
        last = done.stderr.strip().splitlines()[-1:]
        return {"failed": str(read_json(run.status).get("error") or " ".join(last) or f"exit {done.returncode}")}
    return figures(case, run, shape, device)


def prepared(work: Path, shape: str, device: str, rows: int) -> Path:
    """Make a random model of the shape and ``rows`` rows for it; both are made once and may be longer than needed."""
    folder = work / f"{shape}-{rows}"
    if not folder.is_dir():
        folder.mkdir()
        bench.prepare(argparse.Namespace(work=folder, rows=rows, model=shape, device=device))
    return folder


def figures(case: Case, run: RunFolder, shape: str, device: str) -> dict[str, Any]:
    """Read speed and memory from the run's own files; the first steps do not count."""
    lines = [line for _, line in read_lines(run.metrics) if "step_seconds" in line]
    tokens = float(str(lines[-1]["tokens"])) - float(str(lines[_WARM - 1]["tokens"]))
    speed = tokens / sum(float(str(line["step_seconds"])) for line in lines[_WARM:])
    summary, chosen = read_json(run.summary), read_json(run.chosen)
    peak = summary["peak_allocated_gb"] if device == "cuda" else summary["peak_resident_gb"]
    return {
        "method": case.method.value,
        "shape": shape,
        "ranks": case.ranks,
        "tokens_per_s": round(speed, 1),
        "hfu": hfu(case, shape, speed, recompute=bool(summary["gradient_checkpointing"])) if device == "cuda" else None,
        "peak_gb": peak,
        "reserved_gb": summary["peak_reserved_gb"],
        "predicted_gb": chosen["predicted_gb"],
        "pass_tokens": summary["micro_batch_tokens"],
        "packed": chosen["packed"],
        "recomputed": summary["gradient_checkpointing"],
        "first_loss": lines[0]["train_loss"],
        "last_loss": lines[-1]["train_loss"],
    }


def hfu(case: Case, shape: str, speed: float, *, recompute: bool) -> float | None:
    """Return the share of each GPU's peak that is used: full fine-tuning has weight gradients too, 6N instead of 4N."""
    used = bench.hfu(argparse.Namespace(model=shape), speed / case.ranks, recompute=recompute)
    more = 1.5 if not recompute else 8 / 6
    return round(used * more, 3) if used is not None and case.method is Method.FULL else used


if __name__ == "__main__":
    main()
