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


def trained(folder: Path, name: str, options: dict[str, Json], *, hurt: bool = False) -> Job:
    """Train a run to its end; ``hurt``: one of its workers is killed on the way."""
    settings = Hyperparameters(epochs=3, lora_dropout=0.0)
    backend = LocalBackend()
    job = backend.submit(spec(folder, run=name, hyperparameters=settings, options={"save_every": 5, **options}))
    if hurt:
        job = wait(backend, job, 8)
        victims = ranks(job.extra["folder"])
        assert len(victims) == 2
        os.kill(victims[-1], signal.SIGKILL)
    return wait(backend, job, JobStatus.SUCCEEDED, limit_s=240)


def train_losses(job: Job) -> list[Json]:
    read = read_lines(RunFolder(Path(job.extra["folder"])).metrics)
    return [line["train_loss"] for _, line in read if "train_loss" in line]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Job:
    with pytest.MonkeyPatch.context() as patched:
        folder = tmp_path_factory.mktemp("alone")
        patched.setenv("TUNEWISE_HOME", str(folder / "home"))
        return trained(folder, "alone", {"workers": 1, "shard": "ddp"})


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="finds the workers through /proc")
@pytest.mark.parametrize("shard", ["ddp", "fsdp"])
def test_two_workers_learn_what_one_learns_and_survive_the_loss_of_one(tmp_path: Path, alone: Job, shard: str) -> None:
    asked: dict[str, Json] = {"workers": 2, "shard": shard}
    two, hurt = trained(tmp_path, "two", asked), trained(tmp_path, "hurt", asked, hurt=True)
    said = [event.message for event in LocalBackend().events(hurt)]
    assert any(message.startswith("A worker was lost") for message in said)
    assert any(message.startswith("Resumed after step ") for message in said)
    learnt = {name: weights(job) for name, job in (("one", alone), ("two", two), ("hurt", hurt))}
    assert all(torch.equal(learnt["two"][name], learnt["hurt"][name]) for name in learnt["two"])
    assert max((learnt["one"][name] - learnt["two"][name]).abs().max().item() for name in learnt["one"]) < 5e-3
    assert train_losses(two) == train_losses(hurt) == pytest.approx(train_losses(alone), rel=1e-3)


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
