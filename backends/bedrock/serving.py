"""Asking a tuned model at Bedrock: a deployment that costs nothing while nobody asks, and the Converse API."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends._base import Completion, Job, JobSpec, Json, Message
from backends._errors import ModelNotTunable
from backends._hosted import tuned_of
from backends._refusals import About
from backends._remote import ANSWER_TIMEOUT_S
from backends._replies import Unreadable, count
from backends._serving import Serving
from backends.bedrock.names import region_in, region_of

if TYPE_CHECKING:
    from backends._hosted import Hosted
    from backends.bedrock.connection import Line

# Trained after 2025-07-16; everything else needs provisioned throughput, by the hour (docs copy of 2026).
ON_DEMAND = (
    ("amazon.nova", "us-east-1"),
    ("meta.llama3-3-70b", "us-west-2"),
)
_REASONS = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length"}


def is_on_demand(model: str, region: str) -> bool:
    return any(model.startswith(start) and region == where for start, where in ON_DEMAND)


def serve(backend: Hosted[Line], job: Job) -> Serving:
    """Deploy the tuned model of ``job``, or return the deployment that stands; it is billed by the token alone.

    It is called like the run, so that it is found instead of made again.
    """
    model = tuned_of(job)
    bedrock = backend.client().client("bedrock", region_in(model) or region_of(None))
    try:
        found = backend.ask(
            lambda: bedrock.get_custom_model_deployment(customModelDeploymentIdentifier=job.run),
            _standing,
            about=About.MODEL,
        )
    except ModelNotTunable:
        arn = backend.ask(
            lambda: bedrock.create_custom_model_deployment(
                modelDeploymentName=job.run, modelArn=model, clientRequestToken=job.run
            ),
            lambda reply: _text(reply, "customModelDeploymentArn"),
            about=About.MODEL,
        )
        found = (arn, "Creating")
    arn, status = found
    return Serving(
        model=arn,
        endpoint_id=arn,
        deployment_id=arn,
        status=status.lower(),
        hardware="",
        usd_per_hour=Decimal(0),
        stops_after_idle_minutes=0,
    )


def stop(backend: Hosted[Line], serving: Serving) -> None:
    """Delete the deployment. The model stays, and so does what keeping it costs."""
    bedrock = backend.client().client("bedrock", region_in(serving.deployment_id) or region_of(None))
    backend.ask(
        lambda: bedrock.delete_custom_model_deployment(customModelDeploymentIdentifier=serving.deployment_id),
        about=About.MODEL,
    )


def converse(
    backend: Hosted[Line], model: str, messages: Sequence[Message], max_tokens: int, temperature: float
) -> Completion:
    """Ask once. A tuned model is asked through its deployment."""
    region = region_in(model) or region_of(JobSpec("", backend.name, model, Path()))
    runtime = backend.client().client("bedrock-runtime", region)
    target = _deployment_of(backend, model, region) if ":custom-model/" in model else model
    system = [{"text": _words(turn)} for turn in messages if turn["role"] == "system"]
    asked = [
        {"role": turn["role"], "content": [{"text": _words(turn)}]} for turn in messages if turn["role"] != "system"
    ]
    settings = {"maxTokens": max_tokens, "temperature": temperature}
    start = time.perf_counter()
    return backend.ask(
        lambda: runtime.converse(
            modelId=target, messages=asked, inferenceConfig=settings, **({"system": system} if system else {})
        ),
        lambda reply: _completion(reply, (time.perf_counter() - start) * 1000),
        about=About.MODEL,
        again=False,
        within_s=backend.timeout_s or ANSWER_TIMEOUT_S,
    )


def _deployment_of(backend: Hosted[Line], model: str, region: str) -> str:
    bedrock = backend.client().client("bedrock", region)
    found = backend.ask(
        lambda: bedrock.list_custom_model_deployments(modelArnEquals=model, statusEquals="Active"),
        lambda reply: [_text(row, "customModelDeploymentArn") for row in reply["modelDeploymentSummaries"]],
        about=About.MODEL,
    )
    if not found:
        raise ModelNotTunable(
            "Bedrock answers with a tuned model only while a deployment of it stands, which costs nothing while nobody "
            "asks: 'tunewise serve RUN --at-provider' makes one. It takes about eight minutes."
        )
    return found[0]


def _completion(reply: Mapping[str, Any], latency_ms: float) -> Completion:
    parts = reply["output"]["message"]["content"]
    usage, reason = reply.get("usage") or {}, reply.get("stopReason")
    return Completion(
        text="".join(str(part.get("text", "")) for part in parts),
        prompt_tokens=count(usage.get("inputTokens")),
        cached_tokens=count(usage.get("cacheReadInputTokens")),
        completion_tokens=count(usage.get("outputTokens")),
        latency_ms=latency_ms,
        finish_reason=_REASONS.get(str(reason), None if reason is None else str(reason)),
    )


def _standing(reply: Mapping[str, Json]) -> tuple[str, str]:
    return _text(reply, "customModelDeploymentArn"), _text(reply, "status")


def _text(reply: Mapping[str, Any], name: str) -> str:
    found = reply.get(name)
    if not isinstance(found, str):
        raise Unreadable(f"no '{name}'")
    return found


def _words(turn: Message) -> str:
    content = turn.get("content")
    if isinstance(content, list):
        return "\n".join(str(part["text"]) for part in content if isinstance(part.get("text"), str))
    return content or ""
