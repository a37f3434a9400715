"""Asks a model through an SDK of OpenAI's shape, and reads its answer."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from backends._base import Completion, Heard, Json, Message, ToolCall
from backends._refusals import About
from backends._remote import ANSWER_TIMEOUT_S, Remote
from backends._replies import Unreadable, content, count, rows

if TYPE_CHECKING:
    from openai import OpenAI
    from together import Together


_TRAINING_ONLY = ("weight", "reasoning_content")  # parts of a training row that no chat endpoint takes


def chat(
    backend: Remote[Any],
    model: str,
    messages: Sequence[Message],
    tools: Sequence[Mapping[str, Json]],
    settings: Mapping[str, Json],
    client: OpenAI | Together | None = None,
    heard: Heard | None = None,
) -> Completion:
    """Ask once. ``settings`` are sent as they are, those that are None left out; ``client`` None: the backend's own.

    ``heard`` is called with each part of the text as it comes, and then no tool can be called.
    """
    sent: dict[str, Json] = {name: value for name, value in settings.items() if value is not None}
    if tools:
        sent["tools"] = [dict(tool) for tool in tools]
    if heard is not None:
        sent["stream"] = True
    asked = [{name: value for name, value in turn.items() if name not in _TRAINING_ONLY} for turn in messages]
    most_s = backend.timeout_s or ANSWER_TIMEOUT_S
    patient = (client or backend.client()).with_options(timeout=most_s).chat.completions.with_raw_response
    start = time.perf_counter()
    answer = backend.ask(
        lambda: patient.create(model=model, messages=asked, **sent),
        completion if heard is None else partial(streamed, heard=heard),
        about=About.MODEL,
        again=False,  # an answer that was lost may be billed: whoever asks counts it
        within_s=most_s,
    )
    return replace(answer, latency_ms=(time.perf_counter() - start) * 1000)


def streamed(reply: Any, heard: Heard) -> Completion:
    """Read an answer part by part as it comes."""
    text: list[str] = []
    reason, usage = None, None
    for chunk in reply.parse():
        usage = getattr(chunk, "usage", None) or usage
        for choice in chunk.choices[:1]:
            part = choice.delta.content if choice.delta is not None else None
            if part:
                text.append(part)
                heard(part)
            reason = choice.finish_reason or reason
    return Completion(
        text="".join(text),
        prompt_tokens=count(getattr(usage, "prompt_tokens", None)),
        completion_tokens=count(getattr(usage, "completion_tokens", None)),
        finish_reason=str(getattr(reason, "value", reason)) if reason else None,
    )


def completion(reply: Any) -> Completion:
    """Read an answer. Raises Unreadable when it holds none."""
    found = content(reply)
    choices = rows(found, "choices")
    message = choices[0].get("message") if choices else None
    if not isinstance(message, dict):
        raise Unreadable("an answer without a message")
    listed, text, reason = found.get("usage"), message.get("content"), choices[0].get("finish_reason")
    usage = listed if isinstance(listed, dict) else {}
    details = usage.get("prompt_tokens_details")
    calls = message.get("tool_calls")
    return Completion(
        text=text if isinstance(text, str) else "",
        tool_calls=_tool_calls(calls if isinstance(calls, list) else []),
        prompt_tokens=count(usage.get("prompt_tokens")),
        cached_tokens=count((details if isinstance(details, dict) else usage).get("cached_tokens")),
        completion_tokens=count(usage.get("completion_tokens")),
        finish_reason=reason if isinstance(reason, str) else None,
    )


def _tool_calls(found: Sequence[object]) -> tuple[ToolCall, ...]:
    calls: list[ToolCall] = []
    for call in found:
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(call, dict) and isinstance(function, dict):
            calls.append(
                {
                    "id": str(call.get("id") or ""),
                    "type": "function",
                    "function": {
                        "name": str(function.get("name") or ""),
                        "arguments": str(function.get("arguments") or ""),
                    },
                }
            )
    return tuple(calls)
