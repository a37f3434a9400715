"""How long training takes: arithmetic over utilisation, plus reading the weights, plus a fixed cost per step."""

from __future__ import annotations

from typing import NamedTuple

from advisor.hardware.gpus import Gpu
from advisor.hardware.memory import Setup, lora_params, weight_bytes
from advisor.hardware.models import Architecture
from advisor.hardware.training_stacks import TUNEWISE
from backends import DEFAULT_LORA_RANK, Method


class Band(NamedTuple):
    """A low, a likely and a high value of one quantity."""

    low: float
    mid: float
    high: float


# Share of the dense 16-bit peak that training reaches, by kind of batch and class of card: median and range of the
# published measurements (docs/concepts/memory.md). "plain": short, unpacked batches through transformers as it comes;
# "packed": full, packed steps through fused kernels.
_PLAIN = {
    "turing": Band(0.05, 0.14, 0.28),
    "workstation": Band(0.20, 0.37, 0.60),
    "ampere": Band(0.25, 0.55, 0.75),
    "hopper": Band(0.18, 0.37, 0.55),
}
_PACKED = {
    "turing": _PLAIN["turing"],
    "workstation": Band(0.40, 0.62, 0.80),
    "ampere": Band(0.50, 0.65, 0.76),
    "hopper": Band(0.29, 0.46, 0.62),
}
# Unpacking a 4-bit base for every short batch slows plain stacks; packed ones showed no such cost.
_KBIT_PLAIN = 0.8
# Plain fp32 arithmetic, without tensor cores, runs closer to its (much lower) peak. Not measured here.
_FP32 = Band(0.30, 0.50, 0.75)
# Of a processor's round figure. Our trainer took 113 tokens a second of one core's time on a 135M model (fp32, 0.51 of
# it) and 1,691 on one of 5.4M (0.36); older cores reach less, newer ones more, and others may be using them.
_CPU = Band(0.15, 0.40, 0.80)
# The fixed part of a step is half to three times what is usual: launches, data loading, the host.
_STEP_SPREAD = (0.5, 1.0, 3.0)
# A weight is read three times a step (forward, recomputation or optimiser, backward) at this share of the bandwidth.
_READS = 3 / 0.37


def flops_per_token(
    arch: Architecture, method: Method, seq: int, *, rank: int = DEFAULT_LORA_RANK, checkpointing: bool = False
) -> float:
    """Return the floating-point operations that training one token takes.

    A forward pass is 2 per linear parameter plus causal attention; full fine-tuning costs three forwards, LoRA two
    (no weight gradients of the base) plus three of the adapter; checkpointing one more.
    """
    forward = 2.0 * arch.active_linear_params + 2.0 * seq * arch.query_width * arch.layers
    passes = 3 if method is Method.FULL else 2
    adapter = 0.0 if method is Method.FULL else 6.0 * _active_lora(arch, rank)
    return forward * (passes + checkpointing) + adapter


def step_seconds(arch: Architecture, setup: Setup, card: Gpu) -> Band | None:
    """Return the seconds of one micro-step (low, mid, high); None where the GPU's speed is not known."""
    peak_tflops = card.peak_tflops if setup.width == 2 or card.fp32_tflops is None else card.fp32_tflops
    if peak_tflops is None:
        return None
    flops = setup.tokens * flops_per_token(
        arch, setup.method, setup.seq, rank=setup.rank, checkpointing=setup.checkpointing
    )
    reading = 0.0
    if card.bandwidth_gbs is not None:
        reading = _READS * weight_bytes(arch, setup) / setup.shards / (card.bandwidth_gbs * 1e9)
    fixed = (setup.stack.step_s * factor for factor in _STEP_SPREAD)
    shares = reversed(utilisation(setup, card))
    pairs = zip(fixed, shares, strict=True)
    return Band(*(flops / (peak_tflops * 1e12 * share) + reading + seconds for seconds, share in pairs))


def utilisation(setup: Setup, card: Gpu) -> Band:
    """Return the share of the card's peak that this kind of step reaches.

    Our own trainer packs but has no published run: from the middle of plain batches to the best of packed ones.
    """
    if card.name == "cpu":
        return _CPU
    if setup.width == 4 and card.fp32_tflops is not None:
        return _FP32
    kind = _class(card)
    if setup.stack.name == TUNEWISE.name:
        low, high = _PLAIN[kind].mid * _KBIT_PLAIN, _PACKED[kind].high
        return Band(low, 0.5 * (low + _PACKED[kind].mid), high)
    if setup.stack.packed:
        return _PACKED[kind]
    return Band(*(share * (_KBIT_PLAIN if setup.kbit else 1.0) for share in _PLAIN[kind]))


def width(card: Gpu, arch: Architecture) -> float:
    """Return the bytes of a base weight on this card: 2 where it computes in bf16, else 4.

    On a processor a model that is published in fp32 stays so.
    """
    return 2.0 if card.bf16 and not (card.name == "cpu" and arch.fp32) else 4.0


def _class(card: Gpu) -> str:
    if card.arch in ("Turing", "Volta"):
        return "turing"
    if card.name.startswith("rtx"):
        return "workstation"
    return "ampere" if card.arch in ("Ampere", "Ada") else "hopper"


def _active_lora(arch: Architecture, rank: int) -> float:
    if not arch.experts:
        return lora_params(arch, rank)
    idle = rank * arch.layers * 3 * (arch.hidden + arch.moe_ffn) * (arch.experts - arch.experts_per_token)
    return lora_params(arch, rank) - idle
