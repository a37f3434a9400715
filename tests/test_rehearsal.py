"""A rehearsal walks the whole way without a key, and counts nowhere."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path

import pytest
from backend_cases import write_rows
from paper_backend import NOON, write_sums
from test_launch import MODEL, Tunewise, ended, in_a_terminal
from test_launch import tunewise as tunewise
from test_runs_ledger import a_run

import backends
from advisor.runs import Ledger, accuracy
from advisor.runs.evaluation.measurements import _held
from backends import JobSpec, JobStatus, ModelNotTunable, SpecRefused
from backends._rehearsal import RehearsalBackend


def test_a_rehearsal_is_got_by_name_and_offered_nowhere() -> None:
    assert backends.REHEARSAL not in backends.names()
    assert isinstance(backends.get(backends.REHEARSAL), RehearsalBackend)


def test_its_job_is_a_function_of_the_clock(tmp_path: Path) -> None:
    now = [NOON]
    backend = RehearsalBackend(lambda: now[0])
    spec = JobSpec("tw-r", "rehearsal", MODEL, write_rows(tmp_path / "t.jsonl", 20), options={"stands_for": "openai"})
    assert not any(request.costs_money for request in backend.requests(spec))
    job = backend.submit(spec)
    assert (job.status, job.steps_done, job.steps_total) == (JobStatus.QUEUED, 0, 3)  # 20 examples in batches of 8
    seen = list(backend.events(job))
    while not job.status.finished:
        now[0] += timedelta(seconds=2)
        job = backend.refresh(job)
        assert job.detail.startswith("REHEARSAL of openai")
        seen += backend.events(job, seen[-1].id)
    assert (job.status, job.steps_done, job.finished) == (JobStatus.SUCCEEDED, 3, NOON + timedelta(seconds=20))
    assert (job.tuned_model, job.billed_usd, job.trained_tokens, job.train_seconds) == (None, None, None, None)
    assert seen == list(backend.events(job)) and len({event.id for event in seen}) == len(seen) == 5
    assert all(event.message.startswith("REHEARSAL") for event in seen)
    assert backend.cancel(job) == job
    with pytest.raises(ModelNotTunable, match="no model to ask"):
        backend.complete(MODEL, [{"role": "user", "content": "hi"}])
    with pytest.raises(SpecRefused, match="--rehearse"):
        backend.requests(JobSpec("tw-r", "rehearsal", MODEL, spec.train_file))


def test_the_whole_way_is_walked_without_a_key_and_counts_nowhere(
    tunewise: Tunewise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backends._rehearsal._WHOLE", timedelta(seconds=3.5))
    data = write_sums(tmp_path / "sums.jsonl", 70)
    hosted = ("launch", data, "--backend", "openai", "--model", MODEL, "--epochs", "2", "--rehearse")
    said = tunewise(*hosted, "--monthly-limit", "0", "--json")  # without --yes: there is nothing to agree to
    started = json.loads(said.stdout)
    assert "total     $" in said.stderr and "note      REHEARSAL: nothing is sent to openai" in said.stderr
    run = started["run"]
    assert (started["backend"], started["rehearses"], started["spent_usd"]) == ("rehearsal", "openai", "0")
    assert float(started["quote_usd"]) > 0
    assert "REHEARSAL of openai" in tunewise("watch", run).stdout
    assert "REHEARSAL step" in tunewise("logs", run).stdout
    assert "REHEARSAL of openai" in tunewise("jobs").stdout
    receipt = tunewise.document("receipt", run)
    assert (receipt["billed_usd"], receipt["basis"]) == ("0", "a rehearsal: nothing was sent")
    ledger = Ledger.open()
    assert accuracy(ledger) == () and ledger.spent("2026-11") == 0
    assert receipt["quote_usd"] == started["quote_usd"] and receipt["lines"][0]["quoted"] is not None
    assert [line["error_pct"] for line in receipt["lines"]] == [None] * 4
    assert not any("billed" in said for said in _held(ledger, ledger.runs()))
    assert "(it is a rehearsal)" in tunewise("evaluate", run, expect=1).stderr
    upload = Path(started["folder"]) / "upload" / "train.jsonl"
    assert "messages" in json.loads(upload.read_text().splitlines()[0])


def test_jobs_looks_at_what_ended_unwatched(
    tunewise: Tunewise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backends._rehearsal._WHOLE", timedelta(seconds=1))
    data = write_sums(tmp_path / "sums.jsonl", 20)
    tunewise("launch", data, "--backend", "openai", "--model", MODEL, "--epochs", "1", "--rehearse", "--yes")
    time.sleep(1)
    assert len(tunewise.document("jobs", "--status", "succeeded")) == 1


def test_last_passes_over_a_rehearsal_and_says_so(tunewise: Tunewise, tmp_path: Path) -> None:
    data = write_sums(tmp_path / "sums.jsonl", 20)
    rehearse = ("launch", data, "--backend", "openai", "--model", MODEL, "--rehearse", "--yes")
    first = tunewise.document(*rehearse, "--epochs", "1")["run"]
    assert tunewise.document("show", "last", "--offline")["run"] == first  # there is nothing else
    Ledger.open().add(a_run())
    newest = tunewise.document(*rehearse, "--epochs", "2")["run"]
    shown = tunewise("show", "last", "--offline", "--json")
    assert json.loads(shown.stdout)["run"] == a_run().id
    assert f"the newer {newest} is a rehearsal" in " ".join(shown.stderr.split())
    assert "last is" not in tunewise("show", newest, "--offline").stderr
    for acts in (("cancel", "last", "--yes"), ("launch", "--resume", "last", "--yes", "--max-cost", "1")):
        refused = " ".join(tunewise(*acts, expect=1).stderr.split())
        assert f"'last' could mean {a_run().id} or the rehearsal after it, {newest}" in refused
    assert not Ledger.open().get(a_run().id).job.status.finished


def test_a_rehearsal_leaves_the_name_to_the_run_that_is_rehearsed(tunewise: Tunewise, tmp_path: Path) -> None:
    data = write_sums(tmp_path / "sums.jsonl", 20)
    launch = ("launch", data, "--backend", "openai", "--model", MODEL, "--name", "sums")
    tunewise.document(*launch, "--rehearse", "--yes")
    Ledger.open().check_free("sums")


def test_a_slip_in_the_name_of_a_model_here_is_refused_in_a_dry_run_too(tunewise: Tunewise, tmp_path: Path) -> None:
    data = write_sums(tmp_path / "sums.jsonl", 20)
    said = tunewise("launch", data, "--backend", "local", "--model", "tinny", "--dry-run", expect=1).stderr
    assert "neither a hub id" in said and "Did you mean 'tiny'?" in said


def test_a_person_rehearses_the_question_too(tmp_path: Path) -> None:
    data = write_sums(tmp_path / "sums.jsonl", 70)
    child = in_a_terminal("launch", str(data), "--backend", "openai", "--model", MODEL, "--rehearse")
    child.expect_exact("REHEARSAL: nothing is sent to openai")
    child.expect_exact("Start? [y/N]")
    child.sendline("y")
    child.expect_exact("a REHEARSAL of openai. Follow it: tunewise watch")
    assert ended(child) == 0


@pytest.mark.parametrize(
    ("more", "said", "code"),
    [
        (
            ("--backend", "openai", "--model", MODEL, "--rehearse", "--dry-run"),
            "combined with --resume or",
            2,
        ),
        (("--backend", "local", "--model", "tiny", "--rehearse", "--yes"), "Training here costs nothing", 1),
        (("--backend", "openai", "--model", MODEL, "--rehearse", "--yes", "--max-cost", "0"), "over --max-cost", 4),
        (("--backend", "nebius", "--model", "Qwen/Qwen3-8B", "--rehearse", "--yes", "--max-cost", "9"), "unknown", 4),
        (("--backend", "openai", "--model", MODEL, "--rank", "8", "--rehearse", "--yes"), "no setting 'lora_rank'", 1),
    ],
)
def test_what_cannot_be_rehearsed_is_refused(
    tunewise: Tunewise, tmp_path: Path, more: tuple[str, ...], said: str, code: int
) -> None:
    data = write_sums(tmp_path / "sums.jsonl", 20)
    assert said in tunewise("launch", data, *more, expect=code).stderr
