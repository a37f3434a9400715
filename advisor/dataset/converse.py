"""How a row becomes chat messages, by the shape of its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import orjson

from advisor.dataset.cells import Malformed, Row, decoded, kind, setting, text_in
from advisor.dataset.foreign import is_foreign, messages_from, system_text, tools_from
from advisor.dataset.shape import EXTRA, Labels, Shape
from advisor.dataset.sharegpt import messages_of
from advisor.dataset.types import Format
from backends import Json, Message


@dataclass(slots=True)
class Conversation:
    """A row turned into messages. ``notes`` are codes with a detail, for what could not be carried over as it was."""

    messages: list[Message]
    tools: list[dict[str, Json]]
    preferred: Message | None = None
    non_preferred: Message | None = None
    extra: Mapping[str, Json] | None = None
    notes: tuple[tuple[str, str], ...] = ()

    def offered(self) -> list[dict[str, Json]]:
        """Return the tools, and the functions that older rows have in their place."""
        older = self.extra.get("functions") if self.extra else None
        if not isinstance(older, list):
            return self.tools
        functions: list[dict[str, Json]] = [{"function": one} for one in older if isinstance(one, dict)]
        return [*self.tools, *functions]


def converse(row: Row, shape: Shape) -> Conversation:
    """Turn one row into messages. Raises Malformed where a field is missing or of the wrong kind."""
    return _READERS[shape.format](row, shape)


def _chat(row: Row, shape: Shape) -> Conversation:
    messages = _messages(row, shape.column("messages"))
    if any(is_foreign(cast(Row, message)) for message in messages):
        messages = messages_from(cast(list[Row], messages))
    if messages[0].get("role") not in ("system", "developer"):
        messages = [*_system(row, shape), *messages]
    return Conversation(messages, _tools(row, shape.column("tools")), extra=_extra(row))


def _messages(row: Row, key: str) -> list[Message]:
    if key not in row:
        raise Malformed("missing_field", f"there is no '{key}'")
    value = decoded(row[key])
    if not isinstance(value, list):
        raise Malformed("messages_not_list", f"'{key}' is {kind(value)}, not a list")
    if not value:
        raise Malformed("messages_empty", f"'{key}' is an empty list")
    for number, message in enumerate(value):
        if not isinstance(message, dict):
            raise Malformed("message_not_object", f"{key}[{number}] is {kind(message)}, not an object")
    return cast(list[Message], value)


def _tools(row: Row, key: str = "tools") -> list[dict[str, Json]]:
    value = decoded(row.get(key))
    if value is None and isinstance(config := row.get("toolConfig"), dict):
        value = config.get("tools")
    if value is None or value == "":
        return []
    if not isinstance(value, list) or not all(isinstance(tool, dict) for tool in value):
        raise Malformed("bad_tool_schema", f"'{key}' is not a list of objects")
    return [_described(tool) for tool in tools_from(cast(list[Row], value))]


def _described(tool: dict[str, Json]) -> dict[str, Json]:
    """Leave out of a tool's description what is null."""
    function = tool.get("function")
    if not isinstance(function, dict) or None not in function.values():
        return tool
    return {**tool, "function": {key: value for key, value in function.items() if value is not None}}


def _extra(row: Row, *more: Row) -> Mapping[str, Json] | None:
    """Return the row-level settings a provider knows; what a table leaves empty is not set."""
    found = {key: setting(one[key]) for one in (*more, row) for key in EXTRA if key in one}
    return {key: value for key, value in found.items() if value is not None} or None


def _preference(row: Row, shape: Shape) -> Conversation:
    if "chosen" in shape.columns:
        return _chosen_rejected(row, shape)
    given = decoded(row.get("input"))
    if not isinstance(given, dict):
        raise Malformed("missing_field", f"'input' is {kind(given)}; it must hold the messages of the prompt")
    answers: list[Message] = []
    for key in ("preferred_output", "non_preferred_output"):
        value = decoded(row.get(key))
        if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], dict):
            raise Malformed("preference_output", f"'{key}' must be a list of exactly one assistant message")
        answers.append(cast(Message, value[0]))
    tools = _tools(given) or _tools(row)
    return Conversation(_messages(given, "messages"), tools, answers[0], answers[1], _extra(given, row))


def _chosen_rejected(row: Row, shape: Shape) -> Conversation:
    """Read {"prompt", "chosen", "rejected"}: texts, messages, or conversations that share everything but the end."""
    names = shape.column("chosen"), shape.column("rejected")
    sides = [[side] if isinstance(side, dict) else side for side in (decoded(row.get(name)) for name in names)]
    if not all(isinstance(side, list) and side and isinstance(side[0], dict) for side in sides):
        good, bad = ([_answer(text_in(row, name))] for name in names)
    else:
        good, bad = (_turns({name: cast(Json, side)}, name) for name, side in zip(names, sides, strict=True))
    if len(good) == 1 and len(bad) == 1:
        return Conversation(_opening(row, shape), _tools(row), good[0], bad[0], _extra(row))
    if good[:-1] != bad[:-1] or len(good) < 2:
        raise Malformed("preference_output", "'chosen' and 'rejected' differ before their last message")
    start = [*_system(row, shape), *good[:-1]] if good[0]["role"] != "system" else good[:-1]
    return Conversation(start, _tools(row), good[-1], bad[-1], _extra(row))


def _answer(text: str) -> Message:
    return {"role": "assistant", "content": text}


def _turns(row: Row, key: str) -> list[Message]:
    """Read a list of messages, whoever's form they have."""
    found = cast(list[Row], _messages(row, key))
    if "from" in found[0]:
        return messages_of(found, key)[0]
    return messages_from(found)


def _opening(row: Row, shape: Shape, field: str = "prompt") -> list[Message]:
    """Return what comes before the answer: the system message, earlier turns, what is asked, its text."""
    if field == "prompt" and isinstance(prompt := decoded(row.get(shape.column(field))), list) and _are_turns(prompt):
        return _with_system(_turns(row, shape.column(field)), row, shape)
    asked, given = text_in(row, shape.column(field)), _beside(row, shape, "input")
    user: Message = {"role": "user", "content": f"{asked}\n\n{given}" if given else asked}
    return [*_system(row, shape), *_history(row, shape), user]


def _are_turns(value: list[Json]) -> bool:
    return bool(value) and isinstance(value[0], dict)


def _with_system(turns: list[Message], row: Row, shape: Shape) -> list[Message]:
    return turns if turns[0].get("role") in ("system", "developer") else [*_system(row, shape), *turns]


def _history(row: Row, shape: Shape) -> list[Message]:
    """Read earlier turns: pairs of a prompt and its answer, or messages."""
    name = shape.columns.get("history")
    value = decoded(row.get(name)) if name else None
    if value is None or value == "" or value == []:
        return []
    if not isinstance(value, list):
        raise Malformed("bad_content", f"'{name}' is {kind(value)}, not a list of turns")
    if _are_turns(value):
        return _turns(row, cast(str, name))
    if not all(isinstance(pair, list) and len(pair) == 2 and all(isinstance(t, str) for t in pair) for pair in value):
        raise Malformed("bad_content", f"'{name}' is not a list of [prompt, answer] pairs")
    pairs = cast(list[list[str]], value)
    return [cast(Message, {"role": role, "content": text})
            for pair in pairs for role, text in zip(("user", "assistant"), pair, strict=True)]  # fmt: skip


def _system(row: Row, shape: Shape) -> list[Message]:
    name = shape.columns.get("system")
    text = system_text(row[name]) if name and name in row else ""
    return [{"role": "system", "content": text}] if text.strip() else []


def _beside(row: Row, shape: Shape, field: str) -> str:
    """Read a field that a row may do without; nothing where it is blank."""
    name = shape.columns.get(field)
    text = text_in(row, name) if name and name in row else ""
    return text if text.strip() else ""


def _prompt_completion(row: Row, shape: Shape) -> Conversation:
    start = _opening(row, shape)
    answer = decoded(row.get(shape.column("completion")))
    if isinstance(answer, list) and len(answer) == 1 and isinstance(answer[0], dict) and "role" in answer[0]:
        return Conversation([*start, cast(Message, answer[0])], _tools(row), extra=_extra(row))
    return _answered(start, row, shape)


def _instruction(row: Row, shape: Shape) -> Conversation:
    return _answered(_opening(row, shape, "instruction"), row, shape)


def _answered(start: list[Message], row: Row, shape: Shape) -> Conversation:
    """Add the answer: a text, several labels, or the first of several answers that are as good."""
    name = shape.column("completion")
    if shape.labels is not None and name in row:
        return Conversation([*start, _answer(_labels(row, name, shape.labels))], _tools(row), extra=_extra(row))
    answer = row.get(name)
    notes: tuple[tuple[str, str], ...] = ()
    if isinstance(answer, dict) and isinstance(answer.get("text"), list):
        answer = answer["text"]  # SQuAD's answers: {"text": [...], "answer_start": [...]}
    if isinstance(answer, list) and answer and all(isinstance(item, str) for item in answer):
        row = {**row, name: answer[0]}
        if len(set(cast(list[str], answer))) > 1:
            notes = (("extra_answers", f"{len(answer)} answers in '{name}'; the first is used"),)
    return Conversation([*start, _answer(text_in(row, name))], _tools(row), extra=_extra(row), notes=notes)


def _labels(row: Row, name: str, form: Labels) -> str:
    """Write the labels of a row as one answer; no label is an answer, too."""
    value = decoded(row[name])
    held = value if isinstance(value, list) else [] if value is None or value == "" else [value]
    if not all(isinstance(one, str | int | float) for one in held):
        raise Malformed("bad_content", f"'{name}' holds a value that is not a label")
    if form is Labels.JSON:
        return orjson.dumps(held).decode()
    return ", ".join(map(str, held)) or "none"


def _sharegpt(row: Row, shape: Shape) -> Conversation:
    key = shape.column("conversations")
    messages, notes = messages_of(cast(list[Row], _messages(row, key)), key)
    if len(messages) > 0 and messages[0]["role"] == "system":
        row = {name: value for name, value in row.items() if name != shape.columns.get("system")}
    tools: list[dict[str, Json]] = [
        {"type": "function", "function": tool} if "name" in tool else tool for tool in _tools(row)
    ]
    return Conversation([*_system(row, shape), *messages], tools, extra=_extra(row), notes=tuple(notes))


def _plain(row: Row, shape: Shape) -> Conversation:
    return Conversation([{"role": "assistant", "content": text_in(row, shape.column("text"))}], [], extra=_extra(row))


_READERS = {
    Format.OPENAI_CHAT: _chat,
    Format.PREFERENCE: _preference,
    Format.PROMPT_COMPLETION: _prompt_completion,
    Format.INSTRUCTION: _instruction,
    Format.SHAREGPT: _sharegpt,
    Format.TEXT: _plain,
}
