"""Training settings for one option, from the cited rules: never a provider's unsuitable default."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import backends
from advisor.evidence import settings
from advisor.recommend.values import Reason
from advisor.tokens import Profile
from backends import Backend, Hyperparameters, Method, Objective


def settings_for(
    backend: str, method: Method | None, objective: Objective, profile: Profile, adapter_params: int | None
) -> Hyperparameters:
    """Return the settings for this backend; None leaves a knob to it. ``adapter_params``: of a rank-16 LoRA."""
    known = {name: setting.value for name, setting in settings().items()}
    place = backends.get(backend) if backend in backends.names() else None
    batch = known["small_batch_size" if profile.examples < known["small_batch_below"] else "batch_size"]
    if place is None or place.fit_settings(Hyperparameters(batch_size=int(batch))).batch_size is None:
        batch = known["small_batch_size"]  # the provider chooses, and small is what fits a machine
    chosen = Hyperparameters(
        epochs=min(max(ceil(known["steps"] * batch / max(1, profile.examples)), 1), int(known["most_epochs"])),
        batch_size=int(batch),
        learning_rate=_rate(place, method, objective, known),
        lora_rank=_rank(profile, adapter_params, known) if method is not Method.FULL else None,
        lora_alpha=int(known["lora_alpha"]) if method is not Method.FULL else None,
        evaluations=int(known["evaluations"]),
        early_stopping_patience=int(known["early_stopping_patience"]),
    )
    if place is None:  # only its prices are known
        return replace(chosen, batch_size=None, evaluations=None, early_stopping_patience=None)
    return place.fit_settings(chosen)


def settings_reasons(
    backend: str, method: Method | None, objective: Objective, chosen: Hyperparameters
) -> tuple[Reason, ...]:
    """Return why these settings, each with its source: what --explain prints."""
    names = [name if (name := f"{backend}_steps") in settings() else "steps"]
    if chosen.batch_size is not None:
        names.append("small_batch_size" if chosen.batch_size == settings()["small_batch_size"].value else "batch_size")
    if objective is Objective.DPO:
        names.append("preference_rate" if chosen.learning_rate is not None else "preference")
    elif chosen.learning_rate is not None:
        names.append("full_learning_rate" if method is Method.FULL else "learning_rate")
    if objective is not Objective.DPO and f"{backend}_rate" in settings():
        names.append(f"{backend}_rate")
    if chosen.lora_rank is not None:
        names += ["lora_rank" if chosen.lora_rank == settings()["lora_rank"].value else "largest_lora_rank"]
        names += ["lora_alpha", "targets"]
    if chosen.early_stopping_patience is not None:
        names.append("early_stopping_patience")
    return tuple(Reason(settings()[name].text, settings()[name].source) for name in names)


def _rate(place: Backend | None, method: Method | None, objective: Objective, known: dict[str, float]) -> float | None:
    if objective is Objective.DPO:
        return known["preference_rate"] if place is not None and place.advised_pair_rate else None
    return known["full_learning_rate" if method is Method.FULL else "learning_rate"]


def _rank(profile: Profile, adapter_params: int | None, known: dict[str, float]) -> int:
    trained = max(profile.trained_tokens.values(), default=0)
    rank = int(known["lora_rank"])
    if adapter_params is None or trained <= adapter_params:
        return rank
    needed = ceil(rank * trained / adapter_params)
    return min(int(known["largest_lora_rank"]), 1 << (needed - 1).bit_length())
