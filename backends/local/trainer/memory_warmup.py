"""The heaviest pass of the run, taken once before the first step: memory that does not suffice shows now, not later."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from backends.local.trainer import model as models
from backends.local.trainer import step
from backends.local.trainer.data import Item
from backends.local.trainer.optimizer import Masters
from backends.local.trainer.state import Progress, Run


def rehearse(run: Run, masters: Masters, progress: Progress) -> None:
    """Compute the gradients of the longest examples and forget them; running out of memory makes the passes smaller.

    Says the memory that the sums predicted beside what the pass took. A processor has no such limit to find: there the
    step would only cost time.
    """
    if run.device.type == "cpu":
        return
    places = heaviest(run.train, run.plan.batch_size, progress.capacity * run.world.size)
    items = [run.train[place] for place in places]
    torch.manual_seed(run.settings.seed)
    try:
        held = masters.moments_to_come()  # from the second step on they are there beside the activations
    except RuntimeError as error:
        if not models.out_of_memory(error):
            raise
        raise models.ModelRefused(
            "The optimiser's states do not fit beside the model. Use lora or qlora, or split it: workers, shard=fsdp."
        ) from error
    step.gradients_in_memory(run, masters, progress, places, sum(item.weight for item in items))
    masters.drop_gradients()
    del held
    tokens = min(progress.capacity, sum(item.length for item in items))
    said = f"Rehearsed a step of the {len(items)} longest examples, passes of up to {tokens} tokens"
    if run.device.type == "cuda":
        allocated = torch.cuda.max_memory_allocated(run.device) / 1e9
        reserved = torch.cuda.max_memory_reserved(run.device) / 1e9
        said += (
            f": {allocated:.2f} GB allocated, {reserved:.2f} GB reserved at the peak (the optimiser's states among it)"
        )
    run.record.event(f"{said}.")


def heaviest(items: Sequence[Item], batch: int, tokens: int) -> list[int]:
    """Return the places of the longest examples that a step could hold, as many as fill one pass of ``tokens``."""
    chosen, filled = list[int](), 0
    for place in sorted(range(len(items)), key=lambda place: -items[place].length)[:batch]:
        if chosen and filled + items[place].length > tokens:
            break
        chosen.append(place)
        filled += items[place].length
    return chosen
