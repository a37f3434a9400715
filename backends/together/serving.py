"""Serving a tuned model on a dedicated endpoint at Together: what it costs an hour, started once, stopped by itself."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from backends._base import Job, Rate, Serving
from backends._errors import SpecRefused
from backends._hosted import Hosted
from backends._refusals import About

if TYPE_CHECKING:
    from together import Together

IDLE_MINUTES = (30, 1440)  # what the provider takes as inactive timeout


def rates(backend: Hosted[Together]) -> tuple[Rate, ...]:
    """Return the machines and their prices as they are now, cheapest first."""
    client = backend.client()
    found = backend.ask(lambda: client.endpoints.hardware.list().data)
    kinds = (
        Rate(row.id, row.gpu_type, row.gpu_count, row.gpu_memory_gib, Decimal(row.price_cents_per_hour) / 100)
        for row in found
    )
    return tuple(sorted(kinds, key=lambda rate: rate.usd_per_hour))


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
        raise SpecRefused("Set TOGETHER_PROJECT_ID to the project that shall own the endpoint.")
    once = client.with_options(max_retries=0).endpoints
    known = backend.ask(lambda: list(client.endpoints.list()))
    endpoint = next((row for row in known if _is(row.name, job.run)), None)
    if endpoint is None:
        endpoint = backend.ask(lambda: once.create(name=job.run), paid=True)
    endpoint_id = endpoint.id
    standing = backend.ask(lambda: list(client.endpoints.deployments.list(endpoint_id)))
    deployment = next((row for row in standing if _is(row.name, job.run)), None)
    if deployment is None:
        deployment = backend.ask(
            lambda: once.deployments.create(
                endpoint_id,
                name=job.run,
                model=f"projects/{project}/models/{model_id}",
                autoscaling={"min_replicas": 1, "max_replicas": 1},
                inactive_timeout=idle_minutes,
            ),
            paid=True,
        )
    prices = {rate.id: rate.usd_per_hour for rate in rates(backend)}
    return Serving(
        model=deployment.name,
        endpoint_id=endpoint_id,
        deployment_id=deployment.id,
        status=str(deployment.status.state).removeprefix("DEPLOYMENT_STATE_").lower(),
        hardware=deployment.hardware,
        usd_per_hour=prices.get(deployment.hardware),
        stops_after_idle_minutes=deployment.inactive_timeout or 0,
    )


def stop(backend: Hosted[Together], serving: Serving) -> None:
    """Delete the deployment, which ends the bill, and its endpoint."""
    endpoints = backend.client().endpoints
    backend.ask(
        lambda: endpoints.deployments.delete(serving.deployment_id, endpoint_id=serving.endpoint_id), about=About.MODEL
    )
    backend.ask(lambda: endpoints.delete(serving.endpoint_id), about=About.MODEL)


def adapters(backend: Hosted[Together], serving: Serving) -> tuple[str, ...]:
    """Return the ids of the LoRA adapters attached to a deployment; several share one replica's price."""
    client = backend.client()
    found = backend.ask(
        lambda: list(
            client.endpoints.adapters.list(endpoint_id=serving.endpoint_id, deployment_id=serving.deployment_id)
        )
    )
    return tuple(row.adapter_model_id for row in found)


def _is(name: str, run: str) -> bool:
    """Names come back as project/endpoint, or project/endpoint/deployment."""
    return name.rsplit("/", 1)[-1] == run
