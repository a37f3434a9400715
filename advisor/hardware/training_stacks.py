"""What each training program does with memory: what is known of its code, and the few constants that were measured."""

from __future__ import annotations

from dataclasses import dataclass

from backends.local import training_memory as ours


@dataclass(frozen=True, slots=True)
class Stack:
    """One training program, seen from memory.

    Known from its code:
    ``adapter``: bytes of an adapter weight (4: PEFT's default, which casts and keeps the input of each adapter).
    ``master``: the optimiser keeps an fp32 copy of 16-bit weights.
    ``step``: temporary bytes per trained parameter while the optimiser runs (0: fused).
    ``kbit_fp32``: a 4-bit base makes embeddings, norms and hidden states fp32 (PEFT's preparation for k-bit training).
    ``head_kbit``: the output head is quantised with the other linears.
    ``unties``: embedding and output head are two matrices even where the model shares them.
    ``loads_whole``: several GPUs each load the whole model before they share it out.
    ``loss_numbers``: the loss makes at most this many logits at a time; None: all of them.
    ``stacks_experts``: a mixture's experts are tensors of all of them and no linear layers: a 4-bit base leaves them
    in 16 bits, and adapters are added to a copy of them in each pass.
    ``packed``: steps are full of tokens and run through fused kernels.

    Measured, docs/concepts/memory.md says on what:
    ``logits``, ``logits_kbit``: bytes per logit alive at the loss, over a 16-bit and a 4-bit base.
    ``layer``, ``layer_kbit``: a layer's activations over what counting its operations gives.
    ``eager``: bytes per head and pair of positions that eager attention has alive in one layer's backward pass.
    ``reserve``: memory reserved by the caching allocator over memory allocated.
    ``step_s``: seconds a micro-step costs beside arithmetic and reading.
    ``margin``: the factor that a peak is multiplied by before we say that it fits: this program's own scatter.
    ``fixed_gb``: what the program's own figure holds beside tensors (context, buffers), in 10^9 bytes.
    """

    name: str
    adapter: float = 2.0
    master: bool = False
    step: float = 0.0
    kbit_fp32: bool = False
    head_kbit: bool = False
    unties: bool = False
    loads_whole: bool = False
    loss_numbers: int | None = None
    stacks_experts: bool = False
    packed: bool = False
    logits: float = 14.0
    logits_kbit: float = 14.0
    layer: float = 1.0
    layer_kbit: float = 1.3
    eager: float = 22.0
    reserve: float = 1.05
    fixed_gb: float = 0.0
    step_s: float = 0.11
    margin: float = 1.10


# transformers with PEFT: 16-bit logits, their fp32 copy, log-softmax and gradient are 2 + 4 + 4 + 4 bytes.
HF = Stack("hf", adapter=4.0, step=2.0, kbit_fp32=True, logits_kbit=17.0, layer=0.95, layer_kbit=1.35)
# transformers and PEFT before 4.45 and 0.12: shifted copies of the logits, adapters in the precision of the base.
HF_EARLY = Stack("hf-early", step=2.0, logits=27.0, logits_kbit=36.0, layer_kbit=1.2, fixed_gb=1.1, margin=1.2)
# The first Qwen's own model code and fine-tuning scripts; the fixed part is in the figure they print, not in tensors.
QWEN = Stack("qwen", step=2.0, logits=11.5, logits_kbit=11.5, reserve=1.06, fixed_gb=1.9, margin=1.11)
DEEPSPEED = Stack(
    "deepspeed", master=True, step=6.0, logits=11.0, logits_kbit=8.0, reserve=1.06, fixed_gb=2.0, margin=1.08
)
LITGPT = Stack(
    "litgpt", head_kbit=True, unties=True, loads_whole=True, packed=True,
    logits=8.5, logits_kbit=12.0, layer=1.2, layer_kbit=1.9, reserve=1.01, fixed_gb=0.2, step_s=0.03, margin=1.06,
)  # fmt: skip
TORCHTUNE = Stack(
    "torchtune",
    packed=True,
    logits=10.5,
    logits_kbit=12.0,
    layer=0.9,
    layer_kbit=1.1,
    reserve=1.06,
    step_s=0.03,
    margin=1.12,
)
# Its own backward passes keep less than autograd would.
UNSLOTH = Stack(
    "unsloth", adapter=4.0, packed=True,
    logits=1.0, logits_kbit=1.0, layer=0.6, layer_kbit=0.6, reserve=1.1, step_s=0.03,
)  # fmt: skip
FSDP_QLORA = Stack("fsdp-qlora", adapter=4.0, step=2.0, packed=True, step_s=0.03)
# Our own trainer: at most 2^26 logits at a time, adapters in the precision of the base, fp32 master copies, and the
# gradients in fp32 (2 bytes more) while the optimiser runs. Its constants are those it decides by itself.
TUNEWISE = Stack(
    "tunewise", master=True, step=ours.STEP, loss_numbers=ours.LOGITS_AT_ONCE, stacks_experts=True, packed=True,
    logits=ours.LOGIT_BYTES, logits_kbit=ours.LOGIT_BYTES, layer=ours.LAYER, layer_kbit=ours.LAYER_KBIT,
    reserve=ours.RESERVE, step_s=0.05, margin=ours.MARGIN,
)  # fmt: skip

STACKS = {
    stack.name: stack for stack in (TUNEWISE, HF, HF_EARLY, QWEN, DEEPSPEED, LITGPT, TORCHTUNE, UNSLOTH, FSDP_QLORA)
}
