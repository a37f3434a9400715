"""Rows of the ledger as values; a row that cannot be read is set aside and named, never guessed at."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from advisor.errors import RunError
from advisor.runs.run import Event, Origin, Quote, Run
from advisor.serialization import from_json
from backends import Job, JobSpec, JobStatus

_UNANSWERED = "being sent, or interrupted on the way: 'tunewise launch --resume {run}' looks it up and goes on"
# What reading a row can end in: no JSON, another shape, an unknown word, no number, no date, a page that is damaged.
_DAMAGE = (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, sqlite3.DatabaseError)
_IDS = (  # of the index, newest first; of the table, from both ends, where a page of the index is damaged
    "SELECT id FROM runs ORDER BY number DESC",
    "SELECT id FROM runs NOT INDEXED ORDER BY id DESC",
    "SELECT id FROM runs NOT INDEXED ORDER BY id",
)


@dataclass(frozen=True, slots=True)
class Damaged:
    """A run whose rows cannot be read; ``run`` is None where it is not even known which."""

    run: str | None
    reason: str
    set_aside: bool = False  # somebody looked at the provider and said so

    def __str__(self) -> str:
        who = "Some runs" if self.run is None else self.run
        return f"{who} cannot be read in the ledger ({self.reason})"

    def error(self) -> RunError:
        return RunError(
            f"{self}: it may be of a newer version of tunewise, or damaged. Nothing is sent or paid for it; look at "
            "the provider for what became of it."
        )


def run_ids(connection: sqlite3.Connection) -> tuple[list[str], str | None]:
    """Return the ids of all runs that can be reached, newest first, and what keeps others from it."""
    found: dict[str, None] = {}
    trouble = None
    for query in _IDS:
        try:
            for row in connection.execute(query):
                found.setdefault(row["id"])
        except sqlite3.DatabaseError as error:
            trouble = str(error)
        else:
            return list(found), None
    return list(found), trouble


def last_run(connection: sqlite3.Connection, ids: Sequence[str]) -> list[str]:
    """Return the newest of ``ids`` that is no rehearsal, else the newest; [] where there is none."""
    for name in ids:
        found = read_run(connection, name)
        if isinstance(found, Damaged) or not found.rehearses:
            return [name]
    return list(ids[:1])


def check_free(connection: sqlite3.Connection, name: str | None) -> None:
    """Raise RunError where a run of this name runs or has a model; None is free."""
    for id in [id for id, known in run_names(connection).items() if name is not None and known == name]:
        found = read_run(connection, id)
        if isinstance(found, Damaged) or not found.job.status.finished or found.job.tuned_model is not None:
            raise RunError(f"{id} is named '{name}' already; choose another --name.")


def run_names(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the names of the runs that have one; none where they cannot be read, since the ids still can."""
    try:
        return dict(connection.execute("SELECT id, name FROM runs WHERE name IS NOT NULL").fetchall())
    except sqlite3.DatabaseError:
        return {}


def read_run(connection: sqlite3.Connection, id: str) -> Run | Damaged:
    """Return a run as its rows say, or that they cannot be read."""
    try:
        return _run(connection, id)
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        return Damaged(id, reason, _is_set_aside(connection, id))


def read_event(row: sqlite3.Row) -> Event:
    """Return an event. Raises RunError where it cannot be read."""
    try:
        return Event(row["run"], row["seq"], datetime.fromisoformat(row["at"]), row["kind"], json.loads(row["body"]))
    except _DAMAGE as error:
        raise Damaged(row["run"], f"its event {row['seq']}: {error}").error() from error


def usd_of(row: sqlite3.Row) -> Decimal | None:
    """Return the US dollars an event names; None where it names none, or none that a sum could hold."""
    try:
        usd = Decimal(json.loads(row["body"])["usd"])
    except _DAMAGE:
        return None
    return usd if usd.is_finite() and usd >= 0 else None


def _run(connection: sqlite3.Connection, id: str) -> Run:
    row = connection.execute("SELECT id, name, created, spec, quote, plan FROM runs WHERE id = ?", [id]).fetchone()
    newest: dict[str, sqlite3.Row] = {
        event["kind"]: event
        for event in connection.execute(
            "SELECT kind, seq, body FROM events WHERE run = :run AND seq IN (SELECT MAX(seq) FROM events "
            "WHERE run = :run AND kind IN ('job', 'scorecard', 'sending', 'unsent') GROUP BY kind)",
            {"run": id},
        )
    }
    spec = from_json(JobSpec, json.loads(row["spec"]))
    created = datetime.fromisoformat(row["created"])
    job = Job(run=id, backend=spec.backend, model=spec.model, detail="not started")
    if "job" in newest:
        job = from_json(Job, json.loads(newest["job"]["body"]))
    sent, unsent = (newest[kind]["seq"] if kind in newest else 0 for kind in ("sending", "unsent"))
    unanswered = job.id is None and sent > unsent
    if unanswered and not job.detail.startswith("in doubt"):
        detail = _UNANSWERED.format(run=id)
        job = replace(job, status=JobStatus.QUEUED, detail=detail, error=None, finished=None)
    return Run(
        id=id,
        name=row["name"],
        created=created,
        spec=spec,
        quote=from_json(Quote, json.loads(row["quote"])),
        origin=from_json(Origin, json.loads(row["plan"])),
        job=replace(job, created=job.created or created),
        scorecard=json.loads(newest["scorecard"]["body"]) if "scorecard" in newest else None,
        unanswered=unanswered,
    )


def _is_set_aside(connection: sqlite3.Connection, id: str) -> bool:
    try:
        query = "SELECT 1 FROM events WHERE run = ? AND kind = 'set_aside'"
        return connection.execute(query, [id]).fetchone() is not None
    except sqlite3.DatabaseError:
        return False
