"""What a training step of our trainer keeps in memory: it decides by these sums, the estimator predicts by them.

All sizes are in elements of one decoder layer, all results in bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ALL_LINEAR = frozenset({"q", "k", "v", "o", "gate", "up", "down"})

LOGITS_AT_ONCE = 1 << 26  # numbers in one chunk of logits; a larger vocabulary times supervised tokens is cut up
MOST_TOKENS = 16_384  # of one pass: larger ones gain nothing on a GPU,
MOST_CPU_TOKENS = 512  # and these nothing on a processor: 2.3 times less memory than 2,048, and no slower
USABLE = 0.95  # of what a card or a machine has; the rest is taken by displays, rounding and others

# Measured on published runs of transformers with PEFT and rounded up, since our trainer has none yet
# (docs/concepts/memory.md):
# bytes per logit alive at the loss, a layer over what counting its operations gives (16-bit and 4-bit base), memory
# reserved over memory allocated, and the factor a peak is multiplied by before it counts as fitting.
LOGIT_BYTES = 16.0
LAYER, LAYER_KBIT = 1.1, 1.35
RESERVE = 1.06
MARGIN = 1.12
# Bytes per trained parameter beside its own copy in the model: the fp32 master where the model's is narrower, both
# moments, and the fp32 gradients that live while the optimiser runs.
MASTER, MOMENTS, STEP = 4.0, 8.0, 2.0

# Activations of a model most of whose layers are linear attention, over those of plain attention: 2.3 to 3.1 counted
# on Qwen3.5 (0.8B, 9B, 27B) with transformers' own kernels.
_HYBRID = 2.5
_FOUR_NORMS = ("gemma2", "gemma3", "gemma4")
_QK_NORM = ("qwen3", "gemma3", "olmo2", "apertus", "hunyuan")
_TWO_MATMUL = ("phi", "phi-msft", "gpt_neox", "gpt2", "mpt", "falcon", "starcoder2", "apertus", "arcee", "nemotron")
_LINEAR = ("qwen3_5", "qwen3_next", "granitemoehybrid", "falcon_h1", "nemotron_h", "lfm2")
_NOT_ATTENTION = ("mamba", "linear_attention", "recurrent", "conv")

# The names that transformers' configurations have for one number.
HIDDEN = ("hidden_size", "n_embd", "d_model", "hidden_dim")
HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads", "attention_heads", "decoder_attention_heads")
FFN = ("intermediate_size", "n_inner", "ffn_dim", "decoder_ffn_dim")
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
EXPERTS_PER_TOKEN = ("num_experts_per_tok", "num_experts_per_token", "top_k_experts", "moe_topk", "moe_top_k", "moe_k")
_SHARED = ("n_shared_experts", "num_shared_experts", "moe_num_shared_experts", "num_shared_expert")
_SHARED_WIDTH = ("shared_expert_intermediate_size", "moe_shared_expert_intermediate_size", "shared_intermediate_size")


def largest_pass(longest: int, *, cpu: bool, step: int | None = None) -> int:
    """Return the tokens of the largest pass that our trainer would take where memory sets no limit.

    Up to where larger ones gain nothing, the ``longest`` example at least, and no more than the ``step`` holds.
    """
    return max(longest, min(MOST_CPU_TOKENS if cpu else MOST_TOKENS, step or MOST_TOKENS))


@dataclass(frozen=True, slots=True)
class Layer:
    """One decoder layer: ``query`` and ``kv`` are heads times their size, ``ffn`` what one token passes through.

    ``norms`` are those of the layer's inputs and outputs; ``head_norms``: query and key have one too; ``experts`` that
    one token visits (0: a dense MLP), whose weights are ``stacked`` in tensors of all of them; ``hybrid``: most layers
    are not attention.
    """

    hidden: int
    query: int
    kv: int
    ffn: int
    gated: bool = True
    norms: int = 2
    head_norms: bool = False
    experts: int = 0
    stacked: int = 0
    hybrid: bool = False


def layer_of(config: Mapping[str, object]) -> Layer:
    """Read transformers' configuration keys. Raises KeyError naming the one that is missing."""
    kind = str(config.get("model_type", "")).lower()
    hidden, heads = number(config, *HIDDEN), number(config, *HEADS)
    size = number(config, "head_dim", default=hidden // heads)
    ffn = number(config, *FFN, default=4 * hidden)
    there, experts, moe_ffn = experts_of(config)
    types = config.get("layer_types")
    listed = " ".join(str(item) for item in types) if isinstance(types, list) else ""
    return Layer(
        hidden=hidden,
        query=heads * size,
        kv=number(config, "num_key_value_heads", default=heads) * size,
        ffn=experts * moe_ffn if experts else ffn,
        gated=kind not in _TWO_MATMUL,
        norms=4 if kind.startswith(_FOUR_NORMS) else 2,
        head_norms=kind.startswith(_QK_NORM),
        experts=experts,
        stacked=there * hidden * moe_ffn * (2 if kind in _TWO_MATMUL else 3),
        hybrid=kind.startswith(_LINEAR)
        or any(word in f"{kind} {listed}" for word in _NOT_ATTENTION)
        or "linear_num_key_heads" in config,
    )


def experts_of(config: Mapping[str, object]) -> tuple[int, int, int]:
    """Return the experts of a layer, those that one token visits, and an expert's inner width; zeros for a dense MLP.

    What every token visits beside those it is sent to (a shared expert) counts as so many of their width.
    """
    there = number(config, *EXPERTS, default=0)
    if there < 2:
        return 0, 0, 0
    width = number(config, "moe_intermediate_size", *FFN)
    llama4 = str(config.get("model_type", "")).startswith("llama4")
    shared = -(-number(config, *_SHARED_WIDTH, default=0) // width) or number(config, *_SHARED, default=int(llama4))
    return there + shared, number(config, *EXPERTS_PER_TOKEN, default=there) + shared, width


def number(config: Mapping[str, object], *keys: str, default: int | None = None) -> int:
    """Return the first of ``keys`` that is a whole number (of a list the largest). Raises KeyError if there is none."""
    for key in keys:
        value = config.get(key)
        if isinstance(value, list) and value:
            value = max(item for item in value if isinstance(item, int))
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    if default is None:
        raise KeyError(keys[0])
    return default


def kept_per_token(
    layer: Layer, *, width: float, adapter: float, full: bool, targets: frozenset[str] = ALL_LINEAR
) -> float:
    """Return the bytes that one layer saves of one token for its backward pass, score matrices aside.

    Counted from the operations, with w the bytes of a hidden state (``width``). A norm keeps an fp32 copy of its input
    (4h; a plain LayerNorm w x h), a trained one its unscaled output too; attention keeps q, k, v and its output
    (2q + 2kv, times w); a gated MLP keeps gate, its activation and up (3f, times w); experts keep their copies of
    input and output. Every trained linear keeps its input: once in w bytes, or, where fp32 adapters (``adapter`` bytes
    a weight) sit on a 16-bit base, in one fp32 cast for each adapter. ``advisor.hardware.meta_probe`` counts the same
    on the real model: within 1 % for Llama, Qwen and Gemma shapes.
    """
    h, q, kv, f, w = layer.hidden, layer.query, layer.kv, layer.ffn, width
    head_norms = q + kv if layer.head_norms else 0
    kept = (4.0 if layer.gated else w) * (layer.norms * h + head_norms)
    if full:
        kept += (4.0 if layer.norms > 2 else w) * (layer.norms * h + head_norms)
    kept += w * (2 * q + 2 * kv) + w * f * (3 if layer.gated else 1) + 2 * w * h * layer.experts
    targets = ALL_LINEAR if full else targets
    if full or adapter <= w:
        kept += w * (h * bool(targets & {"q", "k", "v"}) + h * bool(targets & {"gate", "up"}) + f * ("down" in targets))
    else:
        casts = h * len(targets & {"q", "k", "v", "gate", "up"}) + q * ("o" in targets) + f * ("down" in targets)
        kept += adapter * casts
    return kept * (_HYBRID if layer.hybrid else 1.0)


def pass_bytes(
    layer: Layer,
    layers: int,
    tokens: int,
    *,
    vocab: int,
    width: float,
    adapter: float,
    full: bool,
    kbit: bool,
    recompute: bool,
    targets: frozenset[str] = ALL_LINEAR,
) -> float:
    """Return the most bytes of activations and logits that one pass of ``tokens`` through our trainer has alive.

    ``recompute`` keeps each layer's input alone and computes one layer at a time again.
    """
    one = kept_per_token(layer, width=width, adapter=adapter, full=full, targets=targets) * tokens
    one *= LAYER_KBIT if kbit else LAYER
    logits = LOGIT_BYTES * min(vocab * tokens, LOGITS_AT_ONCE)
    merged = merged_bytes(layer, width=width, full=full, targets=targets)
    if not recompute:
        return (one + merged) * layers + max(merged, logits)
    return width * layer.hidden * layers * tokens + max(one + 2 * merged, logits)


def merged_bytes(layer: Layer, *, width: float, full: bool, targets: frozenset[str] = ALL_LINEAR) -> float:
    """Return the bytes of one layer's experts with their adapters added in.

    PEFT makes this copy of all of them in each pass, keeps it for the way back, and there has a gradient as large
    (0.21: counted on Qwen3-30B-A3B, where it is 1.2 GB a layer).
    """
    return 0.0 if full or not targets & {"gate", "up", "down"} else width * layer.stacked


def state_bytes(trained: int, width: float) -> tuple[float, float, float]:
    """Return what ``trained`` parameters of ``width`` bytes take beside themselves.

    The states that stay (masters and moments), the gradients, and their fp32 copies while the optimiser runs.
    """
    return ((MASTER if width < 4 else 0.0) + MOMENTS) * trained, width * trained, STEP * trained
