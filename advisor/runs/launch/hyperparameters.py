"""The settings a launch gets when its flags name none: those `plan` would advise, or the backend's own choice."""

from __future__ import annotations

from dataclasses import fields, replace

from advisor.hardware import Spread, architecture, detect, lora_params, spread
from advisor.recommend.hyperparameters import settings_for
from advisor.runs.run import Run
from advisor.tokens import Profile
from backends import DEFAULT_LORA_RANK, Backend, Hyperparameters, JobSpec, Json


def with_settings(run: Run, backend: Backend, profile: Profile) -> Run:
    """Return the run with its settings filled in; what was asked for stays. ``profile`` is of the training part.

    The local trainer chooses for itself, since it knows the model it loads; why it takes several GPUs is an assumption
    of the quote. A hosted job never gets a provider's unsuitable default.
    """
    spec = run.spec
    asked = spec.hyperparameters
    if spec.backend == "local":
        tokens = round(profile.per_example.mean * profile.examples)
        chosen = backend.choose(spec, profile.examples, tokens)
        spec = replace(spec, hyperparameters=chosen)
        found = _spread(spec, profile)
        if found is None:
            return replace(run, spec=spec)
        quote = replace(run.quote, assumptions=(*run.quote.assumptions, found.reason))
        placed: dict[str, Json] = {"workers": found.workers, "shard": found.shard}
        return replace(run, spec=replace(spec, options={**placed, **spec.options}), quote=quote)
    shape = architecture(spec.model)
    adapter = lora_params(shape, 16) if shape is not None else None
    advised = settings_for(spec.backend, spec.method, spec.objective, profile, adapter)
    if spec.validation_file is None:
        advised = replace(advised, evaluations=None)
    return replace(run, spec=replace(spec, hyperparameters=_filled(asked, advised)))


def _spread(spec: JobSpec, profile: Profile) -> Spread | None:
    """Return how a run uses the GPUs of this machine; None where there is one at most or somebody has said it."""
    if {"workers", "shard", "engine", "device"} & set(spec.options):
        return None
    shape, cards = architecture(spec.model), detect()
    if shape is None or len(cards) < 2:
        return None
    longest = spec.hyperparameters.max_seq_length or max(1, int(profile.per_example.max))
    rank = spec.hyperparameters.lora_rank or DEFAULT_LORA_RANK
    return spread(shape, spec.method, cards, rank=rank, seq=min(longest, shape.context or longest))


def _filled(asked: Hyperparameters, advised: Hyperparameters) -> Hyperparameters:
    missing = {
        field.name: getattr(advised, field.name) for field in fields(asked) if getattr(asked, field.name) is None
    }
    return replace(asked, **missing)
