"""The forward passes of a step: which examples share one, laid out on the device before the step needs them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from backends import Objective
from backends.local.trainer import model as models
from backends.local.trainer.data import Item
from backends.local.trainer.loss import Batch, head_calls, pack_batch, pad_batch, to_device
from backends.local.trainer.loss_mask import Encoded
from backends.local.trainer.packing import bucket, pack
from backends.local.trainer.state import Pass, Run


def prepare(run: Run, places: Sequence[int], capacity: int) -> None:
    """Lay out the training items at ``places``, on a GPU while it still computes the step before.

    The host waits once a step, for its loss; what it has laid out by then, the GPU need not wait for.
    """
    run.prepared.made_for = tuple(places), capacity
    run.prepared.passes = list(lay_out(run, [run.train[place] for place in places], capacity))


def passes_of(run: Run, places: Sequence[int], capacity: int) -> list[Pass]:
    """Return the passes of these items: those prepared, or new ones where something else was."""
    if run.prepared.made_for != (tuple(places), capacity):
        prepare(run, places, capacity)
    return run.prepared.passes


def lay_out(run: Run, items: Sequence[Item], capacity: int) -> Iterator[Pass]:
    """Yield this rank's passes over ``items``, of ``capacity`` tokens or a fair share of them.

    With a split model every rank must take as many passes as the others, and call the output head as often in each; an
    empty pass counts for nothing.
    """
    lengths = [item.length for item in items]
    if run.world.size > 1:
        capacity = min(capacity, max(max(lengths), -(-sum(lengths) // run.world.size)))
    groups = pack(lengths, capacity) if run.packed else bucket(lengths, capacity)
    if run.options.split:
        groups += [[]] * (-len(groups) % run.world.size)
    taken = [[items[place] for place in group or [0]] for group in groups]
    for place in range(run.world.rank, len(groups), run.world.size):
        together = taken[place - run.world.rank :][: run.world.size] if run.options.split else []
        calls = max((head_calls(models.causal(run.model), _supervised(each)) for each in together), default=1)
        yield pass_of(run, taken[place], counts=bool(groups[place]), calls=calls)


def _supervised(items: Sequence[Item]) -> int:
    return sum(sequence.supervised for item in items for sequence in item.sequences)


def pass_of(run: Run, items: Sequence[Item], *, counts: bool = True, calls: int = 1) -> Pass:
    """Lay out one pass over ``items``; its output head is called at least ``calls`` times."""
    batch = replace(batch_of(run, [sequence for item in items for sequence in item.sequences]), calls=calls)
    if run.spec.objective is not Objective.DPO:
        return Pass(batch, counts=counts)
    known = torch.tensor([value for item in items for value in run.reference[id(item)]])
    return Pass(batch, to_device(known, run.device), counts)


def batch_of(run: Run, sequences: Sequence[Encoded]) -> Batch:
    """Lay sequences out for one forward pass, packed or padded."""
    if run.packed:
        return pack_batch(sequences, run.device)
    return pad_batch(sequences, int(run.tokenizer.pad_token_id or 0), run.device)
