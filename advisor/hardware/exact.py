"""Measures what a real model saves for its backward pass, in a child process, where torch is installed."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass

from advisor.errors import WorkloadError
from backends import DEFAULT_LORA_RANK, Method, install_extra

_TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class Measured:
    """What the real model has: bytes saved per token in 16 bits, all parameters, and those that are trained."""

    saved_per_token: float
    params: int
    trained: int


def measure(model: str, method: Method, *, rank: int = DEFAULT_LORA_RANK, seq: int = 512) -> Measured:
    """Run ``model``'s forward pass on the meta device (no weights, no GPU; seconds) and count what autograd keeps.

    ``model`` is a hub id or a folder with config.json. Raises WorkloadError with the remedy when it cannot be done.
    """
    missing = [name for name in ("torch", "transformers", "peft") if importlib.util.find_spec(name) is None]
    if missing:
        raise WorkloadError(
            f"--exact needs {', '.join(missing)}: {install_extra('local')}. Without --exact it is estimated."
        )
    asked = {"model": model, "method": "full" if method is Method.FULL else "lora", "rank": rank, "seq": seq}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "advisor.hardware.meta_probe"],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=True,
        )
        answer = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise WorkloadError(f"--exact could not run {model}: {error}. Leave --exact out to estimate.") from error
    if "error" in answer:
        raise WorkloadError(
            f"--exact could not build {model}: {answer['error']} Give a folder with its config.json, or leave "
            "--exact out to estimate."
        )
    return Measured(float(answer["saved_per_token"]), int(answer["params"]), int(answer["trained"]))
