"""Whether Fireworks trains this model this way and can serve what comes out, asked before anything is uploaded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from backends._base import JobSpec, Method
from backends._errors import ModelNotTunable, SpecRefused
from backends._refusals import About, RightMissing
from backends._replies import content, count, rows
from backends.fireworks.names import resource
from backends.fireworks.replies import ModelReply

if TYPE_CHECKING:
    from backends.fireworks.account import Account

_DEFAULT_CONTEXT = 32_768


def preflight(backend: Account, spec: JobSpec) -> tuple[str, ...]:
    """Return what to know before the upload. Raises ModelNotTunable, SpecRefused."""
    line, path = backend.client(), f"/v1/{resource(spec.model)}"
    model = backend.ask(
        lambda: line.get(path), lambda reply: ModelReply.model_validate(content(reply)), about=About.MODEL
    )
    _is_tuned(spec, model)
    _is_long_enough(spec, model)
    return (*_ends(spec, model), *_served(spec, model), *_cut(spec, model), *_quota(backend))


def _is_tuned(spec: JobSpec, model: ModelReply) -> None:
    if model.state not in (None, "READY"):
        raise ModelNotTunable(f"{spec.model} is not ready at Fireworks ({model.state}); choose another model.")
    if spec.method is Method.FULL and not model.supervised_full_parameter_tunable:
        other = "; method lora is offered" if model.supervised_lora_tunable else ""
        raise ModelNotTunable(f"Fireworks does not train all parameters of {spec.model}{other}.")
    if spec.method is Method.LORA and not (model.supervised_lora_tunable or model.tunable):
        raise ModelNotTunable(f"Fireworks does not tune {spec.model}. See 'tunewise prices list --provider fireworks'.")


def _is_long_enough(spec: JobSpec, model: ModelReply) -> None:
    asked, most = spec.hyperparameters.max_seq_length, model.training_context_length
    if asked is not None and most and asked > most:
        raise SpecRefused(f"max_seq_length = {asked}: Fireworks trains {spec.model} on at most {most} tokens a row.")


def _ends(spec: JobSpec, model: ModelReply) -> tuple[str, ...]:
    day = model.deprecated
    if day is None:
        return ()
    if day <= datetime.now(UTC).date():
        raise ModelNotTunable(f"Fireworks retired {spec.model} on {day}: a job on it fails. Choose another model.")
    return (f"Fireworks takes {spec.model} off its shared machines on {day}.",)


def _served(spec: JobSpec, model: ModelReply) -> tuple[str, ...]:
    if spec.method is Method.LORA and not model.supports_lora:
        return (
            f"Fireworks says that {spec.model} takes no adapters: what is trained may not be servable there at all. "
            "Its adapter can be downloaded.",
        )
    return ()


def _cut(spec: JobSpec, model: ModelReply) -> tuple[str, ...]:
    if spec.hyperparameters.max_seq_length is not None:
        return ()
    most = min(_DEFAULT_CONTEXT, model.training_context_length or _DEFAULT_CONTEXT)
    return (f"Rows over {most:,} tokens are truncated there; max_seq_length changes the limit.",)


def _quota(backend: Account) -> tuple[str, ...]:
    """Warn where the account may use no GPU at all: every job and deployment would wait or be refused."""
    line, path = backend.client(), backend.path("quotas")
    try:
        found = backend.ask(lambda: line.get(f"{path}?pageSize=200"), lambda reply: rows(content(reply), "quotas"))
    except RightMissing:
        return ()  # a key that may train need not read quotas
    gpus = [row for row in found if any(kind in str(row.get("name")) for kind in ("a100", "h100", "h200", "b200"))]
    if not gpus or any(count(row.get("value")) for row in gpus):
        return ()
    return ("This Fireworks account has a quota of 0 GPUs: add a payment method, or jobs and deployments are refused.",)
