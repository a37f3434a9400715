"""Messages of OpenAI's chat format in the form that chat templates read: one text each, calls as the template wants."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Turn = dict[str, Any]  # a message as a template sees it

_THOUGHT = re.compile(r"\s*<think>(.*?)</think>(.*)", re.DOTALL)
_NINE = re.compile(r"[A-Za-z0-9]{9}")
_REASONING = ("reasoning_content", "thinking", "reasoning")  # the names data has for one thing


class MaskRefused(Exception):
    """This conversation cannot be rendered, or masked, safely with this template."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a template asks of messages.

    ``arguments_as_text``: of calls, as JSON text and not as an object; ``short_ids``: of calls, nine letters or digits
    (Mistral's); ``thinks``: it reads the thinking from a field of its own, and not from the answer.
    """

    arguments_as_text: bool = False
    short_ids: bool = False
    thinks: bool = False


PLAIN_FORM = Form()


def turns_of(messages: Sequence[Mapping[str, Any]], form: Form = PLAIN_FORM) -> list[Turn]:
    """Return the messages as a template of this form reads them. Raises MaskRefused for images and audio."""
    ids: dict[str, str] = {}
    return [_turn(message, form, ids) for message in messages]


def _turn(message: Mapping[str, Any], form: Form, ids: dict[str, str]) -> Turn:
    role = str(message["role"])
    turn: Turn = {"role": "system" if role == "developer" else role, "content": _text(message.get("content"))}
    thought = next((message[key] for key in _REASONING if message.get(key)), None)
    if thought is None and form.thinks and role == "assistant" and (found := _THOUGHT.fullmatch(turn["content"])):
        thought, turn["content"] = found[1].strip(), found[2].strip()
    if thought:
        turn["reasoning_content"] = turn["thinking"] = thought  # the latter is gpt-oss's name
    if message.get("name"):
        turn["name"] = message["name"]
    if message.get("tool_call_id"):
        turn["tool_call_id"] = _id(message["tool_call_id"], form, ids)
    if message.get("tool_calls"):
        turn["tool_calls"] = [_call(call, form, ids) for call in message["tool_calls"]]
    return turn


def _text(content: Any) -> str:
    if not isinstance(content, list):
        return str(content or "")
    parts = [part for part in content if isinstance(part, Mapping)]
    if any(part.get("type") not in ("text", "refusal") for part in parts):
        raise MaskRefused("it holds images or audio; the local trainer reads text alone")
    return "".join(str(part.get("text") or part.get("refusal") or "") for part in parts)


def _call(call: Mapping[str, Any], form: Form, ids: dict[str, str]) -> dict[str, Any]:
    arguments = call["function"]["arguments"]
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            arguments = {"text": arguments}
    if form.arguments_as_text:
        arguments = json.dumps(arguments, ensure_ascii=False)
    function = {"name": call["function"]["name"], "arguments": arguments}
    known = {"id": _id(call["id"], form, ids)} if call.get("id") else {}
    return {**known, "type": "function", "function": function}


def _id(given: Any, form: Form, ids: dict[str, str]) -> str:
    """Return the id of a call; where it must be short, the same one for the call and for its result."""
    name = str(given)
    if not form.short_ids or _NINE.fullmatch(name):
        return name
    return ids.setdefault(name, f"call{len(ids) + 1:05d}")
