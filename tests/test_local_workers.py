"""Several processes train one run: the sum of their gradients is the step, and a lost one costs nothing but time."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from test_local import spec, wait

from backends import Hyperparameters, Job, JobStatus, Json
from backends.local import LocalBackend
from backends.local.folder import RunFolder, read_lines


def weights(job: Job) -> dict[str, torch.Tensor]:
    assert job.tuned_model
    return dict(load_file(Path(job.tuned_model) / "adapter_model.safetensors"))


def ranks(folder: str) -> list[int]:
    """Return the process ids that train in ``folder``, as the system lists them."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if words[1:3] == ["-u", "-m"] and "backends.local.trainer.train" in words and folder in words:
            found.append(int(entry.name))
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="finds the workers through /proc")
@pytest.mark.parametrize("shard", ["ddp", "fsdp"])
def test_two_workers_learn_what_one_learns_and_survive_the_loss_of_one(tmp_path: Path, shard: str) -> None:
    settings = Hyperparameters(epochs=3, lora_dropout=0.0)
    backend = LocalBackend()
    jobs = {}
    for run, workers in (("alone", 1), ("two", 2), ("hurt", 2)):
        options: dict[str, Json] = {"workers": workers, "save_every": 5, "shard": shard if workers > 1 else "ddp"}
        asked = spec(tmp_path, run=run, hyperparameters=settings, options=options)
        job = backend.submit(asked)
        if run == "hurt":
            job = wait(backend, job, 8)
            victims = ranks(job.extra["folder"])
            assert len(victims) == 2
            os.kill(victims[-1], signal.SIGKILL)
        jobs[run] = wait(backend, job, JobStatus.SUCCEEDED, limit_s=240)
    said = [event.message for event in backend.events(jobs["hurt"])]
    assert any(message.startswith("A worker was lost") for message in said)
    assert any(message.startswith("Resumed after step ") for message in said)
    one, two, hurt = (weights(jobs[run]) for run in ("alone", "two", "hurt"))
    assert all(torch.equal(two[name], hurt[name]) for name in two)
    assert max((one[name] - two[name]).abs().max().item() for name in one) < 5e-3
    first = {run: [line["train_loss"] for _, line in read_lines(RunFolder(Path(job.extra["folder"])).metrics)
                   if "train_loss" in line] for run, job in jobs.items()}  # fmt: skip
    assert first["two"] == first["hurt"] == pytest.approx(first["alone"], rel=1e-3)


@pytest.mark.slow
def test_ranks_of_a_split_model_call_its_head_as_often_as_each_other() -> None:
    """Each call gathers the head: one more on one rank, and it waits for ever."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    here = Path(__file__).parent
    met = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    ranks = [
        subprocess.Popen(
            [sys.executable, str(here / "split_ranks.py")],
            env=os.environ | met | {"RANK": str(rank), "PYTHONPATH": str(here.parent)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    said = [rank.communicate(timeout=400)[0] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], "\n".join(said)
    assert all(words.endswith("agreed\n") for words in said), said


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="finds the workers through /proc")
def test_no_worker_outlives_a_torchrun_that_was_killed(tmp_path: Path) -> None:
    backend = LocalBackend()
    asked = spec(tmp_path, hyperparameters=Hyperparameters(epochs=5000), options={"workers": 2})
    job = wait(backend, backend.submit(asked), 1)
    folder = job.extra["folder"]
    ours = ranks(folder)
    [torchrun] = {int(Path(f"/proc/{rank}/stat").read_text().rpartition(")")[2].split()[1]) for rank in ours}
    os.kill(torchrun, signal.SIGKILL)
    end = time.monotonic() + 20
    while left := set(ours) & set(ranks(folder)):
        if time.monotonic() > end:
            break
        time.sleep(0.1)
    wait(backend, backend.cancel(job), JobStatus.CANCELLED)
    assert len(ours) == 2 and not left


@pytest.mark.slow
def test_a_stop_reaches_all_workers(tmp_path: Path) -> None:
    backend = LocalBackend()
    asked = spec(tmp_path, hyperparameters=Hyperparameters(epochs=60), options={"workers": 2})
    job = wait(backend, backend.submit(asked), 2)
    job = wait(backend, backend.cancel(job), JobStatus.CANCELLED)
    end = time.monotonic() + 30
    while ranks(job.extra["folder"]) and time.monotonic() < end:
        time.sleep(0.1)
    assert not ranks(job.extra["folder"])
