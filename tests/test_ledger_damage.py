"""A damaged, older or newer ledger: rows are set aside and named, all others work, and nothing is paid twice."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from paper_backend import PaperBackend
from test_runs_ledger import NOON, a_run

from advisor.cli import tunewise
from advisor.errors import AdvisorError, RunError
from advisor.runs import Ledger, record, send
from advisor.runs.evaluation.measurements import of_ledger
from advisor.runs.ledger_file import MIGRATIONS
from advisor.serialization import to_json
from backends import JobStatus

GOOD, BAD = "tw-1122-0000000a", "tw-1122-0000000b"


@pytest.fixture
def ledger() -> Ledger:
    """Two runs whose jobs are running, each with its reservation."""
    ledger = Ledger.open()
    for name in (GOOD, BAD):
        run = a_run(name)
        record(ledger, run, monthly_limit=None, now=NOON)
        ledger.save(replace(run.job, id=f"job-{name}", status=JobStatus.RUNNING))
    return ledger


def changed(ledger: Ledger, *statements: str) -> None:
    """Do to the file what nothing of ours would."""
    with closing(sqlite3.connect(ledger.path, isolation_level=None)) as connection:
        for table in ("runs", "events"):
            for verb in ("UPDATE", "DELETE"):
                connection.execute(f"DROP TRIGGER {table}_{verb}")
        for statement in statements:
            connection.execute(statement)


def of_bad(change: str) -> str:
    return f"UPDATE events SET body = {change} WHERE run = '{BAD}' AND kind = 'job'"


DAMAGE = {
    "no JSON": of_bad("'{\"id\": '"),
    "JSON of another shape": of_bad("'[1, 2]'"),
    "a null": of_bad("'null'"),
    "a status of a newer version": of_bad("""json_set(body, '$.status', 'paused')"""),
    "a number where a word belongs": of_bad("json_set(body, '$.id', 17)"),
    "a time that is none": of_bad("json_set(body, '$.created', 'yesterday')"),
    "a method of a newer version": f"UPDATE runs SET spec = json_set(spec, '$.method', 'dora') WHERE id = '{BAD}'",
    "a quote that is no amount": f"UPDATE runs SET quote = json_set(quote, '$.usd', 'much') WHERE id = '{BAD}'",
    "a date that is none": f"UPDATE runs SET created = 'at noon' WHERE id = '{BAD}'",
    "an empty row": f"UPDATE runs SET spec = '' WHERE id = '{BAD}'",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_row_is_named_and_stops_payments_and_nothing_else(
    damage: str, ledger: Ledger, tmp_path: Path
) -> None:
    changed(ledger, DAMAGE[damage])
    again = Ledger.open()
    assert [run.id for run in again.runs()] == [GOOD]
    assert [one.run for one in again.damaged()] == [BAD]
    assert again.get(GOOD).job.status is JobStatus.RUNNING
    again.save(replace(again.get(GOOD).job, steps_done=3))
    with pytest.raises(RunError, match=f"{BAD} cannot be read in the ledger"):
        again.get(BAD)

    paper = PaperBackend(tmp_path / "paper")
    with pytest.raises(RunError, match=f"{BAD} cannot be read"):
        send(again, BAD, paper, pause=lambda _: None)
    record(again, a_run("tw-new"), monthly_limit=None, now=NOON)
    with pytest.raises(RunError, match=f"nothing is paid for.*jobs --set-aside {BAD}"):
        send(again, "tw-new", paper, pause=lambda _: None)
    assert paper.paid == []

    listed = CliRunner().invoke(tunewise, ["jobs", "--json", "--set-aside", BAD[-3:]])
    assert listed.exit_code == 0 and "It was set aside." in listed.stderr
    assert {one["run"] for one in json.loads(listed.stdout)} == {GOOD, "tw-new"}
    send(again, "tw-new", paper, pause=lambda _: None)
    assert paper.paid == ["job-1"]


def test_what_a_damaged_reservation_holds_is_unknown_and_told(ledger: Ledger) -> None:
    changed(ledger, f"UPDATE events SET body = 'null' WHERE run = '{BAD}' AND kind = 'reserved'")
    ledger.add(a_run("tw-new"))
    assert ledger.reserve("tw-new", Decimal(1), monthly_limit=Decimal(100), now=NOON) == (BAD,)


def test_a_row_without_a_value_is_damaged_too(ledger: Ledger) -> None:
    changed(
        ledger,
        "CREATE TABLE copy AS SELECT * FROM events",
        "DROP TABLE events",
        "ALTER TABLE copy RENAME TO events",
        f"UPDATE events SET body = NULL WHERE run = '{BAD}' AND kind = 'job'",
    )
    assert [one.run for one in Ledger.open().damaged()] == [BAD]


@pytest.mark.parametrize("column", ["body", "kind"])
def test_a_renamed_column_is_refused_in_a_sentence(column: str, ledger: Ledger) -> None:
    changed(ledger, f"ALTER TABLE events RENAME COLUMN {column} TO content")
    with pytest.raises(RunError, match=f"its table 'events' has no column '{column}'"):
        Ledger.open()


def test_a_page_of_zeros_hides_no_run_and_makes_none_look_unsent(ledger: Ledger) -> None:
    names = [f"tw-page-{number:03}" for number in range(30)]
    for name in names:
        ledger.add(a_run(name))
        ledger.save(replace(a_run(name).job, id=f"job-{name}", status=JobStatus.RUNNING, detail="x" * 900))
    with closing(sqlite3.connect(ledger.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    content = ledger.path.read_bytes()
    refused = 0
    for start in range(0, len(content), size):
        ledger.path.write_bytes(content[:start] + bytes(size) + content[start + size :])
        try:
            found = Ledger.open()
            runs, damaged = found.runs(), found.damaged()
        except RunError:
            refused += 1
            continue
        assert all(run.job.id == f"job-{run.id}" for run in runs), "one looks as if it had not been sent"
        missing = {GOOD, BAD, *names} - {run.id for run in runs}
        assert missing <= {one.run for one in damaged} or None in {one.run for one in damaged}
        if damaged:
            with pytest.raises(RunError, match="nothing is paid for"):
                found.check_all_known()
    assert refused < len(content) // size / 2


def of_the_first_version(path: Path) -> None:
    """Make a ledger as it was before there was a schema version: no number, user_version 0."""
    run = a_run(BAD, created=NOON + timedelta(hours=1))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in MIGRATIONS[0][1]:
            connection.execute(statement)
        for one in (run, a_run(GOOD)):
            parts = [json.dumps(to_json(part)) for part in (one.spec, one.quote, one.origin)]
            connection.execute(
                "INSERT INTO runs (id, created, spec, quote, plan) VALUES (?, ?, ?, ?, ?)",
                [one.id, one.created.isoformat(), *parts],
            )


def test_an_older_ledger_is_brought_up_to_date_and_a_backup_kept(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    of_the_first_version(path)
    before = path.read_bytes()
    ledger = Ledger(path)
    assert [run.id for run in ledger.runs()] == [BAD, GOOD]
    (backup,) = tmp_path.glob("ledger.before-name-runs-*.sqlite3")
    assert backup.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(backup)) as connection:
        assert [row[0] for row in connection.execute("SELECT id FROM runs ORDER BY id")] == [GOOD, BAD]
        assert connection.execute("PRAGMA user_version").fetchone() == (0,)
    assert before != path.read_bytes()
    Ledger(path)
    assert len(list(tmp_path.glob("*.before-*"))) == 1


def test_a_ledger_of_a_newer_version_is_refused_and_not_touched(ledger: Ledger) -> None:
    with closing(sqlite3.connect(ledger.path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = ledger.path.read_bytes()
    with pytest.raises(RunError, match=r"is of a newer version of tunewise .* update tunewise"):
        Ledger.open()
    assert ledger.path.read_bytes() == before


def test_the_last_run_is_the_last_launched_whatever_the_clock_said() -> None:
    ledger = Ledger.open()
    ledger.add(a_run(GOOD))
    ledger.add(a_run(BAD, created=NOON - timedelta(days=1)))
    assert ledger.get("last").id == BAD
    assert [run.id for run in ledger.runs()] == [BAD, GOOD]


def test_an_ambiguous_id_lists_the_candidates(ledger: Ledger) -> None:
    with pytest.raises(RunError, match=f"'tw-1122' fits 2 runs: {BAD}, {GOOD}; give more of the id or name"):
        ledger.get("tw-1122")


def test_a_state_folder_whose_path_is_too_long_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path
    while len(str(folder)) < 480:
        folder /= "x" * 40
    monkeypatch.setenv("TUNEWISE_HOME", str(folder))
    with pytest.raises(AdvisorError, match=r"too long.*set TUNEWISE_HOME to a folder"):
        Ledger.open()


def test_advice_needs_no_ledger(ledger: Ledger) -> None:
    with closing(sqlite3.connect(ledger.path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    assert of_ledger("ab" * 32, on_premises=False) == (
        (),
        (
            f"Your earlier runs were not used. The ledger {ledger.path} is of a newer version of tunewise (schema "
            f"{len(MIGRATIONS) + 1}, this one knows {len(MIGRATIONS)}); update tunewise. Nothing in it was changed.",
        ),
    )


def test_a_damaged_scorecard_is_no_score(ledger: Ledger) -> None:
    ledger.append(GOOD, "scorecard", ["of another version"])
    assert of_ledger(ledger.get(GOOD).origin.fingerprint, on_premises=False)[0] == ()
