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
    batch_size: Annotated[int | None, Knob("Sequences a step.", 1)] = None
    learning_rate: Annotated[float | None, Knob("At its highest; default: by method.", 0, above=True)] = None
    learning_rate_multiplier: Annotated[
        float | None, Knob("Of the provider's own rate, where it takes no other.", 0, above=True)
    ] = None
    warmup_ratio: Annotated[float | None, Knob("Share of the steps in which the rate rises.", 0, 1)] = None
    weight_decay: Annotated[float | None, Knob("Of AdamW, a step at a rate of 1.", 0)] = None
    lora_rank: Annotated[int | None, Knob("Rank of the adapters.", 1)] = None
    lora_alpha: Annotated[int | None, Knob("Scale of the adapters, over their rank.", 1)] = None
    lora_dropout: Annotated[float | None, Knob("Share of adapter inputs left out.", 0, 1)] = None
    max_seq_length: Annotated[int | None, Knob("Longest example, in tokens.", 1)] = None
    packing: Annotated[bool | None, Knob("Several examples in one sequence.")] = None
    evaluations: Annotated[int | None, Knob("Validation passes over the whole run.", 0)] = None
    early_stopping_patience: Annotated[int | None, Knob("Stop after so many evaluations without gain.", 1)] = None
    dpo_beta: Annotated[float | None, Knob("Strength of DPO's tie to the base.", 0, above=True)] = None
    seed: int = 0


def stated(hyperparameters: Hyperparameters) -> tuple[str, ...]:
    """Return the names of the settings that were chosen; ``seed`` always has a value and does not count."""
    return tuple(
        entry.name
        for entry in fields(hyperparameters)
        if entry.name != "seed" and getattr(hyperparameters, entry.name) is not None
    )
