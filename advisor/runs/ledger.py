"""The ledger: every run and everything that happened to it, append-only, in one SQLite file."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Self

from advisor.errors import AdvisorError, OverLimit, RunError
from advisor.paths import home
from advisor.runs.run import Event, Origin, Quote, Run, folder_of
from advisor.runs.serialization import from_saved, to_saved
from backends import Job, JobSpec, JobStatus, Json

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, created TEXT NOT NULL, spec TEXT NOT NULL, quote TEXT NOT NULL, plan TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
    run TEXT NOT NULL REFERENCES runs (id), seq INTEGER NOT NULL, at TEXT NOT NULL, kind TEXT NOT NULL,
    body TEXT NOT NULL, PRIMARY KEY (run, seq)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS events_by_kind ON events (kind, run, seq);
"""
_KEEP = """
CREATE TRIGGER IF NOT EXISTS {table}_{verb} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
"""
_UNANSWERED = "being sent, or interrupted on the way: 'tunewise launch --resume {run}' looks it up and goes on"


class Ledger:
    """Runs and their events. Nothing in it is ever changed or removed; a run's state is its last ``job`` event."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        try:
            with closing(self._connect()) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(_SCHEMA)
                for table in ("runs", "events"):
                    for verb in ("UPDATE", "DELETE"):
                        connection.execute(_KEEP.format(table=table, verb=verb))
        except sqlite3.OperationalError as error:
            raise self._unwritable(error) from error
        except sqlite3.DatabaseError as error:
            raise RunError(
                f"The ledger {path} cannot be read ({error}); move it aside, or point TUNEWISE_HOME elsewhere. What it "
                "knew of runs is then unknown here: look at your providers before you launch again."
            ) from error

    @classmethod
    def open(cls, path: Path | None = None) -> Self:
        """Open the ledger at ``path``, else $TUNEWISE_HOME/ledger.sqlite3; it is made on first use."""
        return cls(path or home() / "ledger.sqlite3")

    def add(self, run: Run) -> None:
        """Insert a run. Raises RunError when its id is taken."""
        row = [run.id, _when(run.created), *(json.dumps(to_saved(part)) for part in (run.spec, run.quote, run.origin))]
        try:
            with self._writing() as connection:
                connection.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?)", row)
        except sqlite3.IntegrityError as error:
            raise RunError(f"There is already a run {run.id}; launch again.") from error

    def append(self, run: str, kind: str, body: object, at: datetime | None = None) -> None:
        """Add one event to a run."""
        with self._writing() as connection:
            _append(connection, run, kind, to_saved(body), at or datetime.now(UTC))

    def save(self, job: Job) -> None:
        """Keep a snapshot of a job, unless it is what the ledger holds already."""
        with self._writing() as connection:
            row = connection.execute(
                "SELECT body FROM events WHERE run = ? AND kind = 'job' ORDER BY seq DESC LIMIT 1", [job.run]
            ).fetchone()
            body = to_saved(job)
            if row is None or json.loads(row[0]) != json.loads(json.dumps(body)):
                _append(connection, job.run, "job", body, datetime.now(UTC))

    def reserve(
        self, run: str, usd: Decimal | None, *, monthly_limit: Decimal | None, now: datetime
    ) -> tuple[str, ...]:
        """Set ``usd`` aside for a run in this month's budget, across all processes.

        Returns the month's runs whose price is unknown, which a ``monthly_limit`` cannot count. Raises OverLimit when
        the month's bills and reservations would pass it, or when the price is unknown and a limit is set.
        """
        unknown: tuple[str, ...] = ()
        with self._writing() as connection:
            if monthly_limit is not None:
                held = _held(connection, f"{now.astimezone(UTC):%Y-%m}", leave_out=run)
                unknown = tuple(name for name, known in held.items() if known is None)
                spent = sum((known for known in held.values() if known is not None), Decimal(0))
                if usd is None:
                    raise OverLimit(
                        f"The price of this job is unknown, so the monthly limit of ${monthly_limit} cannot be kept; "
                        "put its price in pricing.local.yaml, choose an option with a known price, or leave "
                        "--monthly-limit (TUNEWISE_MONTHLY_LIMIT) out for this run."
                    )
                if spent + usd > monthly_limit:
                    more = f" (without {', '.join(unknown)}, whose cost is unknown)" if unknown else ""
                    left = max(monthly_limit - spent, Decimal(0))
                    raise OverLimit(
                        f"This job is quoted at {_usd(usd)}; {_usd(spent)} of this month's limit of "
                        f"{_usd(monthly_limit)} is spent or reserved{more}, which leaves {_usd(left)}. Raise "
                        "--monthly-limit (TUNEWISE_MONTHLY_LIMIT), wait for next month, or train on less."
                    )
            _append(connection, run, "reserved", {"usd": None if usd is None else str(usd)}, now)
        return unknown

    def settle(self, run: str, usd: Decimal, basis: str) -> None:
        """Replace a run's reservation by what it cost; ``basis`` says who says so (billed, computed, nothing sent)."""
        if usd != self.settled(run):
            self.append(run, "settled", {"usd": usd, "basis": basis})

    def settled(self, run: str) -> Decimal | None:
        """Return what a run was settled at, in US dollars; None while it is only reserved, or reserved again."""
        last, reserved = self.last(run, "settled"), self.last(run, "reserved")
        if last is None or not isinstance(last.body, dict) or (reserved is not None and reserved.seq > last.seq):
            return None
        return Decimal(str(last.body["usd"]))

    def spent(self, month: str) -> Decimal:
        """Return the US dollars billed or reserved in ``month`` (YYYY-MM, UTC), as far as they are known."""
        with closing(self._connect()) as connection:
            return sum((usd for usd in _held(connection, month).values() if usd is not None), Decimal(0))

    def get(self, run: str) -> Run:
        """Return a run by its id, an unambiguous beginning or ending of it, or ``last``. Raises RunError."""
        with closing(self._connect()) as connection:
            if run == "last":
                rows = connection.execute("SELECT * FROM runs ORDER BY created DESC, id LIMIT 1").fetchall()
            else:
                rows = connection.execute("SELECT * FROM runs WHERE id = ?", [run]).fetchall()
            if not rows and len(run) >= 3:
                rows = [
                    row
                    for row in connection.execute("SELECT * FROM runs ORDER BY created DESC")
                    if row["id"].startswith(run) or row["id"].endswith(run)
                ]
            if not rows and run == "last":
                raise RunError("No runs yet; 'tunewise launch' starts one.")
            if not rows:
                raise RunError(f"The ledger knows no run '{run}'; 'tunewise jobs' lists them.")
            if len(rows) > 1:
                raise RunError(f"'{run}' fits {len(rows)} runs, {rows[0]['id']} and others; give the whole id.")
            return _run(connection, rows[0])

    def runs(self) -> tuple[Run, ...]:
        """Return all runs, newest first."""
        with closing(self._connect()) as connection:
            rows = connection.execute("SELECT * FROM runs ORDER BY created DESC, id DESC").fetchall()
            return tuple(_run(connection, row) for row in rows)

    def events(self, run: str, kind: str | None = None) -> tuple[Event, ...]:
        """Return what happened to a run, oldest first."""
        query = "SELECT * FROM events WHERE run = ?" + (" AND kind = ?" if kind else "") + " ORDER BY seq"
        with closing(self._connect()) as connection:
            return tuple(_event(row) for row in connection.execute(query, [run, kind] if kind else [run]))

    def last(self, run: str, kind: str) -> Event | None:
        """Return the newest event of one kind."""
        query = "SELECT * FROM events WHERE run = ? AND kind = ? ORDER BY seq DESC LIMIT 1"
        with closing(self._connect()) as connection:
            row = connection.execute(query, [run, kind]).fetchone()
            return None if row is None else _event(row)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        connection.row_factory = sqlite3.Row
        # FULL: an answered write is on the disk, also when the machine loses power right after it.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(self._connect()) as connection, connection:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
        except sqlite3.OperationalError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: sqlite3.OperationalError) -> AdvisorError:
        # No RunError: it says nothing about a run, whose job may be there by now.
        return AdvisorError(
            f"The ledger {self.path} cannot be written ({error}); make room on the disk, or end what holds it. "
            "'tunewise launch --resume RUN' then goes on with what was being started."
        )


@contextmanager
def only_one(run: str) -> Iterator[None]:
    """Hold a run for this process; the hold ends with the process, however it ends. Raises RunError when held."""
    path = folder_of(run) / "hold.sqlite3"
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        path.chmod(0o600)
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise RunError(
                f"Another process is starting {run} right now; 'tunewise watch {run}' follows it."
            ) from error
        yield


def _usd(amount: Decimal) -> str:
    """Write an amount in whole cents, or in full when cents would hide it."""
    return f"${amount:.2f}" if amount == 0 or amount >= Decimal("0.01") else f"${amount.normalize():f}"


def _append(connection: sqlite3.Connection, run: str, kind: str, body: Json, at: datetime) -> None:
    connection.execute(
        "INSERT INTO events SELECT ?, COALESCE(MAX(seq), 0) + 1, ?, ?, ? FROM events WHERE run = ?",
        [run, _when(at), kind, json.dumps(body), run],
    )


def _held(connection: sqlite3.Connection, month: str, leave_out: str = "") -> dict[str, Decimal | None]:
    """Return, of each run last reserved in ``month``, what it was settled at since, else what is reserved; None is
    unknown.
    """
    rows = connection.execute(
        "SELECT run, kind, at, json_extract(body, '$.usd') AS usd FROM events "
        "WHERE kind IN ('reserved', 'settled') AND run != ? ORDER BY run, seq",
        [leave_out],
    )
    held: dict[str, Decimal | None] = {}
    months: dict[str, str] = {}
    for row in rows:
        if row["kind"] == "reserved" or row["run"] not in months:
            months[row["run"]] = row["at"][:7]
        held[row["run"]] = None if row["usd"] is None else Decimal(row["usd"])
    return {run: usd for run, usd in held.items() if months[run] == month}


def _run(connection: sqlite3.Connection, row: sqlite3.Row) -> Run:
    newest: dict[str, sqlite3.Row] = {
        event["kind"]: event
        for event in connection.execute(
            "SELECT kind, seq, body FROM events WHERE run = ?1 AND seq IN (SELECT MAX(seq) FROM events "
            "WHERE run = ?1 AND kind IN ('job', 'scorecard', 'sending', 'unsent') GROUP BY kind)",
            [row["id"]],
        )
    }
    spec = from_saved(JobSpec, json.loads(row["spec"]))
    created = datetime.fromisoformat(row["created"])
    job = Job(run=row["id"], backend=spec.backend, model=spec.model, detail="not started")
    if "job" in newest:
        job = from_saved(Job, json.loads(newest["job"]["body"]))
    sent, unsent = (newest[kind]["seq"] if kind in newest else 0 for kind in ("sending", "unsent"))
    unanswered = job.id is None and sent > unsent
    if unanswered and not job.detail.startswith("in doubt"):
        detail = _UNANSWERED.format(run=row["id"])
        job = replace(job, status=JobStatus.QUEUED, detail=detail, error=None, finished=None)
    return Run(
        id=row["id"],
        created=created,
        spec=spec,
        quote=from_saved(Quote, json.loads(row["quote"])),
        origin=from_saved(Origin, json.loads(row["plan"])),
        job=replace(job, created=job.created or created),
        scorecard=json.loads(newest["scorecard"]["body"]) if "scorecard" in newest else None,
        unanswered=unanswered,
    )


def _event(row: sqlite3.Row) -> Event:
    at = datetime.fromisoformat(row["at"])
    return Event(row["run"], row["seq"], at, row["kind"], json.loads(row["body"]))


def _when(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
