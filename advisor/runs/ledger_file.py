"""The ledger's file: its tables, the named migrations that older files are brought up by, and what cannot be used."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from advisor.errors import AdvisorError, RunError

_FIRST_TABLES = (
    """CREATE TABLE IF NOT EXISTS runs (
        id TEXT PRIMARY KEY, created TEXT NOT NULL, spec TEXT NOT NULL, quote TEXT NOT NULL, plan TEXT NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS events (
        run TEXT NOT NULL REFERENCES runs (id), seq INTEGER NOT NULL, at TEXT NOT NULL, kind TEXT NOT NULL,
        body TEXT NOT NULL, PRIMARY KEY (run, seq)
    ) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS events_by_kind ON events (kind, run, seq)",
    *(
        f"CREATE TRIGGER IF NOT EXISTS {table}_{verb} BEFORE {verb} ON {table} "
        "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        for table in ("runs", "events")
        for verb in ("UPDATE", "DELETE")
    ),
)
# A clock that was set back must not change which run is the last one.
_NUMBER_RUNS = (
    "DROP TRIGGER runs_UPDATE",
    "ALTER TABLE runs ADD COLUMN number INTEGER",
    "UPDATE runs SET number = (SELECT COUNT(*) FROM runs AS other "
    "WHERE (other.created, other.id) <= (runs.created, runs.id))",
    "CREATE UNIQUE INDEX runs_by_number ON runs (number)",
    "CREATE TRIGGER runs_UPDATE BEFORE UPDATE ON runs BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
)
_NAME_RUNS = ("ALTER TABLE runs ADD COLUMN name TEXT",)
# In the order they are applied, for good; what is added goes to the end. user_version counts those a file has had.
MIGRATIONS: tuple[tuple[str, Sequence[str]], ...] = (
    ("first-tables", _FIRST_TABLES),
    ("number-runs", _NUMBER_RUNS),
    ("name-runs", _NAME_RUNS),
)
_COLUMNS = {
    "runs": {"id", "number", "name", "created", "spec", "quote", "plan"},
    "events": {"run", "seq", "at", "kind", "body"},
}


class LedgerUnwritable(AdvisorError):
    """The ledger takes no more. No RunError: it says nothing about a run, whose job may be there by now."""


def unwritable(path: Path, error: sqlite3.Error) -> LedgerUnwritable:
    """Say why the ledger cannot be written, and what to do about it."""
    remedy = "end what holds it" if "locked" in str(error) else "make room on the disk, or correct its permissions"
    return LedgerUnwritable(
        f"The ledger {path} cannot be written ({error}); {remedy}. 'tunewise launch --resume RUN' then goes on with "
        "what was being started."
    )


def unreadable(path: Path, error: object) -> RunError:
    """Say that the ledger as a whole cannot be read."""
    kept = sorted(path.parent.glob(f"{path.stem}.before-*"))
    backup = f" A backup from before a migration is {kept[-1]}." if kept else ""
    return RunError(
        f"The ledger {path} cannot be read ({error}); move it aside, or point TUNEWISE_HOME elsewhere.{backup} What it "
        "knew of runs is then unknown here: look at your providers before you launch again."
    )


def connect(path: Path, *, only_read: bool = False) -> sqlite3.Connection:
    name = f"{path.absolute().as_uri()}?mode=ro" if only_read else str(path)
    connection = sqlite3.connect(name, uri=only_read, timeout=30, isolation_level=None)
    connection.row_factory = sqlite3.Row
    # FULL: an answered write is on the disk, also when the machine loses power right after it.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def prepare(path: Path) -> None:
    """Make the file on first use, or bring an older one up to date, a backup kept beside it.

    Raises RunError for a file that cannot be used, which is left as it is, and LedgerUnwritable.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    try:
        had = _refuse_newer(path)
        with closing(connect(path)) as connection:
            if had < len(MIGRATIONS):
                connection.execute("PRAGMA journal_mode = WAL")
                _migrate(connection, path)
            _check_columns(connection, path)
    except sqlite3.OperationalError as error:
        raise unwritable(path, error) from error
    except sqlite3.DatabaseError as error:
        raise unreadable(path, error) from error


def _refuse_newer(path: Path) -> int:
    """Return how many migrations the file has had; nothing is written."""
    with closing(connect(path, only_read=True)) as connection:
        had = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if had > len(MIGRATIONS):
        raise RunError(
            f"The ledger {path} is of a newer version of tunewise (schema {had}, this one knows {len(MIGRATIONS)}); "
            "update tunewise. Nothing in it was changed."
        )
    return had


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        had = int(connection.execute("PRAGMA user_version").fetchone()[0])  # another process may have been faster
        waiting = MIGRATIONS[had:]
        if waiting and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            _back_up(path, waiting[-1][0])
        for place, (_, statements) in enumerate(waiting, had + 1):
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {place}")


def _back_up(path: Path, migration: str) -> None:
    """Copy the file as it was committed last, readable by its owner alone."""
    backup = path.with_name(f"{path.stem}.before-{migration}-{datetime.now(UTC):%Y%m%dT%H%M%S}{path.suffix}")
    os.close(os.open(backup, os.O_CREAT | os.O_RDWR, 0o600))
    with closing(connect(path)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)


def _check_columns(connection: sqlite3.Connection, path: Path) -> None:
    for table, wanted in _COLUMNS.items():
        there = {row["name"] for row in connection.execute(f"PRAGMA table_info({table})")}
        if missing := wanted - there:
            raise unreadable(path, f"its table '{table}' has no column '{min(missing)}'")
