"""From a container to rows: JSON lines, a JSON array, CSV, TSV, Parquet or plain text, each row with its line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from enum import StrEnum
from typing import TypeAlias, cast

import orjson

from advisor.dataset._cells import Row
from advisor.dataset._source import BLOCK_BYTES, Progress, Source, blocks, open_stream, read
from advisor.errors import DataError
from backends import Json

BOM = b"\xef\xbb\xbf"


class Container(StrEnum):
    JSONL = "jsonl"
    JSON = "json"  # one array, or objects one after the other over several lines
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"
    TEXT = "text"  # paragraphs divided by blank lines


Fault: TypeAlias = tuple[str, str]  # a problem's code and detail


def rows(source: Source, container: Container, progress: Progress | None = None) -> Iterator[tuple[int, Row | Fault]]:
    """Yield (line, row or fault), streaming."""
    if container is Container.JSONL:
        for first, block in blocks(source, progress=progress):
            yield from jsonl_rows(lines_of(block), first)
    elif container is Container.JSON:
        yield from _json_rows(source, progress)
    elif container is Container.PARQUET:
        yield from _parquet_rows(source, progress)
    elif container is Container.TEXT:
        yield from _text_rows(source, progress)
    else:
        yield from _csv_rows(source, "\t" if container is Container.TSV else None, progress)


def lines_of(block: bytes) -> list[bytes]:
    """Return the lines, each with its end: twice as fast as ``split``."""
    return io.BytesIO(block).readlines()


def jsonl_rows(lines: list[bytes], first: int) -> Iterator[tuple[int, Row | Fault]]:
    """Yield the rows of lines of which the first has number ``first``; blank lines count but are no rows."""
    loads = orjson.loads
    if first == 1 and lines[0].startswith(BOM):
        yield 1, ("byte_order_mark", "")
        lines[0] = lines[0][3:]
    for line, raw in enumerate(lines, first):
        if raw.isspace():
            continue
        try:
            row = loads(raw)
        except orjson.JSONDecodeError:
            if not raw.startswith(BOM):
                yield line, explain(raw.removesuffix(b"\n"))
                continue
            yield line, ("byte_order_mark", "")  # where files that begin with one were joined
            try:
                row = loads(raw[3:])
            except orjson.JSONDecodeError:
                yield line, explain(raw[3:].removesuffix(b"\n"))
                continue
        if type(row) is dict:
            yield line, row
        else:
            yield line, ("not_an_object", f"it starts with {raw[:20].decode(errors='replace')!r}")


def explain(raw: bytes) -> Fault:
    """Say why orjson refused this line."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        return "invalid_utf8", f"byte {error.start + 1} of the line is {raw[error.start : error.start + 1].hex()}"
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated"):
            return "truncated_json", f"the text ends at column {error.colno} in the middle of a value"
        return "invalid_json", f"{error.msg[0].lower()}{error.msg[1:]} at column {error.colno}"
    except (RecursionError, ValueError):
        return "invalid_json", "it is nested too deeply or holds too large a number"
    if "NaN" in text or "Infinity" in text:
        return "invalid_json", "it holds NaN or Infinity, which JSON does not have"
    return "lone_surrogate", "half of an escaped \\ud83d\\ude00-style character"


def _json_rows(source: Source, progress: Progress | None) -> Iterator[tuple[int, Row | Fault]]:
    """Decode an array's elements, or a run of objects, one by one from a sliding window of text."""
    decode = json.JSONDecoder().raw_decode
    stream = io.TextIOWrapper(
        io.BufferedReader(cast(io.RawIOBase, open_stream(source, progress)), 1 << 16),
        "utf-8-sig",
        errors="surrogateescape",
    )
    window, at, line, ended, in_array = "", 0, 1, False, None
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
                        yield where, ("truncated_json" if ended else "invalid_json", detail)
                        return
                else:
                    if end < len(window) or ended:
                        yield line, _as_row(value, window[at:end])
                        line += window.count("\n", at, end)
                        at = end
                        continue
            elif ended:
                return
            more = stream.read(BLOCK_BYTES)
            window, at, ended = window[at:] + more, 0, not more


MAX_ELEMENT = 64 << 20


def _as_row(value: Json, text: str) -> Row | Fault:
    """Return the element that ``text`` was decoded to, as a row."""
    if isinstance(value, dict):
        try:
            orjson.dumps(value)
        except (TypeError, orjson.JSONEncodeError):
            if bad := _undecoded(text):
                return "invalid_utf8", bad
            return "lone_surrogate", "half of an escaped \\ud83d\\ude00-style character"
        return value
    return "not_an_object", f"this element is a {type(value).__name__}"


def _csv_rows(source: Source, delimiter: str | None, progress: Progress | None) -> Iterator[tuple[int, Row | Fault]]:
    csv.field_size_limit(MAX_ELEMENT)
    stream = io.TextIOWrapper(
        io.BufferedReader(cast(io.RawIOBase, open_stream(source, progress)), 1 << 16),
        "utf-8-sig",
        errors="surrogateescape",
        newline="",
    )
    with stream:
        line = 1
        try:
            if delimiter is None:
                first = stream.readline()
                delimiter = ";" if first.count(";") > first.count(",") else ","
                header = next(csv.reader([first], delimiter=delimiter))
                offset = 1
            else:
                header, offset = [], 0
            reader = csv.reader(stream, delimiter=delimiter)
            if not header:
                header = next(reader)
            header = [name.strip() for name in header]
            line = reader.line_num + offset + 1
            for cells in reader:
                after = reader.line_num + offset + 1
                if bad := _undecoded("".join(cells)):
                    yield line, ("invalid_utf8", bad)
                elif len(cells) == len(header):
                    yield line, cast(Row, dict(zip(header, cells, strict=True)))
                elif any(cell.strip() for cell in cells):
                    count = f"{len(cells)} cell{'s' * (len(cells) > 1)}"
                    over = f" over {after - line:,} lines" if after - line > 1 else ""
                    yield line, ("wrong_columns", f"{count}{over}, and the header has {len(header)}")
                line = after
        except csv.Error as error:
            yield line, ("wrong_columns", str(error))


def _undecoded(text: str) -> str:
    """Name the first byte that was no UTF-8; nothing where all were."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"a byte is {ord(text[error.start]) - 0xDC00:02x}"
    return ""


def _parquet_rows(source: Source, progress: Progress | None) -> Iterator[tuple[int, Row | Fault]]:
    """Yield rows by number, starting at 1: a Parquet file has no lines."""
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ModuleNotFoundError:
        raise DataError(f"{source.name}: reading Parquet needs a package: pip install 'tunewise[formats]'") from None
    number = 0
    try:
        with parquet.ParquetFile(source.path) as file:
            told, total = 0, max(1, file.metadata.num_rows)
            for batch in file.iter_batches(batch_size=512):
                for row in batch.to_pylist():
                    number += 1
                    yield number, {key: _without_nulls(value) for key, value in row.items()}
                if progress:  # its columns lie apart: the bytes done are told from the rows done
                    done = source.bytes * number // total
                    progress(done - told)
                    told = done
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"{source.name}: this Parquet file is damaged ({str(error)[:120]}); write it again.") from None


def _without_nulls(value: Json) -> Json:
    """Leave out what a column's other rows have and this one does not: a Parquet struct gives it as null."""
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_nulls(inner) for inner in value]
    return value


def _text_rows(source: Source, progress: Progress | None) -> Iterator[tuple[int, Row | Fault]]:
    held: list[str] = []
    start = 1
    for first, block in blocks(source, progress=progress):
        text = block.removeprefix(BOM) if first == 1 else block
        for line, raw in enumerate(text.split(b"\n"), first):
            try:
                words = raw.decode().rstrip("\r")
            except UnicodeDecodeError as error:
                yield (
                    line,
                    (
                        "invalid_utf8",
                        f"byte {error.start + 1} of the line is {raw[error.start : error.start + 1].hex()}",
                    ),
                )
                continue
            if words.strip():
                start = start if held else line
                held.append(words)
            elif held and (raw or line != first + text.count(b"\n")):
                yield start, {"text": "\n".join(held)}
                held = []
    if held:
        yield start, {"text": "\n".join(held)}


__all__ = ["BOM", "Container", "Fault", "explain", "jsonl_rows", "read", "rows"]
