"""Conversations as Gemini, Anthropic and Bedrock write them, in chat messages: parts, calls of tools, tools."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

import orjson

from advisor.dataset.cells import Malformed, Row, decoded, kind
from backends import Json, Message, ToolCall

_OWN_KEYS = frozenset(("text", "toolUse", "toolResult", "image", "reasoningContent", "cachePoint"))  # Bedrock's
_OWN = frozenset(("tool_use", "tool_result", "image", "thinking", "redacted_thinking"))  # Anthropic's parts


def is_foreign(message: Row) -> bool:
    """Tell a message that is not written in OpenAI's way, by its parts."""
    content = message.get("content")
    return "parts" in message or (isinstance(content, list) and any(map(_is_foreign_part, content)))


def _is_foreign_part(part: Json) -> bool:
    if not isinstance(part, dict):
        return False
    kind = part.get("type")
    return kind in _OWN if isinstance(kind, str) else not part.keys().isdisjoint(_OWN_KEYS)


def messages_from(turns: Sequence[Row]) -> list[Message]:
    """Return the turns as chat messages. Raises Malformed, naming the message, for a part nobody knows."""
    messages: list[Message] = []
    waiting: list[tuple[str, str]] = []  # name and id of calls without an answer so far
    for number, turn in enumerate(turns, 1):
        if not is_foreign(turn):
            messages.append(cast(Message, turn))
            continue
        found = _Found(f"message {number}", waiting)
        content = turn.get("parts", turn.get("content"))
        for part in content if isinstance(content, list) else [content]:
            found.take(part)
        messages += found.answers
        rest = {key: value for key, value in turn.items() if key not in ("role", "content", "parts")}
        role = turn.get("role") or "user"  # Gemini leaves it out where there is one turn
        role = "assistant" if role == "model" else role
        if found.parts or found.calls or not found.answers:
            made = cast(Message, {"role": role, "content": found.content(), **rest})
            if found.calls:
                made["tool_calls"] = found.calls
            if found.thoughts:
                made["reasoning_content"] = "\n".join(found.thoughts)
            messages.append(made)
    return messages


def system_text(value: Json) -> str:
    """Return a system prompt that may be in parts: Gemini's systemInstruction, Anthropic's and Bedrock's system."""
    value = decoded(value)
    if isinstance(value, dict):
        value = value.get("parts", [value])
    if isinstance(value, list):
        texts = [part.get("text") if isinstance(part, dict) else part for part in value]
        return "\n".join(text for text in texts if isinstance(text, str))
    return value if isinstance(value, str) else "" if value is None else orjson.dumps(value).decode()


def tools_from(tools: Sequence[Row]) -> Iterator[Row]:
    """Yield the tools as OpenAI describes them; what is in nobody's form is left as it is."""
    for tool in tools:
        several = tool.get("functionDeclarations", tool.get("function_declarations"))
        if isinstance(several, list):
            yield from (_function(one, "parameters") for one in several if isinstance(one, dict))
        elif isinstance(spec := tool.get("toolSpec"), dict):
            schema = spec.get("inputSchema")
            yield _function(
                {**spec, "inputSchema": schema.get("json") if isinstance(schema, dict) else {}}, "inputSchema"
            )
        elif "input_schema" in tool:
            yield _function(tool, "input_schema")
        else:
            yield tool


def _function(tool: Row, schema: str) -> Row:
    made = {key: tool[key] for key in ("name", "description") if tool.get(key) is not None}
    return {"type": "function", "function": {**made, "parameters": _lower(tool.get(schema) or {})}}


def _lower(schema: Json) -> Json:
    """Write the types of a JSON Schema small, as the standard has them and Gemini has not: OBJECT, STRING."""
    if isinstance(schema, list):
        return [_lower(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: value.lower() if key == "type" and isinstance(value, str) else _lower(value)
            for key, value in schema.items()}  # fmt: skip


@dataclass(slots=True)
class _Found:
    """What the parts of one message hold."""

    where: str
    waiting: list[tuple[str, str]]
    parts: list[dict[str, Json]] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    answers: list[Message] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)

    def content(self) -> str | list[dict[str, Json]] | None:
        if len(self.parts) == 1 and self.parts[0].get("type") == "text":
            return cast(str, self.parts[0]["text"])
        return self.parts or None

    def take(self, part: Json) -> None:
        if isinstance(part, str):
            part = {"text": part}
        if not isinstance(part, dict):
            raise Malformed("bad_content", f"{self.where} has {kind(part)} as a part")
        for name, value in part.items():
            if isinstance(value, dict) and name in _TAKERS:
                _TAKERS[name](self, value)
                return
        if part.get("type") in ("tool_use", "tool_result"):
            _TAKERS[cast(str, part["type"])](self, part)
        elif part.get("type") == "image":
            self.image(cast(Row, part.get("source") or {}))
        elif part.get("type") in ("thinking", "redacted_thinking"):
            self.thoughts.append(str(part.get("thinking") or ""))
        elif isinstance(part.get("text"), str) and part.get("thought") is True:
            self.thoughts.append(cast(str, part["text"]))
        elif isinstance(part.get("text"), str):
            self.parts.append({"type": "text", "text": part["text"]})
        elif "type" in part:
            self.parts.append(part)  # OpenAI's; or nobody's, which is found there
        elif "cachePoint" not in part:
            raise Malformed("bad_content", f"{self.where} has a part of {', '.join(sorted(part))[:60] or 'nothing'}")

    def call(self, value: Row) -> None:
        name = value.get("name")
        if not isinstance(name, str):
            raise Malformed("bad_tool_call", f"{self.where} calls a tool without a name")
        given = value.get("id") or value.get("toolUseId") or f"call_{len(self.waiting) + 1}"
        self.waiting.append((name, str(given)))
        arguments = value.get("args", value.get("input"))
        text = orjson.dumps({} if arguments is None else arguments).decode()
        self.calls.append({"id": str(given), "type": "function", "function": {"name": name, "arguments": text}})

    def answer(self, value: Row) -> None:
        given = value.get("tool_use_id") or value.get("toolUseId") or value.get("id")
        if given is None:  # Gemini's, which are told by the name
            given = next((call for name, call in self.waiting if name == value.get("name")), None)
            self.waiting[:] = [one for one in self.waiting if one[1] != given]
        said = value.get("response", value.get("content"))
        self.answers.append({"role": "tool", "tool_call_id": str(given or ""), "content": _text(said)})

    def image(self, value: Row) -> None:
        data = value.get("data", value.get("bytes"))
        of_kind = value.get("media_type", value.get("mimeType"))
        url = value.get("url") or (f"data:{of_kind};base64,{data}" if isinstance(data, str) else None)
        if not isinstance(url, str):
            raise Malformed("bad_content", f"{self.where} has an image that lies elsewhere")
        self.parts.append({"type": "image_url", "image_url": {"url": url}})

    def bedrock_image(self, value: Row) -> None:
        source = value.get("source")
        self.image({"mimeType": f"image/{value.get('format')}", **(source if isinstance(source, dict) else {})})

    def thought(self, value: Row) -> None:
        inner = value.get("reasoningText", value)
        self.thoughts.append(str(inner.get("text") or "") if isinstance(inner, dict) else "")


def _text(value: Json) -> str:
    """Return a tool's answer as text: its text parts joined, anything else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(
            cast(str, part["text"]) if isinstance(part, dict) and isinstance(part.get("text"), str)
            else _text(part["json"]) if isinstance(part, dict) and "json" in part else _text(part)
            for part in value
        )  # fmt: skip
    return "" if value is None else orjson.dumps(value).decode()


_TAKERS = {
    "functionCall": _Found.call, "function_call": _Found.call, "toolUse": _Found.call, "tool_use": _Found.call,
    "functionResponse": _Found.answer, "function_response": _Found.answer, "toolResult": _Found.answer,
    "tool_result": _Found.answer, "inlineData": _Found.image, "inline_data": _Found.image,
    "reasoningContent": _Found.thought, "image": _Found.bedrock_image,
}  # fmt: skip
