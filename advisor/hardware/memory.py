"""How much GPU memory one training step takes, term by term, and which moment of the step is the peak."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from advisor.hardware.models import Architecture
from advisor.hardware.training_stacks import TUNEWISE, Stack
from backends import DEFAULT_LORA_RANK, Method
from backends.local.training_memory import ALL_LINEAR, kept_per_token, merged_bytes

Optimizer = Literal["adamw", "adamw_8bit", "paged_adamw_8bit"]

# Bytes per weight of a quantised linear: 4-bit codes and one 4-byte scale per 64 weights; with double quantisation
# 8-bit scales and one 4-byte scale per 256 of them (QLoRA, arXiv 2305.14314, section 3).
NF4 = 0.5 + 4 / 64
NF4_DOUBLE = 0.5 + 1 / 64 + 4 / (64 * 256)

# Bytes per head and pair of positions of eager attention: alive in one layer's backward pass, kept per layer without
# checkpointing.
_EAGER_KEPT = 6.0
_EAGER_KBIT = 1.22
# Share of the layer inputs that stays on the GPU when they are moved to the host.
_NOT_OFFLOADED = 0.15
# Bytes per logit of a loss that is computed in chunks over logits kept in 16 bits.
_CHUNKED = 1.5


@dataclass(frozen=True, slots=True)
class Setup:
    """One training step: ``micro_batch`` sequences of ``seq`` tokens through one GPU.

    ``width`` is the bytes of a base weight and hidden state, ``quantised`` those of a decoder linear's weight when
    the base is held in few bits.
    ``checkpointing`` recomputes each layer in the backward pass; ``step_in_backward`` updates each weight as soon as
    its gradient is there; ``eager`` attention keeps the score matrix;
    ``loss`` fused never makes the logits; ``offload`` moves the layers' inputs to the host;
    ``accumulates``: gradients of earlier micro-steps are there during the forward pass;
    ``saved_per_token``: bytes that all layers save for one token, where the real model was measured;
    ``train_embeddings`` trains embedding and head beside the adapters; ``shards`` GPUs share weights and states;
    ``supervised`` is the share of tokens that are learned, whose logits alone our trainer makes.
    """

    method: Method
    rank: int = DEFAULT_LORA_RANK
    seq: int = 2048
    micro_batch: int = 1
    checkpointing: bool = True
    targets: frozenset[str] = ALL_LINEAR
    width: float = 2.0
    quantised: float = NF4_DOUBLE
    optimizer: Optimizer = "adamw"
    step_in_backward: bool = False
    eager: bool = False
    loss: Literal["whole", "chunked", "fused"] = "whole"
    offload: bool = False
    train_embeddings: bool = False
    accumulates: bool = True
    saved_per_token: float | None = None
    shards: int = 1
    supervised: float = 1.0
    stack: Stack = TUNEWISE

    @property
    def tokens(self) -> int:
        return self.seq * self.micro_batch

    @property
    def kbit(self) -> bool:
        return self.method is Method.QLORA

    @property
    def stream(self) -> float:
        """Bytes of one hidden-state element between layers."""
        return 4.0 if self.kbit and self.stack.kbit_fp32 else self.width

    @property
    def adapter(self) -> float:
        """Bytes of one adapter weight."""
        return max(self.stack.adapter, self.width)


@dataclass(frozen=True, slots=True)
class Memory:
    """The peak of one step in GB (10^9 bytes): ``terms`` are alive together and add up to ``reserved_gb``."""

    terms: Mapping[str, float]
    peak_term: str
    allocated_gb: float
    reserved_gb: float


def lora_params(arch: Architecture, rank: int, targets: frozenset[str] = ALL_LINEAR) -> int:
    """Return the parameters of a LoRA of ``rank`` on ``targets``: rank x (inputs + outputs) of each linear."""
    h, q, kv = arch.hidden, arch.query_width, arch.kv_width
    f, copies = (arch.moe_ffn, arch.experts) if arch.experts else (arch.ffn, 1)
    widths = {"q": h + q, "k": h + kv, "v": h + kv, "o": q + h}
    widths |= {"up": (h + f) * copies, "down": (f + h) * copies}
    if arch.mlp == "gated":
        widths["gate"] = (h + f) * copies
    return rank * arch.layers * sum(width for name, width in widths.items() if name in targets)


def peak(arch: Architecture, setup: Setup) -> Memory:
    """Return the peak memory of a steady training step (the optimiser's states exist)."""
    stack = setup.stack
    trained = trained_params(arch, setup)
    weights = weight_bytes(arch, setup)
    whole = weights if stack.loads_whole and setup.shards > 1 else 0.0
    held = {
        "weights": weights / setup.shards + whole,
        "training states": _state_bytes(arch, setup) / setup.shards,
    }
    gradients = {"gradients": _gradient_bytes(arch, setup) / setup.shards}
    if setup.shards > 1:  # the layer that computes and the next one; embedding and head stay gathered all the step
        held["gathered layers"] = setup.width * (2 * arch.linear_params / arch.layers + arch.embedding_params)
    layer = layer_activations(arch, setup)
    if setup.saved_per_token is not None:
        layer = setup.saved_per_token * setup.width / 2 * setup.tokens / arch.layers
    layer *= stack.layer_kbit if setup.kbit else stack.layer
    boundary = setup.stream * arch.hidden * arch.layers * setup.tokens * (_NOT_OFFLOADED if setup.offload else 1.0)
    merged = merged_bytes(
        arch.layer,
        width=setup.width,
        full=setup.method is Method.FULL or not stack.stacks_experts,
        targets=setup.targets,
    )
    kept, live = (boundary, layer + 2 * merged) if setup.checkpointing else ((layer + merged) * arch.layers, merged)
    scores = arch.heads * setup.seq * setup.tokens if setup.eager else 0.0
    if setup.checkpointing:
        live += stack.eager * (_EAGER_KBIT if setup.kbit else 1.0) * scores
    else:
        kept += _EAGER_KEPT * scores * arch.layers
    moments = {
        "logits": (gradients if setup.accumulates else {}) | {"activations": kept, "logits": _logits(arch, setup)},
        "layer": (gradients if setup.accumulates or setup.checkpointing else {}) | {"activations": kept, "layer": live},
        "optimizer step": gradients | {"optimizer step": stack.step * trained / setup.shards},
    }
    name = max(moments, key=lambda key: sum(moments[key].values()))
    terms = {key: value / 1e9 for key, value in {**held, **moments[name]}.items()}
    allocated = sum(terms.values())
    reserved = allocated * stack.reserve + stack.fixed_gb
    return Memory({**terms, "fragmentation": reserved - allocated}, _largest(terms, name), allocated, reserved)


def layer_activations(arch: Architecture, setup: Setup) -> float:
    """Return the bytes that one layer saves for its backward pass, as our trainer counts them too."""
    full = setup.method is Method.FULL
    kept = kept_per_token(arch.layer, width=setup.stream, adapter=setup.adapter, full=full, targets=setup.targets)
    return kept * setup.tokens


def trained_params(arch: Architecture, setup: Setup) -> float:
    """Return how many parameters are trained."""
    if setup.method is Method.FULL:
        return arch.params
    return lora_params(arch, setup.rank, setup.targets) + (
        2 * arch.vocab * arch.hidden if setup.train_embeddings else 0
    )


def weight_bytes(arch: Architecture, setup: Setup) -> float:
    """Return the bytes of the base model's weights as they are held."""
    params = arch.params + (arch.vocab * arch.hidden if setup.stack.unties and arch.tied else 0)
    if not setup.kbit:
        return setup.width * params
    few = arch.linear_params + (arch.vocab * arch.hidden if setup.stack.head_kbit else 0)
    if setup.stack.stacks_experts:
        few -= arch.layer.stacked * arch.layers
    return setup.quantised * few + setup.stream * (params - few)


def _state_bytes(arch: Architecture, setup: Setup) -> float:
    """Bytes of the adapters' weights, and of fp32 master copies and moments of all that is trained."""
    full = setup.method is Method.FULL
    own = setup.width if full else setup.adapter
    master = 4.0 if setup.stack.master and own < 4 else 0.0
    moments = {"adamw": 2 * max(own, master), "adamw_8bit": 2.0, "paged_adamw_8bit": 0.0}[setup.optimizer]
    return ((0.0 if full else own) + master + moments) * trained_params(arch, setup)


def _gradient_bytes(arch: Architecture, setup: Setup) -> float:
    """Bytes of the gradients: all of them, or only the largest (the embedding's) where each is used as it appears."""
    own = setup.width if setup.method is Method.FULL else setup.adapter
    return own * (arch.vocab * arch.hidden if setup.step_in_backward else trained_params(arch, setup))


def _logits(arch: Architecture, setup: Setup) -> float:
    if setup.loss == "fused":
        return 0.0
    numbers = arch.vocab * setup.tokens * setup.supervised
    if setup.loss == "chunked":
        return _CHUNKED * numbers
    if setup.stack.loss_numbers is not None:
        numbers = min(numbers, setup.stack.loss_numbers)
    return (setup.stack.logits_kbit if setup.kbit else setup.stack.logits) * numbers


def _largest(terms: Mapping[str, float], moment: str) -> str:
    """Name what dominates the peak: the moment's own term, or what is held throughout when that is larger."""
    return moment if terms.get(moment, 0.0) >= max(terms.values()) else max(terms, key=lambda key: terms[key])
