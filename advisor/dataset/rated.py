"""Rows that carry a judgement of their answer: which are to be learnt, and which make pairs of a good and a bad one."""

from __future__ import annotations

import atexit
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, cast

import orjson

from advisor.dataset.cells import Fault, Malformed, Row, setting
from advisor.dataset.converse import Conversation, converse
from advisor.dataset.shape import Rating, Shape
from advisor.dataset.source import Source
from advisor.dataset.types import Format
from advisor.errors import DataError
from backends import Json, Message

VERDICTS = (
    "label", "kto_tag", "accepted", "good", "is_good", "liked", "thumbs_up", "thumbs", "desirable", "feedback",
    "correct", "is_correct", "is_preferred", "verdict",
)  # fmt: skip
SCORES = (
    "score", "reward", "rating", "rank", "ranking", "quality", "grade", "reward_score", "preference_score",
    "overall_score",
)  # fmt: skip
RANKS = ("rank", "ranking")  # scores of which the lowest is the best
_WORDS = {"good": True, "bad": False, "up": True, "down": False, "accept": True, "reject": False,
          "accepted": True, "rejected": False, "positive": True, "negative": False}  # fmt: skip
_MOST_NAMED = 10  # lines in one message
_RATED = (Format.OPENAI_CHAT, Format.PROMPT_COMPLETION, Format.INSTRUCTION, Format.SHAREGPT)


class Answers(StrEnum):
    """What to make of rated answers."""

    GOOD = "good"  # those judged good, or the best rated of each prompt
    PAIRS = "pairs"  # a good and a bad one of each prompt


def rating_in(rows: Iterable[Row], shape: Shape) -> Rating | None:
    """Return the field that judges the answers; None where no field of the first rows does."""
    if shape.format not in _RATED:
        return None
    looked = list(rows)
    for name in shape.unread:
        values = [value for row in looked if (value := setting(row.get(name))) is not None]
        if name.casefold() in VERDICTS and values and all(_verdict(value) is not None for value in values):
            return Rating(name, scored=False)
        if name.casefold() in SCORES and values and all(is_number(value) for value in values):
            return Rating(name, scored=True)
    return None


def _verdict(value: Json) -> bool | None:
    if isinstance(value, bool) or (is_number(value) and value in (0, 1)):
        return bool(value)
    return _WORDS.get(value.casefold()) if isinstance(value, str) else None


def is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(slots=True)
class Judged:
    """The answers to one prompt, each with what it was judged."""

    talk: Conversation
    answers: list[tuple[float, Message]] = field(default_factory=list)

    def pairs(self, scored: bool) -> list[tuple[Message, Message]]:
        """Return (good, bad): the best and the worst by score, else every good one with a bad one."""
        ordered = sorted(self.answers, key=lambda answer: answer[0])
        if scored:
            (low, bad), (high, good) = ordered[0], ordered[-1]
            return [(good, bad)] if low < high else []
        sides = [[message for value, message in ordered if value == side] for side in (1.0, 0.0)]
        return list(zip(*sides, strict=False))


def judged(rows: Iterable[tuple[int, Row | Fault]], shape: Shape) -> tuple[dict[bytes, Judged], list[int]]:
    """Group the answers by their prompt; the second are the lines of rows that hold no answer with a judgement."""
    rating = cast(Rating, shape.rating)
    found: dict[bytes, Judged] = {}
    others = []
    for line, row in rows:
        one = _one(row, shape, rating) if isinstance(row, dict) else None
        if one is None:
            if row != ("byte_order_mark", ""):
                others.append(line)
            continue
        number, talk = one
        key = orjson.dumps([talk.messages[:-1], talk.tools])
        found.setdefault(key, Judged(talk)).answers.append((number, talk.messages[-1]))
    return found, others


def _one(row: Row, shape: Shape, rating: Rating) -> tuple[float, Conversation] | None:
    value = setting(row.get(rating.column))
    said = (value if is_number(value) else None) if rating.scored else _verdict(value)
    try:
        talk = converse(row, shape)
    except Malformed:
        return None
    if said is None or talk.messages[-1].get("role") != "assistant":
        return None
    number = float(cast(float, said))
    return (-number if rating.column.casefold() in RANKS else number), talk


def selected(groups: Mapping[bytes, Judged], shape: Shape, how: Answers) -> Iterator[Row]:
    """Yield the rows that are left, in OpenAI's format."""
    scored = cast(Rating, shape.rating).scored
    for group in groups.values():
        prompt: Row = {"messages": cast(Json, group.talk.messages[:-1])}
        if group.talk.tools:
            prompt["tools"] = cast(Json, group.talk.tools)
        if how is Answers.PAIRS:
            for good, bad in group.pairs(scored):
                yield {
                    "input": prompt,
                    "preferred_output": cast(Json, [good]),
                    "non_preferred_output": cast(Json, [bad]),
                }
            continue
        best = max(value for value, _ in group.answers)
        kept = [message for value, message in group.answers if value == (best if scored else 1.0)]
        for message in kept[: 1 if scored else None]:
            yield {**prompt, "messages": cast(Json, [*group.talk.messages[:-1], message])}


def not_as_the_first(source: Source, lines: Sequence[int], what: str) -> DataError:
    """Name the rows that are not what the first rows are."""
    where = f"{source.unit}{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines[:_MOST_NAMED]))}"
    more = f" and {len(lines) - _MOST_NAMED:,} more" if len(lines) > _MOST_NAMED else ""
    return DataError(f"{source.name}, {where}{more}: {what}, as the first rows do; correct or remove what is there.")


def spooled(rows: Iterable[Row], prefix: str) -> tuple[Path, int]:
    """Write the rows to a file that is deleted when the program ends; return it and their number."""
    handle, name = tempfile.mkstemp(prefix=prefix, suffix=".jsonl")
    atexit.register(lambda: Path(name).unlink(missing_ok=True))
    count = 0
    with cast(BinaryIO, os.fdopen(handle, "wb")) as stream:
        for row in rows:
            stream.write(orjson.dumps(row) + b"\n")
            count += 1
    return Path(name), count
