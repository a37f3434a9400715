"""What a job at Fireworks is asked for: nothing that its present training stack refuses, and the method always said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from backends._base import JobSpec, Json, Method, Objective
from backends._errors import SpecRefused
from backends._hosted import within
from backends.fireworks.names import job_id, resource

SCHEDULES = ("constant", "linear", "cosine")
LARGEST_RANK = 32  # docs of autumn 2026; older pages say 64
_FULL = 0  # the rank that stands for training all parameters


def check_settings(spec: JobSpec) -> None:
    """Check what the docs say of every model's settings. Raises SpecRefused."""
    job_id(spec)
    chosen, options = spec.hyperparameters, spec.options
    rank = chosen.lora_rank
    if rank is not None and (rank & (rank - 1) or not 1 <= rank <= LARGEST_RANK):
        raise SpecRefused(f"lora_rank = {rank}: Fireworks takes a power of two up to {LARGEST_RANK}.")
    within("epochs", chosen.epochs, 1, 1000)
    within("batch_size", chosen.batch_size, 1, float("inf"))
    within("learning_rate", chosen.learning_rate, 1e-9, 1)
    within("weight_decay", chosen.weight_decay, 0, float("inf"))
    if not isinstance(options.get("carve_out_evaluation", False), bool):
        raise SpecRefused("The option 'carve_out_evaluation' must be true or false.")
    steps = options.get("warmup_steps", 0)
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 0:
        raise SpecRefused("The option 'warmup_steps' must be a whole number of steps.")
    if options.get("lr_scheduler", "linear") not in SCHEDULES:
        raise SpecRefused(f"The option 'lr_scheduler' must be one of {', '.join(SCHEDULES)}.")
    if spec.objective is Objective.DPO and {"carve_out_evaluation", "lr_scheduler"} & set(options):
        raise SpecRefused("'carve_out_evaluation' and 'lr_scheduler' belong to objective sft; leave them out.")


def body(spec: JobSpec, files: Mapping[str, str]) -> dict[str, Json]:
    """Return the body of the request that creates the job, as the wire has it; ``files`` are names of datasets.

    Epochs and the rank are always said, since the price and the method hang on them. By default a part of the training
    rows would be carved out to evaluate on: that is said, too.
    """
    chosen = spec.hyperparameters
    wanted: dict[str, Json] = {
        "baseModel": resource(spec.model),
        "outputModel": job_id(spec),
        "epochs": chosen.epochs or 1,
        "loraRank": _FULL if spec.method is Method.FULL else (chosen.lora_rank or 8),
        "learningRate": chosen.learning_rate,
        "learningRateWarmupSteps": cast("int | None", spec.options.get("warmup_steps")),
        "batchSizeSamples": chosen.batch_size,
        "maxContextLength": chosen.max_seq_length,
        "optimizerWeightDecay": chosen.weight_decay,
    }
    settings: dict[str, Json] = {name: value for name, value in wanted.items() if value is not None}
    shared: dict[str, Json] = {"dataset": files["training_file"], "displayName": spec.run}
    if spec.objective is Objective.DPO:
        loss: dict[str, Json] = {"method": "DPO"}
        if chosen.dpo_beta is not None:
            loss["dpo"] = {"beta": chosen.dpo_beta}
        return {**shared, "trainingConfig": settings, "lossConfig": loss}
    if "validation_file" in files:
        shared["evaluationDataset"] = files["validation_file"]
    if "lr_scheduler" in spec.options:
        shared["lrScheduler"] = {str(spec.options["lr_scheduler"]): {}}
    return {**shared, **settings, "evalAutoCarveout": spec.options.get("carve_out_evaluation", False)}
