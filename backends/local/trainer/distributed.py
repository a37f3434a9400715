"""The processes that train one run together: one on its own, or the ranks that torchrun or Ray Train started."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from threading import Thread
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

if TYPE_CHECKING:
    from torch import Tensor

PATIENCE = timedelta(minutes=10)  # a collective that takes longer has lost a rank
_LARGE = 1 << 24  # numbers; a copy of every gradient to send them together would need as much memory again


@dataclass(frozen=True, slots=True)
class World:
    """Which of how many processes this is."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all ranks: large ones where they lie, the others in one message."""
        if self.size == 1:
            return
        small = []
        for tensor in tensors:
            if tensor.numel() > _LARGE and tensor.is_contiguous():
                dist.all_reduce(tensor)
            else:
                small.append(tensor)
        flat = torch.cat([tensor.reshape(-1) for tensor in small])
        dist.all_reduce(flat)
        for tensor, part in zip(small, flat.split([tensor.numel() for tensor in small]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def any(self, flag: bool, device: torch.device) -> bool:
        """Tell whether the flag is up on any rank: all ranks get the same answer."""
        if self.size == 1:
            return flag
        count = torch.tensor(float(flag), device=device)
        dist.all_reduce(count)
        return bool(count.item() > 0)

    def wait(self) -> None:
        """Wait until every rank is here."""
        if self.size > 1:
            dist.barrier()

    def gather(self, text: str) -> list[str]:
        """Return what each rank says, in the order of ranks."""
        said = [text] * self.size
        if self.size > 1:
            dist.all_gather_object(said, text)
        return said

    def device(self, asked: torch.device) -> torch.device:
        """Return the device of this rank: a GPU of its own where the ranks met over GPUs, else the processor.

        Raises ValueError where a GPU was wanted and there is not one for each rank.
        """
        if self.size == 1 or asked.type == "cpu":
            return asked
        if "nccl" in dist.get_backend():  # who met over it has chosen this rank's GPU
            return torch.device("cuda", torch.cuda.current_device())
        if asked.type == "cuda":
            raise ValueError(
                f"{self.size} workers need a GPU each, and this machine has {torch.cuda.device_count()}; use fewer "
                "workers, or device=cpu."
            )
        return torch.device("cpu")  # Apple's GPU has no means to meet others

    def leave(self) -> None:
        """Take leave of the other ranks."""
        if self.size > 1:
            dist.destroy_process_group()


def join(device: str | None = None) -> World:
    """Read torchrun's variables and meet the other ranks, on the ``device`` asked for; alone when there are none."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return World()
    # torchrun gives each rank a session of its own, where no signal to torchrun's group reaches it.
    Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    cuda = device in (None, "cuda") and torch.cuda.is_available() and torch.cuda.device_count() >= size
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if cuda else "gloo", timeout=PATIENCE)
    return World(int(os.environ["RANK"]), size)


def _end_with(parent: int) -> None:
    """End this process when its parent is gone, even while it waits for a rank that hangs."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
