"""The first file a person opens in a run folder: what the run is, what was decided and why, which file holds what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backends import JobSpec

_FILES = {
    "status.json": "how far it is: status, steps, seconds, when it will be done",
    "events.jsonl": "everything it said, one line each; the last lines tell why it ended",
    "metrics.jsonl": "loss, gradient norm, learning rate and seconds of each step; validation loss",
    "tensorboard/": "the same numbers for `tensorboard --logdir .`",
    "samples.jsonl": "a few validation prompts, the expected and the given answer",
    "summary.json": "tokens, seconds and peak memory of the whole run",
    "tuned/": "the result: the adapter (or the whole model) and its tokenizer; only there when the run has succeeded",
    "checkpoints/": "what resuming starts from; may be deleted when the run is over",
    "config.json": "what was asked for",
    "chosen.json": "every setting it trained with, and the reasons below",
    "environment.json": "packages and device it ran on",
    "trainer.log": "what its process printed; empty when nothing went wrong",
}


def write_readme(path: Path, spec: JobSpec, examples: int, steps: int, sentences: Sequence[str]) -> None:
    """Write ``path`` as Markdown."""
    files = "\n".join(f"| `{name}` | {words} |" for name, words in _FILES.items())
    reasons = "\n".join(f"- {sentence}" for sentence in sentences)
    path.write_text(
        f"""# Run {spec.run}

{spec.method} of `{spec.model}` on {examples} examples of `{spec.train_file}`: {steps} steps at most.

`tunewise show {spec.run}` tells how it went, `tunewise watch {spec.run}` follows it, and
`tunewise launch --resume {spec.run}` goes on where it stopped.

## What was decided

{reasons}

## What is in this folder

| file | holds |
|---|---|
{files}

Nothing in here is a pickle: numbers are JSON, weights are safetensors.
""",
        encoding="utf-8",
    )
