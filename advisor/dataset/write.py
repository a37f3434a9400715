"""Each backend's own file, written from any format; what cannot be expressed there is said, never dropped silently."""

from __future__ import annotations

import functools
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, cast

import orjson

import backends
from advisor.dataset.checks import problem
from advisor.dataset.dataset import Dataset
from advisor.dataset.structure import MESSAGE_KEYS
from advisor.dataset.types import Example, Format, Problem
from advisor.errors import DataError
from backends import Json, Message, Objective, RowFormat

_REASONING = frozenset(("reasoning", "reasoning_content"))
_SAID = 20  # rows named per kind of loss; the rest is counted


def write_for(dataset: Dataset, backend: str, objective: Objective, out: Path) -> tuple[Problem, ...]:
    """Write ``dataset`` in the backend's own format, and return what could not be expressed there.

    The file appears whole or not at all. Raises DataError when not one example can be written.
    """
    losses = Losses()
    written = 0
    with atomic(out) as stream:
        for example in dataset.examples():
            line = line_for(example, dataset.format, backend, objective, losses)
            if line is not None:
                stream.write(orjson.dumps(line) + b"\n")
                written += 1
        if not written:
            reason = losses.problems()[0].message if losses.problems() else "the data has no valid example."
            raise DataError(f"{dataset.sources[0].name}: nothing can be written for {backend}: {reason}")
    return losses.problems()


def canonical(example: Example, format: Format) -> dict[str, Json]:
    """Return the row in OpenAI's format, which carries everything an example can hold; plain text stays {"text"}."""
    if format is Format.TEXT:
        return {"text": cast(Json, example.messages[0].get("content")), **example.extra}
    objective = Objective.DPO if format is Format.PREFERENCE else Objective.SFT
    row = _openai(example, objective)
    return {**row, **{key: value for key, value in example.extra.items() if key not in row}}


@contextmanager
def atomic(out: Path) -> Iterator[BinaryIO]:
    """Open a file that takes its name only when the block ends well; an error or Ctrl-C leaves nothing behind.

    Raises DataError when it cannot be written.
    """
    name = ""
    try:
        if out.is_dir():
            raise IsADirectoryError(0, "this is a folder")
        out.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)
        with os.fdopen(handle, "wb", buffering=1 << 20) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
        Path(name).replace(out)
    except OSError as error:
        raise DataError(f"{out}: this cannot be written ({error.strerror or error}); name another place.") from None
    finally:
        if name:
            Path(name).unlink(missing_ok=True)


@dataclass(slots=True)
class Losses:
    """Collects what could not be carried over: the first rows by line, the rest as a count."""

    said: list[Problem] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    file: str = ""
    last: str = ""  # the code added last

    def add(self, example: Example, code: str, detail: str) -> None:
        self.file, self.last = example.file, code
        self.counts[code, detail] += 1
        if self.counts[code, detail] <= _SAID:
            self.said.append(problem(code, example.line, example.file, detail, unit=example.unit))

    def problems(self) -> tuple[Problem, ...]:
        rest = tuple(
            problem(code, None, self.file, f"{detail}; {count - _SAID:,} more rows")
            for (code, detail), count in self.counts.items()
            if count > _SAID
        )
        return (*self.said, *rest)


def line_for(
    example: Example, format: Format, backend: str, objective: Objective, losses: Losses
) -> dict[str, Json] | None:
    """Return the row for this backend; None when it cannot be expressed there."""
    if objective is Objective.DPO and example.preferred is None:
        losses.add(example, "no_pair", "preference training needs a preferred and a non-preferred answer")
        return None
    if objective is Objective.SFT and example.preferred is not None:
        losses.add(example, "rejected_unused", "supervised training learns the preferred answer only")
    rows = _rows_of(backend)
    example = _spoken(_tools_in_text(example), backend, rows, losses)
    if not rows.functions and any(message.get("function_call") for message in example.messages):
        losses.add(example, "not_expressible", f"{backend} knows calls of tools, not of functions")
        return None
    if rows.form == "prompt":
        return _prompt(example, format, backend, losses)
    if rows.form == "converse":
        return _converse(example, backend, losses)
    row = _openai(example, objective)
    if format is Format.TEXT and rows.text:
        row = {"text": cast(str, example.messages[0]["content"])}
    elif format is Format.TEXT:
        losses.add(example, "text_as_answer", "plain text becomes one assistant message")
    elif rows.parts_alike:
        _as_parts(cast(dict[str, list[Message]], row["input"] if objective is Objective.DPO else row))
    for key, value in example.extra.items():
        if rows.settings is None or key in rows.settings:
            target = cast(dict[str, Json], row["input"]) if objective is Objective.DPO and key != "weight" else row
            target[key] = value
        else:
            losses.add(example, "setting_dropped", f"{backend} has no row setting '{key}'")
    return row


def _tools_in_text(example: Example) -> Example:
    """Write a tool's answer that is in text parts as one text: most providers and templates take no other."""
    if not any(map(_is_in_parts, example.messages)):
        return example
    written = [{**message, "content": text_of(message)} if _is_in_parts(message) else message
               for message in example.messages]  # fmt: skip
    return replace(example, messages=cast(list[Message], written))


def _is_in_parts(message: Message) -> bool:
    content = message.get("content")
    if message["role"] != "tool" or not isinstance(content, list):
        return False
    return all(isinstance(part, dict) and part.get("type") == "text" for part in content)


@functools.cache
def _rows_of(backend: str) -> RowFormat:
    """Return the row format of a backend; the usual one where only a provider's prices are known."""
    try:
        return backends.get(backend).rows
    except backends.BackendMissing:
        return RowFormat()


def _spoken(example: Example, backend: str, rows: RowFormat, losses: Losses) -> Example:
    """Write roles and the keys of messages as the backend knows them, and say what goes."""
    talk = [*example.messages, *(side for side in (example.preferred, example.non_preferred) if side)]
    if all(len(message) == 2 and "content" in message and message["role"] != "developer" for message in talk):
        return example
    if any(message["role"] == "developer" for message in talk):
        losses.add(example, "developer_role", "written as system")
    gone = _REASONING if rows.reasoning == "dropped" else frozenset()
    if any(map(gone.intersection, talk)):
        losses.add(example, "reasoning_text", f"{backend} has no place for it")
    unknown = {key for message in talk for key in message.keys() - MESSAGE_KEYS}
    if unknown:
        losses.add(example, "unknown_message_key", f"{', '.join(sorted(unknown))[:80]}: left out")

    def spoken(message: Message) -> Message:
        made = {key: value for key, value in message.items() if key in MESSAGE_KEYS - gone and value != []}
        if made["role"] == "developer":
            made["role"] = "system"
        if rows.reasoning == "reasoning_content" and "reasoning" in made:
            made.setdefault("reasoning_content", made.pop("reasoning"))
        return cast(Message, made)

    return replace(
        example,
        messages=[spoken(message) for message in example.messages],
        preferred=spoken(example.preferred) if example.preferred else None,
        non_preferred=spoken(example.non_preferred) if example.non_preferred else None,
    )


def _as_parts(row: dict[str, list[Message]]) -> None:
    """Write every content as parts where one is: some take a conversation in one of the two forms only."""
    if any(isinstance(message.get("content"), list) for message in row["messages"]):
        row["messages"] = [
            {**message, "content": [{"type": "text", "text": content}]}
            if isinstance(content := message.get("content"), str)
            else message
            for message in row["messages"]
        ]


def _openai(example: Example, objective: Objective) -> dict[str, Json]:
    """The chat format of OpenAI, Together and the local trainer, and their preference format."""
    row: dict[str, Json] = {"messages": cast(Json, [_set(message) for message in example.messages])}
    if example.tools:
        row["tools"] = cast(Json, example.tools)
    if example.preferred is None or example.non_preferred is None:
        return row
    if objective is Objective.SFT:
        return {**row, "messages": cast(Json, [*cast(list[Message], row["messages"]), _set(example.preferred)])}
    return {
        "input": row,
        "preferred_output": cast(Json, [_set(example.preferred)]),
        "non_preferred_output": cast(Json, [_set(example.non_preferred)]),
    }


def _set(message: Message) -> Message:
    """Leave out what is null, as it is where a program writes all fields of its objects; the schemas refuse it."""
    if None not in message.values():
        return message
    return cast(Message, {key: value for key, value in message.items() if value is not None or key == "content"})


def _prompt(example: Example, format: Format, backend: str, losses: Losses) -> dict[str, Json] | None:
    """Prompt and completion as text: the only form some trainers take."""
    talk: list[Message] = [*example.messages, example.preferred] if example.preferred else example.messages
    if example.tools or any(m.get("tool_calls") or not isinstance(m.get("content"), str) for m in talk):
        reason = "tools and images have no place in a prompt and completion"
    elif talk[-1]["role"] != "assistant":
        reason = "the last message is not the assistant's"
    elif talk[-1].get("weight") == 0:
        reason = "the last answer has weight 0, and it is the one that would be learnt"
    else:
        reason = ""
    if reason:
        losses.add(example, "not_expressible", reason)
        return None
    for key in example.extra:
        losses.add(example, "setting_dropped", f"{backend} has no row setting '{key}'")
    for key in sorted({key for message in talk for key in message} - {"role", "content", "weight"}):
        losses.add(example, "setting_dropped", f"{backend} has no '{key}' in a message")
    texts = [(str(m["role"]), cast(str, m["content"])) for m in talk]
    if format is Format.TEXT:
        return {"text": texts[0][1]}
    if [role for role, _ in texts] == ["user", "assistant"]:
        return {"prompt": texts[0][1], "completion": texts[1][1]}
    losses.add(example, "flattened", "roles and turns become text in the prompt")
    prompt = "\n\n".join(text if role == "system" else f"{role.capitalize()}: {text}" for role, text in texts[:-1])
    return {"prompt": f"{prompt}\n\nAssistant:", "completion": texts[-1][1]}


def _converse(example: Example, backend: str, losses: Losses) -> dict[str, Json] | None:
    """AWS's conversation format: the system prompt apart, then turns of texts that alternate and end in an answer."""
    talk: list[Message] = [*example.messages, example.preferred] if example.preferred else example.messages
    turns = [message for message in talk if message["role"] != "system"]
    roles = [message["role"] for message in turns]
    if example.tools or any(message.get("tool_calls") or not _is_text(message) for message in talk):
        reason = "tools and images have no place in its conversations"
    elif roles != ["user", "assistant"] * (len(roles) // 2):
        reason = "its turns go from user to assistant and end in an answer"
    else:
        reason = ""
    if reason:
        losses.add(example, "not_expressible", reason)
        return None
    if any(message.get("weight") == 0 for message in talk):
        losses.add(example, "setting_dropped", f"{backend} learns every answer; a weight of 0 is left out")
    for key in example.extra:
        losses.add(example, "setting_dropped", f"{backend} has no row setting '{key}'")
    system = [{"text": text_of(message)} for message in talk if message["role"] == "system"]
    said: list[Json] = [{"role": message["role"], "content": [{"text": text_of(message)}]} for message in turns]
    row: dict[str, Json] = {"schemaVersion": "bedrock-conversation-2024"}
    return {**row, **({"system": cast(Json, system)} if system else {}), "messages": said}


def _is_text(message: Message) -> bool:
    content = message.get("content")
    if isinstance(content, list):
        return all(isinstance(part, dict) and part.get("type") == "text" for part in content)
    return isinstance(content, str) and bool(content)


def text_of(message: Mapping[str, object]) -> str:
    """Return the text of a message: its content, or the text parts of a list of parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(
            part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)
        )
    return ""
