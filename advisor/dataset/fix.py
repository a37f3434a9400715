"""What can be repaired without a person: written to a new file, said row by row kind, and the same when done twice."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import cast

import orjson

from advisor.dataset.checks import problem
from advisor.dataset.converse import Conversation
from advisor.dataset.dataset import Dataset, ends, usable
from advisor.dataset.scan import REDACTED, redact
from advisor.dataset.source import Progress
from advisor.dataset.split import Sides
from advisor.dataset.structure import MESSAGE_KEYS, faults
from advisor.dataset.types import Example, Format, Problem
from advisor.dataset.write import Losses, atomic, canonical, line_for
from advisor.errors import DataError
from backends import Json, Objective

_LINES_NAMED = 5
_MARKS = {code: mark.decode() for code, mark in REDACTED.items()}
_TEXTS = ("content", "text", "refusal", "reasoning", "reasoning_content")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff]")


@dataclass(slots=True)
class Change:
    """One kind of change: how many rows, and the first of their lines."""

    rows: int = 0
    lines: list[int] = field(default_factory=list)

    def add(self, line: int) -> None:
        self.rows += 1
        if len(self.lines) < _LINES_NAMED:
            self.lines.append(line)


@dataclass(frozen=True, slots=True)
class Fixed:
    """What was done. ``dropped`` and ``mended`` are by problem code; ``lost`` is what a backend's form cannot hold."""

    out: Path
    held_out: Path | None
    rows_read: int
    rows_written: int  # with those held out
    rows_held_out: int
    dropped: Mapping[str, Change]
    mended: Mapping[str, Change]
    lost: tuple[Problem, ...] = ()
    replaced: bool = False  # there was a file called ``out`` before
    unit: str = "line"  # what the places of changes are counted in


def fix(
    dataset: Dataset,
    out: Path,
    *,
    backend: str | None = None,
    objective: Objective | None = None,
    redacted: bool = False,
    held_out: float | int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    kept: Sequence[Path] = (),
) -> Fixed:
    """Write the repaired rows to ``out`` as JSON lines; with ``held_out``, divide them into two files.

    The rows are in OpenAI's format, which holds everything a row can, or in that of ``backend`` for ``objective``.
    The data itself is never touched, nor the files ``kept``; the new files appear whole or not at all. Raises DataError
    when one of them would be written over, nothing is left, or it cannot be divided.
    """
    for path in (out,) if held_out is None else (out, _beside(out)):
        if any(path.exists() and path.samefile(given) for given in (*dataset.paths, *kept)):
            raise DataError(f"{path}: this is the data itself, which is never overwritten; give --fix another name.")
    replaced = out.exists()
    dropped: dict[str, Change] = {}
    mended: dict[str, Change] = {}
    seen: set[bytes] = set()
    losses, sides = Losses(), Sides()
    trained = objective or (Objective.DPO if dataset.format is Format.PREFERENCE else Objective.SFT)
    container_of = dict(zip(dataset.sources, dataset.containers, strict=True))
    unread: list[Problem] = []
    read = written = 0
    with atomic(out) as stream:
        for source, line, talk, found in dataset.conversations(progress):
            if talk is None:
                code = found[0][0]
                if code == "byte_order_mark":
                    mended.setdefault(code, Change()).add(line)
                else:
                    read += 1
                    dropped.setdefault(code, Change()).add(line)
                    if ends(container_of[source], code):
                        unread.append(problem("rest_unread", line, source.name, unit=source.unit))
                continue
            read += 1
            changes = mend(talk, redacted)
            left = found if not changes else _judged_again(talk, dataset.format)
            if not usable(left):
                dropped.setdefault(next(code for code, _ in left if not usable([(code, "")])), Change()).add(line)
                continue
            example = Example(
                line, source.name, talk.messages, talk.tools, talk.preferred, talk.non_preferred, talk.extra or {},
                source.unit,
            )  # fmt: skip
            if backend is None:
                made: dict[str, Json] | None = canonical(example, dataset.format)
            else:
                made = line_for(example, dataset.format, backend, trained, losses)
            if made is None:
                dropped.setdefault(losses.last, Change()).add(line)
                continue
            row = orjson.dumps(made)
            key = blake2b(row, digest_size=16).digest()
            if key in seen:
                dropped.setdefault("exact_duplicate", Change()).add(line)
                continue
            seen.add(key)
            for code in changes:
                mended.setdefault(code, Change()).add(line)
            if held_out is not None:
                sides.add(example, dataset.format)
            stream.write(row + b"\n")
            written += 1
        if not written:
            raise DataError(f"{dataset.sources[0].name}: no row is left after the repair; see 'tunewise check'.")
        chosen = None if held_out is None else sides.held_out(dataset.sources[0].name, held_out, seed)
    held, apart = (None, 0) if chosen is None else _divide(out, chosen)
    lost, unit = (*unread, *losses.problems()), dataset.sources[0].unit
    return Fixed(out, held, read, written, apart, dropped, mended, lost, replaced, unit)


def _judged_again(talk: Conversation, format: Format) -> list[tuple[str, str]]:
    if format is Format.TEXT:
        return [] if str(talk.messages[0]["content"]).strip() else [("empty_answer", "")]
    return faults(talk)


def _divide(out: Path, chosen: set[int]) -> tuple[Path, int]:
    """Divide the lines of ``out`` in two: it keeps the training side. Return the other file and its rows."""
    held = _beside(out)
    with atomic(out) as left, atomic(held) as right, out.open("rb") as lines:
        for index, line in enumerate(lines):
            (right if index in chosen else left).write(line)
    return held, len(chosen)


def _beside(out: Path) -> Path:
    return out.with_name(f"{out.stem}.held_out{out.suffix or '.jsonl'}")


def mend(talk: Conversation, redacted: bool) -> list[str]:
    """Repair the conversation in place; return the codes of what was repaired."""
    done: dict[str, None] = {}
    sides = [side for side in (talk.preferred, talk.non_preferred) if side is not None]
    for message in (*talk.messages, *sides):
        if not isinstance(message.get("role"), str):
            continue
        for code in _mend(cast(dict[str, Json], message), redacted):
            done[code] = None
    return list(done)


def _mend(message: dict[str, Json], redacted: bool) -> list[str]:
    done: list[str] = []
    unknown = message.keys() - MESSAGE_KEYS
    if unknown:
        done.append("unknown_message_key")
        for key in unknown:
            del message[key]
    if message["role"] == "developer":
        message["role"] = "system"
        done.append("developer_role")
    if "weight" in message and message["role"] != "assistant":
        del message["weight"]
        done.append("weight_not_assistant")
    content = message.get("content")
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    for held in (message, *parts):
        for key in _TEXTS:
            if isinstance(text := held.get(key), str):
                held[key], codes = _clean(text, redacted)
                done.extend(codes)
    done.extend(_mend_calls(message))
    if redacted:
        done.extend(_redact_calls(message))
    return done


def _redact_calls(message: dict[str, Json]) -> list[str]:
    done: list[str] = []
    calls = message.get("tool_calls")
    functions = [call.get("function") for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    for function in (*functions, message.get("function_call")):
        if isinstance(function, dict) and isinstance(text := function.get("arguments"), str):
            clean = redact(text)
            if clean != text:
                function["arguments"] = clean if _is_json(clean) or not _is_json(text) else _redact_values(text)
                done += [code for code, mark in _MARKS.items() if clean.count(mark) > text.count(mark)]
    return done


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _redact_values(arguments: str) -> str:
    """Redact arguments in which a number is to be hidden: what takes its place must be a text."""

    def hidden(value: Json) -> Json:
        if isinstance(value, dict):
            return {key: hidden(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [hidden(inner) for inner in value]
        text = value if isinstance(value, str) else orjson.dumps(value).decode()
        return value if (clean := redact(text)) == text else clean

    return orjson.dumps(hidden(orjson.loads(arguments))).decode()


def _mend_calls(message: dict[str, Json]) -> list[str]:
    done: list[str] = []
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(call, dict) and isinstance(function, dict) and "type" not in call:
            call["type"] = "function"
            done.append("bad_tool_call")
        if isinstance(function, dict) and isinstance(function.get("arguments"), dict):
            function["arguments"] = orjson.dumps(function["arguments"]).decode()
            done.append("arguments_not_text")
    if calls is None and "tool_calls" in message:
        del message["tool_calls"]
    return done


def _clean(text: str, redacted: bool) -> tuple[str, list[str]]:
    done: list[str] = []
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        done.append("carriage_returns")
    if _CONTROL.search(text):
        text = _CONTROL.sub("", text)
        done.append("control_characters")
    if redacted:
        clean = redact(text)
        if clean != text:
            done += [code for code, mark in _MARKS.items() if clean.count(mark) > text.count(mark)]
            text = clean
    return text, done
