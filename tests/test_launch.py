"""The commands of a run, as a script and as a person use them: agreed to, sent once, followed, evaluated, receipted."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pexpect
import pytest
from emulator_openai import OpenAIEmulator
from emulator_replicate import TRAINER, TRAINER_VERSION, ReplicateEmulator
from emulator_together import TogetherEmulator
from paper_backend import write_sums

from advisor.cli import main
from advisor.runs import Ledger

MODEL = "gpt-4.1-mini-2025-04-14"
PLANTED = "sk-planted-8f31c2d4e5"
PLANTED_DATA = "sk-" + "a1b2c3d4e5f6g7h8i9j0k1"
KEYS = {
    "run", "backend", "model", "status", "detail", "job_id", "quote_usd", "billed_usd", "tuned_model", "error",
    "created", "finished", "steps_done", "steps_total", "metrics_path",
}  # fmt: skip


@pytest.fixture
def openai(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIEmulator]:
    with OpenAIEmulator() as emulator:
        monkeypatch.setenv("OPENAI_BASE_URL", emulator.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", emulator.key)
        yield emulator


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_sums(tmp_path / "sums.jsonl", 60)


@dataclass
class Said:
    """What a command wrote."""

    stdout: str
    stderr: str


class Tunewise:
    """The command line, called in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capfd = monkeypatch, capfd

    def __call__(self, *arguments: str | Path, expect: int = 0) -> Said:
        self.monkeypatch.setattr(sys, "argv", ["tunewise", *map(str, arguments)])
        self.capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        said = Said(*self.capfd.readouterr())
        assert left.value.code == expect, f"exit {left.value.code}\n{said.stdout}\n{said.stderr}"
        return said

    def document(self, *arguments: str | Path, expect: int = 0) -> Any:
        return json.loads(self(*arguments, "--json", expect=expect).stdout)

    def launched(self, data: Path, *more: str) -> Any:
        hosted = ("--backend", "openai", "--model", MODEL, "--epochs", "2", "--max-cost", "5", "--yes")
        return self.document("launch", data, *hosted, *more)


@pytest.fixture
def tunewise(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Tunewise:
    return Tunewise(monkeypatch, capfd)


def test_nothing_is_started_without_consent(tunewise: Tunewise, openai: OpenAIEmulator, data: Path) -> None:
    hosted = ("launch", data, "--backend", "openai", "--model", MODEL, "--epochs", "2")
    assert "Nobody is here to agree" in tunewise(*hosted, expect=1).stderr
    assert "without --max-cost" in tunewise(*hosted, "--yes", expect=1).stderr
    assert "over --max-cost $0" in tunewise(*hosted, "--yes", "--max-cost", "0.0001", expect=4).stderr
    limited = tunewise(*hosted, "--yes", "--max-cost", "5", "--monthly-limit", "0.0001", expect=4)
    assert "of this month's limit" in limited.stderr
    assert openai.paid_jobs == 0
    assert [one["status"] for one in tunewise.document("jobs")] == [
        "failed"
    ]  # the one over the monthly limit is on record


def test_a_key_in_the_data_is_said_and_not_sent_unattended(
    tunewise: Tunewise, openai: OpenAIEmulator, data: Path
) -> None:
    rows = [*data.read_text().splitlines(), '{"messages": []}']
    rows += [rows[0], rows[1].replace("what follows", "mail jo@acme.io about"), rows[2].replace("what", PLANTED_DATA)]
    data.write_text("\n".join(rows) + "\n")
    hosted = ("launch", data, "--backend", "openai", "--model", MODEL, "--epochs", "2")
    notes = "\n".join(tunewise.document(*hosted, "--dry-run")["notes"])
    assert "what looks like a key or password (line 64)" in notes
    assert f"'tunewise check {data} --fix clean.jsonl --redact'" in notes
    assert "1 row left out, 63 examples read (1 messages_empty; line 61), 1 exact duplicate kept" in notes
    assert "what looks like personal data (line 63)" in notes
    said = tunewise(*hosted, "--yes", "--max-cost", "5", expect=1).stderr
    assert "--fix clean.jsonl --redact" in said and "Nobody has agreed to send it" in said
    child = in_a_terminal(*map(str, hosted))
    child.expect_exact("hold a key or password, which would be sent along. Start? [y/N]")
    child.sendline("")
    child.expect_exact("Nothing was started.")
    assert openai.paid_jobs == 0 and not any("/files" in request for request in openai.requests)
    clean = data.with_name("clean.jsonl")
    tunewise("check", data, "--fix", clean, "--redact", expect=1)
    assert tunewise.document("launch", clean, *hosted[2:], "--yes", "--max-cost", "5")["status"] == "queued"


def test_data_that_cannot_be_read_is_said_before_anybody_is_asked(tunewise: Tunewise, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    asked = ("launch", tmp_path / "empty.jsonl", "--backend", "local", "--model", "tiny")
    assert "the file is empty" in tunewise(*asked, expect=1).stderr


def test_a_dry_run_shows_the_requests_and_sends_none(
    tunewise: Tunewise, openai: OpenAIEmulator, data: Path, home: Path
) -> None:
    hosted = ("launch", data, "--backend", "openai", "--model", MODEL, "--epochs", "2", "-o", "suffix=2026-11-22")
    found = tunewise.document(*hosted, "--dry-run")
    assert [request["url"].rsplit("/", 1)[-1] for request in found["requests"]] == ["files", "jobs"]
    assert found["requests"][-1]["costs_money"] is True
    assert found["requests"][-1]["body"]["model"] == MODEL
    assert found["requests"][-1]["body"]["suffix"] == "2026-11-22"
    assert openai.requests == []
    assert openai.key not in json.dumps(found)
    assert found["settings"]["epochs"] == 2 and any("Restricted" in note for note in found["notes"])
    shown = tunewise(*hosted, "--dry-run").stdout
    for part in ("  settings  2 epochs", "  total     $", "  note      Restricted", "POST ", "(costs money)"):
        assert part in shown
    assert not list((home / "runs").iterdir())


def test_from_launch_to_receipt(tunewise: Tunewise, openai: OpenAIEmulator, data: Path) -> None:
    started = tunewise.launched(data)
    assert started.keys() >= KEYS
    run = started["run"]
    assert (started["status"], started["tuned_model"]) == ("queued", None)
    assert float(started["quote_usd"]) > 0
    ended = tunewise.document("watch", run)
    assert (ended["status"], ended["billed_usd"], ended["error"]) == ("succeeded", started["quote_usd"], None)
    assert ended["tuned_model"].startswith("ft:")
    rows = [json.loads(line) for line in Path(ended["metrics_path"]).read_text().splitlines()]
    assert {"step", "train_loss", "train_accuracy"} <= rows[0].keys()  # of the provider's result file
    assert "loss" in tunewise("watch", run).stdout
    assert tunewise.document("show", run)["steps_done"] == ended["steps_total"] > 0
    assert [one["run"] for one in tunewise.document("jobs", "--status", "succeeded")] == [run]
    assert "Created fine-tuning job" in tunewise("logs", run).stdout
    receipt = tunewise.document("receipt", run)
    assert receipt["error_pct"] == 0
    assert {line["name"] for line in receipt["lines"]} == {"training tokens", "time", "memory at its peak", "price"}
    card = tunewise.document("evaluate", run, "--against", "base,few-shot:2")
    assert [row["name"] for row in card["rows"]] == ["base", "few-shot:2", "tuned"]
    assert {"examples", "metric", "winner", "significant", "regression", "samples_path"} <= card.keys()
    assert all(
        row.keys() >= {"name", "score", "low", "high", "usd", "usd_per_request", "latency_ms_p50"}
        for row in card["rows"]
    )
    asked = sum(line.startswith("POST /chat/completions") for line in openai.requests)
    assert asked == 3 * card["examples"] + card["recited"]["of_trained"]
    tunewise.monkeypatch.setenv("COLUMNS", "80")
    shown = tunewise("evaluate", run, "--against", "base,few-shot:2", "--all").stdout
    assert ("Worth their price, cheapest first" in shown) == any(row["score"] > 0 for row in card["rows"])
    assert "an answer" in shown and "…" not in shown
    assert all(len(line) <= 80 for line in shown.splitlines() if not line.startswith("Every answer: "))
    assert sum(line.startswith("POST /chat/completions") for line in openai.requests) == asked
    assert openai.paid_jobs == 1
    assert openai.violations == []
    assert tunewise.document("chat", run, "what follows 3")["model"] == ended["tuned_model"]


def test_a_local_proposal_names_the_settings_the_trainer_chose(tunewise: Tunewise, data: Path) -> None:
    tunewise.monkeypatch.setenv("COLUMNS", "80")
    local = ("launch", data, "--backend", "local", "--model", "tiny", "--method", "lora", "--monthly-limit", "0")
    shown = tunewise(*local, "--gpu", "rtx-4090", "--yes", "--max-cost", "5", expect=4).stderr
    settings = next(line for line in shown.splitlines() if line.startswith("  settings"))
    assert re.search(r"  settings  \d+ epochs, batches of \d+, .*seed 0", settings)
    assert all(len(line) <= 80 for line in shown.splitlines() if not line.startswith("error: "))


def test_a_job_that_fails_is_exit_3_with_the_providers_reason(
    tunewise: Tunewise, openai: OpenAIEmulator, data: Path
) -> None:
    run = tunewise.launched(data)["run"]
    openai.advance_on_poll = False
    job = next(iter(openai.state["jobs"].values()))
    job["status"] = "failed"
    job["error"] = {"code": "invalid_training_file", "message": "line 3 is too long", "param": None}
    ended = tunewise.document("watch", run, expect=3)
    assert ended["status"] == "failed" and "line 3 is too long" in ended["error"]
    assert ended["billed_usd"] is None


def test_leaving_a_watch_leaves_the_job_alone(tunewise: Tunewise, openai: OpenAIEmulator, data: Path) -> None:
    openai.advance_on_poll = False
    run = tunewise.launched(data)["run"]
    for how, code in ((signal.SIGINT, 130), (signal.SIGKILL, -9)):
        watch = [sys.executable, "-m", "advisor", "watch", run]
        watching = subprocess.Popen(watch, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert watching.stdout is not None and watching.stderr is not None
        with watching.stdout, watching.stderr:
            assert run in watching.stdout.readline()
            time.sleep(0.3)
            watching.send_signal(how)
            assert watching.wait(timeout=30) == code
            assert how is signal.SIGKILL or f"tunewise cancel {run}" in watching.stderr.read()
    assert next(iter(openai.state["jobs"].values()))["status"] != "cancelled"
    openai.advance_on_poll = True
    assert tunewise.document("watch", run)["status"] == "succeeded"


def in_a_terminal(*arguments: str, columns: int = 120) -> pexpect.spawn[str]:
    """Start a command as a person does, in a pseudo-terminal."""
    command = ["-m", "advisor", *arguments]
    size = {"dimensions": (40, columns), "env": {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}}
    return pexpect.spawn(sys.executable, command, timeout=60, encoding="utf-8", **size)


def ended(child: pexpect.spawn[str]) -> int | None:
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus


def test_a_watch_may_be_left_or_gone_on_with_or_cancel_the_job(
    tunewise: Tunewise, openai: OpenAIEmulator, data: Path
) -> None:
    openai.advance_on_poll = False
    run = tunewise.launched(data)["run"]
    (job,) = openai.state["jobs"].values()

    def interrupted() -> pexpect.spawn[str]:
        child = in_a_terminal("watch", run)
        child.expect_exact(run)
        child.sendintr()
        child.expect_exact("(w)?")
        return child

    child = interrupted()
    child.sendline("")
    assert (ended(child), job["status"]) == (130, "validating_files")

    child = interrupted()
    child.sendline("w")
    child.expect_exact(run)
    child.sendintr()
    child.expect_exact("(w)?")
    child.sendeof()
    assert (ended(child), job["status"]) == (130, "validating_files")

    child = interrupted()
    for answer in ("n", "y"):
        child.sendline("c")
        child.expect_exact("[y/N]")
        child.sendline(answer)
        if answer == "n":
            child.expect_exact(run)
            child.sendintr()
            child.expect_exact("(w)?")
    child.expect_exact("cancelled")
    assert (ended(child), job["status"]) == (0, "cancelled")
    assert tunewise.document("show", run, "--offline")["status"] == "cancelled"


def test_what_names_no_run_to_cancel_is_asked_again(tunewise: Tunewise, openai: OpenAIEmulator, data: Path) -> None:
    openai.advance_on_poll = False
    first, second = tunewise.launched(data)["run"], tunewise.launched(data, "--again")["run"]
    child = in_a_terminal("watch", "--all")
    child.expect_exact(second)
    child.sendintr()
    child.expect_exact("(w)?")
    child.sendline("c")
    for typed in ("xyz", "tw-", f"{second[-4:]} xyz"):
        child.expect_exact("or all")
        child.sendline(typed)
        child.expect_exact("means no single one of")
    child.expect_exact("or all")
    child.sendline(second[:-1])
    child.expect_exact(f"Cancel {second}?")
    child.sendline("y")
    child.expect_exact("cancelled")
    child.sendintr()
    child.expect_exact("(w)?")
    child.sendline("")
    ended(child)
    states = {one["run"]: one["status"] for one in tunewise.document("jobs")}
    assert states == {first: "queued", second: "cancelled"}


def test_a_watch_over_a_hanging_connection_is_left_at_once(
    tunewise: Tunewise, openai: OpenAIEmulator, data: Path
) -> None:
    run = tunewise.launched(data)["run"]
    openai.fault("*", "stall", times=99)
    watching = subprocess.Popen([sys.executable, "-m", "advisor", "watch", run], stdout=subprocess.PIPE, text=True)
    assert watching.stdout is not None
    with watching.stdout:
        assert run in watching.stdout.readline()
        while not openai.requests[-1].endswith("stall"):
            time.sleep(0.01)
        watching.send_signal(signal.SIGINT)
        assert watching.wait(timeout=40) == 130  # a request is given up after 60 s


def test_cancel_asks_a_person_and_no_script(tunewise: Tunewise, openai: OpenAIEmulator, data: Path) -> None:
    openai.advance_on_poll = False
    run = tunewise.launched(data)["run"]
    for answer, code, status in (("", 1, "validating_files"), ("y", 0, "cancelled")):
        child = in_a_terminal("cancel", run)
        child.expect_exact("Cancel it? [y/N]")
        child.sendline(answer)
        assert ended(child) == code
        assert next(iter(openai.state["jobs"].values()))["status"] == status


def test_cancel_stops_the_job_there(tunewise: Tunewise, openai: OpenAIEmulator, data: Path) -> None:
    openai.advance_on_poll = False
    run = tunewise.launched(data)["run"]
    assert tunewise.document("cancel", run)["status"] == "cancelled"
    assert next(iter(openai.state["jobs"].values()))["status"] == "cancelled"
    assert (
        "already cancelled" in tunewise("cancel", run).stdout or tunewise.document("show", run)["status"] == "cancelled"
    )


def test_a_person_is_asked_and_the_default_is_no(openai: OpenAIEmulator, data: Path) -> None:
    command = f"-m advisor launch {data} --backend openai --model {MODEL} --epochs 2"
    for answer, code in (("", 1), ("y", 0)):
        child = pexpect.spawn(sys.executable, command.split(), timeout=60, encoding="utf-8", dimensions=(40, 120))
        child.expect_exact("uploaded to openai")
        child.expect_exact("total")
        child.expect_exact("shuts down on 2027-01-14")
        child.expect_exact("Start? [y/N]")
        child.sendline(answer)
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == code
    assert openai.paid_jobs == 1


CLOSED = {"error": {"message": "winding down", "code": "training_not_available", "type": None, "param": None}}


def test_what_a_closed_door_leaves_at_the_provider_can_be_deleted(
    tunewise: Tunewise, openai: OpenAIEmulator, data: Path
) -> None:
    hosted = ("launch", str(data), "--backend", "openai", "--model", MODEL, "--epochs", "2")
    for answer, left in (("n", 1), ("y", 0)):
        openai.fault("POST /fine_tuning/jobs", "status", status=403, body=CLOSED)
        child = in_a_terminal(*hosted)
        child.expect_exact("Start? [y/N]")
        child.sendline("y")
        child.expect_exact("is still at openai: file-")
        child.expect_exact("Delete it there? [y/N]")
        child.sendline(answer)
        assert ended(child) == 1
        assert len(openai.state["files"]) == left
    openai.fault("POST /fine_tuning/jobs", "status", status=403, body=CLOSED)
    said = tunewise(*hosted, "--yes", "--max-cost", "5", expect=1).stderr
    run = next(one["run"] for one in tunewise.document("jobs") if one["uploads"])
    assert f"'tunewise cancel {run} --delete-uploads' deletes it" in said
    assert "Deleted at openai: file-" in tunewise("cancel", run, "--delete-uploads").stderr
    assert openai.state["files"] == {} and tunewise.document("show", run)["uploads"] == []
    assert tunewise.document("launch", "--resume", run, "--yes", "--max-cost", "5")["job_id"]


def test_an_upload_that_another_run_needs_stays(tunewise: Tunewise, openai: OpenAIEmulator, data: Path) -> None:
    openai.advance_on_poll = False
    first, second = tunewise.launched(data)["run"], tunewise.launched(data, "--again")["run"]
    assert len(openai.state["files"]) == 1
    assert f"is used by {second} as well" in tunewise("cancel", first, "--delete-uploads", expect=1).stderr
    assert len(openai.state["files"]) == 1
    tunewise("cancel", second)
    assert tunewise.document("cancel", first, "--delete-uploads")["uploads"] == []
    assert openai.state["files"] == {}


def test_settings_that_the_provider_changed_are_said_wherever_a_run_is_shown(
    tunewise: Tunewise, openai: OpenAIEmulator, data: Path
) -> None:
    run = tunewise.launched(data)["run"]
    (job,) = openai.state["jobs"].values()
    for place in (job["hyperparameters"], job["method"]["supervised"]["hyperparameters"]):
        place["n_epochs"] = 7
    said = "openai trains with settings other than those asked for: epochs: asked 2, got 7."
    assert f"{run}: {said}" in tunewise("watch", run).stdout
    assert said in " ".join(tunewise("show", run).stdout.split())
    assert tunewise.document("show", run)["changed_by_provider"] == "epochs: asked 2, got 7"


def test_a_trainer_of_ones_own_is_priced_by_the_second_after_it_ran(
    tunewise: Tunewise, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """70 examples would leave a validation file, which no trainer there takes."""
    write_sums(data, 70)
    with ReplicateEmulator() as emulator:
        monkeypatch.setenv("REPLICATE_BASE_URL", emulator.base_url)
        monkeypatch.setenv("REPLICATE_API_TOKEN", emulator.key)
        named = ("launch", str(data), "--backend", "replicate", "--model", f"{TRAINER}:{TRAINER_VERSION}")
        assert (
            "is unknown, so --max-cost cannot be kept" in tunewise(*named, "--yes", "--max-cost", "9", expect=4).stderr
        )
        (request,) = [one for one in tunewise.document(*named, "--epochs", "2", "--dry-run")["requests"]
                      if one["costs_money"]]  # fmt: skip
        assert request["body"]["input"] == {
            "(its input for epochs)": 2,
            "(its input for a file)": "(address of the upload)",
        }
        child = in_a_terminal(*named, "--epochs", "2", columns=200)
        child.expect_exact("replicate bills the seconds a trainer runs: $0.001525 each.")
        child.expect_exact("Start? [y/N]")
        child.sendline("y")
        assert ended(child) == 0
        run = tunewise.document("jobs")[0]["run"]
        shown = tunewise.document("watch", run)
        seconds = emulator.state["jobs"][shown["job_id"]]["metrics"]["predict_time"]
        receipt = tunewise.document("receipt", run)
        assert emulator.paid_jobs == 1 and emulator.violations == []
    assert Decimal(receipt["billed_usd"]) == round(Decimal("0.001525") * Decimal(str(seconds)), 4) > 0
    assert receipt["basis"] == "computed from the time it ran, as quoted"


def test_the_price_that_together_says_is_set_beside_ours(
    tunewise: Tunewise, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TogetherEmulator() as emulator:
        monkeypatch.setenv("TOGETHER_BASE_URL", emulator.base_url)
        monkeypatch.setenv("TOGETHER_API_KEY", emulator.key)
        named = ("launch", data, "--backend", "together", "--model", "Qwen/Qwen3.5-9B", "--yes", "--max-cost", "9")
        said = tunewise(*named, "--json")
        started = json.loads(said.stdout)
        assert f"together itself quotes $4.00 for {started['run']}, +0.0% on ours of $4.00." in said.stderr
        assert started["provider_quote_usd"] == "4"


def test_a_provider_that_prices_a_job_above_the_limit_is_not_paid(
    tunewise: Tunewise, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours is $4.00 and keeps the limit; theirs, within a fifth of ours, does not."""
    with TogetherEmulator() as emulator:
        monkeypatch.setenv("TOGETHER_BASE_URL", emulator.base_url)
        monkeypatch.setenv("TOGETHER_API_KEY", emulator.key)
        emulator.minimum_usd = 4.5
        named = ("launch", data, "--backend", "together", "--model", "Qwen/Qwen3.5-9B", "--yes", "--max-cost", "4.2")
        assert "prices this job at $4.50, over the $4.20 that --max-cost leaves" in tunewise(*named, expect=4).stderr
        run = tunewise.document("jobs")[0]["run"]
        assert emulator.paid_jobs == 0 and Ledger.open().settled(run) == 0
        emulator.minimum_usd = 4.0
        assert tunewise.document("launch", "--resume", run, "--yes", "--max-cost", "4.2")["job_id"]


def test_a_model_that_answers_only_from_a_rented_machine_gets_one_and_is_evaluated(
    tunewise: Tunewise, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TogetherEmulator() as emulator:
        for name, value in (("BASE_URL", emulator.base_url), ("API_KEY", emulator.key), ("PROJECT_ID", "p")):
            monkeypatch.setenv(f"TOGETHER_{name}", value)
        named = ("launch", data, "--backend", "together", "--model", "Qwen/Qwen3.5-9B", "--yes", "--max-cost", "9")
        run = tunewise.document(*named)["run"]
        tunewise("watch", run)
        assert "--at-provider" in tunewise("chat", run, "what follows 3", expect=1).stderr
        serve = ("serve", run, "--at-provider", "--idle", "45")
        assert "Nobody is here" in tunewise(*serve, expect=1).stderr
        assert "without --max-per-hour" in tunewise(*serve, "--yes", expect=1).stderr
        assert "over --max-per-hour $5.00" in tunewise(*serve, "--yes", "--max-per-hour", "5", expect=4).stderr
        assert emulator.state.get("deployments", {}) == {}
        emulator.fault("POST /v2/projects/{project_id}/endpoints/{endpoint_id}/deployments", "drop")
        assert "the same command looks first" in tunewise(*serve, "--yes", "--max-per-hour", "6", expect=1).stderr
        assert "finds the one that stands" in tunewise("serve", run, "--stop", expect=1).stderr
        found = tunewise.document(*serve, "--yes", "--max-per-hour", "6")
        assert len(emulator.state["deployments"]) == 1
        assert (found["usd_per_hour"], found["stops_after_idle_minutes"]) == ("5.49", 45)
        emulator.deployed = False  # only the rented machine answers
        assert tunewise.document("evaluate", run, "--against", "base")["rows"][1]["name"] == "tuned"
        assert tunewise.document("chat", run, "what follows 3")["model"] == found["model"]
        assert "no longer served" in tunewise("serve", run, "--stop").stdout
        assert emulator.state["deployments"] == {} == emulator.state["endpoints"]
        assert "nothing to stop" in tunewise("serve", run, "--stop", expect=1).stderr


def test_an_interrupted_launch_is_resumed_without_a_second_job(
    tunewise: Tunewise, openai: OpenAIEmulator, data: Path
) -> None:
    openai.fault("POST /fine_tuning/jobs", "drop")
    openai.fault("GET /fine_tuning/jobs", "status", skip=1, times=4)
    done = tunewise(
        "launch", data, "--backend", "openai", "--model", MODEL, "--epochs", "2", "--max-cost", "5", "--yes", expect=1
    )
    assert "may or may not have reached openai" in done.stderr and "launch --resume" in done.stderr
    run = tunewise.document("jobs")[0]["run"]
    assert tunewise.document("launch", "--resume", run, "--yes", "--max-cost", "5")["job_id"]
    assert openai.paid_jobs == 1


def test_a_launch_killed_while_it_was_paid_is_looked_up_before_it_is_called_unsent(
    tunewise: Tunewise, openai: OpenAIEmulator, data: Path
) -> None:
    openai.advance_on_poll = False
    openai.fault("POST /fine_tuning/jobs", "stall")
    hosted = ("--backend", "openai", "--model", MODEL, "--epochs", "2", "--yes", "--max-cost", "5")
    launching = subprocess.Popen(
        [sys.executable, "-m", "advisor", "launch", str(data), *hosted], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with launching:
        while not (openai.requests and openai.requests[-1].endswith("stall")):
            time.sleep(0.01)
        launching.kill()
    (found,) = tunewise.document("jobs")
    run = found["run"]
    assert (found["status"], found["job_id"]) == ("queued", None)
    assert found["detail"].startswith("being sent, or interrupted") and f"launch --resume {run}" in found["detail"]
    assert f"{run} has no job: being sent, or interrupted" in tunewise("jobs").stderr
    assert tunewise.document("receipt", run)["basis"] == "whether it was sent is not known"
    assert f"launch --resume {run}" in tunewise("watch", run, expect=1).stderr
    again = tunewise.document("launch", data, *hosted, "--dry-run")["notes"]
    resumed = f"'tunewise launch --resume {run}' goes on with it. This is another run."
    assert f"{run} is the same and has no job yet: {resumed}" in again
    cancelled = tunewise.document("cancel", run, "--delete-uploads")
    assert cancelled["status"] == "cancelled" and cancelled["job_id"] is not None and cancelled["uploads"] == []
    assert [job["status"] for job in openai.state["jobs"].values()] == ["cancelled"]
    assert openai.paid_jobs == 1


def test_a_run_that_was_never_sent_is_given_up_with_its_reservation(
    tunewise: Tunewise, openai: OpenAIEmulator, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("advisor.runs.launch.submit._WAITS_S", ())
    openai.fault("POST /files", "status", status=429, times=3, headers={"retry-after-ms": "1"})
    hosted = ("--backend", "openai", "--model", MODEL, "--epochs", "2", "--yes", "--max-cost", "5")
    tunewise("launch", data, *hosted, expect=1)
    ledger, month = Ledger.open(), f"{datetime.now(UTC):%Y-%m}"
    run = ledger.get("last").id
    assert ledger.spent(month) > 0
    assert "Nothing is known" in tunewise("logs", run).stderr
    assert "No run matches" in tunewise("jobs", "--status", "running").stdout
    assert tunewise("cancel", run).stdout == f"{run}: given up before it was sent\n"
    assert ledger.spent(month) == 0
    assert "nothing to stop" in tunewise("cancel", run, expect=1).stderr
    resumed = tunewise.document("launch", "--resume", run, "--yes", "--max-cost", "5")
    assert ledger.spent(month) == Decimal(resumed["quote_usd"]) > 0
    assert openai.paid_jobs == 1


def test_a_command_given_twice_is_named(
    tunewise: Tunewise, openai: OpenAIEmulator, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    openai.advance_on_poll = False
    hosted = ("launch", data, "--backend", "openai", "--model", MODEL, "--epochs", "2", "--dry-run")
    run = tunewise.launched(data)["run"]
    (said,) = [note for note in tunewise.document(*hosted)["notes"] if run in note]
    assert said == f"{run} is the same and queued: 'tunewise watch {run}'. This is another run."
    assert not [note for note in tunewise.document(*hosted, "--seed", "1")["notes"] if run in note]
    tunewise("cancel", run)
    assert not [note for note in tunewise.document(*hosted)["notes"] if run in note]


def test_the_same_launch_twice_is_paid_twice_only_on_request(
    tunewise: Tunewise, openai: OpenAIEmulator, data: Path
) -> None:
    openai.advance_on_poll = False
    hosted = ("launch", data, "--backend", "openai", "--model", MODEL, "--epochs", "2", "--max-cost", "5")
    run = tunewise(*hosted, "--yes").stdout.split()[0]
    refused = tunewise(*hosted, "--yes", expect=1).stderr
    assert f"{run} is the same and queued: 'tunewise watch {run}'. --again starts another beside it." in refused
    assert [one["run"] for one in tunewise.document("jobs")] == [run]
    for answer, code, jobs in (("", 1, 1), ("y", 0, 2)):
        child = in_a_terminal(*map(str, hosted), "--yes")
        child.expect_exact("Start another? [y/N]")
        child.sendline(answer)
        assert (ended(child), openai.paid_jobs) == (code, jobs)
    tunewise(*hosted, "--yes", "--again")
    assert openai.paid_jobs == 3


def test_resuming_a_run_that_was_never_sent_is_agreed_to_like_a_launch(
    tunewise: Tunewise, openai: OpenAIEmulator, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosted = ("launch", data, "--backend", "openai", "--model", MODEL, "--epochs", "2", "--yes", "--max-cost", "5")
    tunewise(*hosted, "--monthly-limit", "0.0001", expect=4)
    resume = ("launch", "--resume", tunewise.document("jobs")[0]["run"])
    assert "Nobody is here to agree" in tunewise(*resume, expect=1).stderr
    assert "without --max-cost" in tunewise(*resume, "--yes", expect=1).stderr
    assert "over --max-cost" in tunewise(*resume, "--yes", "--max-cost", "0.0001", expect=4).stderr
    old = tunewise(*resume, "--yes", "--max-cost", "5", "--today", "2027-01-05", expect=1)
    assert "add --accept-stale-prices" in old.stderr
    shown = tunewise.document(*resume, "--dry-run")
    assert shown["requests"][-1]["costs_money"] is True
    agreed = (*resume, "--yes", "--max-cost", "5")
    assert "of this month's limit" in tunewise(*agreed, "--monthly-limit", "0.0001", expect=4).stderr
    monkeypatch.setenv("TUNEWISE_MONTHLY_LIMIT", "0.0001")
    assert "of this month's limit" in tunewise(*agreed, expect=4).stderr
    monkeypatch.delenv("TUNEWISE_MONTHLY_LIMIT")
    monkeypatch.chdir(data.parent)
    (data.parent / "tunewise.yaml").write_text("monthly_limit: $0.0001\n", encoding="utf-8")
    assert "of this month's limit" in tunewise(*agreed, expect=4).stderr
    (data.parent / "tunewise.yaml").unlink()
    assert openai.paid_jobs == 0
    assert tunewise.document(*resume, "--yes", "--max-cost", "5")["job_id"]
    assert openai.paid_jobs == 1


def test_a_refusal_before_the_question_leaves_nothing_behind(tunewise: Tunewise, data: Path, home: Path) -> None:
    hosted = ("launch", data, "--backend", "openai", "--model", MODEL, "--rank", "8", "--dry-run")
    assert "no setting 'lora_rank'" in tunewise(*hosted, expect=1).stderr
    assert not list((home / "runs").iterdir())


@pytest.mark.parametrize(
    ("kind", "rate", "said"),
    [
        (None, "25", ""),
        ("GlobalStandard", "25", ""),
        ("DeveloperTier", "12.5", ""),
        ("Standard", None, "charges to train gpt-4.1 at its regional rates is not known"),
    ],
)
def test_azure_is_quoted_at_the_rate_of_its_training_type(
    tunewise: Tunewise, data: Path, monkeypatch: pytest.MonkeyPatch, kind: str | None, rate: str | None, said: str
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "http://localhost")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "none")
    named = ("-o", f"training_type={kind}") if kind else ()
    azure = ("launch", data, "--backend", "azure", "--model", "gpt-4.1", *named, "--dry-run")
    quote = tunewise.document(*azure)["quote"]
    assert [line["unit_usd"] for line in quote["lines"]] == ([rate] if rate else [])
    assert (quote["usd"] is None) is (rate is None)
    assert said in " ".join(quote["warnings"])


def test_every_reading_of_the_validation_file_is_in_a_together_quote(
    tunewise: Tunewise, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """30 times as many examples to validate on as there were: billed once for each of the evaluations."""
    monkeypatch.setenv("TOGETHER_API_KEY", "none")
    found = []
    for count in (30, 900):
        valid = write_sums(tmp_path / f"valid-{count}.jsonl", count, start=1000)
        together = ("--backend", "together", "--model", "Qwen/Qwen3.5-9B", "--epochs", "1", "--validation", valid)
        quote = tunewise.document("launch", data, *together, "--dry-run")["quote"]
        said = " ".join(quote["assumptions"]).replace(",", "")
        match = re.search(r"(\d+) tokens an epoch.* (\d+) validation passes over (\d+) tokens", said)
        assert match is not None
        trained, passes, read = map(int, match.groups())
        found.append(read)
        assert read / count == pytest.approx(trained / 60, rel=0.2)  # both counted as this model's rows are
        # A receipt compares what was trained on, so the quote keeps which part of its tokens is only read.
        assert quote["validation_share"] == pytest.approx(passes * read / (trained + passes * read), rel=1e-3)
    small, large = found
    assert 29 <= large / small <= 31


def test_one_command_starts_several_runs_and_a_refusal_of_one_does_not_stop_the_other(
    tunewise: Tunewise, openai: OpenAIEmulator, data: Path
) -> None:
    openai.fault("POST /fine_tuning/jobs", "status", status=400)
    both = ("--backend", "openai", "--model", MODEL, "--model", "gpt-4o-mini-2024-07-18", "--epochs", "1")
    done = tunewise("launch", data, *both, "--yes", "--max-cost", "5", "--json", expect=1)
    assert "error: openai: OpenAI refused the request (400)" in done.stderr
    assert json.loads(done.stdout)["model"] == "gpt-4o-mini-2024-07-18"
    assert openai.paid_jobs == 1
    states = {one["model"]: one["status"] for one in tunewise.document("jobs")}
    assert states == {MODEL: "failed", "gpt-4o-mini-2024-07-18": "queued"}


@pytest.mark.parametrize("place", ["header", "reply"])
def test_no_key_is_ever_written_or_printed(
    openai: OpenAIEmulator, data: Path, home: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    said = ""
    hosted = ("launch", str(data), "--backend", "openai", "--model", MODEL, "--epochs", "2", "--yes", "--max-cost", "5")
    if place == "header":
        monkeypatch.setenv("OPENAI_API_KEY", PLANTED)  # refused, and the refusal repeats it
        commands = [("--verbose", *hosted), hosted, ("doctor",)]
    else:
        openai.key = PLANTED
        monkeypatch.setenv("OPENAI_API_KEY", PLANTED)
        openai.fault("POST /fine_tuning/jobs", "drop")
        commands = [
            (*hosted, "--watch"),
            ("jobs", "--json"),
            ("evaluate", "RUN", "--json"),
            ("logs", "RUN"),
            ("doctor",),
        ]
    for command in commands:
        run = next((home / "runs").glob("tw-*")).name if "RUN" in command else ""
        command = tuple(run if part == "RUN" else part for part in command)
        done = subprocess.run([sys.executable, "-m", "advisor", *command], capture_output=True, text=True, timeout=120)
        said += done.stdout + done.stderr
    written = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert len(said) > 200
    assert PLANTED not in said
    assert PLANTED.encode() not in written


def test_a_local_run_goes_the_whole_way_and_its_watcher_may_be_killed(
    tunewise: Tunewise, data: Path, home: Path
) -> None:
    local = f"launch {data} --backend local --model tiny --epochs 2 -o threads=1 --yes --json"
    started = subprocess.run([sys.executable, "-m", "advisor", *local.split()], capture_output=True, check=True)
    run = json.loads(started.stdout)["run"]
    watching = subprocess.Popen([sys.executable, "-m", "advisor", "watch", run], stdout=subprocess.PIPE, text=True)
    assert watching.stdout is not None
    with watching.stdout:
        watching.stdout.readline()
        os.kill(watching.pid, signal.SIGKILL)
        watching.wait()
    ended = tunewise.document("watch", run)
    assert (ended["status"], ended["billed_usd"]) == ("succeeded", "0")
    assert Path(ended["tuned_model"]).is_dir() and Path(ended["metrics_path"]).is_file()
    card = tunewise.document("evaluate", run, "--max-tokens", "4")
    assert card["loss"]["better"] is True and card["loss"]["high"] < 0
    assert tunewise.document("receipt", run)["billed_usd"] == "0"


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (("show", "tw-none"), "no run 'tw-none'", 1),
        (("launch",), "Give a plan file, or DATA", 2),
        (("launch", "none.jsonl", "--backend", "openai", "--model", MODEL), "none.jsonl: there is no such file", 1),
        (("launch", "none.yaml"), "none.yaml: there is no such file", 1),
        (("launch", "DATA", "--backend", "openai", "--model", "gpt-4.1-mimi"), "Did you mean 'gpt-4.1-mini", 2),
        (("launch", "DATA", "--backend", "local", "--model", "Qwen/Qwen2.5-72B", "--yes"), "needs about", 1),
        (("launch", "DATA", "--backend", "nowhere", "--model", "x", "--yes"), "There is no backend 'nowhere'", 2),
        (("launch", "DATA", "--backend", "local", "--model", "x", "--yes", "--max-cost", "lots"), "not an amount", 2),
        (("launch", "DATA", "--backend", "local", "--model", "tiny", "-o", "device=[1,"), "the value is not YAML", 2),
        (("launch", "--resume", "tw-1", "--epochs", "5"), "leave the data and settings out (--epochs)", 2),
        (("launch", "--resume", "tw-1", "--workers", "2", "--yes"), "settings out (--workers)", 2),
        (("launch", "--resume", "tw-1", "--yes", "--max-cost", "1", "--settle", "1"), "no run 'tw-1'", 1),
        (("launch", "DATA", "--backend", "openai", "--model", MODEL, "--gpu", "h200"), "--gpu prices a run", 2),
        (("watch",), "Name a run", 2),
        (("watch", "--all"), "No run is active", 0),
        (("keys", "set", "local"), "needs no key", 2),
        (("jobs", "--status", "runing"), "Did you mean 'running'", 2),
        (("evaluate", "DATA"), "needs --backend and --model", 2),
        (("evaluate", "DATA", "--metric", "beauty"), "no metric 'beauty'", 2),
    ],
)
def test_mistakes_are_one_sentence_with_the_remedy(
    tunewise: Tunewise, data: Path, arguments: tuple[str, ...], said: str, code: int
) -> None:
    done = tunewise(*(str(data) if part == "DATA" else part for part in arguments), expect=code)
    assert said in done.stderr


def test_a_plan_is_launched_by_naming_its_file(tunewise: Tunewise, data: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    (tmp_path / "workload.yaml").write_text("requests_per_month: 1000\nprivacy: on_premises\ngpus: [rtx-4090]\n")
    tunewise("plan", data, "--workload", tmp_path / "workload.yaml", "--out", plan)
    found = tunewise.document("launch", plan, "--backend", "local", "--model", "tiny", "--epochs", "1", "--dry-run")
    assert found["requests"][0]["body"]["hyperparameters"]["epochs"] == 1
    assert found["requests"][0]["body"]["model"] == "tiny"
    data.write_text(data.read_text() + data.read_text().splitlines()[0] + "\n")
    changed = tunewise("launch", plan, "--backend", "local", "--model", "tiny", "--yes", expect=1)
    assert "the data has changed since this plan was made" in changed.stderr


def test_a_plan_made_without_data_says_that_there_is_nothing_to_train_on(tunewise: Tunewise, tmp_path: Path) -> None:
    described = "requests_per_month: 1000\ndata: {examples: 500, tokens_per_example: 300, output_tokens: 30}\n"
    (tmp_path / "workload.yaml").write_text(described)
    tunewise("plan", "--workload", tmp_path / "workload.yaml", "--out", tmp_path / "plan.yaml")
    said = tunewise("launch", tmp_path / "plan.yaml", "--backend", "local", "--model", "tiny", expect=1).stderr
    assert "this plan was made without data" in said and "tunewise launch DATA --backend" in said


def test_a_pilot_trains_each_part_once_and_looks_ahead(
    tunewise: Tunewise, openai: OpenAIEmulator, tmp_path: Path
) -> None:
    data = write_sums(tmp_path / "many.jsonl", 200)
    asked = ("pilot", data, "--backend", "openai", "--model", MODEL, "--sizes", "20,40,80", "--epochs", "1")
    assert "Nobody is here to agree" in tunewise(*asked, expect=1).stderr
    assert "over --max-cost" in tunewise(*asked, "--yes", "--max-cost", "0.0001", expect=4).stderr
    old = tunewise(*asked, "--yes", "--max-cost", "5", "--today", "2027-01-05", expect=1)
    assert "add --accept-stale-prices" in old.stderr and openai.paid_jobs == 0
    warned = tunewise(*asked, "--yes", "--max-cost", "5", "--monthly-limit", "0", expect=4).stderr
    assert "shuts down on 2027-01-14" in warned
    found = tunewise.document(*asked, "--yes", "--max-cost", "5", "--metric", "exact")
    assert [point["examples"] for point in found["points"]] == [20, 40, 80]
    assert all(float(point["usd"]) > 0 for point in found["points"])
    assert found["prediction"]["examples"] == 320
    assert found["prediction"]["low"] <= found["prediction"]["score"] <= found["prediction"]["high"]
    assert found["advice"] and found["curve"]
    again = tunewise.document(*asked, "--yes", "--max-cost", "5", "--metric", "exact")
    assert again["points"] == found["points"]
    assert again["answers_usd"] == found["answers_usd"] and float(found["answers_usd"]) > 0
    trained = str(sum(float(point["usd"]) for point in found["points"]))
    longer = tunewise(*asked, "--yes", "--max-cost", trained, "--metric", "exact", "--max-tokens", "99", expect=4)
    assert "going on could exceed --max-cost" in longer.stderr
    assert openai.paid_jobs == 3
    tunewise.monkeypatch.setenv("COLUMNS", "80")
    last = tunewise(*asked, "--yes", "--max-cost", "5", "--metric", "exact").stdout.splitlines()[-1]
    assert last.startswith(f"Into the advice: tunewise plan {data} --pilot ")
    assert json.loads(Path(last.split()[-1]).read_text()) == again


@pytest.mark.parametrize("cancelled", [1, 2])
def test_a_cancelled_part_of_a_pilot_is_named(
    tunewise: Tunewise, openai: OpenAIEmulator, tmp_path: Path, cancelled: int
) -> None:
    data = write_sums(tmp_path / "many.jsonl", 100)
    asked = ("pilot", data, "--backend", "openai", "--model", MODEL, "--sizes", "20,40", "--epochs", "1", "--yes")

    def cancel() -> None:
        while len(openai.state["jobs"]) < 2:
            time.sleep(0.01)
        for job in list(openai.state["jobs"].values())[:cancelled]:
            job |= {"status": "cancelled", "finished_at": 1_800_000_000}
        openai.advance_on_poll = True

    openai.advance_on_poll = False
    thread = threading.Thread(target=cancel, daemon=True)
    thread.start()
    said = tunewise(*asked, "--max-cost", "5", expect=1).stderr
    thread.join()
    assert "examples (tw-" in said and "has no tuned model; it is cancelled" in said
    assert "trains it anew" in said


def test_a_job_the_provider_does_not_know_is_given_up_aloud(
    tunewise: Tunewise, openai: OpenAIEmulator, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("advisor.runs.follow.watch._LONGEST_TROUBLE_S", 0.01)
    run = tunewise.launched(data)["run"]
    openai.state["jobs"].clear()
    assert "given up: " in tunewise("watch", run, expect=1).stdout


def test_all_quotes_are_judged_together(tunewise: Tunewise, openai: OpenAIEmulator, data: Path) -> None:
    assert tunewise.document("receipt") == []
    tunewise.launched(data, "--watch")
    found = {line["quantity"]: line for line in tunewise.document("receipt")}
    assert (found["price"]["runs"], found["price"]["median_abs_pct"], found["price"]["within_10_pct"]) == (1, 0, 1)
    assert "within 10%" in tunewise("receipt").stdout


def test_runs_launched_together_are_compared_on_the_same_examples(
    tunewise: Tunewise, openai: OpenAIEmulator, data: Path
) -> None:
    both = ("--backend", "openai", "--model", MODEL, "--model", "gpt-4o-mini-2024-07-18", "--epochs", "1")
    runs = tunewise.document("launch", data, *both, "--yes", "--max-cost", "5")["runs"]
    tunewise("watch", *(run["run"] for run in runs))
    card = tunewise.document("evaluate", runs[0]["run"], "--against", runs[1]["run"])
    assert [row["name"] for row in card["rows"]] == [runs[1]["run"], "tuned"]
    assert card["rows"][0]["model"] != card["rows"][1]["model"]


def test_a_launch_without_settings_takes_the_advised_ones_and_can_be_quoted(tunewise: Tunewise, data: Path) -> None:
    """60 examples, 100 steps wanted, batches of 8: ceil(100 x 8 / 54) = 15 passes, at most 10."""
    (request,) = [
        one
        for one in tunewise.document("launch", data, "--backend", "openai", "--model", MODEL, "--dry-run")["requests"]
        if one["costs_money"]
    ]
    assert request["body"]["method"]["supervised"]["hyperparameters"] == {"n_epochs": 10, "batch_size": 8}


@pytest.mark.parametrize(("day", "says"), [("2027-01-07", "no new jobs since 2027-01-06"), ("2027-01-15", "shut down")])
def test_nothing_is_sent_that_is_no_longer_sold(
    tunewise: Tunewise, openai: OpenAIEmulator, data: Path, day: str, says: str
) -> None:
    hosted = ("--backend", "openai", "--model", MODEL, "--yes", "--max-cost", "5", "--accept-stale-prices")
    assert says in tunewise("launch", data, *hosted, "--today", day, expect=1).stderr
    assert openai.paid_jobs == 0
    assert not openai.requests
