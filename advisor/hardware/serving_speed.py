"""How many requests a second a GPU answers with a model: reading weights and cache, arithmetic, and the host's share.

The form and its constants come from published measurements (docs/concepts/serving.md); benchmarks/serving.py tries them
on rows.
"""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass
from typing import Literal, NamedTuple

from advisor.hardware.gpus import Gpu
from advisor.hardware.models import Architecture
from advisor.hardware.speed import Band

# "int8" multiplies in eight bits; "int8-weights" and "int4" only keep the weights so and unpack them.
Precision = Literal["bf16", "fp8", "int8", "int8-weights", "int4"]


class _Silicon(NamedTuple):
    """Shares of a card's peaks that serving reaches (bandwidth, arithmetic), and the fixed seconds of a step."""

    bandwidth: float
    compute: float
    step_s: float


class _Host(NamedTuple):
    """What an engine adds: seconds a sequence and step, seconds a prompt; its own figures where the card's differ."""

    sequence_s: float
    prompt_s: float
    step_s: float | None = None
    compute: float | None = None


# Fitted on 1,043 published one-GPU runs of 27 sources, each source weighing the same.
_SILICON = {
    "gddr": _Silicon(0.85, 0.69, 0.0027),
    "hbm": _Silicon(0.85, 0.64, 0.0037),
    "amd": _Silicon(0.58, 0.66, 0.010),
}
_HOSTS = {
    "vllm": _Host(24e-6, 0.0011),
    "old vllm": _Host(99e-6, 0.0011, compute=0.81),
    "tensorrt-llm": _Host(20e-6, 0.0011, 0.0018, 0.67),
    "sglang": _Host(38e-6, 0.0052, 0.0029, 0.83),
    "llama.cpp": _Host(24e-6, 0.0011, 0.0072, 0.95),
}
ENGINES = tuple(_HOSTS)
_GDDR = ("t4", "l4", "l20", "l40", "l40s", "a10", "a10g", "a40")
# What an engine takes of a card's memory, and what it needs of that beside weights and cache, in 10^9 bytes.
_USED_SHARE, _OVERHEAD_GB = 0.9, 1.8
# The most sequences vLLM answers at once unless told otherwise (max_num_seqs).
_MOST_AT_ONCE = 256
# Bytes of a weight of the linear layers; embeddings and output head stay at two. Four bits come with their scales.
_BYTES = {"bf16": 2.0, "fp8": 1.0, "int8": 1.0, "int8-weights": 1.0, "int4": 0.53}
# Unpacking weights takes part of the arithmetic: the middle of the published 4-bit and weight-only runs.
_UNPACKED = 0.75
# Layers of a hybrid model that keep a cache: one in four attends (Qwen3.5, Qwen3-Next).
_HYBRID = 0.25
# Two, four, eight cards as one are faster by this share of their number: over NVLink, over PCIe.
_NVLINK = {1: 1.0, 2: 0.82, 4: 0.83, 8: 0.67}
_PCIE = {1: 1.0, 2: 0.69, 4: 0.33, 8: 0.33}
# Four in five published runs lie within these factors of the estimate, each source weighing the same.
_RANGE = (0.6, 1.0, 1.4)
# Seconds a token of an answer may take where nobody named a limit: as fast as people read.
_READING_S = 0.05
# Of a hundred answers at a steady load five take longer than this many times the mean. Our own choice.
_TAIL = 1.5


class Capacity(NamedTuple):
    """One replica within its latency: requests in work at once, answered a second, and seconds of the slow answers.

    ``answer_s`` is what 95 of 100 answers take at most.
    """

    at_once: int
    requests_per_s: Band
    answer_s: float


@dataclass(frozen=True, slots=True)
class Serving:
    """A model on ``cards`` of one kind, and how its weights are kept; ``cache_bytes`` are those of a cached number."""

    arch: Architecture
    card: Gpu
    precision: Precision = "bf16"
    cards: int = 1
    engine: str = "vllm"
    cache_bytes: float = 2.0

    @property
    def weights_gb(self) -> float:
        linear = self.arch.params - self.arch.embedding_params
        return (linear * _BYTES[self.precision] + self.arch.embedding_params * 2.0) / 1e9

    def at_once(self, prompt: float, output: float) -> int:
        """Return how many requests of that many tokens are answered at once at most; 0 where not one fits."""
        free = self.cards * (_USED_SHARE * self.card.memory_gb - _OVERHEAD_GB) - self.weights_gb
        held = self._cache_bytes_per_token * (prompt + output / 2)
        return max(0, min(_MOST_AT_ONCE, int(free * 1e9 / held))) if held else _MOST_AT_ONCE

    def token_seconds(self, at_once: float, prompt: float, output: float) -> float:
        """Return the mean seconds between two tokens of an answer, the prompts read in between included."""
        step = self._step_seconds(at_once, prompt + output / 2)
        return step + at_once * self._prompt_seconds(prompt) / max(1.0, output)

    def answer_seconds(self, at_once: float, prompt: float, output: float) -> float:
        """Return the mean seconds from a request to the end of its answer, without waiting for a place."""
        return self._prompt_seconds(prompt) + output * self.token_seconds(at_once, prompt, output)

    def requests_per_s(self, at_once: float, prompt: float, output: float) -> float:
        """Return the requests answered a second while ``at_once`` are in work."""
        return at_once / (max(1.0, output) * self.token_seconds(at_once, prompt, output))

    def _step_seconds(self, at_once: float, cached: float) -> float:
        """Return the seconds in which each of ``at_once`` answers grows by a token, ``cached`` tokens before it."""
        silicon, host = _SILICON[self._class], _HOSTS[self.engine]
        read = self._read_bytes(at_once) + at_once * self._cache_bytes_per_token * cached
        reading = read / ((self.card.bandwidth_gbs or 0.0) * 1e9 * silicon.bandwidth * self._speedup)
        fixed = silicon.step_s if host.step_s is None else host.step_s
        return reading + self._operations_of(at_once) / self._operations_per_s + fixed + at_once * host.sequence_s

    def _prompt_seconds(self, prompt: float) -> float:
        attention = 2.0 * self.arch.query_width * self.arch.layers * prompt * prompt
        return (self._operations_of(prompt) + attention) / self._operations_per_s + _HOSTS[self.engine].prompt_s

    def _operations_of(self, tokens: float) -> float:
        return 2.0 * self.arch.active_linear_params * tokens

    def _read_bytes(self, at_once: float) -> float:
        """Return the bytes of weights read in a step: of the experts those that some sequence calls."""
        looked_up = 0 if self.arch.tied else 2.0 * self.arch.vocab * self.arch.hidden
        idle = 0.0
        if self.arch.experts:
            uncalled = (1 - self.arch.experts_per_token / self.arch.experts) ** at_once
            idle = uncalled * self.arch.expert_params * _BYTES[self.precision]
        return self.weights_gb * 1e9 - looked_up - idle

    @property
    def _cache_bytes_per_token(self) -> float:
        layers = self.arch.layers * (_HYBRID if self.arch.hybrid else 1.0)
        return 2 * self.arch.kv_width * layers * self.cache_bytes

    @property
    def _operations_per_s(self) -> float:
        """Return the arithmetic reached; eight bits count twice where the card multiplies them."""
        compute = _HOSTS[self.engine].compute or _SILICON[self._class].compute
        eight = ("Volta",) if self.precision == "int8" else ("Volta", "Turing", "Ampere")
        if self.precision in ("int8", "fp8") and self.card.arch not in eight:
            compute *= 2
        elif self.precision in ("int8-weights", "int4"):
            compute *= _UNPACKED
        return (self.card.peak_tflops or 0.0) * 1e12 * compute * self._speedup

    @property
    def _class(self) -> str:
        if self.card.arch.startswith("CDNA"):
            return "amd"
        return "gddr" if self.card.name in _GDDR or self.card.name.startswith(("rtx", "arc", "apple")) else "hbm"

    @property
    def _speedup(self) -> float:
        """How many times one card the cards are together."""
        shares = _PCIE if self._class == "gddr" else _NVLINK
        return self.cards * shares.get(self.cards, shares[8])


def capacity(serving: Serving, prompt: float, output: float, *, answer_s: float | None = None) -> Capacity | None:
    """Return what one replica answers within the latency; None where the model does not fit or a speed is not known.

    ``answer_s`` is what 95 of 100 answers may take; None: a token in 50 ms on average. Where not even a request alone
    keeps that, the capacity is that of one at a time, and its own ``answer_s`` says how long it takes.
    """
    if not serving.card.peak_tflops or not serving.card.bandwidth_gbs:
        return None
    most = serving.at_once(prompt, output)
    if not most:
        return None

    def in_time(many: int) -> bool:
        if answer_s is None:
            return serving.token_seconds(many, prompt, output) <= _READING_S
        return _TAIL * serving.answer_seconds(many, prompt, output) <= answer_s

    many = max(1, bisect(range(1, most + 1), False, key=lambda count: not in_time(count)))  # more are never faster
    likely = serving.requests_per_s(many, prompt, output)
    band = Band(*(likely * factor for factor in _RANGE))
    return Capacity(many, band, _TAIL * serving.answer_seconds(many, prompt, output))


def placed(arch: Architecture, card: Gpu, tokens: float, *, owned: int | None = None) -> Serving | None:
    """Return the model on as many cards as hold it and a request of ``tokens``; None where no number does.

    In 16 bits on up to eight cards. Of cards that are ``owned`` there are only so many; in four bits where they do not
    hold sixteen.
    """
    numbers = [number for number in _NVLINK if owned is None or number <= owned]
    precisions: tuple[Precision, ...] = ("bf16",) if owned is None else ("bf16", "int4")
    ways = (Serving(arch, card, precision, number) for precision in precisions for number in numbers)
    return next((way for way in ways if way.at_once(tokens, 0)), None)
