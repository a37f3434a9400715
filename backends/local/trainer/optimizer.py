"""AdamW over fp32 master copies: bf16 weights are what the model computes with, fp32 is what is learned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from backends.local.trainer.sharding import is_split, like, take_over, whole

if TYPE_CHECKING:
    from torch import Tensor


class Masters:
    """The trained parameters in fp32 and their AdamW state; parameters already in fp32 are their own masters."""

    def __init__(self, parameters: Mapping[str, Tensor], *, learning_rate: float, weight_decay: float) -> None:
        self.parameters = dict(parameters)
        self.masters = {
            name: parameter
            if parameter.dtype == torch.float32
            else parameter.detach().float().clone().requires_grad_(True)
            for name, parameter in parameters.items()
        }
        # Norms and biases are not decayed, as is usual; the fused step takes no split and whole tensors together.
        groups: dict[tuple[bool, bool], list[Tensor]] = {}
        for master in self.masters.values():
            groups.setdefault((master.ndim >= 2, is_split(master)), []).append(master)
        self._adam = torch.optim.AdamW(
            [{"params": each, "weight_decay": weight_decay if wide else 0.0} for (wide, _), each in groups.items()],
            lr=learning_rate,
            fused=True,
        )

    def gather(self) -> list[Tensor]:
        """Hand the model's gradients to the masters and return them, each of its parameter's shape."""
        gradients = []
        for name, parameter in self.parameters.items():
            master = self.masters[name]
            if parameter.grad is None:  # every rank must see the same list
                parameter.grad = torch.zeros_like(parameter)
            if master is not parameter:
                master.grad = parameter.grad.float()
                parameter.grad = None
            gradients.append(master.grad)
        return gradients

    def step(self, learning_rate: float) -> None:
        """Take one step and write the masters back into the model."""
        for group in self._adam.param_groups:
            group["lr"] = learning_rate
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)
        self._write_back()

    def moments_to_come(self) -> list[Tensor]:
        """Return tensors as large as the moments that the first step will make; none where they are there."""
        return [torch.empty_like(one) for one in self.masters.values() if not self._adam.state[one] for _ in range(2)]

    def drop_gradients(self) -> None:
        """Forget the gradients of a step that is taken again."""
        for name, parameter in self.parameters.items():
            parameter.grad = None
            self.masters[name].grad = None

    def state(self) -> dict[str, dict[str, Tensor]]:
        """Return what a checkpoint needs: the weights in fp32 and both moments, each by parameter name."""
        moments: dict[str, Tensor] = {}
        for name, master in self.masters.items():
            for key, value in self._adam.state[master].items():
                moments[f"{key}:{name}"] = whole(value)
        return {"weights": self.weights(), "optimizer": moments}

    def weights(self) -> dict[str, Tensor]:
        """Return the trained weights, whole (on the first rank) and in fp32, by parameter name."""
        return {name: whole(master.detach()) for name, master in self.masters.items()}

    def restore(self, weights: Mapping[str, Tensor], moments: Mapping[str, Tensor]) -> None:
        """Take over a checkpoint's state."""
        self.load_weights(weights)
        for key, value in moments.items():
            kind, _, name = key.partition(":")
            master = self.masters[name]
            self._adam.state[master][kind] = like(master, value)

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take over weights alone, into the masters and the model."""
        for name, master in self.masters.items():
            take_over(master, weights[name])
        self._write_back()

    def _write_back(self) -> None:
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                if self.masters[name] is not parameter:
                    parameter.copy_(self.masters[name])


def learning_rate_at(step: int, *, steps: int, warmup: int, peak: float) -> float:
    """Return the rate of step ``step`` (from 0): a linear rise over ``warmup`` steps, then a cosine to zero."""
    if step < warmup:
        return peak * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return peak * 0.5 * (1 + math.cos(math.pi * done))
