"""The nouns of a dataset: level, problem, format, example."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from backends import Json, Message


class Level(StrEnum):
    """How much a problem matters: an error stops a job or wastes it, a warning costs quality or money."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding. ``line`` counts from 1 in the file as it lies on disk; None means the dataset as a whole.

    ``unit`` is "row" where several rows share a line, or there are no lines: then ``line`` is the number of the row.
    """

    line: int | None
    code: str
    level: Level
    message: str
    fix: str
    file: str
    unit: str = "line"


class Format(StrEnum):
    """What one row looks like, whatever container (JSONL, JSON array, CSV, Parquet, ...) holds it."""

    OPENAI_CHAT = "openai_chat"  # {"messages": [...], "tools": [...]}; Together's conversation format is the same
    PREFERENCE = (
        "preference"  # {"input", "preferred_output", "non_preferred_output"} or {"prompt", "chosen", "rejected"}
    )
    PROMPT_COMPLETION = "prompt_completion"
    INSTRUCTION = "instruction"  # Alpaca: instruction, input, output
    SHAREGPT = "sharegpt"  # {"conversations": [{"from", "value"}]}
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Example:
    """One training conversation in chat messages.

    A preference pair keeps its two answers apart from ``messages``. Plain text is one assistant message.
    ``extra`` holds row-level settings a provider knows (``parallel_tool_calls``, Together's row ``weight``).
    """

    line: int
    file: str
    messages: list[Message]
    tools: list[dict[str, Json]] = field(default_factory=list)
    preferred: Message | None = None
    non_preferred: Message | None = None
    extra: Mapping[str, Json] = field(default_factory=dict)
    unit: str = "line"  # what ``line`` counts, as in a Problem
