"""Values as JSON and back, by the types of their fields: what --json prints and what the ledger keeps."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path, PurePath
from typing import TypeVar, cast

from advisor.money import decimal_text
from backends import Json

Value = TypeVar("Value")


def to_json(value: object) -> Json:
    """Turn values into JSON: dataclasses by field, Decimal as text in plain notation, dates in ISO form."""
    if value is None or (isinstance(value, bool | int | float | str) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Enum):
        return to_json(value.value)
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, PurePath | Path):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_json(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(to_json(key)): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_json(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no JSON form")


def from_json(kind: type[Value], saved: Json) -> Value:
    """Rebuild a dataclass ``kind`` from what ``to_json`` wrote.

    Fields unknown to ``kind`` are ignored and absent ones take their default, so that a ledger outlives a version.
    """
    if not isinstance(saved, dict):
        raise TypeError(f"{kind.__name__} is kept as a mapping, not as {type(saved).__name__}")
    hints = typing.get_type_hints(kind)
    known = {item.name for item in fields(cast(typing.Any, kind))}
    return kind(**{name: _read(hints[name], item) for name, item in saved.items() if name in known})


def _read(hint: object, value: Json) -> object:
    """Return ``value`` as ``hint`` says. Raises TypeError or ValueError where it is of another kind."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        wanted = [part for part in arguments if part is not type(None)]
        if value is None and len(wanted) < len(arguments):
            return None
        return _read(wanted[0], value) if len(wanted) == 1 else value
    if origin is tuple and isinstance(value, list):
        return tuple(_read(arguments[0], item) for item in value)
    if origin in (Mapping, dict) and isinstance(value, dict) and len(arguments) == 2:
        return {key: _read(arguments[1], item) for key, item in value.items()}
    if not isinstance(hint, type):
        return value
    if is_dataclass(hint):
        return from_json(hint, value)
    if isinstance(value, str) and issubclass(hint, datetime | date):
        return hint.fromisoformat(value)
    if isinstance(value, str) and issubclass(hint, Decimal | Path | Enum):
        return hint(value)
    if isinstance(value, float | int if hint is float else hint):
        return value
    raise TypeError(f"{value!r} is no {hint.__name__}")
