"""Reads what a server said, whatever it said: one value, one object, a list of them.

A value that is none of its kind is None, which means "not stated"; a reply that lacks what nothing can stand for is
``Unreadable``. Reply models are made of the field types below, so that no field of a reply can fail the rest of it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, ValidationError, WrapValidator
from pydantic.alias_generators import to_camel

T = TypeVar("T")
_LATEST_S = 7_258_118_400  # the year 2200; what counts beyond it does not count seconds
_EARLIEST_S = 946_684_800  # the year 2000
UNTIMED = datetime.fromtimestamp(0, UTC)  # stands for a time that a reply does not state


class Unreadable(ValueError):
    """A reply that is not what the API describes."""


def _or_none(value: object, read: Callable[[object], T]) -> T | None:
    try:
        return read(value)
    except (ValidationError, ArithmeticError):
        return None


LENIENT = WrapValidator(_or_none)
Text = Annotated[str | None, LENIENT]
Number = Annotated[FiniteFloat | None, LENIENT]
Count = Annotated[int | None, Field(ge=0, le=10**15), LENIENT]
Positive = Annotated[int | None, Field(ge=1, le=10**15), LENIENT]  # a setting: -1, 0 and "auto" are not decided yet
Above = Annotated[FiniteFloat | None, Field(gt=0), LENIENT]  # a setting that has a value only above zero
Texts = Annotated[
    tuple[str, ...], BeforeValidator(lambda found: tuple(filter(_is_text, found)) if isinstance(found, list) else ())
]


class CamelReply(BaseModel):
    """A reply whose fields are written inCamelCase on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    @classmethod
    def of(cls, found: object) -> Self:
        """Read a part of a reply; what is no object says nothing."""
        return cls.model_validate(found if isinstance(found, dict) else {})


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def moment(value: object) -> datetime | None:
    """Return the time a value states: a date as text, or seconds since 1970, or thousandths of them (and of those).

    None for what is no time of this age: 0 and -1 stand for "not decided yet".
    """
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        try:
            stated = datetime.fromisoformat(value)
        except ValueError:
            return _from_seconds(_number(value))
        stated = stated if stated.tzinfo else stated.replace(tzinfo=UTC)
        return stated if 2000 <= stated.year < 2200 else None
    return _from_seconds(_number(value))


def _from_seconds(seconds: float | None) -> datetime | None:
    if seconds is None:
        return None
    for _ in range(3):  # milli-, micro-, nanoseconds
        seconds = seconds / 1000 if seconds > _LATEST_S else seconds
    return datetime.fromtimestamp(seconds, UTC) if _EARLIEST_S <= seconds <= _LATEST_S else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


Moment = Annotated[datetime | None, BeforeValidator(moment)]


def count(value: object) -> int | None:
    """Return a number of things; None for what is none, or below zero."""
    found = _number(value)
    return int(found) if found is not None and 0 <= found <= 1e15 else None


def number(value: object) -> float | None:
    """Return a finite number; None for what is none, a text or a boolean."""
    return None if isinstance(value, str) else _number(value)


@contextmanager
def stumbling(what: str) -> Iterator[None]:
    """Say ``Unreadable`` for the ways in which an SDK stumbles over a reply of another shape than it expects."""
    try:
        yield
    except (AssertionError, AttributeError, LookupError, TypeError):
        raise Unreadable(what) from None


def content(reply: Any) -> dict[str, object]:
    """Return the JSON object in an SDK's raw reply. Raises Unreadable."""
    raw = getattr(reply, "http_response", reply)
    found = raw if isinstance(raw, dict) else json.loads(raw.content)
    if not isinstance(found, dict):
        raise Unreadable(f"not a JSON object: {type(found).__name__}")
    return found


def rows(found: Mapping[str, object], name: str = "data") -> list[dict[str, object]]:
    """Return the list called ``name``, without rows that are no objects. Raises Unreadable when there is no list.

    A list that is missing is not an empty one: taken for it, a job that exists would be paid for again.
    """
    listed = found.get(name)
    if not isinstance(listed, list):
        raise Unreadable(f"'{name}' is no list")
    return [row for row in listed if isinstance(row, dict)]
