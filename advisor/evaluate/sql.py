"""Whether two SQL queries ask the same: run on SQLite, over a given database or over tables made from a schema."""

from __future__ import annotations

import re
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from sqlglot.expressions import Expression

SECONDS, ROWS = 2.0, 10_000  # what one query may take; what it may return
# Bytes of one value, and of one pattern: no time limit reaches into a single call of LIKE, instr or replace, which take
# the product of two lengths (0.1 s at these, two minutes at SQLite's own).
_LONGEST, _LONGEST_PATTERN = 100_000, 200
_LARGEST = 16_000_000  # bytes of all texts and blobs of one result
_INSTANCES, _ROWS_EACH = 4, 40  # several small databases tell queries apart that agree by chance on one (Zhong 2020)
_WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")
_DAYS = ("2021-03-05", "2022-07-19", "2023-01-31", "2024-11-08")
_TOKEN = re.compile(
    r"""'(?:[^']|'')*'|"[^"]*"|`[^`]*`|\[[^\]]*\]|\d+(?:\.\d+)?|\w+|<=|>=|<>|!=|\|\||\S""",
    re.UNICODE,
)
_PART = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|`[^`]*`|--[^\n]*|/\*.*?\*/|.""", re.DOTALL)
_OPERATORS = ("=", "<", ">", "<=", ">=", "<>", "!=")
_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}

Value: TypeAlias = "str | bytes | float | None"
Rows: TypeAlias = tuple[tuple[Value, ...], ...]


def query_of(text: str) -> str:
    """Return the query an answer gives: its first code fence, or the whole text, without a closing semicolon."""
    fenced = re.search(r"```\w*\s*\n(.*?)\n?```", text, re.DOTALL)
    found = fenced[1] if fenced else re.sub(r"^\s*(?:sql|query)\s*:\s*", "", text, flags=re.IGNORECASE)
    return found.strip().rstrip(";").strip()


def is_query(text: str) -> bool:
    """Tell whether a text is a query that reads: SELECT or WITH, from something."""
    return re.match(r"(?:select|with)\b.*\bfrom\b", query_of(text), re.IGNORECASE | re.DOTALL) is not None


def same_text(first: str, second: str) -> bool:
    """Tell whether two queries are the same but for white space, comments, capitals outside quotes and a semicolon.

    What sqlglot cannot parse as SQLite's is compared word by word.
    """
    one, other = _parsed(first), _parsed(second)
    if one is None or other is None:
        return _tokens(first) == _tokens(second)
    return _normal(one) == _normal(other)


def schema_of(prompt: str) -> str:
    """Return the CREATE TABLE and INSERT statements that stand in a prompt, one a line; empty where there are none."""
    found = []
    for start in re.finditer(r"\b(?:create\s+(?:temp\w*\s+)?table|insert\s+into)\b", prompt, re.IGNORECASE):
        rest = _statement(prompt, start.end(), table=start[0].lower().startswith("create"))
        if rest is not None:
            found.append(" ".join(start[0].split()) + rest)
    return "\n".join(found) if any(one.lower().startswith("create") for one in found) else ""


def same_result(answer: str, reference: str, *, schema: str = "", database: Path | None = None) -> bool | None:
    """Tell whether the answer returns what the reference returns, rows in any order unless the reference orders them.

    On ``database``, opened for reading alone; else on small databases filled by seed over ``schema``, with the values
    the reference compares with among their rows. None: the reference cannot be run there, or returns nothing on all.
    """
    wanted_query = query_of(reference)
    wanted = results(wanted_query, wanted_query, schema, database)
    if any(one is None for one in wanted) or (database is None and not any(_tells(one) for one in wanted)):
        return None
    got = results(query_of(answer), wanted_query, schema, database)
    ordered = _orders(wanted_query)
    return None not in got and all(_equal(one, other, ordered) for one, other in zip(got, wanted, strict=True))


@lru_cache(maxsize=512)
def results(query: str, reference: str, schema: str, database: Path | None) -> tuple[Rows | None, ...]:
    """Run ``query`` on each database there is for ``reference``; a single None when a run failed."""
    found = []
    for seed in range(_INSTANCES if database is None else 1):
        try:
            rows = _run(_filled(schema, reference, seed) if database is None else _opened(database), query)
        except sqlite3.Error:
            rows = None
        if rows is None:
            return (None,)
        found.append(rows)
    return tuple(found)


def _opened(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)


def _run(connection: sqlite3.Connection, query: str) -> Rows | None:
    """Run one query that may only read, within the limits; None when it fails or passes them."""
    rows, size = list[tuple[Value, ...]](), 0
    with closing(connection):
        _limit(connection)
        connection.text_factory = lambda raw: raw.decode(errors="replace")
        connection.set_authorizer(lambda what, *_: sqlite3.SQLITE_OK if what in _ALLOWED else sqlite3.SQLITE_DENY)
        try:
            for row in connection.execute(query):
                rows.append(tuple(map(_plain, row)))
                size += sum(len(value) for value in row if isinstance(value, str | bytes))
                if len(rows) > ROWS or size > _LARGEST:
                    return None
        except (sqlite3.Error, sqlite3.Warning, ValueError, MemoryError):  # ValueError: a null byte in the query
            return None
    return tuple(rows)


def _limit(connection: sqlite3.Connection) -> None:
    """Let what runs from now on take no longer, and make no longer values, than one query may."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, _LONGEST_PATTERN)
    until = time.monotonic() + SECONDS
    connection.set_progress_handler(lambda: int(time.monotonic() > until), 100)


def _plain(value: Value) -> Value:
    """Return fractions in nine digits, so that sums do not depend on their order; 3 equals 3.0, and ids stay exact."""
    return float(f"{value:.9g}") if isinstance(value, float) and not value.is_integer() else value


def _equal(got: Rows | None, wanted: Rows | None, ordered: bool) -> bool:
    if got is None or wanted is None:
        return False
    return got == wanted if ordered else Counter(got) == Counter(wanted)


def _tells(rows: Rows | None) -> bool:
    """Tell whether a result holds anything but nothing, nulls and zeros, which many wrong queries return too."""
    return any(value not in (None, 0.0, "") for row in rows or () for value in row)


def _orders(query: str) -> bool:
    """Tell whether the query orders its result; one that cannot be parsed, and still ran, is taken to."""
    tree = _parsed(query)
    return tree is None or tree.args.get("order") is not None


def _parsed(query: str) -> Expression | None:
    from sqlglot import parse_one
    from sqlglot.errors import SqlglotError

    try:
        return parse_one(query_of(query), read="sqlite")
    except (SqlglotError, RecursionError):
        return None


def _normal(tree: Expression) -> str:
    return str(tree.sql(dialect="sqlite", normalize=True, comments=False))


def _tokens(query: str) -> list[str]:
    return [one if one[0] in "'\"`[" else one.casefold() for one in _TOKEN.findall(query_of(query))]


def _statement(text: str, start: int, *, table: bool) -> str | None:
    """Return what follows ``start`` without comments: to a table's closing bracket, or an insert's end; None: no end.

    An insert ends at a semicolon, a blank line or the end of a code fence.
    """
    depth, parts = 0, [" "]
    for found in _PART.finditer(text, start):
        part = found[0]
        if not table and depth == 0 and (part == ";" or text.startswith(("\n\n", "```"), found.start())):
            break
        if part in ("'", '"', "`") or (table and depth == 0 and part == ";"):  # a quote that is never closed
            return None
        depth += (part == "(") - (part == ")")
        blank = part.isspace() or part.startswith(("--", "/*"))
        if not (blank and parts[-1] == " "):
            parts.append(" " if blank else part.replace("\n", " "))
        if table and depth == 0 and part == ")":
            break
    else:
        if table:
            return None
    return "".join(parts).rstrip()


def _filled(schema: str, reference: str, seed: int) -> sqlite3.Connection:
    """Make the tables in memory and fill those that the schema leaves empty. Raises sqlite3.Error."""
    connection = sqlite3.connect(":memory:")
    _limit(connection)
    try:
        for statement in schema.splitlines():
            connection.execute(statement)
        names = [str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        tables = {name: connection.execute(f"PRAGMA table_info({_quoted(name)})").fetchall() for name in names}
        compared = _compared(reference, {str(column[1]).casefold() for table in tables.values() for column in table})
        random = Random(seed)
        for name, columns in tables.items():
            if connection.execute(f"SELECT 1 FROM {_quoted(name)}").fetchone() is None:
                _fill(connection, name, columns, compared, random)
        connection.commit()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _fill(
    connection: sqlite3.Connection,
    table: str,
    columns: Sequence[tuple[object, ...]],
    compared: dict[str, list[str | float]],
    random: Random,
) -> None:
    keys = [column[1] for column in columns if column[5]]
    marks = ", ".join("?" for _ in columns)
    for number in range(1, _ROWS_EACH + 1):
        row = [
            number
            if keys == [column[1]] and "CHAR" not in str(column[2]).upper() and "TEXT" not in str(column[2]).upper()
            else _value(str(column[1]).casefold(), str(column[2]).upper(), bool(column[3]), compared, random)
            for column in columns
        ]
        connection.execute(f"INSERT OR IGNORE INTO {_quoted(table)} VALUES ({marks})", row)


def _value(
    column: str, kind: str, required: bool, compared: dict[str, list[str | float]], random: Random
) -> str | float | None:
    """Return one value: often near one the reference compares this column with, else from a pool all tables share."""
    if not required and random.random() < 0.05:
        return None
    if column in compared and random.random() < 0.5:
        return _near(random.choice(compared[column]), random)
    if "DATE" in kind or "TIME" in kind:
        return random.choice(_DAYS)
    if "BOOL" in kind:
        return random.randint(0, 1)
    if any(part in kind for part in ("REAL", "FLOA", "DOUB", "NUM", "DEC")):
        return random.randint(1, 9) + 0.25
    if "INT" in kind:
        return random.randint(1, 9)
    return random.choice(_WORDS)


def _near(value: str | float, random: Random) -> str | float:
    """Return the value itself half of the time, else one that a slightly wrong comparison would take for it."""
    if isinstance(value, float):
        found = value + random.choice((0, 0, -1, 1, -5, 5))
        return int(found) if found.is_integer() else found
    core = value.replace("%", "").replace("_", "a")
    return random.choice((core, core, f"{core}x", f"x{core}"))


def _compared(reference: str, columns: set[str]) -> dict[str, list[str | float]]:
    """Return the literals of a query by the column each is compared with: the one named last, or ``5 < column``."""
    found: dict[str, list[str | float]] = {}
    tokens = _TOKEN.findall(reference)
    names = [token.strip('"`[]').casefold() if token[0] != "'" else "" for token in tokens]
    last = ""
    for place, token in enumerate(tokens):
        follows = (
            names[place + 2 : place + 5] if tokens[place + 1 : place + 2] and tokens[place + 1] in _OPERATORS else []
        )
        column = next((name for name in follows if name in columns), last)
        if names[place] in columns:
            last = names[place]
        elif token[0] in "'\"" and column:
            found.setdefault(column, []).append(token[1:-1].replace("''", "'"))
        elif token[0].isdigit() and column:
            sign = -1 if tokens[place - 1] == "-" and tokens[place - 2] in _OPERATORS else 1
            found.setdefault(column, []).append(sign * float(token))
    return found


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
