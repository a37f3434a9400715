"""A launch on rented machines: the GPU by memory and price, a task SkyPilot reads, and nothing pretended."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from paper_backend import write_sums

from advisor.cli import main
from advisor.cli.commands.launch import command
from advisor.cli.flags.hyperparameters import _knobs, given
from advisor.errors import RunError
from advisor.hardware import architecture
from advisor.pricing import PriceBook
from advisor.runs import Order
from advisor.runs.launch.rental_options import choices
from advisor.runs.launch.skypilot_task import _settings, checked
from backends import Hyperparameters, Method


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_sums(tmp_path / "all sums.jsonl", 60)


def launch(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *words: str | Path, code: int) -> str:
    monkeypatch.setattr(sys, "argv", ["tunewise", "launch", "--engine", "skypilot", *map(str, words)])
    with pytest.raises(SystemExit) as left:
        main()
    out, err = capfd.readouterr()
    assert left.value.code == code, out + err
    return out if code == 0 else out + err


@pytest.mark.parametrize(
    ("model", "method", "counts", "shard"),
    [
        ("Qwen/Qwen3-0.6B", Method.LORA, {1}, "ddp"),
        ("Qwen/Qwen3-14B", Method.QLORA, {1}, "ddp"),
        ("Qwen/Qwen3-14B", Method.FULL, {2, 4, 8}, "fsdp"),
    ],
)
def test_the_cheapest_that_fits_comes_first(model: str, method: Method, counts: set[int], shard: str) -> None:
    shape = architecture(model)
    assert shape is not None
    found = choices(shape, method, PriceBook.load(), rank=16, seq=1024, tokens=3_000_000)
    assert found and {choice.count for choice in found} <= counts and {choice.shard for choice in found} == {shard}
    assert all(choice.peak_gb < choice.memory_gb for choice in found)
    costs = [choice.usd for choice in found if choice.usd is not None]
    assert costs == sorted(costs)
    for choice in found:
        assert choice.low_usd <= choice.typical_usd <= choice.high_usd
        assert choice.minutes is not None and choice.usd is not None
        assert abs(choice.usd - choice.typical_usd * Decimal(str(choice.minutes)) / 60) <= Decimal("0.005")


def test_what_was_asked_for_is_rented() -> None:
    shape = architecture("Qwen/Qwen3-0.6B")
    assert shape is not None
    [one] = choices(shape, Method.LORA, PriceBook.load(), rank=16, seq=512, tokens=1000, workers=2, only="h200")
    assert (one.accelerator, one.count, one.shard) == ("H200", 2, "ddp")
    huge = architecture("meta-llama/Llama-3.1-70B-Instruct")
    assert huge is not None
    assert not choices(huge, Method.FULL, PriceBook.load(), rank=16, seq=512, tokens=1000, only="t4")


def test_a_dry_run_writes_a_task_that_goes_on_after_a_lost_machine(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    flags = ("--model", "Qwen/Qwen3-8B", "--epochs", "2", "--loss-on", "last", "--max-cost", "5", "--dry-run", "--json")
    found: Any = json.loads(launch(monkeypatch, capfd, data, *flags, code=0))
    written = tmp_path / found["file"]
    task = yaml.safe_load(written.read_text())
    assert task == found["task"]
    assert task["resources"]["use_spot"] and task["resources"]["autostop"]["down"]
    assert "max_restarts_on_errors" in task["resources"]["job_recovery"]
    assert found["command"] == f"sky jobs launch -n {task['name']} {found['file']}"
    # the run's folder lies in the bucket, so the same command goes on there on the next machine
    assert task["file_mounts"]["/tunewise-runs"] == {"name": f"tunewise-{task['name']}", "mode": "MOUNT_CACHED"}
    [remote] = [place for place, source in task["file_mounts"].items() if source == str(data)]
    words = shlex.split(task["run"])
    assert words[:3] == ["~/tunewise-env/bin/tunewise", "launch", remote]
    context = command.make_context("launch", words[2:])  # our own flags, all of them known
    said = context.params
    assert (said["models"], said["backend_names"]) == (("Qwen/Qwen3-8B",), ("local",))
    assert given(context)["epochs"] == 2
    assert said["yes"] and said["follow_it"]
    highest = max(Decimal(choice["high_usd"]) for choice in found["choices"])
    hours = round(float(5 / highest), 4)
    assert set(said["extra"]) == {"folder=/tunewise-runs/run", "loss_on=last", f"max_hours={hours}"}


def test_every_planned_setting_reaches_the_rented_machine() -> None:
    chosen = {name: False if name == "packing" else kind(knob.least or 1) for name, kind, knob in _knobs()}
    order = Order(("x",), "local", "m", hyperparameters=Hyperparameters(**chosen))
    assert given(command.make_context("launch", ["x", *_settings(order)])) == chosen


def test_files_of_a_pattern_are_uploaded_one_by_one_and_a_lower_limit_stays(
    data: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    other = write_sums(data.with_name("more sums.jsonl"), 60)
    flags = ("--model", "Qwen/Qwen3-8B", "--max-cost", "500", "-o", "max_hours=1.5", "--dry-run", "--json")
    found: Any = json.loads(launch(monkeypatch, capfd, "*sums.jsonl", *flags, code=0))
    assert {str(data), str(other)} <= set(map(str, found["task"]["file_mounts"].values()))
    assert "max_hours=1.5" in shlex.split(found["task"]["run"])


def test_nothing_is_pretended(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    said = launch(monkeypatch, capfd, data, "--model", "Qwen/Qwen3-8B", code=1)
    assert "Nothing was started" in said and "sky jobs launch" in said
    assert len(list(tmp_path.glob("*.sky.yaml"))) == 1
    assert "not in the catalogue" in launch(monkeypatch, capfd, data, "--model", "nobody/unknown", code=1)
    assert "these are known" in launch(monkeypatch, capfd, data, "--model", "Qwen/Qwen3-8B", "--gpu", "mi300x", code=2)
    one = (data, "--model", "Qwen/Qwen3-8B", "--dry-run")
    assert "over --max-cost $0.0010" in launch(monkeypatch, capfd, *one, "--max-cost", "0.001", code=4)
    assert "over --max-cost" in launch(monkeypatch, capfd, *one, "--max-cost", "0", code=4)
    assert "has no option 'speed'" in launch(monkeypatch, capfd, *one, "-o", "speed=1", code=1)
    assert "leave --min-workers out" in launch(monkeypatch, capfd, *one, "--min-workers", "2", code=2)
    assert "give it as a file" in launch(monkeypatch, capfd, "-", *one[1:], code=2)
    for flags in (("--rehearse",), ("--watch",), ("--settle", "5")):
        assert f"leave {flags[0]} out" in launch(monkeypatch, capfd, data, *one[1:3], *flags, code=2)
    data.write_text(data.read_text() + '{"messages": []}\n')
    limited = ("--monthly-limit", "5", "--max-cost", "0.001")
    assert "--monthly-limit does not count a rented machine" in launch(monkeypatch, capfd, *one, *limited, code=4)
    [note] = json.loads(launch(monkeypatch, capfd, *one, "--json", code=0))["notes"]
    assert "1 row left out, " in note
    two = ("--model", "Qwen/Qwen3-8B", "--model", "Qwen/Qwen3-14B")
    assert "one run" in launch(monkeypatch, capfd, data, *two, code=2)


@pytest.mark.skipif(shutil.which("sky") is None, reason="SkyPilot is not installed")
def test_skypilot_reads_the_task(
    data: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    flags = ("--model", "Qwen/Qwen3-8B", "--dry-run", "--json")
    found: Any = json.loads(launch(monkeypatch, capfd, data, *flags, code=0))
    assert found["checked_by_skypilot"]
    broken = Path(found["file"])
    broken.write_text(broken.read_text().replace("any_of", "any_off"))
    with pytest.raises(RunError, match="SkyPilot refuses"):
        checked(broken)


def test_a_refusal_of_the_loader_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SkyPilot is asked through the interpreter of its own command, here one that always refuses."""
    python = tmp_path / "python3"
    python.write_text("#!/bin/sh\necho 'ValueError: no such field' >&2\nexit 1\n")
    (tmp_path / "sky").write_text(f"#!{python}\n")
    for made in (python, tmp_path / "sky"):
        made.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(RunError, match="no such field"):
        checked(tmp_path / "any.yaml")
    monkeypatch.setenv("PATH", "/nonexistent")
    assert checked(tmp_path / "any.yaml") is None
