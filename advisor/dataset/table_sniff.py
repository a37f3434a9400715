"""Whether a text is a table, with which delimiter and which names, or plain text."""

from __future__ import annotations

import csv
import re
import shlex
from codecs import getincrementaldecoder
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice

from advisor.dataset.refusal import nameless, no_shape, not_json
from advisor.dataset.rows import Container
from advisor.dataset.shape import shape_of
from advisor.dataset.source import Layout, Source
from advisor.errors import DataError

_TAGGED = re.compile(r"(?:\S+(?:\t\S+)*\t(?:O|[BIES]-\S+)\r?\n){3}")  # as CoNLL files begin
_YAML = re.compile(r"(?:---\s*\n)?- +[A-Za-z_]\w*:(?: |\n)")
READABLE = "JSON lines, a JSON array, CSV, TSV, Parquet or plain text (.txt)"


def without_rows(columns: Mapping[str, str]) -> Mapping[str, str]:
    """Return the columns without the field that names where the rows are."""
    return {field: name for field, name in columns.items() if field != "rows"}


def table_or_text(source: Source, text: bytes, columns: Mapping[str, str]) -> tuple[Source, Container]:
    lines = text.decode(errors="replace").splitlines()
    plain = source.path.name.removesuffix(".gz").removesuffix(".zst").rsplit(".", 1)[-1] in ("txt", "md", "text")
    if len(lines) > 1 and lines[0].startswith("|") and set(lines[1]) <= set("|-: "):
        raise DataError(
            f"{source.name}: this is a Markdown table; as one with the delimiter '|': sed -e 2d -e 's/^ *| *//' "
            f"-e 's/ *| *$//' -e 's/ *| */|/g' {shlex.quote(source.name)} > OUT.csv"
        )
    if _YAML.match(text.decode(errors="replace")):
        raise not_json(source, "YAML", "yaml", "row", "for row in yaml.safe_load(open(sys.argv[1]))")
    if _TAGGED.match(text.decode(errors="replace")):
        program = (
            """BEGIN{print "prompt\\tcompletion"} NF{s=s (s?" ":"") $1; t=t (t?" ":"") $NF; next} """
            """s{print s "\\t" t; s=t=""} END{if(s)print s "\\t" t}"""
        )
        raise DataError(
            f"{source.name}: this is CoNLL, a word and its tag to a line; as a table of sentences and tags: "
            f"awk -F'\\t' '{program}' {shlex.quote(source.name)} > OUT.tsv"
        )
    for delimiter in ("\t", ",", ";", "|"):
        try:
            table = list(islice(csv.reader(lines, delimiter=delimiter, strict=False), 5))
        except csv.Error:
            continue
        container = Container.TSV if delimiter == "\t" else Container.CSV
        header = [cell.strip() for cell in table[0]] if table else []
        laid = replace(source, layout=Layout(delimiter=delimiter))
        wanted = without_rows(columns)
        known = shape_of(header, wanted)
        if known and (len(header) > 1 or header[0] in ("text", "messages", "conversations")):
            twice = next((name for name in header if header.count(name) > 1 and name in known.reads()), None)
            if twice:
                raise DataError(f"{source.name}, line 1: two columns are called '{twice}'; rename or remove one.")
            return laid, container
        even = len(table) > 1 and len(header) > 1 and all(len(row) == len(header) for row in table[:-1])
        if not even:
            continue
        numbers = tuple(str(number) for number in range(1, len(header) + 1))
        if wanted and set(wanted.values()) <= set(numbers):
            return replace(laid, layout=Layout(names=numbers, delimiter=delimiter)), container
        if _names(header, plain) or (not plain and len(table) > 2):
            check_utf8(source, text)
            first = dict(zip(header, table[1], strict=False))
            if any(len(cell.split()) > 3 for cell in header) or not _names(header, plain):
                raise nameless(source, header, 1)
            if not shape_of(first, {}) and len(set(header)) == len(header):
                raise no_shape(laid, {**first}, wanted, 1)
    if plain:
        return source, Container.TEXT
    start = f"{source.name}, line 1: this is not training data we can read (it starts with {lines[0][:30]!r})"
    raise DataError(f"{start}; give {READABLE}.")


def _names(header: list[str], plain: bool) -> bool:
    """Tell names of columns from prose; in a file that may be ``plain`` text, only bare words are names."""
    short = all((cell[:1].isalnum() or cell[:1] == "_") and len(cell) < 40 for cell in header)
    short = short and len(set(header)) == len(header)
    return short and (not plain or all(cell.replace("_", "").replace(" ", "").isalnum() for cell in header))


def check_utf8(source: Source, start: bytes) -> None:
    try:
        getincrementaldecoder("utf-8")().decode(start)  # the last character may be cut off
    except UnicodeDecodeError as error:
        line = start.count(b"\n", 0, error.start) + 1
        raise not_utf8(source, line, f"byte {start[error.start]:02x}") from None


def not_utf8(source: Source, line: int, detail: str) -> DataError:
    return DataError(
        f"{source.name}, line {line}: this is not UTF-8 text ({detail}), perhaps Windows-1252 or Latin-1; save it as "
        f"UTF-8: iconv -f WINDOWS-1252 -t UTF-8 {shlex.quote(source.name)} > OUT"
    )
