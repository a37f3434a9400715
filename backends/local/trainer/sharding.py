"""FSDP2: weights, gradients and optimiser state split over the workers, for what one GPU cannot hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


def shard(model: PreTrainedModel, device: torch.device) -> None:
    """Split every decoder layer, the rest of the backbone and the output head over all ranks, in place.

    Embeddings tied to the head stay whole on each rank: the head is used outside the backbone's forward pass.
    Gradients are summed, in fp32, not averaged: the loss is already divided by the step's global count of tokens.
    """
    backbone, head = model.get_decoder(), model.get_output_embeddings()
    entrance = {id(parameter) for parameter in model.get_input_embeddings().parameters()}
    tied = {parameter for parameter in head.parameters() if id(parameter) in entrance}
    for parameter in tied:
        parameter.data = parameter.data.to(device)
    mesh = dist.init_device_mesh(device.type, (dist.get_world_size(),))
    parts = [*backbone.layers, *([] if tied else [head]), backbone]
    for part in parts:
        fully_shard(part, mesh=mesh, ignored_params=tied, mp_policy=MixedPrecisionPolicy(reduce_dtype=torch.float32))
    for part in parts:
        assert isinstance(part, FSDPModule)
        part.set_gradient_divide_factor(1.0)
        part.set_force_sum_reduction_for_comms(True)  # gloo cannot scale while it reduces
    for buffer in model.buffers():
        buffer.data = buffer.data.to(device)


def fold(model: torch.nn.Module) -> None:
    """Give back what a forward pass without backward left whole, so that parameters are the split ones again."""
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def whole(tensor: Tensor) -> Tensor:
    """Return all of a tensor, of a split one in main memory and to the first rank alone; each rank must ask in turn.

    What had to be split has no room, whole, on one device.
    """
    if not isinstance(tensor, DTensor):
        return tensor
    full = tensor.full_tensor()
    return full.cpu() if dist.get_rank() == 0 else full.new_empty(0)


def take_over(into: Tensor, value: Tensor) -> None:
    """Fill a tensor, split or not, from a whole one."""
    value = value.to(into.device, into.dtype)
    if isinstance(into, DTensor):
        value = distribute_tensor(value, into.device_mesh, into.placements)
    with torch.no_grad():
        into.copy_(value)


def like(into: Tensor, value: Tensor) -> Tensor:
    """Return ``value`` split as ``into`` is, when both have one shape; an optimiser's step counter stays whole."""
    value = value.to(into.device)
    if isinstance(into, DTensor) and value.shape == into.shape:
        return distribute_tensor(value, into.device_mesh, into.placements)
    return value


def is_split(tensor: Tensor) -> bool:
    """Tell whether each rank holds only a part."""
    return isinstance(tensor, DTensor)


def total_norm(gradients: Sequence[Tensor]) -> Tensor:
    """Return the norm of all gradients together, the same on every rank."""
    split = [gradient for gradient in gradients if isinstance(gradient, DTensor)]
    if not split:
        return torch.nn.utils.get_total_norm(list(gradients))
    squares = torch.stack([gradient.to_local().float().square().sum() for gradient in split]).sum()
    dist.all_reduce(squares)
    rest = [gradient.float().square().sum() for gradient in gradients if not isinstance(gradient, DTensor)]
    return (squares + torch.stack(rest).sum() if rest else squares).sqrt()


def scale_down(gradients: Sequence[Tensor], norm: Tensor, limit: float) -> None:
    """Clip the gradients, whose norm is ``norm``, to ``limit``."""
    parts = [gradient.to_local() if isinstance(gradient, DTensor) else gradient for gradient in gradients]
    torch._foreach_mul_(parts, (limit / (norm + 1e-6)).clamp(max=1.0))
