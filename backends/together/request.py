"""What a job at Together is asked for: every setting in the SDK's terms, the learning rate always said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel

from backends._base import JobSpec, Json, Method, Objective
from backends._errors import SpecRefused
from backends._hosted import within
from backends._replies import LENIENT, Above, Positive, content

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


class _KindLimits(BaseModel):
    max_rank: Positive = None
    min_batch_size: Positive = None
    max_batch_size: Positive = None
    max_batch_size_dpo: Positive = None


class Limits(BaseModel):
    """What the provider allows for a model; what it does not state, only its refusal of the job will tell."""

    max_num_epochs: Positive = None
    max_num_evals: Positive = None
    min_learning_rate: Above = None
    max_learning_rate: Above = None
    min_max_seq_length: Positive = None
    max_seq_length_sft: Positive = None
    max_seq_length_dpo: Positive = None
    lora_training: Annotated[_KindLimits | None, LENIENT] = None
    full_training: Annotated[_KindLimits | None, LENIENT] = None


def check_bounds(spec: JobSpec, limits: Limits) -> None:
    """Hold the settings against what the provider allows for this model. Raises SpecRefused."""
    chosen, dpo, full = spec.hyperparameters, spec.objective is Objective.DPO, spec.method is Method.FULL
    if full and limits.full_training is None and limits.lora_training is not None:
        raise SpecRefused(f"Together trains {spec.model} with LoRA only; choose method lora.")
    bounds = (limits.full_training if full else limits.lora_training) or _KindLimits()
    _between("epochs", chosen.epochs, 1, limits.max_num_epochs)
    _between("evaluations", chosen.evaluations, 0, limits.max_num_evals)
    _between("lora_rank", chosen.lora_rank, 1, bounds.max_rank)
    _between("learning_rate", learning_rate(spec), limits.min_learning_rate, limits.max_learning_rate)
    longest = limits.max_seq_length_dpo if dpo else limits.max_seq_length_sft
    _between("max_seq_length", chosen.max_seq_length, limits.min_max_seq_length, longest)
    most = bounds.max_batch_size_dpo if dpo else bounds.max_batch_size
    _between("batch_size", chosen.batch_size, bounds.min_batch_size, most)


def _between(name: str, value: float | None, low: float | None, high: float | None) -> None:
    """Hold a setting against bounds of which those that are not known do not bind."""
    within(name, value, float("-inf") if low is None else low, float("inf") if high is None else high)


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


def create_body(limits: Any, asked: Mapping[str, Json]) -> dict[str, object]:
    """Return the body of the request that creates a job asked for with ``arguments``, as the SDK makes it.

    ``limits`` is the reply that states them. Made here, since the SDK sends what it makes at once, behind another
    question for the price. Raises SpecRefused.
    """
    from together.lib.resources.fine_tuning import create_finetune_request
    from together.types.finetune_model_limits import FinetuneModelLimits

    known = FinetuneModelLimits.construct(None, **content(limits))
    try:
        request, _, _ = create_finetune_request(known, **{"warmup_ratio": 0.0, **asked})
    except ValueError as error:
        raise SpecRefused(f"Together's package refuses this job: {error}") from None
    body: dict[str, object] = request.model_dump(exclude_none=True)
    return body


def price_question(spec: JobSpec, asked: Mapping[str, Json]) -> dict[str, Json]:
    """Return what the SDK's ``estimate_price`` is called with, for a job that is created with ``asked``."""
    names = ("training_file", "validation_file", "model", "n_epochs", "n_evals")
    about = {name: value for name, value in asked.items() if name in names}
    if spec.objective is Objective.DPO:
        about["training_method"] = {"method": "dpo"}
    if spec.method is Method.FULL:
        about["training_type"] = {"type": "Full"}
    return about
