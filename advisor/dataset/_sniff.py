"""Which container and which format a file has, told from its content, never from its name."""

from __future__ import annotations

import csv
import json
import shlex
from codecs import getincrementaldecoder
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice

from advisor.dataset._checks import CATALOGUE
from advisor.dataset._rows import BOM, Container, explain, rows
from advisor.dataset._shape import FIELDS, PROMPTS, Shape, joined, shape_of
from advisor.dataset._source import Source, head
from advisor.errors import DataError

_LOOK = 50  # rows that are asked for their format
_KNOWN_OTHERS = {
    b"%PDF": "a PDF document", b"PK\x03\x04": "a zip archive or an office document", b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image", b"SQLi": "an SQLite database",
    b"ARRO": "an Arrow file", b"\x93NUM": "a NumPy file",
    b"BZh": "a bzip2 file", b"\xfd7zX": "an xz file", b"7z\xbc\xaf": "a 7z archive", b"<htm": "a web page",
    b"<!DO": "a web page", b"<?xm": "an XML file", b"GGUF": "a model file",
}  # fmt: skip
_READABLE = "JSON lines, a JSON array, CSV, TSV, Parquet or plain text (.txt)"


def sniff(source: Source, columns: Mapping[str, str]) -> tuple[Container, Shape]:
    """Return how to read the file. Raises DataError naming file, line and remedy when it is not training data."""
    unknown = set(columns) - set(FIELDS)
    if unknown:
        raise DataError(f"--columns: there is no field '{min(unknown)}'; the fields are {', '.join(FIELDS)}.")
    container = _container(source, columns)
    shape = _shape(source, container, columns)
    if container in (Container.CSV, Container.TSV):
        first = head(source).split(b"\n", 1)[0]
        comma = ";" if first.count(b";") > first.count(b",") else ","
        shape = replace(shape, delimiter="\t" if container is Container.TSV else comma)
    return container, shape


def _container(source: Source, columns: Mapping[str, str]) -> Container:
    start = head(source)
    if start.startswith(b"PAR1"):
        return Container.PARQUET
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(f"{source.name}: this is UTF-16 text; save it as UTF-8 (iconv -f UTF-16 -t UTF-8).")
    for magic, what in _KNOWN_OTHERS.items():
        if start.lstrip()[: len(magic)].lower() == magic.lower():
            raise DataError(f"{source.name}: this is {what}, not training data; give {_READABLE}.")
    if b"\0" in start[:4096]:
        raise DataError(f"{source.name}: this is a binary file, not training data; give {_READABLE}.")
    text = start.removeprefix(BOM).lstrip()
    if not text:
        raise DataError(f"{source.name}: the file holds only blank lines; write at least one training example to it.")
    if text[:1] == b"[":
        return Container.JSON
    if text[:1] == b"{":
        return Container.JSON if _spans_lines(text) else Container.JSONL
    return _table_or_text(source, text, columns)


def _spans_lines(text: bytes) -> bool:
    """Tell pretty-printed objects from JSON lines: the first line alone is no JSON, but with later lines it is."""
    first = text.split(b"\n", 1)[0].strip()
    if first == text.strip() or not explain(first)[0].startswith("truncated"):
        return False
    try:
        _, end = json.JSONDecoder().raw_decode(text.decode(errors="replace"))
    except (json.JSONDecodeError, RecursionError):
        return first in (b"{", b"{ ")
    return end > len(first)


def _table_or_text(source: Source, text: bytes, columns: Mapping[str, str]) -> Container:
    lines = text.decode(errors="replace").splitlines()
    plain = source.path.name.removesuffix(".gz").removesuffix(".zst").rsplit(".", 1)[-1] in ("txt", "md", "text")
    for container, delimiter in ((Container.TSV, "\t"), (Container.CSV, ","), (Container.CSV, ";")):
        try:
            table = list(islice(csv.reader(lines, delimiter=delimiter, strict=False), 5))
        except csv.Error:
            continue
        header = [cell.strip() for cell in table[0]] if table else []
        known = shape_of(header, columns)
        if known and (len(header) > 1 or header[0] in ("text", "messages", "conversations")):
            twice = next((name for name in header if header.count(name) > 1 and name in known.reads()), None)
            if twice:
                raise DataError(f"{source.name}, line 1: two columns are called '{twice}'; rename or remove one.")
            return container
        even = len(table) > 1 and len(header) > 1 and all(len(row) == len(header) for row in table[:-1])
        if even and _names(header, plain):
            _check_utf8(source, text)
            names = dict(zip(header, table[1], strict=False))
            error = _no_shape(source, names, columns, 1)
            if any(len(cell.split()) > 3 for cell in header):
                hint = "If the first line is an example, put a line of names above it: prompt,completion."
                error = UnknownFields(f"{error} {hint}", names)
            raise error
    if plain:
        return Container.TEXT
    first = lines[0][:30]
    raise DataError(
        f"{source.name}, line 1: this is not training data we can read (it starts with {first!r}); give {_READABLE}."
    )


def _names(header: list[str], plain: bool) -> bool:
    """Tell names of columns from prose; in a file that may be ``plain`` text, only bare words are names."""
    short = all((cell[:1].isalnum() or cell[:1] == "_") and len(cell) < 40 for cell in header)
    short = short and len(set(header)) == len(header)
    return short and (not plain or all(cell.replace("_", "").replace(" ", "").isalnum() for cell in header))


def _check_utf8(source: Source, start: bytes) -> None:
    try:
        getincrementaldecoder("utf-8")().decode(start)  # the last character may be cut off
    except UnicodeDecodeError as error:
        line = start.count(b"\n", 0, error.start) + 1
        raise _not_utf8(source, line, f"byte {start[error.start]:02x}") from None


def _not_utf8(source: Source, line: int, detail: str) -> DataError:
    return DataError(
        f"{source.name}, line {line}: this is not UTF-8 text ({detail}), perhaps Windows-1252 or Latin-1; save it as "
        f"UTF-8: iconv -f WINDOWS-1252 -t UTF-8 {shlex.quote(source.name)} > OUT"
    )


class UnknownFields(DataError):
    """No known format has these fields; ``columns`` says which is which. ``row`` is the first one."""

    def __init__(self, message: str, row: Mapping[str, object]) -> None:
        super().__init__(message)
        self.row = row


def _shape(source: Source, container: Container, columns: Mapping[str, str]) -> Shape:
    """Return the format most of the first rows have."""
    if container is Container.TEXT:
        return Shape(shape_of(["text"], {}).format, {"text": "text"})  # type: ignore[union-attr]
    votes: dict[str, tuple[int, Shape, dict[str, None]]] = {}
    seen: tuple[int, Mapping[str, object]] | None = None
    fault: tuple[int, tuple[str, str]] | None = None
    for line, row in islice(rows(source, container), _LOOK):
        if isinstance(row, tuple):
            fault = fault or (None if row[0] == "byte_order_mark" else (line, row))
            continue
        seen = seen or (line, row)
        shape = shape_of(row, columns)
        if shape:
            count, _, keys = votes.get(repr(shape), (0, shape, {}))
            votes[repr(shape)] = (count + 1, shape, {**keys, **dict.fromkeys(row)})
    if votes:
        ranked = sorted(votes.values(), key=lambda vote: vote[0], reverse=True)
        shape = joined([shape for _, shape, _ in ranked])
        reads = shape.reads()
        keys = {key: None for _, one, held in ranked if one.format is shape.format for key in held}
        return replace(shape, unread=tuple(key for key in keys if key not in reads), known=frozenset({*keys, *reads}))
    if seen:
        raise _no_shape(source, seen[1], columns, seen[0])
    if fault:
        line, (code, detail) = fault
        if code == "invalid_utf8":
            _check_utf8(source, head(source))  # which knows the line in an array, too
            raise _not_utf8(source, line, detail)
        if container in (Container.CSV, Container.TSV):
            raise DataError(f"{source.name}, line {line}: {CATALOGUE[code].title} ({detail}). {CATALOGUE[code].fix}")
        raise DataError(
            f"{source.name}, line {line}: the line is not one JSON object ({detail}); write one JSON object per line."
        )
    raise DataError(f"{source.name}: there is no row in it; write at least one training example to it.")


def _no_shape(source: Source, row: Mapping[str, object], columns: Mapping[str, str], line: int) -> DataError:
    keys = list(row)
    names = ", ".join(repr(key[:40]) for key in keys[:8]) or "nothing"
    missing = next((f"{field}={name}" for field, name in columns.items() if name not in keys), None)
    if missing:
        return UnknownFields(
            f"{source.name}, line {line}: --columns {missing} names no column; there are {names}.", row
        )
    inside = next((key for key, value in row.items() if _rows_in(value) and key not in columns.values()), None)
    if inside is not None:
        return DataError(
            f"{source.name}, line {line}: the rows seem to be the list in the field {inside!r:.42}; write them one to"
            f" a line: jq -c '.[\"{inside}\"][]' {shlex.quote(source.name)} > OUT.jsonl"
        )
    if {"role", "content"} <= row.keys():
        return DataError(
            f"{source.name}, line {line}: these are messages by themselves; write each conversation as one object:"
            ' {"messages": [...]}.'
        )
    prompt = next((name for name in PROMPTS if name in keys), None)
    if prompt and not columns:
        return UnknownFields(
            f"{source.name}, line {line}: there is a prompt ({prompt!r}) but no answer among the fields {names};"
            f" name the column that holds it: {_remedy(source, 'completion=NAME')}.",
            row,
        )
    return UnknownFields(
        f"{source.name}, line {line}: no known training format has the fields {names};"
        f" say which is which: {_remedy(source, 'prompt=NAME,completion=NAME')}.",
        row,
    )


def _rows_in(value: object) -> bool:
    """Tell a list of training rows, which some files wrap in one object."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and shape_of(value[0], {}) is not None


def _remedy(source: Source, columns: str) -> str:
    name = source.name if shlex.quote(source.name) == source.name else f'"{source.name}"'
    return f"'tunewise check {name} --columns {columns} --fix OUT.jsonl' writes a file every command reads"
