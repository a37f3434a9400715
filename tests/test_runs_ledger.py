"""The ledger: append-only, private, the same after a restart, and a monthly limit that holds across processes."""

from __future__ import annotations

import resource
import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from advisor.errors import AdvisorError, OverLimit, RunError
from advisor.estimate import LineItem
from advisor.runs import Ledger, Origin, Quote, Run, record
from advisor.runs.launch.orders import orders
from advisor.runs.ledger import only_one
from advisor.runs.names import checked_name
from advisor.runs.run import new_id
from advisor.serialization import from_json, to_json
from backends import Hyperparameters, Job, JobSpec, JobStatus, Method

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
LINE = LineItem(
    "training", Decimal("2.5"), "million tokens", Decimal("3"), Decimal("7.5"), Decimal("7.5"), Decimal("7.5"), "x",
    date(2026, 11, 1),
)  # fmt: skip


def a_run(name: str = "tw-1122-00000001", usd: str | None = "7.5", created: datetime = NOON) -> Run:
    spec = JobSpec(
        run=name,
        backend="paper",
        model="a4",
        train_file=Path("/data/train.jsonl"),
        method=Method.QLORA,
        hyperparameters=Hyperparameters(epochs=3, learning_rate=3e-4),
        options={"ink": "blue", "copies": 2},
    )
    return Run(
        id=name,
        created=created,
        spec=spec,
        quote=Quote(usd=None if usd is None else Decimal(usd), lines=(LINE,)),
        origin=Origin(data=("/data/all.jsonl",), fingerprint="ab" * 32, held_out=Path("/data/held.jsonl")),
        job=Job(name, "paper", "a4", detail="not started", created=created),
    )


def test_a_run_reads_back_as_it_was_written() -> None:
    run = a_run()
    Ledger.open().add(run)
    assert Ledger.open().get(run.id) == run


def test_the_state_of_a_run_is_its_last_snapshot_and_nothing_is_written_twice() -> None:
    ledger = Ledger.open()
    run = a_run()
    ledger.add(run)
    first = replace(run.job, id="job-1", status=JobStatus.RUNNING, billed_usd=Decimal("1.10"), steps_done=4)
    ledger.save(first)
    ledger.save(first)
    last = replace(first, status=JobStatus.SUCCEEDED, finished=NOON, extra={"file": "file-1"})
    ledger.save(last)
    assert [event.kind for event in ledger.events(run.id)] == ["job", "job"]
    assert Ledger.open().get(run.id).job == last


@pytest.mark.parametrize("statement", ["UPDATE events SET body = '{}'", "DELETE FROM events", "DELETE FROM runs"])
def test_history_cannot_be_changed(statement: str) -> None:
    ledger = Ledger.open()
    ledger.add(a_run())
    ledger.append(a_run().id, "note", {"text": "kept"})
    with sqlite3.connect(ledger.path) as connection, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    connection.close()


def test_only_the_owner_can_read_it(home: Path) -> None:
    ledger = Ledger.open()
    ledger.add(a_run())
    assert stat.S_IMODE(ledger.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_a_run_is_found_by_a_part_of_its_id_unless_that_fits_several() -> None:
    ledger = Ledger.open()
    ledger.add(a_run("tw-1122-00000001"))
    ledger.add(a_run("tw-1122-00000002"))
    assert ledger.get("0002").id == "tw-1122-00000002"
    with pytest.raises(RunError, match="fits 2 runs"):
        ledger.get("tw-1122")
    with pytest.raises(RunError, match="no run 'tw-9'"):
        ledger.get("tw-9")


def test_ids_are_short_plain_and_taken_only_once() -> None:
    names = {new_id(NOON) for _ in range(200)}
    assert len(names) == 200
    assert all(len(name) <= 24 and set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for name in names)
    ledger = Ledger.open()
    ledger.add(a_run())
    with pytest.raises(RunError, match="already a run"):
        ledger.add(a_run())


def test_a_reservation_counts_until_it_is_settled_and_then_the_bill_does() -> None:
    ledger = Ledger.open()
    limit = Decimal(10)
    for name, usd in (("tw-a", "7"), ("tw-b", "4")):
        ledger.add(a_run(name, usd))
    ledger.reserve("tw-a", Decimal(7), monthly_limit=limit, now=NOON)
    with pytest.raises(OverLimit, match=r"quoted at \$4.00; \$7.00 of this month's limit of \$10.00 .* leaves \$3.00"):
        ledger.reserve("tw-b", Decimal(4), monthly_limit=limit, now=NOON)
    with pytest.raises(OverLimit, match=r"which leaves \$0.0030\. "):
        ledger.reserve("tw-b", Decimal(4), monthly_limit=Decimal("7.003000"), now=NOON)
    ledger.settle("tw-a", Decimal("2.50"), "billed by the provider")
    ledger.reserve("tw-b", Decimal(4), monthly_limit=limit, now=NOON)
    assert ledger.spent("2026-11") == Decimal("6.50")
    ledger.reserve("tw-a", Decimal(7), monthly_limit=limit, now=NOON + timedelta(days=30))


def test_what_is_reserved_again_counts_in_that_month_and_is_given_back_again() -> None:
    ledger = Ledger.open()
    ledger.add(a_run())
    for month, now in (("2026-11", NOON), ("2026-12", NOON + timedelta(days=20))):
        ledger.reserve(a_run().id, Decimal(7), monthly_limit=Decimal(10), now=now)
        assert ledger.spent(month) == 7
        ledger.settle(a_run().id, Decimal(0), "nothing was sent")
        assert ledger.spent(month) == 0


def test_a_run_that_is_stopped_at_a_cap_reserves_the_cap() -> None:
    """$3 are expected, and up to $6 can be spent."""
    held = Quote(usd=Decimal(3), high_usd=Decimal(6), usd_per_hour=Decimal(2), cap_usd=Decimal(6))
    ledger = Ledger.open()
    with pytest.raises(OverLimit, match=r"\$6.00"):
        record(ledger, replace(a_run("tw-dear"), quote=held), monthly_limit=Decimal(5), now=NOON)
    record(ledger, replace(a_run("tw-held"), quote=replace(held, usd=None)), monthly_limit=Decimal(6), now=NOON)
    assert ledger.spent("2026-11") == 6


def test_an_unknown_price_cannot_be_held_to_a_limit_and_is_not_taken_for_nothing() -> None:
    ledger = Ledger.open()
    for name in ("tw-unknown", "tw-known"):
        ledger.add(a_run(name))
    with pytest.raises(OverLimit, match=r"unknown, so .* put its price in pricing\.local\.yaml"):
        ledger.reserve("tw-unknown", None, monthly_limit=Decimal(100), now=NOON)
    assert ledger.reserve("tw-unknown", None, monthly_limit=None, now=NOON) == ()
    with pytest.raises(OverLimit, match="without tw-unknown, whose cost is unknown"):
        ledger.reserve("tw-known", Decimal(101), monthly_limit=Decimal(100), now=NOON)
    assert ledger.reserve("tw-known", Decimal(1), monthly_limit=Decimal(100), now=NOON) == ("tw-unknown",)
    ledger.settle("tw-unknown", Decimal(2), "billed by the provider")
    assert ledger.reserve("tw-known", Decimal(1), monthly_limit=Decimal(100), now=NOON) == ()


RACER = """
import sys
from datetime import UTC, datetime
from decimal import Decimal
from advisor.errors import AdvisorError, OverLimit
from advisor.runs import Ledger
ledger = Ledger.open()
won = 0
sys.stdout.write("ready\\n"); sys.stdout.flush(); sys.stdin.readline()
for run in sys.argv[1:]:
    try:
        ledger.reserve(run, Decimal("1.00"), monthly_limit=Decimal("10"), now=datetime(2026, 11, 22, tzinfo=UTC))
        won += 1
    except OverLimit:
        pass
print(won)
"""


def test_two_processes_racing_for_one_monthly_limit_never_pass_it() -> None:
    ledger = Ledger.open()
    names = [f"tw-race-{number}" for number in range(40)]
    for name in names:
        ledger.add(a_run(name))
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, *names[start::2]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for start in (0, 1)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    won = [int(racer.communicate()[0]) for racer in racers]
    assert sum(won) == 10
    assert Ledger.open().spent("2026-11") == Decimal(10)


def test_many_processes_may_make_the_ledger_at_once() -> None:
    opened = [
        subprocess.Popen([sys.executable, "-c", "from advisor.runs import Ledger; Ledger.open().runs()"])
        for _ in range(4)
    ]
    assert [process.wait() for process in opened] == [0, 0, 0, 0]


def test_a_run_is_held_by_one_process_and_let_go_when_it_dies() -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", "import time; from advisor.runs.ledger import only_one\n"
         "with only_one('tw-held'):\n    print('held', flush=True); time.sleep(60)"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    with holder.stdout:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunError, match="Another process"), only_one("tw-held"):
            pass
        holder.kill()
        holder.wait()
    with only_one("tw-held"):
        pass


def test_a_file_that_is_no_ledger_is_one_sentence(home: Path) -> None:
    home.mkdir()
    (home / "ledger.sqlite3").write_text("this is not a database, whatever its name says, and long enough to be read")
    with pytest.raises(RunError, match="cannot be read"):
        Ledger.open()


def test_a_full_disk_is_one_sentence_and_costs_nothing_that_was_written() -> None:
    ledger = Ledger.open()
    ledger.add(a_run())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # a write beyond it fails, as on a full disk
    try:
        with pytest.raises(AdvisorError, match="make room on the disk"):
            ledger.append(a_run().id, "sending", {"long": "x" * 100_000})
        with pytest.raises(AdvisorError, match="make room on the disk"):
            Ledger(ledger.path.with_name("new.sqlite3"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    ledger.append(a_run().id, "sending", {})
    assert [event.body for event in ledger.events(a_run().id)] == [{}]


def test_what_a_newer_version_wrote_can_be_read() -> None:
    saved = to_json(a_run().job)
    assert isinstance(saved, dict)
    assert from_json(Job, {**saved, "colour": "blue"}) == a_run().job
    del saved["detail"]
    assert from_json(Job, saved).detail == ""


def test_a_run_is_found_by_its_name_or_any_part_of_id_or_name() -> None:
    ledger = Ledger.open()
    ledger.add(replace(a_run("tw-1122-00000001"), name="tickets"))
    ledger.add(replace(a_run("tw-1122-00000002"), name="tickets-long"))
    ledger.add(a_run("tw-1122-00500003"))
    for typed, id in (("tickets", "1"), ("long", "2"), ("005", "3"), ("tw-1122-00000002", "2")):
        assert ledger.get(typed).id.endswith(id), typed
    with pytest.raises(
        RunError, match=r"fits 2 runs: tw-1122-00000002 \(tickets-long\), tw-1122-00000001 \(tickets\);"
    ):
        ledger.get("ticket")
    with pytest.raises(RunError, match="tw-1122-00000001 is named 'tickets' already; choose another --name"):
        ledger.add(replace(a_run("tw-1122-00000004"), name="tickets"))
    assert ledger.knows("tickets") and not ledger.knows("ticket")
    failed = ledger.get("tickets")  # what ended without a model gives its name to the next
    ledger.save(replace(failed.job, status=JobStatus.FAILED))
    ledger.add(replace(a_run("tw-1122-00000004"), name="tickets"))
    assert ledger.get("tickets").id == "tw-1122-00000004"


@pytest.mark.parametrize("name", ["", "two words", "\x1b[31mred", "a/b", "-x", "last", "TW-1", "ü", "x" * 41])
def test_a_name_that_would_mislead_or_steer_a_terminal_is_refused(name: str) -> None:
    with pytest.raises(AdvisorError, match="cannot be named"):
        checked_name(name)


def test_several_runs_launched_together_are_numbered(tmp_path: Path) -> None:
    data = tmp_path / "train.jsonl"
    data.write_text("{}")
    found, _ = orders([str(data)], ["local", "openai"], ["a"], "night")
    assert [order.name for order in found] == ["night-1", "night-2"]
    assert checked_name("Qwen3.5-9B_v1") == "Qwen3.5-9B_v1"
