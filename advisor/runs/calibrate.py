"""Two short trainings on this machine, from which every later estimate for it learns."""

from __future__ import annotations

import json
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import backends
from advisor.errors import RunError
from advisor.hardware import Architecture, Band, Setup, detect, gpu, point_of_run, remember, step_seconds, width
from backends import Method

TOKENS = (128, 512)  # of a short and of a long step
STEPS = 5
LONGEST_S = 300  # of both trainings together, loading the model included
# Nearly every tokenizer has one token for each.
_WORDS = (
    "the", "of", "and", "to", "in", "is", "that", "for", "it", "as", "was", "with", "be", "by", "on", "not", "he",
    "his", "but", "at", "are", "this", "have", "from", "or", "had",
)  # fmt: skip


def calibrate_here(arch: Architecture, model: str, method: Method, rank: int, say: Callable[[str], None]) -> str:
    """Train a few short and a few long steps, keep what they measured, and return the device it was measured on.

    ``say`` is told before what it will take. A size that would take too long by the estimate is left out, and what
    takes longer than was said is stopped. Raises RunError when nothing was measured.
    """
    bands = {size: _seconds(arch, method, rank, size) for size in TOKENS}
    sizes = [size for size, band in bands.items() if band.mid * STEPS <= LONGEST_S / 2]
    if not sizes:
        raise RunError(f"Even {STEPS} steps of {TOKENS[0]} tokens of {model} would take too long on this machine.")
    low, high = (STEPS * sum(bands[size][end] for size in sizes) for end in (0, 2))
    sized = " and ".join(f"{size:,}" for size in sizes)
    say(
        f"Calibrating: {STEPS} steps of about {sized} tokens each, by the estimate {low:,.0f} to {high:,.0f} s "
        f"once the model is loaded; stopped after {LONGEST_S // 60} minutes."
    )
    until, measured, last = time.monotonic() + LONGEST_S, "", ""
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="tunewise-") as folder:
            last = _train(Path(folder), model, method, rank, size, until)
            point = point_of_run(Path(folder) / "run")
        if point is not None:
            remember(point)
            measured = point.gpu
    if not measured:
        raise RunError(f"The calibration run measured nothing: {last}")
    return measured


def _train(folder: Path, model: str, method: Method, rank: int, tokens: int, until: float) -> str:
    """Train in ``folder``, no longer than ``until``; return how it ended."""
    text = " ".join(_WORDS[number % len(_WORDS)] for number in range(tokens - 20))  # the template writes some
    row = {"messages": [{"role": "user", "content": "Go on."}, {"role": "assistant", "content": text}]}
    data = folder / "train.jsonl"
    data.write_text((json.dumps(row) + "\n") * STEPS, encoding="utf-8")
    spec = backends.JobSpec(
        run=f"fit-{uuid.uuid4().hex[:12]}",
        backend="local",
        model=model,
        train_file=data,
        method=method,
        hyperparameters=backends.Hyperparameters(epochs=1, batch_size=1, lora_rank=rank, evaluations=0),
        options={"folder": str(folder / "run")},
    )
    local = backends.get("local")
    job = local.submit(spec)
    while not job.status.finished:
        time.sleep(0.2)
        job = local.cancel(job) if time.monotonic() > until else local.refresh(job)
    return job.error or job.detail


def _seconds(arch: Architecture, method: Method, rank: int, tokens: int) -> Band:
    """Return the seconds that a step of so many tokens takes on this machine; zeros where its speed is unknown."""
    card = next(iter(detect()), None) or gpu("cpu")
    unknown = Band(0.0, 0.0, 0.0)
    if card is None:
        return unknown
    found = step_seconds(arch, Setup(method, rank=rank, seq=tokens, checkpointing=False, width=width(card, arch)), card)
    return found or unknown
