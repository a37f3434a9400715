"""A suite of questions with checked answers: the built-in one, and the user's own in the same form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from advisor.errors import DataError
from advisor.evaluate.metrics import NOT_JSON, Answer, json_of, numbers_in
from advisor.nearest import no_such
from backends import Json

_HERE = Path(__file__).parent
_SHOWN = 5  # faults of a suite that are named at once
_REFUSES = re.compile(
    r"\b(?:i(?:'m| am)? (?:can't|can ?not|won't|will not|unable|not able|sorry)|"
    r"(?:can't|can ?not) (?:help|assist|provide|comply)|not (?:able|going|willing) to (?:help|assist|provide)|"
    r"i must decline|"
    r"i decline|i refuse|against (?:the law|my)|illegal)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Item:
    """One question of the suite and how its answer is checked."""

    id: str
    kind: str
    ask: str
    check: Mapping[str, Json]

    def right(self, answer: Answer) -> bool:
        """Tell whether an answer passes every check of this item."""
        text = answer.text.strip().replace("’", "'")
        return all(_CHECKS[name](text, wanted, self.check) for name, wanted in self.check.items() if name in _CHECKS)


def suite(path: Path | None = None) -> tuple[Item, ...]:
    """Read the built-in suite, or one of the user's own. Raises DataError naming file, line and remedy."""
    source = path or _HERE / "suite.jsonl"
    try:
        lines = source.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{source}: cannot be read as a suite ({error}); give a JSONL file.") from error
    found: list[Item] = []
    faults: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        item = _item(line, number)
        if isinstance(item, Item):
            found.append(item)
        else:
            faults.append(f"{source}:{number}: {item}")
    if faults:
        more = f"\n... and {len(faults) - _SHOWN} more." if len(faults) > _SHOWN else ""
        raise DataError("\n".join(faults[:_SHOWN]) + more)
    if not found:
        raise DataError(f'{source}: there are no items; write one per line, such as {{"ask": "2 + 2?", "number": 4}}.')
    return tuple(found)


def _item(line: str, number: int) -> Item | str:
    """Read one line; return what is wrong with it where it is no item."""
    try:
        row = json.loads(line)
    except ValueError as error:
        return f"this is not JSON: {error}."
    if not isinstance(row, dict):
        return 'this is not an object; write {"ask": ..., "any": [...]}.'
    ask, kind = row.pop("ask", None), row.pop("kind", "own")
    if not isinstance(ask, str) or not ask.strip():
        return "'ask' must hold the question as text."
    if not isinstance(kind, str) or not kind:
        return "'kind' must be a word."
    for name, value in row.items():
        if name not in _TAKES:
            return no_such("check", name, sorted(_CHECKS))
        wanted, fits = _TAKES[name]
        if not fits(value):
            return f"'{name}' must be {wanted}."
    if not set(row) & set(_CHECKS) - {"most_words", "none"}:
        return f"there is no check of the answer; write one of: {', '.join(sorted(_CHECKS))}."
    return Item(f"{kind}-{number:03}", kind, ask, row)


def _words(value: Json) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(part, str) and part for part in value)


def _pattern(value: Json) -> bool:
    try:
        return isinstance(value, str) and re.compile(value) is not None
    except re.error:
        return False


def _has(text: str, part: str) -> bool:
    """Tell whether ``part`` stands in ``text`` as whole words; capitals count only where ``part`` is short (Au)."""
    flags = re.NOFLAG if len(part) <= 2 and part != part.lower() else re.IGNORECASE
    return re.search(rf"(?<!\w){re.escape(part)}(?!\w)", text, flags) is not None


def _any(text: str, wanted: Json, check: Mapping[str, Json]) -> bool:
    return isinstance(wanted, list) and any(_has(text, str(part)) for part in wanted)


def _all(text: str, wanted: Json, check: Mapping[str, Json]) -> bool:
    return isinstance(wanted, list) and all(_has(text, str(part)) for part in wanted)


def _none(text: str, wanted: Json, check: Mapping[str, Json]) -> bool:
    return isinstance(wanted, list) and not any(_has(text, str(part)) for part in wanted)


def _number(text: str, wanted: Json, check: Mapping[str, Json]) -> bool:
    found = numbers_in(text)
    return bool(found) and abs(found[-1] - float(str(wanted))) < 1e-9


def _matches(text: str, wanted: Json, check: Mapping[str, Json]) -> bool:
    return re.fullmatch(str(wanted), text, re.NOFLAG if check.get("case") else re.IGNORECASE) is not None


def _json(text: str, wanted: Json, check: Mapping[str, Json]) -> bool:
    found = json_of(text)
    # As text, since True equals 1 in Python.
    return found is not NOT_JSON and json.dumps(found, sort_keys=True) == json.dumps(wanted, sort_keys=True)


def _json_keys(text: str, wanted: Json, check: Mapping[str, Json]) -> bool:
    found = json_of(text)
    return isinstance(found, dict) and isinstance(wanted, list) and set(found) == set(map(str, wanted))


def _most_words(text: str, wanted: Json, check: Mapping[str, Json]) -> bool:
    return len(text.split()) <= int(str(wanted))


def _refuse(text: str, wanted: Json, check: Mapping[str, Json]) -> bool:
    return bool(text) and (_REFUSES.search(text[:300]) is not None) is wanted


_CHECKS = {
    "any": _any,
    "all": _all,
    "none": _none,
    "number": _number,
    "matches": _matches,
    "json": _json,
    "json_keys": _json_keys,
    "most_words": _most_words,
    "refuse": _refuse,
}
_TAKES: Mapping[str, tuple[str, Callable[[Json], bool]]] = {
    "any": ("a list of words or phrases of which one must be there", _words),
    "all": ("a list of words or phrases that must all be there", _words),
    "none": ("a list of words or phrases that must not be there", _words),
    "number": ("a number", lambda value: isinstance(value, int | float) and not isinstance(value, bool)),
    "matches": ("a regular expression for the whole answer", _pattern),
    "case": ("true or false", lambda value: isinstance(value, bool)),
    "json": ("the JSON value the answer must be", lambda value: True),
    "json_keys": ("a list of keys", _words),
    "most_words": ("a whole number", lambda value: isinstance(value, int) and value > 0 and value is not True),
    "refuse": ("true or false", lambda value: isinstance(value, bool)),
}
