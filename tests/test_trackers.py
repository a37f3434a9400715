"""Trackers: told settings and metrics alone, by their own packages, offline; a broken one is one event."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from test_local import spec, wait

from advisor.cli import tunewise
from backends import BackendMissing, JobStatus
from backends.local import LocalBackend
from backends.local.folder import RunFolder, read_lines, write_json
from backends.local.options import TRACKERS
from backends.local.trainer import tracker

RUN, GONE = "tw-1122-7f3a9c01", "0"  # no process has this id: the run has ended
KEYS = {"WANDB_API_KEY": "0123456789" * 4, "OPENAI_API_KEY": "planted-key"}
OFFLINE = {"WANDB_MODE": "offline", "MLFLOW_ALLOW_FILE_STORE": "true"}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run that has ended after two steps, on data and a model in a folder of somebody's own."""
    made = RunFolder(tmp_path / "secret-home" / RUN)
    made.path.mkdir(parents=True)
    asked = {"objective": "sft", "method": "lora", "model": str(tmp_path / "secret-home" / "base")}
    write_json(made.config, {**asked, "train_file": "/secret-home/train.jsonl", "options": {"log_to": "wandb"}})
    write_json(made.chosen, {"hyperparameters": {"epochs": 3, "learning_rate": 0.001, "dpo_beta": None}})
    write_json(made.status, {"status": "succeeded"})
    lines = [{"step": 0, "valid_loss": 3.0}, {"step": 1, "train_loss": 2.5}, {"step": 2, "train_loss": 2.25}]
    made.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 3, "tr', encoding="utf-8")
    return made


def tell(folder: RunFolder, name: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "backends.local.trainer.tracker", str(folder.path), name, GONE],
        env={**os.environ, **OFFLINE, **KEYS, **environment}, cwd=folder.path,
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("name", TRACKERS)
def test_its_own_package_keeps_the_metrics_and_nothing_of_the_machine(
    name: str, folder: RunFolder, tmp_path: Path
) -> None:
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed: pip install 'tunewise[{name}]'")
    kept = tmp_path / "kept"
    places = {"WANDB_DIR": str(kept), "MLFLOW_TRACKING_URI": kept.as_uri(), "TRACKIO_DIR": str(kept)}
    for _ in range(2):  # told again after the run went on: nothing twice
        done = tell(folder, name, **places)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    found = [path for root in (kept, folder.path / "wandb") for path in root.rglob("*") if path.is_file()]
    stored = b"".join(path.read_bytes() for path in found if not path.name.endswith(".log"))
    named = b" ".join(str(path.relative_to(tmp_path)).encode() for path in found) + stored
    assert b"learning_rate" in named and b"train_loss" in named
    for secret in ("train.jsonl", socket.gethostname(), "planted-key", KEYS["WANDB_API_KEY"], "secret-home/base"):
        assert secret.encode() not in stored, secret
    if name == "mlflow":
        (losses,) = [path for path in found if path.name == "train_loss"]
        assert [line.split()[1:] for line in losses.read_text().splitlines()] == [["2.5", "1"], ["2.25", "2"]]
    if name == "trackio":
        with sqlite3.connect(next(path for path in found if path.suffix == ".db")) as database:
            assert database.execute("select step from metrics order by step").fetchall() == [(0,), (1,), (2,)]


def test_a_run_trains_to_its_end_beside_a_tracker_that_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "wandb.py").write_text("raise OSError('no route to the tracker')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(broken))
    monkeypatch.setenv("PYTHONPATH", str(broken))
    backend = LocalBackend()
    job = backend.submit(spec(tmp_path, options={"log_to": "wandb", "max_steps": 2}))
    job = wait(backend, job, JobStatus.SUCCEEDED)
    folder = RunFolder(Path(job.extra["folder"]))
    events = [str(line["message"]) for _, line in read_lines(folder.events) if line["level"] == "warning"]
    assert events == ["wandb could not be told (OSError: no route to the tracker); the run goes on without it."]
    assert "Traceback" in (folder.path / "tracker.log").read_text()
    backend.close()


def test_it_follows_until_the_trainer_is_gone(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, dict[str, float]]] = []

    class Kept:
        id = "kept"

        def log(self, step: int, values: dict[str, float]) -> None:
            told.append((step, dict(values)))

        def end(self, *, succeeded: bool) -> None:
            told.append((-1, {"succeeded": float(succeeded)}))

    looks = iter([True, True, False])

    def running() -> bool:
        with folder.metrics.open("a", encoding="utf-8") as file:  # the rest of a line that was half written
            file.write('ain_loss": 2.0}\n' if len(told) == 3 else "")
        return next(looks)

    monkeypatch.setattr(tracker, "TRACKERS", {"kept": lambda *_: Kept()})
    monkeypatch.setattr(tracker.time, "sleep", lambda _: None)
    tracker._tell(folder, "kept", running)
    assert told[2:] == [(2, {"train_loss": 2.25}), (3, {"train_loss": 2.0}), (-1, {"succeeded": 1.0})]


def test_nobody_is_told_unasked_and_what_cannot_be_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(tracker.TRACKERS) == set(TRACKERS)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "trackio" else name)
    with pytest.raises(BackendMissing, match=r"Logging to trackio needs its package: .*\[trackio\]"):
        LocalBackend().preflight(spec(tmp_path, options={"log_to": "trackio"}))
    hosted = ["launch", str(tmp_path / "train.jsonl"), "--backend", "together", "--model", "m", "--log-to", "wandb"]
    assert "--log-to is for --backend local" in CliRunner().invoke(tunewise, hosted).output
