"""Serving a tuned model on a dedicated endpoint at Together: what it costs an hour, started once, stopped by itself."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from backends._base import Job
from backends._errors import SpecRefused
from backends._hosted import Hosted
from backends._refusals import About
from backends._replies import Unreadable, content, count, rows
from backends._serving import Rate, Serving

if TYPE_CHECKING:
    from together import Together

IDLE_MINUTES = (30, 1440)  # what the provider takes as inactive timeout


def rates(backend: Hosted[Together]) -> tuple[Rate, ...]:
    """Return the machines and their prices as they are now, cheapest first."""
    machines = backend.client().endpoints.hardware.with_raw_response
    found = backend.ask(lambda: machines.list(), _rates)
    return tuple(sorted(found, key=lambda rate: rate.usd_per_hour))


def _rates(reply: Any) -> list[Rate]:
    """Read the list of machines; one without a price or a name is none to offer."""
    found = []
    for row in rows(content(reply)):
        cents, gpus, memory = (count(row.get(key)) for key in ("priceCentsPerHour", "gpuCount", "gpuMemoryGib"))
        name, gpu = row.get("id"), row.get("gpuType")
        if isinstance(name, str) and isinstance(gpu, str) and cents and gpus:
            found.append(Rate(name, gpu, gpus, memory or 0, Decimal(cents) / 100))
    return found


def serve(backend: Hosted[Together], job: Job, idle_minutes: int) -> Serving:
    """Start one replica for the tuned model of ``job``, or return the one that stands; billed by the minute from ready.

    Endpoint and deployment carry the run's name, so that after any doubt they are found instead of made again.
    """
    low, high = IDLE_MINUTES
    if not low <= idle_minutes <= high:
        raise SpecRefused(f"The endpoint can stop by itself after {low} to {high} idle minutes, not {idle_minutes}.")
    model_id = job.extra.get("model_object_id")
    if job.tuned_model is None or model_id is None:
        raise SpecRefused(f"Run {job.run} has no tuned model that can be served; wait until it has succeeded.")
    client = backend.client()
    project = client.project_id
    if not project:
        raise SpecRefused("Set TOGETHER_PROJECT_ID to the project that should own the endpoint.")
    endpoints = client.endpoints.with_raw_response
    deployments = client.endpoints.deployments.with_raw_response
    endpoint = _named(backend, lambda at: endpoints.list(**_from(at)), job.run)
    if endpoint is None:
        endpoint = backend.ask(lambda: endpoints.create(name=job.run), _thing, paid=True)
    endpoint_id = str(endpoint["id"])
    deployment = _named(backend, lambda at: deployments.list(endpoint_id, **_from(at)), job.run)
    if deployment is None:
        deployment = backend.ask(
            lambda: deployments.create(
                endpoint_id,
                name=job.run,
                model=f"projects/{project}/models/{model_id}",
                autoscaling={"min_replicas": 1, "max_replicas": 1},
                inactive_timeout=idle_minutes,
            ),
            _thing,
            paid=True,
        )
    prices = {rate.id: rate.usd_per_hour for rate in rates(backend)}
    status, hardware = deployment.get("status"), str(deployment.get("hardware"))
    state = str(status.get("state") if isinstance(status, dict) else status)
    return Serving(
        model=str(deployment["name"]),
        endpoint_id=endpoint_id,
        deployment_id=str(deployment["id"]),
        status=state.removeprefix("DEPLOYMENT_STATE_").lower(),
        hardware=hardware,
        usd_per_hour=prices.get(hardware),
        stops_after_idle_minutes=count(deployment.get("inactiveTimeout")) or 0,
    )


def _thing(reply: Any) -> dict[str, object]:
    """Read an endpoint or a deployment. Raises Unreadable when it has no id or name."""
    found = content(reply)
    if not (isinstance(found.get("id"), str) and isinstance(found.get("name"), str)):
        raise Unreadable("no id or no name")
    return found


def _from(at: str | None) -> dict[str, str]:
    return {"after": at} if at else {}


def _named(backend: Hosted[Together], page: Callable[[str | None], Any], run: str) -> dict[str, object] | None:
    """Return the endpoint or deployment that carries the run's name, or None when none does."""

    def read(reply: Any) -> tuple[list[dict[str, object]], str | None]:
        found = content(reply)
        following = found.get("next_cursor")
        return rows(found), following if isinstance(following, str) and following else None

    return next((row for row in backend.pages(page, read) if _is(str(row.get("name")), run) and "id" in row), None)


def stop(backend: Hosted[Together], serving: Serving) -> None:
    """Delete the deployment, which ends the bill, and its endpoint."""
    endpoints = backend.client().endpoints
    backend.ask(
        lambda: endpoints.deployments.delete(serving.deployment_id, endpoint_id=serving.endpoint_id), about=About.MODEL
    )
    backend.ask(lambda: endpoints.delete(serving.endpoint_id), about=About.MODEL)


def adapters(backend: Hosted[Together], serving: Serving) -> tuple[str, ...]:
    """Return the ids of the LoRA adapters attached to a deployment; several share one replica's price."""
    attached = backend.client().endpoints.adapters.with_raw_response
    found = backend.ask(
        lambda: attached.list(endpoint_id=serving.endpoint_id, deployment_id=serving.deployment_id),
        lambda reply: rows(content(reply)),
    )
    return tuple(str(row["adapterModelId"]) for row in found if "adapterModelId" in row)


def _is(name: str, run: str) -> bool:
    """Names come back as project/endpoint, or project/endpoint/deployment."""
    return name.rsplit("/", 1)[-1] == run
