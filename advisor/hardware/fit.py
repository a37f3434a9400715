"""Whether a training step fits on a GPU, with what margin, and what would make it fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from advisor.hardware.calibration import Correction, learned
from advisor.hardware.gpus import Gpu
from advisor.hardware.memory import Memory, Setup, peak
from advisor.hardware.models import Architecture
from advisor.hardware.speed import Band, step_seconds, width
from advisor.hardware.training_stacks import TUNEWISE, Stack
from backends import DEFAULT_LORA_RANK, Method
from backends.local.training_memory import MOST_CPU_TOKENS, MOST_TOKENS, USABLE

Verdict = Literal["yes", "tight", "no"]

# What a process cannot have: the CUDA context and libraries.
CONTEXT_GB = 0.5
# What Python with torch, transformers, peft and a tokenizer takes of RAM before a model is loaded (0.18 of it pages of
# libraries, which others may share), and the kernels that oneDNN compiles: benchmarks/memory_cpu.py.
INTERPRETER_GB, KERNELS_GB = 0.6, 0.1
# 95 % of the published single-GPU rows lie within this factor of their estimate.
SPREAD = 1.20


@dataclass(frozen=True, slots=True)
class Fit:
    """One setup on one GPU. Memory in GB (10^9 bytes), context included; speed None where the card's is not known.

    ``breakdown`` holds what is alive at the peak and adds up to ``peak_gb``; ``peak_term`` names the largest of it
    that this moment, or else what is held throughout, is responsible for.
    """

    gpu: str
    fits: Verdict
    peak_gb: float
    peak_low_gb: float
    peak_high_gb: float
    peak_term: str
    breakdown: Mapping[str, float]
    tokens_per_s: Band | None
    micro_batch: int
    checkpointing: bool
    calibrated: bool
    advice: str


def fit(
    arch: Architecture,
    method: Method,
    gpu: Gpu,
    *,
    rank: int = DEFAULT_LORA_RANK,
    seq: int = 2048,
    micro_batch: int | None = 1,
    checkpointing: bool | None = None,
    stack: Stack = TUNEWISE,
    saved_per_token: float | None = None,
    correction: Correction | None = None,
    shards: int = 1,
    supervised: float = 1.0,
) -> Fit:
    """Say whether this training step fits on ``gpu``.

    ``checkpointing`` None: only where it is needed or lets a faster step fit. ``micro_batch`` None: the power of two
    that trains fastest among those that fit, up to 16,384 tokens a step (2,048 on a processor). ``saved_per_token`` is
    what ``exact.measure`` found; ``correction`` what runs on this very GPU say (left out: what this machine has
    measured); ``shards`` GPUs like this one share weights and states; ``supervised`` is the share of tokens learned.
    """
    correction = correction or learned(gpu)
    base = Setup(
        method, rank=rank, seq=seq, width=width(gpu, arch), stack=stack, saved_per_token=saved_per_token, shards=shards,
        supervised=supervised,
    )  # fmt: skip
    most = MOST_CPU_TOKENS if gpu.name == "cpu" else MOST_TOKENS
    sizes = [micro_batch] if micro_batch else [2**n for n in range(14, -1, -1) if 2**n * seq <= most] or [1]
    choices = [False, True] if checkpointing is None else [checkpointing]
    setups = [replace(base, micro_batch=size, checkpointing=recompute) for size in sizes for recompute in choices]
    factor = correction.memory if correction else 1.0
    for wanted in ("yes", "tight"):
        fitting = [setup for setup in setups if _verdict(arch, setup, gpu, factor) == wanted]
        if fitting:
            return _fit(arch, gpu, max(fitting, key=lambda setup: _speed(arch, setup, gpu)), correction)
    return _fit(arch, gpu, setups[-1], correction)


def _speed(arch: Architecture, setup: Setup, gpu: Gpu) -> float:
    """Tokens a second where the card's speed is known; else a full step without recomputation counts as fastest."""
    seconds = step_seconds(arch, setup, gpu)
    return setup.tokens / seconds.mid if seconds else setup.tokens * (0.7 if setup.checkpointing else 1.0)


def card_budget_gb(gpu: Gpu) -> float:
    """Return the GB that torch may reserve on ``gpu``."""
    return USABLE * gpu.memory_gb - _context(gpu)


def _verdict(arch: Architecture, setup: Setup, gpu: Gpu, factor: float) -> Verdict:
    need, budget = peak(arch, setup).reserved_gb * factor, card_budget_gb(gpu)
    if need * setup.stack.margin <= budget:
        return "yes"
    return "tight" if need <= budget else "no"


def _fit(arch: Architecture, gpu: Gpu, setup: Setup, correction: Correction | None) -> Fit:
    memory = peak(arch, setup)
    factor = correction.memory if correction else 1.0
    terms = {name: value * factor for name, value in memory.terms.items()}
    context = terms["context"] = _context(gpu)
    need = memory.reserved_gb * factor
    seconds = step_seconds(arch, setup, gpu)
    if seconds and correction:
        seconds = correction.seconds(seconds)
    verdict = _verdict(arch, setup, gpu, factor)
    return Fit(
        gpu=gpu.name,
        fits=verdict,
        peak_gb=need + context,
        peak_low_gb=need / SPREAD + context,
        peak_high_gb=need * SPREAD + context,
        peak_term=memory.peak_term,
        breakdown=terms,
        tokens_per_s=Band(*(setup.tokens / value for value in reversed(seconds))) if seconds else None,
        micro_batch=setup.micro_batch,
        checkpointing=setup.checkpointing,
        calibrated=correction is not None,
        advice=_advice(arch, gpu, setup, memory, factor, verdict),
    )


def _context(gpu: Gpu) -> float:
    return INTERPRETER_GB + KERNELS_GB if gpu.name == "cpu" else CONTEXT_GB


def _advice(arch: Architecture, gpu: Gpu, setup: Setup, memory: Memory, factor: float, verdict: Verdict) -> str:
    """Name the peak's term and the changes that lower it: those that make it fit first, the gentlest of them first."""
    term, context = memory.peak_term, _context(gpu)
    need = memory.reserved_gb * factor + context
    found = []
    for flag, other in _changes(setup):
        less = peak(arch, other).reserved_gb * factor + context
        if less < 0.95 * need:
            fits = _verdict(arch, other, gpu, factor)
            note = {"yes": "fits", "tight": "tight", "no": "still too much"}[fits]
            found.append((("yes", "tight", "no").index(fits), f"{flag} ({less:.1f} GB, {note})"))
    part = memory.terms[term] * factor
    text = f"The largest part of the peak is {term} ({part:.1f} of {need:.1f} GB)"
    if context > part:
        text = (
            f"The largest part of the peak is the process itself ({context:.1f} of {need:.1f} GB), "
            f"then {term} ({part:.1f} GB)"
        )
    ways = [way for _, way in sorted(found, key=lambda item: item[0])[: 1 if verdict == "yes" else 3]]
    if not ways:
        return f"{text}; nothing but a smaller model lowers it."
    return f"{text}; it falls with {' or '.join(ways)}."


def _changes(setup: Setup) -> list[tuple[str, Setup]]:
    """Return the flags that change the step, the gentlest first, each with the setup it leads to."""
    changes: list[tuple[str, Setup]] = []
    if not setup.checkpointing:
        changes.append(("--checkpointing", replace(setup, checkpointing=True)))
    if setup.micro_batch > 1:
        changes.append(("--micro-batch 1", replace(setup, micro_batch=1)))
    if setup.seq > 512:
        changes.append((f"--seq {setup.seq // 2}", replace(setup, seq=setup.seq // 2)))
    if setup.method is Method.FULL:
        changes.append(("--method lora", replace(setup, method=Method.LORA, saved_per_token=None)))
    if setup.method is not Method.QLORA:
        changes.append(("--method qlora", replace(setup, method=Method.QLORA, saved_per_token=None)))
    if setup.method is not Method.FULL and setup.rank > 8:
        changes.append(("--rank 8", replace(setup, rank=8)))
    return changes
