"""One run inside the trainer: what stays the same while it trains, and how far it has come."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from backends import Hyperparameters, JobSpec
from backends.local.folder import RunFolder
from backends.local.options import Options
from backends.local.trainer.data import Item
from backends.local.trainer.distributed import World
from backends.local.trainer.loss import Batch
from backends.local.trainer.packing import Plan
from backends.local.trainer.run_log import Record

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class NotFinite(Exception):
    """The loss or the gradient is not a number any more."""


class Stopped(Exception):
    """Somebody asked the run to stop."""


@dataclass(slots=True)
class Progress:
    """Where the run stands; what a checkpoint must hold beside weights and optimiser."""

    capacity: int  # tokens of one forward pass
    recomputes: bool = False  # activations are recomputed in the backward pass
    step: int = 0  # steps done
    tokens: int = 0  # real tokens seen, context included
    supervised: int = 0
    seconds: float = 0.0
    best_loss: float = math.inf
    best_step: int = 0
    worse: int = 0  # evaluations since the best one


@dataclass(frozen=True, slots=True)
class Pass:
    """One forward pass; ``reference`` is DPO's, and a pass that does not count only keeps ranks in step."""

    batch: Batch
    reference: torch.Tensor | None = None
    counts: bool = True


@dataclass(slots=True)
class Prepared:
    """The passes of the step to come, and the items and capacity (tokens) they were made for."""

    made_for: tuple[tuple[int, ...], int] | None = None
    passes: list[Pass] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Run:
    """Everything that does not change while training."""

    spec: JobSpec
    settings: Hyperparameters
    options: Options
    folder: RunFolder
    record: Record
    world: World
    model: PreTrainedModel | PeftModel
    tokenizer: PreTrainedTokenizerBase
    device: torch.device
    own_attention: str  # the model's implementation when it does not pack
    packed: bool
    train: list[Item]
    valid: list[Item]
    plan: Plan
    prepared: Prepared = field(default_factory=Prepared)
    # DPO: id of an item -> log-probabilities of both answers under the model as it came
    reference: dict[int, tuple[float, float]] = field(default_factory=dict)
