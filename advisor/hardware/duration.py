"""How many minutes a training takes, corrected by what this machine has measured."""

from __future__ import annotations

from advisor.hardware.calibration import learned
from advisor.hardware.gpus import Gpu
from advisor.hardware.gpus import gpu as find_gpu
from advisor.hardware.memory import Setup
from advisor.hardware.models import Architecture
from advisor.hardware.speed import Band, step_seconds, width
from advisor.hardware.training_stacks import TUNEWISE, Stack
from backends import DEFAULT_LORA_RANK, Method


def train_minutes(
    arch: Architecture,
    method: Method,
    gpu: Gpu | str,
    tokens: int,
    *,
    rank: int = DEFAULT_LORA_RANK,
    seq: int = 2048,
    micro_batch: int = 1,
    checkpointing: bool = False,
    stack: Stack = TUNEWISE,
) -> Band | None:
    """Return the minutes (low, mid, high) that training on ``tokens`` (all epochs) takes; None when not known.

    ``gpu`` "cpu" is this machine's processor. What runs on this machine measured corrects the estimate for that GPU.
    """
    card = find_gpu(gpu) if isinstance(gpu, str) else gpu
    if card is None:
        return None
    setup = Setup(
        method,
        rank=rank,
        seq=seq,
        micro_batch=micro_batch,
        checkpointing=checkpointing,
        width=width(card, arch),
        stack=stack,
    )
    step = step_seconds(arch, setup, card)
    if step is None:
        return None
    known = learned(card)
    if known is not None:
        step = known.seconds(step)
    return Band(*(seconds * tokens / setup.tokens / 60 for seconds in step))
