"""The ledger: every run and everything that happened to it, append-only, in one SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Self

from advisor.errors import OverLimit, RunError
from advisor.money import usd as written
from advisor.nearest import no_such
from advisor.paths import home
from advisor.runs.ledger_file import connect, prepare, unreadable, unwritable
from advisor.runs.ledger_rows import Damaged, check_free, last_run, read_event, read_run, run_ids, run_names, usd_of
from advisor.runs.names import matching, with_name
from advisor.runs.run import Event, Run, folder_of
from advisor.serialization import to_json
from backends import Job, Json

_MOST_NAMED = 10


class TwinRunning(RunError):
    """Another run of the same model, data and settings has not ended; ``runs`` are those nobody agreed to."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = tuple(run.id for run in runs)
        super().__init__(f"{'; '.join(map(same_as, runs))}. --again starts another beside it.")


def same_as(run: Run) -> str:
    """Say of a run that it does the same work, and how to go on with it."""
    if run.job.id is None:
        return f"{run.id} is the same and has no job yet: 'tunewise launch --resume {run.id}' goes on with it"
    return f"{run.id} is the same and {run.job.status}: 'tunewise watch {run.id}'"


class Ledger:
    """Runs and their events. Nothing in it is ever changed or removed; a run's state is its last ``job`` event."""

    def __init__(self, path: Path) -> None:
        self.path = path
        prepare(path)

    @classmethod
    def open(cls, path: Path | None = None) -> Self:
        """Open the ledger at ``path``, else $TUNEWISE_HOME/ledger.sqlite3; it is made on first use."""
        return cls(path or home() / "ledger.sqlite3")

    def add(self, run: Run, *, beside: Collection[str] | None = None) -> None:
        """Insert a run. Raises RunError when its id or name is taken.

        ``beside``: the only runs of the same work it may stand beside; TwinRunning names another that has not ended.
        None: any. No process can add one between the look and the insert.
        """
        row = [
            run.id,
            run.name,
            _when(run.created),
            *(json.dumps(to_json(part)) for part in (run.spec, run.quote, run.origin)),
        ]
        try:
            with self._writing() as connection:
                check_free(connection, run.name)
                if beside is not None:
                    known = (read_run(connection, id) for id in run_ids(connection)[0])
                    twins = [one for one in known if isinstance(one, Run) and one.is_twin_of(run)]
                    if strange := [twin for twin in twins if twin.id not in beside]:
                        raise TwinRunning(strange)
                connection.execute(
                    "INSERT INTO runs (id, number, name, created, spec, quote, plan) "
                    "SELECT ?, COALESCE(MAX(number), 0) + 1, ?, ?, ?, ?, ? FROM runs",
                    row,
                )
        except sqlite3.IntegrityError as error:
            raise RunError(f"There is already a run {run.id}; launch again.") from error

    def check_free(self, name: str | None) -> None:
        """Raise RunError when a run has this name already; None is free."""
        with self._reading() as connection:
            check_free(connection, name)

    def append(self, run: str, kind: str, body: object, at: datetime | None = None) -> None:
        """Add one event to a run."""
        with self._writing() as connection:
            _append(connection, run, kind, to_json(body), at or datetime.now(UTC))

    def save(self, job: Job) -> None:
        """Keep a snapshot of a job, unless it is what the ledger holds already."""
        with self._writing() as connection:
            row = connection.execute(
                "SELECT body FROM events WHERE run = ? AND kind = 'job' ORDER BY seq DESC LIMIT 1", [job.run]
            ).fetchone()
            body = to_json(job)
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
                        f"The price of this job is unknown, so the monthly limit of ${monthly_limit} cannot be "
                        "enforced; put its price in pricing.local.yaml, choose an option with a known price, or leave "
                        "--monthly-limit (TUNEWISE_MONTHLY_LIMIT) out for this run."
                    )
                if spent + usd > monthly_limit:
                    more = f" (without {', '.join(unknown)}, whose cost is unknown)" if unknown else ""
                    left = max(monthly_limit - spent, Decimal(0))
                    raise OverLimit(
                        f"This job is quoted at {_cents(usd)}; {_cents(spent)} of this month's limit of "
                        f"{_cents(monthly_limit)} is spent or reserved{more}, which leaves {_cents(left)}. Raise "
                        "--monthly-limit (TUNEWISE_MONTHLY_LIMIT), wait for next month, or train on less."
                    )
            body: Json = {"usd": None if usd is None else str(usd)}
            if _last_of(connection, run, f"{now.astimezone(UTC):%Y-%m}") != body:
                _append(connection, run, "reserved", body, now)
        return unknown

    def uncounted(self, now: datetime, *, leave_out: str = "") -> tuple[str, ...]:
        """Return the runs of this month whose price is unknown, which a limit cannot count."""
        with self._reading() as connection:
            held = _held(connection, f"{now.astimezone(UTC):%Y-%m}", leave_out)
        return tuple(run for run, known in held.items() if known is None)

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
        with self._reading() as connection:
            return sum((usd for usd in _held(connection, month).values() if usd is not None), Decimal(0))

    def get(self, run: str) -> Run:
        """Return a run by its id or name, by a part of either that no other run has, or ``last``. Raises RunError."""
        with self._reading() as connection:
            ids, trouble = run_ids(connection)
            names = run_names(connection)
            fits = last_run(connection, ids) if run == "last" else matching(run, {id: names.get(id) for id in ids})
            if not fits and trouble is not None:
                raise unreadable(self.path, trouble)
            if not fits and run == "last":
                raise RunError("No runs yet; 'tunewise launch' starts one.")
            if not fits:
                raise RunError(no_such("run", run, (*names.values(), *ids), see="'tunewise jobs' lists them"))
            if len(fits) > 1:
                more = f" and {len(fits) - _MOST_NAMED} more" if len(fits) > _MOST_NAMED else ""
                listed = ", ".join(with_name(id, names.get(id)) for id in fits[:_MOST_NAMED])
                raise RunError(f"'{run}' fits {len(fits)} runs: {listed}{more}; give more of the id or name.")
            found = read_run(connection, fits[0])
        if isinstance(found, Damaged):
            raise found.error()
        return found

    def knows(self, run: str) -> bool:
        """Tell whether a run has exactly this id or name."""
        with self._reading() as connection:
            return run in run_ids(connection)[0] or run in run_names(connection).values()

    def runs(self) -> tuple[Run, ...]:
        """Return all runs that can be read, newest first; ``damaged`` names the others."""
        return tuple(one for one in self._all() if isinstance(one, Run))

    def newest(self) -> Run:
        """Return the run that was begun last, a rehearsal or not. Raises RunError."""
        with self._reading() as connection:
            ids, _ = run_ids(connection)
        return self.get(ids[0] if ids else "last")

    def damaged(self) -> tuple[Damaged, ...]:
        """Return what cannot be read of the runs, newest first."""
        return tuple(one for one in self._all() if isinstance(one, Damaged))

    def set_aside(self, run: str) -> str:
        """Keep that somebody looked after a run that cannot be read, so that it stops no payment; return its id.

        Raises RunError where there is no such run, or it can be read.
        """
        waiting = [one.run for one in self.damaged() if one.run is not None]
        fits = matching(run, dict.fromkeys(waiting))
        if len(fits) != 1:
            known = f"there are {', '.join(waiting)}" if waiting else "all can be read"
            raise RunError(f"'{run}' names no single unreadable run; {known}.")
        self.append(fits[0], "set_aside", {})
        return fits[0]

    def check_all_known(self) -> None:
        """Raise RunError while there is a run of which nobody knows whether it runs and what it costs."""
        unknown = [one for one in self.damaged() if not one.set_aside]
        if not unknown:
            return
        named = [one.run for one in unknown if one.run is not None]
        way_on = f"; then 'tunewise jobs --set-aside {named[0]}' lets others start" if named else ""
        raise RunError(
            f"{unknown[0]}, so whether it is running, and what it costs, is not known, and nothing is paid for. It may "
            f"be of a newer version of tunewise: update, or look for it at the provider{way_on}."
        )

    def events(self, run: str, kind: str | None = None) -> tuple[Event, ...]:
        """Return what happened to a run, oldest first."""
        query = "SELECT * FROM events WHERE run = ?" + (" AND kind = ?" if kind else "") + " ORDER BY seq"
        with self._reading() as connection:
            return tuple(read_event(row) for row in connection.execute(query, [run, kind] if kind else [run]))

    def last(self, run: str, kind: str) -> Event | None:
        """Return the newest event of one kind."""
        query = "SELECT * FROM events WHERE run = ? AND kind = ? ORDER BY seq DESC LIMIT 1"
        with self._reading() as connection:
            row = connection.execute(query, [run, kind]).fetchone()
            return None if row is None else read_event(row)

    def _all(self) -> Iterator[Run | Damaged]:
        with self._reading() as connection:
            ids, trouble = run_ids(connection)
            yield from [read_run(connection, id) for id in ids]
        if trouble is not None:
            yield Damaged(None, trouble)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(connect(self.path)) as connection:
                yield connection
        except sqlite3.DatabaseError as error:
            raise unreadable(self.path, error) from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(connect(self.path)) as connection, connection:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
        except sqlite3.OperationalError as error:
            raise unwritable(self.path, error) from error
        except sqlite3.IntegrityError:
            raise
        except sqlite3.DatabaseError as error:
            raise unreadable(self.path, error) from error


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


def _cents(amount: Decimal) -> str:
    return written(amount, cents=True)


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
        "SELECT run, kind, at, body FROM events WHERE kind IN ('reserved', 'settled') AND run != ? ORDER BY run, seq",
        [leave_out],
    )
    held: dict[str, Decimal | None] = {}
    months: dict[str, str] = {}
    for row in rows:
        if row["kind"] == "reserved" or row["run"] not in months:
            months[row["run"]] = row["at"][:7]
        held[row["run"]] = usd_of(row)
    return {run: usd for run, usd in held.items() if months[run] == month}


def _last_of(connection: sqlite3.Connection, run: str, month: str) -> Json:
    """Return the newest reservation of a run where it still stands and is of ``month``."""
    row = connection.execute(
        "SELECT kind, at, body FROM events WHERE run = ? AND kind IN ('reserved', 'settled') ORDER BY seq DESC LIMIT 1",
        [run],
    ).fetchone()
    stands = row is not None and row["kind"] == "reserved" and row["at"][:7] == month
    return json.loads(row["body"]) if stands else None


def _when(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
