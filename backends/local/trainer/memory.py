"""How many tokens one forward pass may hold: by the estimator's own sums, over what the device has free."""

from __future__ import annotations

import contextlib
import ctypes
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from backends import Method
from backends.local.trainer.sharding import is_split
from backends.local.training_memory import (
    ALL_LINEAR,
    MARGIN,
    RESERVE,
    USABLE,
    largest_pass,
    layer_of,
    number,
    pass_bytes,
    state_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transformers import PreTrainedModel

_M_MMAP_THRESHOLD, _LARGE = -3, 2 << 20  # of mallopt(3); smaller tensors are faster from the heap
# Compiled kernels that oneDNN keeps. It compiles about 33 for each new number of tokens in a pass, half a megabyte
# each, and keeps 1,024 if left alone: 0.5 GB. A pass needs those of its own shape only, once for every layer.
_KERNELS = 128
_GRAIN = 256  # tokens; the size of a pass is chosen to this


@dataclass(frozen=True, slots=True)
class Needs:
    """What training takes beside the model that is already loaded: ``states``, ``gradients`` and ``update`` in bytes.

    ``update`` is what the optimiser needs while it runs, when the activations are gone.
    """

    config: Mapping[str, object]
    method: Method
    width: float
    targets: frozenset[str]
    states: float
    gradients: float
    update: float

    def of(self, tokens: int, *, recompute: bool) -> float:
        """Return the bytes allocated at the peak of a pass of ``tokens``, the model itself not counted."""
        alive = pass_bytes(
            layer_of(self.config),
            number(self.config, "num_hidden_layers", "n_layer", "n_layers"),
            tokens,
            vocab=number(self.config, "vocab_size"),
            width=self.width,
            adapter=self.width,
            full=self.method is Method.FULL,
            kbit=self.method is Method.QLORA,
            recompute=recompute,
            targets=self.targets,
        )
        return self.states + self.gradients + max(alive, self.update)


@dataclass(frozen=True, slots=True)
class Room:
    """The bytes a process may have on its device, and those it has already; None: there is no telling."""

    budget: float | None
    held: float = 0.0

    def takes(self, needs: float) -> bool:
        """Tell whether ``needs`` fit beside what is held, with the estimator's margin."""
        return self.budget is None or (self.held + needs) * RESERVE * MARGIN <= self.budget


@dataclass(frozen=True, slots=True)
class Choice:
    """Tokens of a forward pass, whether activations are recomputed, the bytes predicted at its peak, and why."""

    tokens: int
    recompute: bool
    predicted: float
    reason: str


def needs_of(model: PreTrainedModel, method: Method, trained: int, targets: str | None, shards: int = 1) -> Needs:
    """Read what the sums need from the model; ``trained`` parameters share their states over ``shards`` devices."""
    width = float(model.dtype.itemsize)
    states, gradients, update = state_bytes(trained, width)
    if shards > 1:  # the layer that computes is whole on each device, and so are the next one, embedding and head
        one = sum(parameter.numel() for parameter in model.get_decoder().layers[0].parameters())
        ends = (*model.get_input_embeddings().parameters(), *model.get_output_embeddings().parameters())
        states += width * (2 * one + sum(parameter.numel() for parameter in ends if is_split(parameter))) * shards
    return Needs(
        config=model.config.get_text_config().to_dict(),
        method=method,
        width=width,
        targets=_targets(targets),
        states=states / shards,
        gradients=gradients / shards,
        update=update / shards,
    )


def room_on(device: torch.device) -> Room:
    """Ask the device, or the machine, what there is."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        others = total - free - torch.cuda.memory_reserved(device)
        return Room(USABLE * total - others, torch.cuda.memory_allocated(device))
    if device.type == "mps":
        return Room(USABLE * torch.mps.recommended_max_memory(), torch.mps.current_allocated_memory())
    give_back()
    try:
        held, free = _bytes_in("/proc/self/status", "VmRSS:"), _bytes_in("/proc/meminfo", "MemAvailable:")
    except (OSError, StopIteration):
        return Room(None)
    return Room(held + USABLE * free, held)


def _bytes_in(file: str, name: str) -> int:
    lines = Path(file).read_text(encoding="utf-8").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


def keep_little() -> None:
    """Have a process that trains on the processor keep few kernels, and map each large tensor by itself.

    Left alone glibc takes tensors from one heap, in which those that are kept for the way back hold the room of those
    that are not: 4.7 GB were resident for 3.0 GB of tensors in a pass of 1,475 tokens of a 135M model, 3.3 so.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(_KERNELS))
    with contextlib.suppress(OSError, AttributeError):  # no glibc
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)


def give_back() -> None:
    """Give the heap's free pages back to the system, between passes.

    What one pass left behind is never quite where the next one puts its tensors, so the heap would grow with each new
    shape: from 0.72 to 1.28 GB over ten passes of up to 512 tokens of a 135M model, 0.86 to 1.09 so.
    """
    with contextlib.suppress(OSError, AttributeError):  # no glibc
        ctypes.CDLL(None).malloc_trim(0)


def choose(needs: Needs, room: Room, longest: int, *, cpu: bool, asked: int | None, recompute: bool | None) -> Choice:
    """Choose the largest pass that fits, up to where larger ones gain nothing; recompute only where it must be.

    The longest example always fits in: were it too long, the first step would say so and nothing else could.
    """
    if asked is not None:
        tokens, again = max(asked, longest), bool(recompute)
        said = f"Forward passes of up to {tokens} tokens, as asked"
    else:
        most = largest_pass(longest, cpu=cpu)
        tokens, again = longest, bool(recompute)
        for again in (False, True) if recompute is None else (recompute,):
            fitting = [
                size for size in (*range(longest, most, _GRAIN), most) if room.takes(needs.of(size, recompute=again))
            ]
            if fitting:
                tokens = fitting[-1]
                break
        said = f"Forward passes of up to {tokens} tokens"
    predicted = room.held + needs.of(tokens, recompute=again)
    words = "activations recomputed to save memory" if again else "activations kept"
    known = "" if room.budget is None else f", {room.budget / 1e9:.2f} GB are there"
    doubt = "" if room.takes(predicted - room.held) else " It may not fit: lower max_seq_length, or use qlora."
    return Choice(
        tokens, again, predicted, f"{said}, {words}: {predicted / 1e9:.2f} GB at the peak by the sums{known}.{doubt}"
    )


def _targets(names: str | None) -> frozenset[str]:
    """Return the linears that get adapters, in the sums' short names; all of them where a name is another model's."""
    if names is None:
        return ALL_LINEAR
    short = frozenset(name.strip().removesuffix("_proj") for name in names.split(","))
    return short if short <= ALL_LINEAR else ALL_LINEAR
