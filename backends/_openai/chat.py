"""Asks a model through an SDK of OpenAI's shape, and reads its answer."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from backends._base import Completion, Json, Message, ToolCall
from backends._hosted import ANSWER_TIMEOUT_S, Hosted
from backends._refusals import About, Unreadable

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types.chat import ChatCompletion
    from together import Together


_TRAINING_ONLY = ("weight", "reasoning_content")  # parts of a training row that no chat endpoint takes


def chat(
    backend: Hosted[OpenAI] | Hosted[Together],
    model: str,
    messages: Sequence[Message],
    tools: Sequence[Mapping[str, Json]],
    settings: Mapping[str, Json],
) -> Completion:
    """Ask once. ``settings`` are sent as they are, those that are None left out."""
    sent: dict[str, Json] = {name: value for name, value in settings.items() if value is not None}
    if tools:
        sent["tools"] = [dict(tool) for tool in tools]
    asked = [{name: value for name, value in turn.items() if name not in _TRAINING_ONLY} for turn in messages]
    patient = backend.client().with_options(timeout=backend.timeout_s or ANSWER_TIMEOUT_S)

    def answered() -> ChatCompletion:
        reply: ChatCompletion = patient.chat.completions.create(model=model, messages=asked, **sent)
        if not getattr(reply, "choices", None):  # none at all, or a page of HTML
            raise Unreadable("an answer without choices")
        return reply

    start = time.perf_counter()
    reply = backend.ask(answered, about=About.MODEL)
    choice, usage = reply.choices[0], reply.usage
    details = getattr(usage, "prompt_tokens_details", None)
    return Completion(
        text=choice.message.content or "",
        tool_calls=_tool_calls(choice.message.tool_calls or ()),
        prompt_tokens=getattr(usage, "prompt_tokens", None),
        cached_tokens=getattr(usage if details is None else details, "cached_tokens", None),
        completion_tokens=getattr(usage, "completion_tokens", None),
        latency_ms=(time.perf_counter() - start) * 1000,
        finish_reason=choice.finish_reason,
    )


def _tool_calls(found: Sequence[object]) -> tuple[ToolCall, ...]:
    calls: list[ToolCall] = []
    for call in found:
        function = getattr(call, "function", None)
        if function is not None:
            calls.append(
                {
                    "id": str(getattr(call, "id", "")),
                    "type": "function",
                    "function": {"name": str(function.name), "arguments": str(function.arguments)},
                }
            )
    return tuple(calls)
