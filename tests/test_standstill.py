"""A job that stands still is named: how old each stage is, what is usual there, and what to do."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from paper_backend import NOON, PaperBackend
from test_runs_ledger import a_run
from test_runs_watch import Clock, started

import backends
from advisor.cli import tunewise
from advisor.pricing import PriceBook
from advisor.runs import Ledger, Watch, keep_events
from advisor.runs.standstill import Standings, stages_of
from backends import Job, JobEvent, JobStatus

RUN = "tw-1122-00000001"
HOUR = timedelta(hours=1)


def at(hours: float) -> datetime:
    return NOON + hours * HOUR


def kept(name: str, backend: str, *snapshots: tuple[float, dict[str, object]]) -> Ledger:
    """Keep a run whose job was seen like this, at so many hours past noon."""
    ledger = Ledger.open()
    run = a_run(name)
    ledger.add(replace(run, spec=replace(run.spec, backend=backend)))
    job = Job(name, backend, "a4", id=f"job-{name}", created=NOON)
    for hours, seen in snapshots:
        job = replace(job, **seen)  # type: ignore[arg-type]
        ledger.append(name, "job", job, at(hours))
    return ledger


def ended(name: str, backend: str, waited_h: float, trained_h: float = 1.0) -> None:
    """Keep a run that was queued and trained for so many hours."""
    running = {"status": JobStatus.RUNNING, "stage": "running"}
    done = {"status": JobStatus.SUCCEEDED, "stage": "completed", "finished": at(waited_h + trained_h)}
    queued = {"stage": "queued"}
    kept(name, backend, (0, queued), (waited_h, running), (waited_h + trained_h, done))


def standstill(ledger: Ledger, hours: float, *, asked: bool = True) -> str:
    return Standings(ledger, PriceBook.load()).of(ledger.get(RUN), at(hours), asked=asked).standstill


def test_each_stage_has_its_age() -> None:
    ledger = kept(
        RUN,
        "bedrock",
        (0.1, {"stage": "validation in progress", "stage_since": NOON}),
        (1.0, {"stage": "training has not started", "stage_since": at(0.5)}),
        (2.0, {"stage": "training in progress", "status": JobStatus.RUNNING, "stage_since": at(1.5)}),
    )
    found = stages_of(ledger, ledger.get(RUN), at(4))
    assert [(one.name, one.minutes) for one in found] == [
        ("validation in progress", 30),
        ("training has not started", 60),
        ("training in progress", 150),
    ]
    ledger.append(RUN, "job", replace(ledger.get(RUN).job, status=JobStatus.SUCCEEDED, finished=at(3)), at(9))
    assert stages_of(ledger, ledger.get(RUN), at(99))[-1].minutes == 90


def test_without_runs_of_our_own_the_facts_say_what_is_usual() -> None:
    stage = {"stage": "training has not started", "stage_since": NOON, "elsewhere": "-o region=us-west-2"}
    ledger = kept(RUN, "bedrock", (0.1, stage))
    assert standstill(ledger, 2.5) == "", "twice 81 minutes are not over"
    said = standstill(ledger, 25)
    assert said.startswith("stands still: training has not started for 25 h; the longest known of bedrock is 81 min (")
    assert said.endswith(f"to stop it, 'tunewise cancel {RUN}', then launch again with -o region=us-west-2.")
    unasked = standstill(ledger, 25, asked=False)
    assert "as far as is known here" in unasked and f"'tunewise show {RUN}' asks" in unasked and "cancel" not in unasked


def test_a_provider_nothing_is_known_of_is_measured_by_the_others() -> None:
    ledger = kept(RUN, "together", (0, {"stage": "queued"}))
    assert standstill(ledger, 3) == "" and "the longest known of any provider is 110 min" in standstill(ledger, 4)
    assert standstill(ledger, 4).endswith("then launch at another backend.")


def test_runs_of_our_own_say_more_than_facts() -> None:
    for number in range(3):
        ended(f"tw-1122-0000001{number}", "together", waited_h=0.25 * (number + 1))
    ledger = kept(RUN, "together", (0, {"stage": "queued"}))
    assert standstill(ledger, 1.4) == "", "twice three quarters of an hour are not over"
    assert "your own runs there (3) moved on within 45 min" in standstill(ledger, 1.6)


def test_one_slow_run_of_our_own_is_believed() -> None:
    ended("tw-1122-00000011", "bedrock", waited_h=9)
    ledger = kept(RUN, "bedrock", (0, {"stage": "queued"}))
    assert standstill(ledger, 17) == "" and "your own runs there (1)" in standstill(ledger, 19)


def test_what_moves_does_not_stand() -> None:
    running = {"status": JobStatus.RUNNING, "stage": "running", "started": at(1)}
    ledger = kept(RUN, "nebius", (1, running), (8, {"steps_done": 1}), (9, {"steps_done": 2}))
    assert standstill(ledger, 12) == ""
    assert "running for 12 h, and nothing has moved for 4 h" in standstill(ledger, 13)
    keep_events(RUN, [JobEvent("e1", at(12), "info", "step 3")])
    assert standstill(ledger, 13) == ""


def test_a_rehearsal_and_a_run_without_a_job_stand_nowhere() -> None:
    ledger = Ledger.open()
    ledger.add(a_run(RUN))
    assert Standings(ledger, PriceBook.load()).of(ledger.get(RUN), at(99)).stages == ()


def test_watch_tells_of_a_job_in_which_nothing_changes(tmp_path: Path) -> None:
    class Still(PaperBackend):
        def refresh(self, job: Job) -> Job:
            return super().refresh(job) if clock.now > 3000 else job

    clock = Clock()
    backend = Still(tmp_path / "paper", steps=1)
    ledger = started(backend, tmp_path)
    watching = Watch(ledger, [RUN], lambda name: backend, clock=clock, pause=clock.pause)
    told = [update for update in watching.updates() if not update.job.status.finished]
    assert 5 <= len(told) <= 7, "the two of the beginning, then one every ten minutes"


def test_show_jobs_and_watch_name_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = PaperBackend(tmp_path / "paper", steps=1)
    ledger = started(backend, tmp_path)
    long_ago = datetime.now(UTC) - 30 * HOUR
    still = replace(ledger.get(RUN).job, stage="waiting", stage_since=long_ago)
    ledger.append(RUN, "job", still)
    monkeypatch.setattr(backends, "get", lambda name: backend)
    monkeypatch.setattr(PaperBackend, "refresh", lambda self, job: job)

    def run(*words: str) -> str:
        result = CliRunner().invoke(tunewise, words, catch_exceptions=False)
        assert result.exit_code == 0
        return " ".join(result.output.split())

    listed = run("jobs")
    assert "queued 30 h" in listed and f"warning: {RUN}: waiting for 30 h, as far as is known here" in listed
    shown = run("show", RUN)
    assert "waiting 30 h" in shown and "stands still: waiting for 30 h" in shown
    document = json.loads(CliRunner().invoke(tunewise, ["show", RUN, "--json"]).stdout)
    assert document["standstill"].startswith("stands still") and document["stages"][-1]["name"] == "waiting"
    monkeypatch.setattr(Watch, "updates", lambda self: iter(list(_first(self))))
    assert f"{RUN}: stands still: waiting for 30 h" in run("watch", RUN)


def _first(watch: Watch):  # type: ignore[no-untyped-def]
    from advisor.runs import Update

    yield Update(watch.ledger.get(RUN).job)
