"""What a job at Together is asked for: every setting in the SDK's terms, the learning rate always said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from backends._base import JobSpec, Json, Method, Objective
from backends._errors import SpecRefused
from backends._hosted import within

if TYPE_CHECKING:
    from together.types import FineTuningModelLimitsResponse

# Full SFT: the SDK's own default. LoRA SFT: the least regret over 35 models in the Tinker cookbook's sweep of learning
# rates. DPO: TRL's DPOConfig default, and ten times it for LoRA ("LoRA Without Regret", Schulman et al., 2025).
_LEARNING_RATES = {
    (Method.FULL, Objective.SFT): 1e-5,
    (Method.LORA, Objective.SFT): 3e-4,
    (Method.FULL, Objective.DPO): 1e-6,
    (Method.LORA, Objective.DPO): 1e-5,
}


def learning_rate(spec: JobSpec) -> float:
    """Return the learning rate that is sent; it is always sent, the SDK's default suits full training only."""
    chosen = spec.hyperparameters.learning_rate
    return _LEARNING_RATES[spec.method, spec.objective] if chosen is None else chosen


def check_bounds(spec: JobSpec, limits: FineTuningModelLimitsResponse) -> None:
    """Hold the settings against what the provider allows for this model. Raises SpecRefused."""
    chosen, dpo = spec.hyperparameters, spec.objective is Objective.DPO
    lora, full = limits.lora_training, limits.full_training
    if spec.method is Method.FULL and full is None:
        raise SpecRefused(f"Together trains {spec.model} with LoRA only; choose method lora.")
    bounds = full if spec.method is Method.FULL else lora
    within("epochs", chosen.epochs, 1, limits.max_num_epochs)
    within("evaluations", chosen.evaluations, 0, limits.max_num_evals)
    within("lora_rank", chosen.lora_rank, 1, lora.max_rank)
    within("learning_rate", learning_rate(spec), limits.min_learning_rate, limits.max_learning_rate)
    longest = limits.max_seq_length_dpo if dpo else limits.max_seq_length_sft
    within("max_seq_length", chosen.max_seq_length, limits.min_max_seq_length, longest)
    most = bounds.max_batch_size_dpo if dpo else bounds.max_batch_size
    within("batch_size", chosen.batch_size, bounds.min_batch_size, most)


def evaluations(spec: JobSpec) -> int:
    """Once per epoch unless said otherwise; a validation file that is never read would be pointless."""
    if spec.validation_file is None:
        return 0
    chosen = spec.hyperparameters
    return chosen.evaluations if chosen.evaluations is not None else (chosen.epochs or 1)


def arguments(spec: JobSpec, files: Mapping[str, str]) -> dict[str, Json]:
    """Return what the SDK's ``create`` is called with."""
    chosen, lora, sft = spec.hyperparameters, spec.method is Method.LORA, spec.objective is Objective.SFT
    wanted: dict[str, Json] = {
        "model": spec.model,
        **files,
        "suffix": spec.run,
        "n_epochs": chosen.epochs or 1,
        "n_evals": evaluations(spec),
        "n_checkpoints": spec.options.get("checkpoints", 1),
        "batch_size": chosen.batch_size or "max",
        "learning_rate": learning_rate(spec),
        "warmup_ratio": chosen.warmup_ratio,
        "weight_decay": chosen.weight_decay,
        "max_seq_length": chosen.max_seq_length,
        "packing": chosen.packing,
        "random_seed": chosen.seed,
        "lora": lora,
        "lora_r": chosen.lora_rank if lora else None,
        "lora_alpha": chosen.lora_alpha if lora else None,
        "lora_dropout": chosen.lora_dropout if lora else None,
        "training_method": spec.objective.value,
        "train_on_inputs": spec.options.get("train_on_inputs", "auto") if sft else None,
        "dpo_beta": chosen.dpo_beta,
        "early_stopping_enabled": chosen.early_stopping_patience is not None or None,
        "early_stopping_patience": chosen.early_stopping_patience,
    }
    return {name: value for name, value in wanted.items() if value is not None}


def price_question(spec: JobSpec, asked: Mapping[str, Json]) -> dict[str, Json]:
    """Return what the SDK's ``estimate_price`` is called with, for a job that is created with ``asked``."""
    names = ("training_file", "validation_file", "model", "n_epochs", "n_evals")
    about = {name: value for name, value in asked.items() if name in names}
    if spec.objective is Objective.DPO:
        about["training_method"] = {"method": "dpo"}
    if spec.method is Method.FULL:
        about["training_type"] = {"type": "Full"}
    return about
