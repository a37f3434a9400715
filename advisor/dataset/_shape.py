"""What a row's keys mean: which format it is, and how it becomes chat messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from advisor.dataset._cells import Malformed, Row, decoded, kind, setting, text_in
from advisor.dataset._sharegpt import messages_of
from advisor.dataset._types import Format
from backends import Json, Message

# Column names people use, in order of preference. A column is taken at most once.
PROMPTS = (
    "prompt",
    "question",
    "query",
    "input",
    "user",
    "text",
    "sentence",
    "utterance",
    "source",
    "document",
    "article",
)
COMPLETIONS = (
    "completion", "answer", "output", "response", "assistant", "target", "label_text", "label_name", "label",
    "category", "intent", "summary", "sql", "ideal",
)  # fmt: skip
SYSTEMS = ("system", "system_prompt")
CONTEXTS = ("input", "context")  # the text that an instruction or a question is about
ROLES = ("system", "developer", "user", "assistant", "tool", "function")
FIELDS = ("messages", "tools", "system", "prompt", "completion", "instruction", "input", "conversations", "text",
          "chosen", "rejected")  # fmt: skip
_EXTRA = ("parallel_tool_calls", "weight", "functions")


@dataclass(frozen=True, slots=True)
class Shape:
    """A format and the column each of its fields is read from."""

    format: Format
    columns: Mapping[str, str]
    unread: tuple[str, ...] = ()  # fields of the first rows that nothing reads
    known: frozenset[str] = frozenset()  # fields that are read or unread; a row may hold others
    delimiter: str = ""  # between the cells, where the rows are those of tables

    def column(self, field: str) -> str:
        return self.columns.get(field, field)

    def reads(self) -> set[str]:
        """Return the fields of a row that are read, or spoken of by their name."""
        fixed = {"input", "preferred_output", "non_preferred_output"} if self.format is Format.PREFERENCE else set()
        return {*self.columns.values(), *_EXTRA, "tools", "response_format", *fixed}


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


def shape_of(keys: Iterable[str], columns: Mapping[str, str]) -> Shape | None:
    """Return the shape that a row with these keys has; None when it is none we know. ``columns`` wins over names.

    Names are known in any case: Question is question, unless both are there.
    """
    have = set(keys)
    if any(name not in have for name in columns.values()):
        return None
    exact = {name: name for name in have - set(columns.values())}
    free = {**{name.casefold(): name for name in sorted(exact, reverse=True)}, **exact}

    def find(field: str, names: tuple[str, ...]) -> str | None:
        return columns.get(field) or next((free[name] for name in names if name in free), None)

    def shape(format: Format, **found: str | None) -> Shape:
        return Shape(format, {**columns, **{field: name for field, name in found.items() if name}})

    def given(prompt: str | None) -> str | None:
        found = find("input", CONTEXTS)
        return None if found == prompt else found

    messages = find("messages", ("messages",))
    system = find("system", SYSTEMS)
    if messages and not ({"prompt", "completion"} & set(columns)):
        return shape(Format.OPENAI_CHAT, messages=messages, system=system)
    if "input" in have and {"preferred_output", "non_preferred_output"} & have:
        return shape(Format.PREFERENCE)
    chosen, rejected = find("chosen", ("chosen",)), find("rejected", ("rejected",))
    if chosen and rejected:
        prompt = find("prompt", ("prompt", "instruction", *PROMPTS))
        return shape(
            Format.PREFERENCE, chosen=chosen, rejected=rejected, prompt=prompt, input=given(prompt), system=system
        )
    turns = find("conversations", ("conversations", "conversation"))
    if turns:
        return shape(Format.SHAREGPT, conversations=turns, system=system)
    instruction = find("instruction", ("instruction",))
    asked = {"question", "prompt", "instruction"} & free.keys()  # beside one of them, a query is what is to be written
    completion = find("completion", (*COMPLETIONS, "query") if asked else COMPLETIONS)
    if instruction and "prompt" not in columns:
        answer = find("completion", ("output", "response", *COMPLETIONS))
        if answer:
            return shape(
                Format.INSTRUCTION, instruction=instruction, input=given(None), completion=answer, system=system
            )
    prompt = find("prompt", tuple(name for name in PROMPTS if free.get(name) != completion))
    if prompt and completion:
        return shape(Format.PROMPT_COMPLETION, prompt=prompt, completion=completion, input=given(prompt), system=system)
    text = find("text", ("text",))
    if (text and not prompt) or (text == prompt and text):
        return Shape(Format.TEXT, {**columns, "text": text})
    return None


def joined(shapes: Sequence[Shape]) -> Shape:
    """Return the first shape with the fields only others of its format have: rows may do without input or system."""
    alike = [shape for shape in shapes if shape.format is shapes[0].format]
    columns = dict(alike[0].columns)
    for field, name in (item for shape in alike for item in shape.columns.items()):
        if field in ("input", "system", "prompt") and name not in columns.values():
            columns.setdefault(field, name)
    delimiters = {shape.delimiter for shape in shapes}
    made = Shape(alike[0].format, columns, delimiter=delimiters.pop() if len(delimiters) == 1 else "")
    unread = dict.fromkeys(name for shape in alike for name in shape.unread if name not in made.reads())
    return replace(made, unread=tuple(unread), known=frozenset().union(*(shape.known for shape in alike)))


def converse(row: Row, shape: Shape) -> Conversation:
    """Turn one row into messages. Raises Malformed where a field is missing or of the wrong kind."""
    return _READERS[shape.format](row, shape)


def _chat(row: Row, shape: Shape) -> Conversation:
    messages = _messages(row, shape.column("messages"))
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
    if value is None or value == "":
        return []
    if not isinstance(value, list) or not all(isinstance(tool, dict) for tool in value):
        raise Malformed("bad_tool_schema", f"'{key}' is not a list of objects")
    return [_described(tool) for tool in cast(list[dict[str, Json]], value)]


def _described(tool: dict[str, Json]) -> dict[str, Json]:
    """Leave out of a tool's description what is null."""
    function = tool.get("function")
    if not isinstance(function, dict) or None not in function.values():
        return tool
    return {**tool, "function": {key: value for key, value in function.items() if value is not None}}


def _extra(row: Row, *more: Row) -> Mapping[str, Json] | None:
    """Return the row-level settings a provider knows; what a table leaves empty is not set."""
    found = {key: setting(one[key]) for one in (*more, row) for key in _EXTRA if key in one}
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
    """Read {"prompt", "chosen", "rejected"}: texts, or whole conversations that share everything but the last turn."""
    chosen, rejected = decoded(row.get(shape.column("chosen"))), decoded(row.get(shape.column("rejected")))
    if isinstance(chosen, list) and isinstance(rejected, list):
        good, bad = _messages(row, shape.column("chosen")), _messages(row, shape.column("rejected"))
        if "prompt" in shape.columns and len(good) == 1 and len(bad) == 1:
            prompt = decoded(row.get(shape.column("prompt")))
            start = _messages(row, shape.column("prompt")) if isinstance(prompt, list) else _opening(row, shape)
            return Conversation(start, _tools(row), good[0], bad[0], _extra(row))
        if good[:-1] != bad[:-1] or len(good) < 2:
            raise Malformed("preference_output", "'chosen' and 'rejected' differ before their last message")
        return Conversation(good[:-1], _tools(row), good[-1], bad[-1], _extra(row))
    return Conversation(
        _opening(row, shape),
        _tools(row),
        {"role": "assistant", "content": text_in(row, shape.column("chosen"))},
        {"role": "assistant", "content": text_in(row, shape.column("rejected"))},
        _extra(row),
    )


def _opening(row: Row, shape: Shape, field: str = "prompt") -> list[Message]:
    """Return the system message, when there is one, and the user's: what is asked, and the text it is asked about."""
    asked, given = text_in(row, shape.column(field)), _beside(row, shape, "input")
    return [*_system(row, shape), {"role": "user", "content": f"{asked}\n\n{given}" if given else asked}]


def _system(row: Row, shape: Shape) -> list[Message]:
    text = _beside(row, shape, "system")
    return [{"role": "system", "content": text}] if text else []


def _beside(row: Row, shape: Shape, field: str) -> str:
    """Read a field that a row may do without; nothing where it is blank."""
    name = shape.columns.get(field)
    text = text_in(row, name) if name and name in row else ""
    return text if text.strip() else ""


def _prompt_completion(row: Row, shape: Shape) -> Conversation:
    prompt, answer = decoded(row.get(shape.column("prompt"))), row.get(shape.column("completion"))
    start = (
        _messages(row, shape.column("prompt"))
        if isinstance(prompt, list) and prompt and isinstance(prompt[0], dict)
        else _opening(row, shape)
    )
    if isinstance(answer, list) and len(answer) == 1 and isinstance(answer[0], dict) and "role" in answer[0]:
        return Conversation([*start, cast(Message, answer[0])], _tools(row), extra=_extra(row))
    notes: tuple[tuple[str, str], ...] = ()
    if isinstance(answer, list) and len(answer) > 1 and all(isinstance(item, str) for item in answer):
        notes = (("extra_answers", f"{len(answer)} answers in '{shape.column('completion')}'; the first is used"),)
        text = cast(str, answer[0])
    else:
        text = text_in(row, shape.column("completion"))
    return Conversation([*start, {"role": "assistant", "content": text}], _tools(row), extra=_extra(row), notes=notes)


def _instruction(row: Row, shape: Shape) -> Conversation:
    answer: Message = {"role": "assistant", "content": text_in(row, shape.column("completion"))}
    return Conversation([*_opening(row, shape, "instruction"), answer], _tools(row), extra=_extra(row))


def _sharegpt(row: Row, shape: Shape) -> Conversation:
    key = shape.column("conversations")
    messages, notes = messages_of(cast(list[Row], _messages(row, key)), key)
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
