"""Which container and which format a file has, told from its content, never from its name."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import orjson

from advisor.dataset.cells import Row, decoded
from advisor.dataset.checks import CATALOGUE
from advisor.dataset.document import fields_with_rows
from advisor.dataset.rated import rating_in
from advisor.dataset.rated_lists import rated_lists
from advisor.dataset.refusal import AnswersRated, UnknownFields, nameless, no_answers, no_shape, not_json, which_rows
from advisor.dataset.rows import BOM, Container, explain, rows
from advisor.dataset.shape import FIELDS, LABEL_LISTS, Labels, Shape, joined, shape_of
from advisor.dataset.source import Layout, Source, head, open_stream, read
from advisor.dataset.table_sniff import READABLE, check_utf8, not_utf8, table_or_text, without_rows
from advisor.dataset.types import Format
from advisor.errors import DataError
from advisor.nearest import no_such
from backends import Json

_LOOK = 50  # rows that are asked for their format
_LONGEST_LABEL = 60  # characters, in a list of labels
_ONE_LABEL = ("label", "label_text", "label_name", "category", "intent")
_KNOWN_OTHERS = {
    b"%PDF": "a PDF document", b"PK\x03\x04": "a zip archive or an office document", b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image", b"SQLi": "an SQLite database",
    b"ARRO": "an Arrow file", b"\x93NUM": "a NumPy file",
    b"BZh": "a bzip2 file", b"\xfd7zX": "an xz file", b"7z\xbc\xaf": "a 7z archive", b"<htm": "a web page",
    b"<!DO": "a web page", b"<?xm": "an XML file", b"GGUF": "a model file",
}  # fmt: skip


_LARGEST = 1 << 30  # bytes of one object that holds all rows


@dataclass(frozen=True, slots=True)
class Sniffed:
    """How to read a file; its source tells how the rows lie in it."""

    source: Source
    container: Container
    shape: Shape


def sniff(source: Source, columns: Mapping[str, str]) -> Sniffed:
    """Return how to read the file. Raises DataError naming file, line and remedy when it is not training data."""
    unknown = set(columns) - set(FIELDS)
    if unknown:
        raise DataError(f"--columns: {no_such('field', min(unknown), FIELDS)}")
    source, container = _container(source, columns)
    if container is Container.JSON:
        lines = [line for line, _ in islice(rows(source, container), _LOOK)]
        source = replace(source, layout=replace(source.layout, by_row=len(set(lines)) < len(lines)))
    shape = _shape(source, container, {field: name for field, name in columns.items() if field != "rows"})
    return Sniffed(source, container, replace(shape, delimiter=source.layout.delimiter))


def _container(source: Source, columns: Mapping[str, str]) -> tuple[Source, Container]:
    start = head(source)
    if start.startswith(b"PAR1"):
        return replace(source, layout=Layout(by_row=True)), Container.PARQUET
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        name = shlex.quote(source.name)
        raise DataError(
            f"{source.name}: this is UTF-16 text; save it as UTF-8: iconv -f UTF-16 -t UTF-8 {name} > OUT.jsonl"
        )
    for magic, what in _KNOWN_OTHERS.items():
        if start.lstrip()[: len(magic)].lower() == magic.lower():
            raise DataError(f"{source.name}: this is {what}, not training data; give {READABLE}.")
    if b"\0" in start[:4096]:
        raise DataError(f"{source.name}: this is a binary file, not training data; give {READABLE}.")
    text = start.removeprefix(BOM).lstrip()
    if not text:
        raise DataError(f"{source.name}: the file holds only blank lines; write at least one training example to it.")
    if text[:1] == b"[":
        return _lists(source, text, columns)
    if text[:1] == b"{":
        whole = _one_object(source, text)
        fields = None if whole is None else fields_with_rows(whole, columns.get("rows", ""))
        if fields is not None and len(fields) == 1:
            return replace(source, layout=Layout(field=fields[0], by_row=True)), Container.DOCUMENT
        if fields is not None and whole is not None:
            if not fields:
                names = ", ".join(map(repr, list(whole)[:8]))
                raise DataError(f"{source.name}: --columns rows={columns['rows']} names no field; there are {names}.")
            raise which_rows(source, fields)
        if _is_python(text):
            raise not_json(
                source, "Python dicts", "ast", "ast.literal_eval(line)", "for line in open(sys.argv[1]) if line.strip()"
            )
        return source, Container.JSON if _spans_lines(text) or _runs_on(text) else Container.JSONL
    return table_or_text(source, text, columns)


def _lists(source: Source, text: bytes, columns: Mapping[str, str]) -> tuple[Source, Container]:
    """Tell an array of rows from lists one to a line, and what the cells are called where the rows are lists."""
    first, _, rest = text.partition(b"\n")
    one_a_line = rest.lstrip()[:1] == b"[" and _is_json(first)
    container = Container.JSONL if one_a_line else Container.JSON
    try:
        row = (
            orjson.loads(first) if one_a_line else json.JSONDecoder().raw_decode(text.decode(errors="replace"), 0)[0][0]
        )
    except (ValueError, IndexError, RecursionError):
        row = _first_element(text) if not one_a_line else None
    if not isinstance(row, list) or not row or isinstance(row[0], dict):
        return source, container
    named = all(isinstance(cell, str) for cell in row) and len(set(row)) == len(row)
    if named and (shape_of(row, without_rows(columns)) is not None):
        return replace(source, layout=Layout(names=tuple(row))), container
    numbers = tuple(str(number) for number in range(1, len(row) + 1))
    if not columns or not set(columns.values()) <= set(numbers):
        raise nameless(source, row, 1)
    return replace(source, layout=Layout(names=numbers)), container


def _first_element(text: bytes) -> Json:
    """Decode the first element of an array whose end is not at hand."""
    try:
        held = text.decode(errors="replace")[1:].lstrip()
        value: Json = json.JSONDecoder().raw_decode(held)[0]
    except (ValueError, RecursionError):
        return None
    return value


def _is_json(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _one_object(source: Source, text: bytes) -> Row | None:
    """Return the file where it is one JSON object and no more; None where there are others after it."""
    first, _, rest = text.partition(b"\n")
    if rest.strip() and (_is_json(first) or _first_object_ends(text)):
        return None
    with open_stream(source) as stream:
        whole = read(stream, _LARGEST, source)
    try:
        value = orjson.loads(whole.removeprefix(BOM))
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _first_object_ends(text: bytes) -> bool:
    """Tell whether the first object ends before the text does: then the file is a run of objects."""
    try:
        _, end = json.JSONDecoder().raw_decode(held := text.decode(errors="replace"))
    except (ValueError, RecursionError):
        return False
    return bool(held[end:].strip())


def _is_python(text: bytes) -> bool:
    """Tell a dict as Python prints it: quoted by apostrophes, one to a line."""
    first = text.split(b"\n", 1)[0].strip()
    return first[1:].lstrip()[:1] == b"'" and isinstance(decoded(first.decode(errors="replace")), dict)


def _runs_on(text: bytes) -> bool:
    """Tell whether the first line holds one object after the other."""
    first = text.split(b"\n", 1)[0].decode(errors="replace")
    try:
        _, end = json.JSONDecoder().raw_decode(first)
    except (ValueError, RecursionError):
        return False
    return first[end:].lstrip(" \t,")[:1] == "{"


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


def _shape(source: Source, container: Container, columns: Mapping[str, str]) -> Shape:
    """Return the format most of the first rows have."""
    if container is Container.TEXT:
        return Shape(Format.TEXT, {"text": "text"})
    votes: dict[str, tuple[int, Shape, dict[str, None]]] = {}
    seen: list[tuple[int, Row]] = []
    fault: tuple[int, tuple[str, str]] | None = None
    for line, row in islice(rows(source, container), _LOOK):
        if isinstance(row, tuple):
            fault = fault or (None if row[0] == "byte_order_mark" else (line, row))
            continue
        seen.append((line, row))
        shape = _shape_of_row(row, columns)
        if shape:
            count, _, keys = votes.get(repr(shape), (0, shape, {}))
            votes[repr(shape)] = (count + 1, shape, {**keys, **dict.fromkeys(row)})
    looked = [row for _, row in seen]
    lists = rated_lists(looked) if looked and not columns else None
    if votes:
        ranked = sorted(votes.values(), key=lambda vote: vote[0], reverse=True)
        shape = joined([shape for _, shape, _ in ranked])
        reads = shape.reads()
        keys = {key: None for _, one, held in ranked if one.format is shape.format for key in held}
        shape = replace(shape, unread=tuple(key for key in keys if key not in reads), known=frozenset({*keys, *reads}))
        unanswered = shape.format is Format.OPENAI_CHAT and not any(_answers(row, shape) for row in looked)
        if lists and (unanswered or shape.columns.get("completion") == lists.answers):
            raise AnswersRated(source, container, lists)
        if unanswered and shape.unread:
            raise no_answers(source, looked[0], shape)
        return replace(shape, labels=shape.labels or _labels(looked, shape), rating=rating_in(looked, shape))
    if lists:
        raise AnswersRated(source, container, lists)
    if seen:
        raise no_shape(source, seen[0][1], columns, seen[0][0])
    if fault:
        line, (code, detail) = fault
        if code == "invalid_utf8":
            check_utf8(source, head(source))  # which knows the line in an array, too
            raise not_utf8(source, line, detail)
        if container in (Container.CSV, Container.TSV):
            raise DataError(f"{source.name}, line {line}: {CATALOGUE[code].title} ({detail}). {CATALOGUE[code].fix}")
        raise DataError(
            f"{source.name}, line {line}: the line is not one JSON object ({detail}); write one JSON object per line."
        )
    raise DataError(f"{source.name}: there is no row in it; write at least one training example to it.")


def _shape_of_row(row: Row, columns: Mapping[str, str]) -> Shape | None:
    """Return the shape of a row; beside a prompt, a list of labels is the answer."""
    shape = shape_of(row, columns)
    if columns or (shape is not None and shape.format is not Format.TEXT):
        return shape
    several = next((key for key in row if key.casefold() in LABEL_LISTS and isinstance(decoded(row[key]), list)), None)
    return shape if several is None else shape_of(row, {"labels": several}) or shape


def _labels(rows: Sequence[Row], shape: Shape) -> Labels | None:
    """Tell whether the answers are lists of labels: short texts, which are called so or come again and again."""
    name = shape.columns.get("completion")
    if name is None:
        return None
    lists = [value for row in rows if isinstance(value := decoded(row.get(name)), list)]
    items = [item for value in lists for item in value]
    short = all(isinstance(item, int) or (isinstance(item, str) and len(item) <= _LONGEST_LABEL) for item in items)
    if not items or not short or all(len(value) == 1 for value in lists):
        return None
    called = name.casefold() in (*LABEL_LISTS, *_ONE_LABEL)
    again = len(items) >= 10 and 2 * len(set(map(str, items))) <= len(items)
    return Labels.JSON if called or again else None


def _answers(row: Row, shape: Shape) -> bool:
    """Tell whether the assistant says anything in the row, or it is too odd to tell."""
    turns = decoded(row.get(shape.column("messages")))
    if not isinstance(turns, list):
        return True
    return not all(isinstance(turn, dict) and turn.get("role") in ("system", "user", "developer") for turn in turns)


__all__ = ["Sniffed", "UnknownFields", "sniff"]
