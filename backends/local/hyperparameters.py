"""The settings a run gets when nobody chose them, with the reason of each as a sentence."""

from __future__ import annotations

from dataclasses import replace

from backends import DEFAULT_LORA_RANK, Hyperparameters, Method, Objective

# LoRA's peak rate below so many parameters. 3e-4 costs at most 2.6 % against the best rate over 35 models (Tinker's
# sweep, 1B and more); Hugging Face's own recipe for SmolLM2 (135M to 1.7B) takes 1e-3, two passes and a warm-up of 0.1.
_RATES = ((5e8, 1e-3), (1.5e9, 5e-4), (float("inf"), 3e-4))
MOST_PASSES = 3
_SCRATCH_TOKENS = 400_000  # what a model made on the spot sees at most: a minute or two on two cores


def passes(examples: int) -> int:
    """Return how often a pretrained model sees its training data: more than three passes cost time, and knowledge.

    98 rows of ten labels scored the same after three passes at 1e-3 as after nine at 3e-4, and less was forgotten.
    """
    return MOST_PASSES if examples < 2_000 else 2 if examples < 20_000 else 1


def batch_of(examples: int) -> int:
    """Return how many examples a step takes where nobody says."""
    return 8 if examples < 2_000 else 16


def settle(
    asked: Hyperparameters,
    method: Method,
    objective: Objective,
    *,
    examples: int,
    tokens: int,
    context: int,
    from_scratch: bool,
    parameters: int = 0,
) -> tuple[Hyperparameters, list[str]]:
    """Fill in every setting that is None, for ``tokens`` tokens in ``examples`` examples.

    ``from_scratch``: the base has random weights, so it has nothing to forget and everything to learn. The rate follows
    from ``parameters``, those of the base.
    """
    reasons = []
    batch = asked.batch_size or batch_of(examples)
    if asked.batch_size is None:
        reasons.append(f"Batches of {batch} examples: small batches suit LoRA, and {examples} examples.")
    epochs = asked.epochs
    if epochs is None:
        epochs = max(1, min(10, _SCRATCH_TOKENS // tokens)) if from_scratch else passes(examples)
        reasons.append(f"{epochs} passes over the data: {epochs * -(-examples // batch)} steps.")
    rate = asked.learning_rate
    if rate is None:
        rate = _learning_rate(method, objective, from_scratch, parameters)
        size = f"{parameters / 1e9:.1f}B" if parameters >= 1e9 else f"{parameters / 1e6:.0f}M"
        why = (
            "a base of random weights must learn everything"
            if from_scratch
            else f"for {method} of a model of {size} parameters"
        )
        reasons.append(f"Peak learning rate {rate:g}: {why}.")
    rank = asked.lora_rank or DEFAULT_LORA_RANK
    return (
        replace(
            asked,
            epochs=epochs,
            batch_size=batch,
            learning_rate=rate,
            warmup_ratio=0.1 if asked.warmup_ratio is None else asked.warmup_ratio,
            weight_decay=0.0 if asked.weight_decay is None else asked.weight_decay,
            lora_rank=rank,
            lora_alpha=asked.lora_alpha or 2 * rank,
            lora_dropout=asked.lora_dropout or 0.0,
            max_seq_length=min(asked.max_seq_length or context, context),
            packing=True if asked.packing is None else asked.packing,
            evaluations=5 if asked.evaluations is None else asked.evaluations,
            early_stopping_patience=(3 if asked.early_stopping_patience is None else asked.early_stopping_patience),
            dpo_beta=(0.1 if asked.dpo_beta is None else asked.dpo_beta) if objective is Objective.DPO else None,
        ),
        reasons,
    )


def _learning_rate(method: Method, objective: Objective, from_scratch: bool, parameters: int) -> float:
    """The smaller the model, the higher; full fine-tuning takes a tenth of LoRA's.

    DPO takes a tenth of either, as its paper and the public recipes do.
    """
    rate = next(rate for most, rate in _RATES if parameters < most)
    if method is Method.FULL:
        rate /= 10
    if from_scratch:
        rate = 3e-3
    return rate / 10 if objective is Objective.DPO else rate
