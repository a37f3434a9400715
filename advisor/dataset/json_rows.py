"""Rows of JSON that is not one object a line: an array, objects one after the other, one object that holds them all."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import cast

import orjson

from advisor.dataset.cells import MAX_ELEMENT, Fault, Row, undecoded
from advisor.dataset.document import rows_of
from advisor.dataset.source import BLOCK_BYTES, Layout, Progress, Source, open_stream, read
from backends import Json


def json_rows(source: Source, progress: Progress | None) -> Iterator[tuple[int, Row | Fault]]:
    """Decode an array's elements, or a run of objects, one by one from a sliding window of text."""
    decode = json.JSONDecoder().raw_decode
    stream = io.TextIOWrapper(
        io.BufferedReader(cast(io.RawIOBase, open_stream(source, progress)), 1 << 16),
        "utf-8-sig",
        errors="surrogateescape",
    )
    names, by_row = list(source.layout.names) or None, source.layout.by_row
    window, at, line, ended, in_array, number = "", 0, 1, False, None, 0
    with stream:
        while True:
            start = at
            while at < len(window) and window[at] in " \t\r\n,":
                at += 1
            line += window.count("\n", start, at)
            if at < len(window) and in_array is None:
                in_array = window[at] == "["
                at += in_array
                continue
            if at < len(window) and in_array and window[at] == "]":
                return
            if at < len(window):
                try:
                    value, end = decode(window, at)
                except (json.JSONDecodeError, RecursionError) as error:
                    if ended or len(window) - at > MAX_ELEMENT:
                        detail = getattr(error, "msg", "nested too deeply").lower()
                        where = line + window.count("\n", at, getattr(error, "pos", at))
                        yield number + 1 if by_row else where, ("truncated_json" if ended else "invalid_json", detail)
                        return
                else:
                    if end < len(window) or ended:
                        number += 1
                        if value != names:
                            yield number if by_row else line, _as_row(value, window[at:end], source.layout)
                        line += window.count("\n", at, end)
                        at = end
                        continue
            elif ended:
                return
            more = stream.read(BLOCK_BYTES)
            window, at, ended = window[at:] + more, 0, not more


def document_rows(source: Source, progress: Progress | None) -> Iterator[tuple[int, Row | Fault]]:
    """Yield (number, row) of one JSON object, which is read whole."""
    with open_stream(source, progress) as stream:
        text = read(stream, -1, source)
    for number, value in enumerate(rows_of(orjson.loads(text.removeprefix(b"\xef\xbb\xbf")), source.layout.field), 1):
        yield number, row_of(value, source.layout)


def row_of(value: Json, layout: Layout) -> Row | Fault:
    """Return a decoded value as a row: an object, the messages of a conversation, or cells under the layout's names."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        if value and all(isinstance(item, dict) for item in value):
            keys = cast(Row, value[0]).keys()
            if "role" in keys or "from" in keys:
                return {"messages" if "role" in keys else "conversations": value}
        if layout.names and len(value) == len(layout.names):
            return dict(zip(layout.names, value, strict=True))
        if layout.names:
            return "wrong_columns", f"{len(value)} cells, and the first row has {len(layout.names)}"
    return "not_an_object", f"this element is a {type(value).__name__}"


def _as_row(value: Json, text: str, layout: Layout) -> Row | Fault:
    """Return the element that ``text`` was decoded to, as a row."""
    row = row_of(value, layout)
    if isinstance(row, dict):
        try:
            orjson.dumps(row)
        except (TypeError, orjson.JSONEncodeError):
            if bad := undecoded(text):
                return "invalid_utf8", bad
            return "lone_surrogate", "half of an escaped \\ud83d\\ude00-style character"
    return row
