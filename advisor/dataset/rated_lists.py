"""Rows that hold several rated answers to one prompt: told from answers that are lists, and taken apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from advisor.dataset.cells import Fault, Row, decoded
from advisor.dataset.rated import RANKS, SCORES, is_number, not_as_the_first
from advisor.dataset.source import Source
from backends import Json

_SAYS = ("response", "text", "content", "answer", "completion", "output", "generation")


@dataclass(frozen=True, slots=True)
class RatedLists:
    """Where the answers lie: texts in ``answers`` with their numbers in the list ``score`` beside it, or objects.

    ``text`` is the field of such an object that holds the answer, ``score`` the one with its number.
    """

    answers: str
    score: str
    text: str | None = None

    @property
    def ranked(self) -> bool:
        return _single(self.score) in RANKS


def rated_lists(rows: Sequence[Row]) -> RatedLists | None:
    """Return where every row holds rated answers; None where one does not, or where none has two."""
    for name in rows[0]:
        lists = [one for row in rows if isinstance(one := decoded(row.get(name)), list) and one]
        if len(lists) < len(rows) or max(map(len, lists)) < 2:
            continue
        first = lists[0][0]
        for found in _of_objects(name, first) if isinstance(first, dict) else _of_texts(name, rows[0]):
            if all(_parts(row, found) is not None for row in rows):
                return found
    return None


def unrolled(source: Source, rows: Iterable[tuple[int, Row | Fault]], found: RatedLists) -> Iterator[Row]:
    """Yield a row for each answer, with its number as ``score`` or ``rank``.

    Raises DataError at the end, naming the lines, where rows do not hold their answers so.
    """
    others: list[int] = []
    for line, row in rows:
        parts = _parts(row, found) if isinstance(row, dict) else None
        if parts is None:
            if row != ("byte_order_mark", ""):
                others.append(line)
            continue
        rest = {key: value for key, value in cast(Row, row).items() if key not in (found.answers, found.score)}
        for text, number in parts:
            turns = decoded(rest.get("messages"))
            said: Row = {"rank" if found.ranked else "score": number}
            if isinstance(turns, list):
                yield {**rest, **said, "messages": [*turns, {"role": "assistant", "content": text}]}
            else:
                yield {**rest, **said, "completion": text}
    if others:
        what = f"{found.answers!r} does not hold answers that are each rated by {found.score!r}"
        raise not_as_the_first(source, others, what)


def _of_objects(name: str, item: dict[str, Json]) -> Iterator[RatedLists]:
    text = next((key for key in item if key.casefold() in _SAYS), None)
    score = next((key for key in item if key.casefold() in SCORES and is_number(item[key])), None)
    if text is not None and score is not None:
        yield RatedLists(name, score, text)


def _of_texts(name: str, row: Row) -> Iterator[RatedLists]:
    yield from (RatedLists(name, key) for key in row if key != name and _single(key) in SCORES)


def _single(name: str) -> str:
    return name.casefold().removesuffix("s")


def _parts(row: Row, found: RatedLists) -> list[tuple[str, Json]] | None:
    """Return each answer with its number; None where the row does not hold them so."""
    answers = decoded(row.get(found.answers))
    if not isinstance(answers, list) or not answers:
        return None
    if found.text is None:
        numbers = decoded(row.get(found.score))
        if not isinstance(numbers, list) or len(numbers) != len(answers):
            return None
        pairs = list(zip(answers, numbers, strict=True))
    else:
        pairs = [(one.get(found.text), one.get(found.score)) for one in answers if isinstance(one, dict)]
    whole = len(pairs) == len(answers) and all(isinstance(text, str) and is_number(number) for text, number in pairs)
    return cast(list[tuple[str, Json]], pairs) if whole else None
