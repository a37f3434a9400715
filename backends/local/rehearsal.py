"""The heaviest pass of the run, taken once before the first step: memory that does not suffice shows now, not later."""

from __future__ import annotations

import torch

from backends.local import step
from backends.local.data import Item
from backends.local.optimizer import Masters
from backends.local.run import Progress, Run


def rehearse(run: Run, masters: Masters, progress: Progress) -> None:
    """Compute the gradients of the longest examples and forget them; running out of memory makes the passes smaller.

    Says the memory that the sums predicted beside what the pass took. A processor has no such limit to find: there the
    step would only cost time.
    """
    if run.device.type == "cpu":
        return
    items = heaviest(run.train, run.plan.batch_size, progress.capacity * run.world.size)
    torch.manual_seed(run.settings.seed)
    step.gradients_in_memory(run, masters, progress, items, sum(item.weight for item in items))
    masters.drop_gradients()
    tokens = min(progress.capacity, sum(item.length for item in items))
    said = f"Rehearsed a step of the {len(items)} longest examples, passes of up to {tokens} tokens"
    if run.device.type == "cuda":
        allocated = torch.cuda.max_memory_allocated(run.device) / 1e9
        reserved = torch.cuda.max_memory_reserved(run.device) / 1e9
        said += (
            f": {allocated:.2f} GB allocated, {reserved:.2f} GB reserved at the peak (the optimiser adds its states)"
        )
    run.record.event(f"{said}.")


def heaviest(items: list[Item], batch: int, tokens: int) -> list[Item]:
    """Return the longest examples that a step could hold, as many as fill one pass of ``tokens``."""
    chosen: list[Item] = []
    for item in sorted(items, key=lambda item: -item.length)[:batch]:
        if chosen and sum(one.length for one in chosen) + item.length > tokens:
            break
        chosen.append(item)
    return chosen
