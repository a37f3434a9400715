"""What serving a tuned model elsewhere needs from here, done in child processes: prompts as text, and the merge."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from backends import Json, Message
from backends.local.folder import RunFolder
from backends.local.workers.process import answer_of, command

Part = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model reads before it answers: the text, and its length in tokens."""

    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Shape:
    """A chat template as text put around each turn; ``start`` comes first, ``opening`` asks for the answer.

    ``default_system`` is the system prompt that the template puts in by itself when there is none.
    """

    start: str
    around: Mapping[str, tuple[str, str]]  # role -> before, behind
    opening: str
    default_system: str | None = None


@dataclass(frozen=True, slots=True)
class Turns:
    """How a model takes turns. ``end`` is its end-of-turn token as text, ``stops`` are all tokens that end an answer.

    ``shape`` is None where the template does more than put text around each turn; ``beyond`` says what it does.
    """

    template: str
    end: str
    stops: tuple[str, ...]
    begin: str | None  # the token that the tokenizer puts at the start by itself
    shape: Shape | None
    beyond: tuple[str, ...]
    prompts: tuple[Prompt, ...]
    dated: bool = False  # the template writes a date, the one it was trained with


def turns(folder: Path, asked: Sequence[tuple[Sequence[Message], Sequence[Mapping[str, Json]]]] = ()) -> Turns:
    """Read the tokenizer in ``folder``, and write each of ``asked`` (messages, tools) as the model would read it."""
    rows: list[Json] = [
        {
            "messages": [cast("dict[str, Json]", message) for message in messages],
            "tools": [dict(tool) for tool in tools],
        }
        for messages, tools in asked
    ]
    said = answer_of(command("inference.chat_template", str(folder)), json.dumps(rows))
    shape = said["shape"]
    return Turns(
        template=str(said["template"]),
        dated=bool(said["dated"]),
        end=str(said["end"]),
        stops=_texts(said["stops"]),
        begin=_text(said["begin"]),
        shape=_shape(shape) if isinstance(shape, dict) else None,
        beyond=_texts(said["beyond"]),
        prompts=tuple(
            Prompt(str(one["text"]), int(str(one["tokens"]))) for one in cast("list[dict[str, Json]]", said["prompts"])
        ),
    )


def is_adapter(tuned: Path) -> bool:
    """Tell whether the folder holds an adapter, not a whole model."""
    return (tuned / "adapter_config.json").is_file()


def merge(run_folder: Path, out: Path, rows: Path | None = None) -> str | None:
    """Write the run's tuned model into ``out`` as a whole model: adapter and base in one.

    It answers the prompts in ``rows`` beside the adapter first; returns how that went, None where nothing was merged.
    ``out`` must not exist. Raises ModelNotTunable when base or adapter cannot be loaded, or merging changes answers.
    """
    tuned = RunFolder(run_folder).tuned
    out.parent.mkdir(parents=True, exist_ok=True)
    if is_adapter(tuned):
        return str(_merging("merge", run_folder, out, rows)["said"])
    shutil.copytree(tuned, out)
    return None


def compare(run_folder: Path, written: Path, rows: Path | None = None) -> tuple[bool, str]:
    """Tell whether a model written of the run (a folder, a GGUF file) answers as what was trained, with the figures.

    Raises ModelNotTunable where it cannot be read back.
    """
    found = _merging("check", run_folder, written, rows)
    return bool(found["holds"]), str(found["said"])


def _merging(what: str, run_folder: Path, path: Path, rows: Path | None) -> dict[str, Json]:
    given = [str(rows)] if rows is not None and rows.is_file() else []
    return answer_of(command("inference.merge", what, str(run_folder), str(path), *given))


def _shape(said: Mapping[str, Json]) -> Shape:
    around = cast("dict[str, list[str]]", said["around"])
    return Shape(
        start=str(said["start"]),
        around={role: (pair[0], pair[1]) for role, pair in around.items()},
        opening=str(said["opening"]),
        default_system=_text(said["default_system"]),
    )


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _texts(value: Json) -> tuple[str, ...]:
    return tuple(str(one) for one in value) if isinstance(value, list) else ()
