"""The settings a run gets when nobody chose them, with the reason of each as a sentence."""

from __future__ import annotations

from dataclasses import replace

from backends import DEFAULT_LORA_RANK, Hyperparameters, Method, Objective

_SCRATCH_TOKENS = 400_000  # what a model made on the spot sees at most: a minute or two on two cores


def settle(
    asked: Hyperparameters,
    method: Method,
    objective: Objective,
    *,
    examples: int,
    tokens: int,
    context: int,
    from_scratch: bool,
) -> tuple[Hyperparameters, list[str]]:
    """Fill in every setting that is None, for ``tokens`` tokens in ``examples`` examples.

    ``from_scratch``: the base has random weights, so it has nothing to forget and everything to learn.
    """
    reasons = []
    batch = asked.batch_size or (8 if examples < 2000 else 16)
    if asked.batch_size is None:
        reasons.append(f"Batches of {batch} examples: small batches suit LoRA, and {examples} examples.")
    epochs = asked.epochs
    if epochs is None:
        # At least 100 optimiser steps, and no more than 10 passes over the data.
        epochs = min(10, max(1 if examples > 20_000 else 3, -(-100 * batch // examples)))
        if from_scratch:
            epochs = max(1, min(10, _SCRATCH_TOKENS // tokens))
        reasons.append(f"{epochs} passes over the data: {epochs * -(-examples // batch)} steps.")
    rate = asked.learning_rate
    if rate is None:
        rate = _learning_rate(method, objective, from_scratch)
        why = "a base of random weights must learn everything" if from_scratch else f"the usual one for {method}"
        reasons.append(f"Peak learning rate {rate:g}: {why}.")
    rank = asked.lora_rank or DEFAULT_LORA_RANK
    return (
        replace(
            asked,
            epochs=epochs,
            batch_size=batch,
            learning_rate=rate,
            warmup_ratio=0.05 if asked.warmup_ratio is None else asked.warmup_ratio,
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


def _learning_rate(method: Method, objective: Objective, from_scratch: bool) -> float:
    """LoRA 3e-4 costs at most 2.6 % against the best rate over 35 models (Tinker's sweep); full about a tenth.

    DPO takes a tenth of either, as its paper and the public recipes do.
    """
    rate = 3e-5 if method is Method.FULL else 3e-4
    if from_scratch:
        rate = 3e-3
    return rate / 10 if objective is Objective.DPO else rate
