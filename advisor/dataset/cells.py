"""What a field of a row holds: text, settings and lists, also where a table keeps them as the text of a cell."""

from __future__ import annotations

import ast
import warnings
from datetime import timedelta
from decimal import Decimal
from typing import TypeAlias, cast

import orjson

from backends import Json

Row: TypeAlias = dict[str, Json]
Fault: TypeAlias = tuple[str, str]  # a problem's code and detail

_LONGEST_LITERAL = 1 << 20  # characters
MAX_ELEMENT = 64 << 20  # characters of one element of an array, or of one cell


class Malformed(Exception):
    """A row that cannot be turned into messages; carries the problem's code and detail."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


def text_in(row: Row, key: str) -> str:
    """Read a text column: numbers, booleans and dates as written, a list of sentences joined, an object as JSON."""
    if key not in row:
        raise Malformed("missing_field", f"there is no '{key}'")
    value = row[key]
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return " ".join(cast(list[str], value))
    if isinstance(value, float) and value != value:  # NaN: how tables of numbers leave a cell empty
        return ""
    try:
        return orjson.dumps(value, default=_of_a_table).decode().strip('"')
    except TypeError:
        raise Malformed("bad_content", f"'{key}' is {kind(value)}") from None


def _of_a_table(value: object) -> str:
    """Write what Parquet holds and JSON does not."""
    if isinstance(value, Decimal | timedelta):
        return str(value)
    raise TypeError


def decoded(value: Json) -> Json:
    """Undo the JSON text that tables and some Parquet files keep in a cell, or the Python text pandas writes there."""
    if not isinstance(value, str) or value[:1] not in ("[", "{"):
        return value
    try:
        return cast(Json, orjson.loads(value))
    except orjson.JSONDecodeError:
        pass
    if len(value) > _LONGEST_LITERAL or "'" not in value:
        return value
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that are none
            found = ast.literal_eval(value)
        orjson.dumps(found)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return value
    return cast(Json, found)


INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u200e\u200f\u00ad"  # of no width: they do not make a text


def is_blank(text: str) -> bool:
    """Tell whether there is nothing to be seen in the text."""
    return all(char.isspace() or char in INVISIBLE for char in text)


def kind(value: object) -> str:
    if value is None:
        return "null"
    names = {
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), type(value).__name__)


def setting(value: Json) -> Json:
    """Read a setting that a table keeps as text: 0.5, false, True."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return cast(Json, orjson.loads(value if value[:1] in "[{" else value.strip().lower()))
    except orjson.JSONDecodeError:
        return value


def undecoded(text: str) -> str:
    """Name the first byte that was no UTF-8; nothing where all were."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"a byte is {ord(text[error.start]) - 0xDC00:02x}"
    return ""
