"""Training settings in the field's terms: each is a flag of a launch, with its meaning, unit and bounds."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

DEFAULT_LORA_RANK = 16


@dataclass(frozen=True, slots=True)
class Knob:
    """What a hyperparameter means, with its unit, and the least and most it may be: the flag of ``launch`` says it."""

    help: str
    least: float | None = None
    most: float | None = None
    above: bool = False  # the least itself is not allowed


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Training settings in the field's terms; None means: the backend's documented choice for this model.

    ``batch_size`` is the effective batch; ``learning_rate`` is absolute, ``learning_rate_multiplier`` scales the
    provider's own default, where a provider takes no other. Each field is a flag of ``tunewise launch``.
    """

    epochs: Annotated[int | None, Knob("Passes over the data.", 1)] = None
    batch_size: Annotated[int | None, Knob("Sequences per step.", 1)] = None
    learning_rate: Annotated[float | None, Knob("Peak learning rate. Default: by method.", 0, above=True)] = None
    learning_rate_multiplier: Annotated[
        float | None, Knob("Multiple of the provider's own rate, where it takes no rate.", 0, above=True)
    ] = None
    warmup_ratio: Annotated[float | None, Knob("Share of the steps over which the rate rises.", 0, 1)] = None
    weight_decay: Annotated[float | None, Knob("Weight decay of AdamW.", 0)] = None
    lora_rank: Annotated[int | None, Knob("Rank of the adapters.", 1)] = None
    lora_alpha: Annotated[int | None, Knob("Alpha: adapters are scaled by it over their rank.", 1)] = None
    lora_dropout: Annotated[float | None, Knob("Dropout on the inputs of the adapters.", 0, 1)] = None
    max_seq_length: Annotated[int | None, Knob("Longest example, in tokens.", 1)] = None
    packing: Annotated[bool | None, Knob("Pack several examples into one sequence.")] = None
    evaluations: Annotated[int | None, Knob("Evaluations on the validation data during the run.", 0)] = None
    early_stopping_patience: Annotated[int | None, Knob("Stop after this many evaluations without improvement.", 1)] = (
        None
    )
    dpo_beta: Annotated[float | None, Knob("Beta of DPO: how strongly it is held to the base.", 0, above=True)] = None
    seed: int = 0


def stated(hyperparameters: Hyperparameters) -> tuple[str, ...]:
    """Return the names of the settings that were chosen; ``seed`` always has a value and does not count."""
    return tuple(
        entry.name
        for entry in fields(hyperparameters)
        if entry.name != "seed" and getattr(hyperparameters, entry.name) is not None
    )
