"""A few of the answers that an evaluation kept, side by side, to read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from advisor.dataset.scan import redact
from advisor.evaluate.metrics import Answer
from backends import Json
from backends.local.folder import read_lines


@dataclass(frozen=True, slots=True)
class Sample:
    """One held-out example: what was asked last, the answer it should get, and what each option answered.

    Keys and personal data that the scan of the data knows are replaced in all of them.
    """

    asked: str
    expected: str
    answers: Mapping[str, str]


def read_answers(path: Path, options: Sequence[str], most: int) -> tuple[Sample, ...]:
    """Return up to ``most`` examples that all ``options`` answered; those on which they differ come first.

    ``path`` is the ``samples_path`` of a scorecard; a line torn by a crash is left out. An answer given again replaces
    the earlier one.
    """
    if most <= 0 or not options:
        return ()
    examples: dict[str, dict[str, dict[str, Json]]] = {}
    for _, row in read_lines(path):
        if row.get("option") in options:
            examples.setdefault(str(row.get("example")), {})[str(row["option"])] = row
    whole = [rows for rows in examples.values() if len(rows) == len(set(options))]
    told = [({name: _said(rows[name]) for name in options}, rows[options[0]]) for rows in whole]
    told.sort(key=lambda one: len(set(one[0].values())) == 1)
    return tuple(
        Sample(
            asked=redact(_text(row.get("asked"))),
            expected=redact(_text(row.get("reference"))),
            answers={name: redact(said) for name, said in answers.items()},
        )
        for answers, row in told[:most]
    )


def _said(row: Mapping[str, Json]) -> str:
    """Return the answer without what was thought aloud; tool calls follow it."""
    said = Answer(_text(row.get("answer"))).spoken.text.strip()
    calls = row.get("tool_calls")
    return "\n".join(part for part in (said, _text(calls) if calls else "") if part)


def _text(value: Json) -> str:
    """Return text as it is, the text parts of a message, and anything else (tool calls) as JSON."""
    if isinstance(value, list) and all(isinstance(part, dict) and "text" in part for part in value):
        return "".join(str(part["text"]) for part in value if isinstance(part, dict))
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
