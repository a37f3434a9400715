"""A tuned model on a machine of its own at Fireworks: checked for nothing, started once, stopped by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from backends._base import Job, Json
from backends._errors import ModelNotTunable, SpecRefused
from backends._hosted import tuned_of
from backends._refusals import About
from backends._replies import Unreadable, content
from backends._serving import Serving
from backends.fireworks.replies import DeploymentReply

if TYPE_CHECKING:
    import httpx

    from backends.fireworks.account import Account

IDLE_MINUTES = (5, 60)  # scaleToZeroWindow: "at least 5 minutes", and the docs' longest
_LONGEST = timedelta(days=1)  # expireTime; by the description it may have no effect, the idle window has
_TRIES = 9  # deployments of one run; a deleted one keeps its id
_GONE = ("DELETED", "DELETING", "FAILED")
_GPUS = {
    "NVIDIA_A100_80GB": "a100-80gb",
    "NVIDIA_H100_80GB": "h100-80gb-sxm",
    "NVIDIA_H200_141GB": "h200",
    "NVIDIA_B200_180GB": "b200",
}


def serve(backend: Account, job: Job, idle_minutes: int) -> Serving:
    """Start the tuned model of ``job`` on a deployment, or return the one that stands.

    Its id is the run, so that after any doubt it is found instead of made again. Raises ModelNotTunable where the
    provider has no machine for it, which it is asked before anything is billed.
    """
    low, high = IDLE_MINUTES
    if not low <= idle_minutes <= high:
        raise SpecRefused(f"A deployment can stop by itself after {low} to {high} idle minutes, not {idle_minutes}.")
    model = tuned_of(job)
    name, standing = _standing(backend, job)
    if standing is None:
        standing = _start(backend, model, name, idle_minutes)
    gpu = standing.accelerator_type or ""
    return Serving(
        model=f"{model}#{standing.name}",
        endpoint_id=name,
        deployment_id=name,
        status=(standing.state or "").lower(),
        hardware=_GPUS.get(gpu, gpu),
        gpus=standing.accelerator_count or 1,
        usd_per_hour=None,
        stops_after_idle_minutes=standing.idle_minutes,
    )


def stop(backend: Account, serving: Serving) -> None:
    """Delete the deployment, which ends the bill; one that has answered is deleted only when the checks are ignored."""
    line, path = backend.client(), backend.path("deployments", serving.deployment_id)
    backend.ask(lambda: line.delete(path, ignoreChecks="true"), about=About.MODEL)


def _standing(backend: Account, job: Job) -> tuple[str, DeploymentReply | None]:
    """Return the id of the run's deployment with what stands there; None where it is free."""
    for number in range(1, _TRIES + 1):
        name = job.run if number == 1 else f"{job.run}-{number}"
        found = _look(backend, name)
        if found is None or found.state not in _GONE:
            return name, found
    raise SpecRefused(f"{job.run} was deployed {_TRIES} times already; deploy it in Fireworks' console.")


def _look(backend: Account, name: str) -> DeploymentReply | None:
    line, path = backend.client(), backend.path("deployments", name)
    try:
        return backend.ask(lambda: line.get(path), lambda reply: _read(reply, name), about=About.MODEL)
    except ModelNotTunable:
        return None


def _start(backend: Account, model: str, name: str, idle_minutes: int) -> DeploymentReply:
    line, path = backend.client(), backend.path("deployments")
    asked: dict[str, Json] = {
        "baseModel": model,
        "deploymentShape": "default",
        "minReplicaCount": 0,
        "maxReplicaCount": 1,
        "autoscalingPolicy": {"scaleToZeroWindow": f"{idle_minutes * 60}s"},
        "expireTime": (datetime.now(UTC) + _LONGEST).isoformat(timespec="seconds"),
    }
    try:
        backend.ask(
            lambda: line.post(path, asked, deploymentId=name, validateOnly="true"), about=About.MODEL, again=False
        )
    except SpecRefused as error:
        raise ModelNotTunable(
            f"Fireworks has no machine that serves this model: {error} Its adapter can be downloaded."
        ) from error
    return backend.ask(
        lambda: line.post(path, asked, deploymentId=name),
        lambda reply: _read(reply, name),
        about=About.MODEL,
        paid=True,
    )


def _read(reply: httpx.Response, name: str) -> DeploymentReply:
    found = DeploymentReply.model_validate(content(reply))
    if not (found.name or "").endswith(f"/{name}"):
        raise Unreadable(f"it is about another deployment, {found.name}")
    return found
