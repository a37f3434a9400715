"""Several workers, on this machine or a cluster: what is asked for, what is held, and what a lost worker costs."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from test_local import spec, wait

from backends import Hyperparameters, Job, JobStatus, Json, SpecRefused
from backends.local import LocalBackend
from backends.local.folder import RunFolder, read_json, write_json
from backends.local.options import read_options
from backends.local.trainer.distributed import World
from backends.local.workers import supervise
from backends.local.workers.ray_cluster import rank, scarce, submission
from backends.local.workers.worker_clock import held_seconds, take_up

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed: .[cluster]")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"engine": "slurm"}, "one of torchrun, ray"),
        ({"address": "head:6379"}, "give engine=ray"),
        ({"engine": "ray", "workers": 2, "min_workers": 1}, "give its address"),
        ({"engine": "ray", "address": "auto", "workers": 2, "min_workers": 3}, "at most workers"),
        ({"workers": 2, "shard": "tensor"}, "one of ddp, fsdp"),
        ({"shard": "fsdp"}, "give workers as well"),
        ({"max_hours": 0.0}, "max_hours must be above 0"),
        ({"max_grad_norm": -1.0}, "max_grad_norm must be above 0"),  # it would climb
        ({"max_grad_norm": 0}, "max_grad_norm must be above 0"),  # it would stand still
        ({"max_steps": -3}, "max_steps must be at least 1"),  # it would succeed untrained
        ({"threads": 0}, "threads must be at least 1"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, Json], said: str) -> None:
    with pytest.raises(SpecRefused, match=said):
        read_options(options)


@pytest.mark.parametrize(
    ("options", "module"),
    [
        ({}, "trainer.train"),
        ({"workers": 2}, "workers.supervise"),
        ({"engine": "ray"}, "workers.supervise"),
        ({"max_hours": 1.5}, "workers.supervise"),
    ],
)
def test_what_may_be_lost_or_must_end_is_supervised(options: dict[str, Json], module: str) -> None:
    assert read_options(options).starts == module


@pytest.mark.parametrize(
    ("options", "workers", "gpu"),
    [
        ({"workers": 4}, 4, None),  # a cluster of its own does not shrink
        ({"workers": 4, "address": "head:6379"}, [1, 4], None),
        ({"workers": 4, "address": "head:6379", "min_workers": 2, "device": "cuda"}, [2, 4], True),
        ({"workers": 4, "address": "head:6379", "shard": "fsdp", "device": "cpu"}, 4, False),
    ],
)
def test_a_cluster_is_asked_for_workers_in_its_own_words(
    tmp_path: Path, options: dict[str, Json], workers: Json, gpu: bool | None
) -> None:
    asked = submission(RunFolder(tmp_path), read_options({"engine": "ray", "threads": 2, **options}))
    scaling = asked["scaling_config"]
    assert isinstance(scaling, dict)
    assert (scaling["num_workers"], scaling["use_gpu"]) == (workers, gpu)
    assert scaling["resources_per_worker"] == {"CPU": 2}
    assert asked["address"] == options.get("address", "local")
    assert asked["train_loop_config"] == {"folder": str(tmp_path)}


@pytest.mark.parametrize(
    ("workers", "gpu", "there", "said"),
    [
        (2, False, {"CPU": 4.0}, None),
        (2, True, {"CPU": 16.0, "GPU": 1.0}, "Waiting for the cluster to have 2 GPU (it has 1)."),
        ((1, 8), True, {"CPU": 2.0, "GPU": 1.0}, None),  # the fewest are enough to begin
        (3, True, {"CPU": 4.0}, "Waiting for the cluster to have 6 CPU (it has 4) and 3 GPU (it has 0)."),
    ],
)
def test_waiting_for_a_cluster_is_said(
    workers: int | tuple[int, int], gpu: bool, there: dict[str, float], said: str | None
) -> None:
    asked = {"num_workers": workers, "resources_per_worker": {"CPU": 2}, "use_gpu": gpu}
    assert scarce(asked, there) == said


def test_no_secret_is_sent_to_a_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_planted")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    asked = submission(RunFolder(tmp_path), read_options({"engine": "ray", "workers": 2}))
    variables = asked["env_vars"]
    assert isinstance(variables, dict) and variables["HF_HUB_OFFLINE"] == "1"
    assert "hf_planted" not in str(asked)


def test_held_time_adds_up_over_the_lives_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, clock = RunFolder(tmp_path), [100.0]
    monkeypatch.setattr("backends.local.workers.worker_clock.time.monotonic", lambda: clock[0])
    assert held_seconds(folder, None) is None
    first = take_up(folder, None)
    for at, holding in ((100, False), (160, False), (170, True), (200, True)):  # a minute of waiting costs nothing
        clock[0] = at
        assert not first.look(holding)
    first.note()
    second = take_up(folder, limit=60)
    assert second.seconds == 40
    clock[0] = 500
    assert not second.look(True)  # nobody looked before, so nothing was held
    clock[0] = 521
    assert second.look(True)
    noted = datetime.fromisoformat(str(read_json(folder.held)["at"]))
    assert held_seconds(folder, noted + timedelta(seconds=5)) == pytest.approx(second.seconds + 5)
    assert held_seconds(folder, datetime(2020, 1, 1, tzinfo=UTC)) == second.seconds


def test_a_run_stops_with_a_checkpoint_when_its_hours_are_used_up(tmp_path: Path) -> None:
    backend = LocalBackend()
    asked = spec(tmp_path, hyperparameters=Hyperparameters(epochs=200), options={"max_hours": 3 / 3600})
    job = wait(backend, backend.submit(asked), JobStatus.CANCELLED)
    assert (job.steps_done or 0) < (job.steps_total or 0)
    assert any("0.00 hours allowed" in event.message for event in backend.events(job))
    assert list(RunFolder(Path(job.extra["folder"])).checkpoints.glob("step-*"))
    assert 3 <= float(backend.refresh(job).extra["held_seconds"]) < 60


@pytest.mark.parametrize(("detail", "ends"), [("training", True), ("loading", False)])
def test_only_a_run_that_is_not_loading_must_note_something(
    detail: str, ends: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large model comes over the network longer than a step may take, and nothing is noted meanwhile."""
    folder = RunFolder(tmp_path)
    write_json(folder.status, {"status": "running", "detail": detail})
    sleeping = [sys.executable, "-c", "import time; time.sleep(1.5)"]
    monkeypatch.setattr(supervise, "command", lambda *_: sleeping)
    monkeypatch.setattr(supervise, "_SILENT_S", 0.1)
    code = supervise._attempt(folder, read_options({"engine": "ray"}), take_up(folder, None))
    assert code == (-signal.SIGKILL if ends else 0)


@needs_ray
def test_no_worker_waits_for_one_that_failed_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that failed raises, so that Ray ends all; started again, they see that the run has failed, and end."""
    folder = RunFolder(tmp_path)
    write_json(folder.config, {})
    context = SimpleNamespace(get_world_rank=lambda: 0, get_world_size=lambda: 1)
    monkeypatch.setattr("ray.train.get_context", lambda: context)
    monkeypatch.setattr("ray.util.get_node_ip_address", lambda: "127.0.0.1")

    def fails(folder: RunFolder, world: World) -> int:
        write_json(folder.status, {"status": "failed", "error": "the disk is full"})
        return 1

    monkeypatch.setattr("backends.local.trainer.train.live", fails)
    with pytest.raises(RuntimeError, match="cannot go on"):
        rank({"folder": str(tmp_path)})
    monkeypatch.setattr("backends.local.trainer.train.live", lambda *_: pytest.fail("it trained again"))
    rank({"folder": str(tmp_path)})


def weights(job: Job) -> dict[str, torch.Tensor]:
    assert job.tuned_model
    return dict(load_file(Path(job.tuned_model) / "adapter_model.safetensors"))


def ray_workers() -> list[int]:
    """Return the process ids of the workers that Ray Train has under this machine's Ray clusters."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            name = (entry / "cmdline").read_bytes().decode().split("\0")[0]
        except OSError:
            continue
        if name.startswith("ray::") and "RayTrainWorker" in name:
            found.append(int(entry.name))
    return found


@needs_ray
@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="finds the workers through /proc")
def test_ray_recovers_from_a_lost_worker_and_learns_what_torchrun_learns(tmp_path: Path) -> None:
    backend = LocalBackend()
    settings = Hyperparameters(epochs=3, lora_dropout=0.0)
    jobs = {}
    for engine in ("torchrun", "ray"):
        options: dict[str, Json] = {"engine": engine, "workers": 2, "save_every": 5, "max_steps": 20}
        job = backend.submit(spec(tmp_path, run=engine, hyperparameters=settings, options=options))
        if engine == "ray":
            others = set(ray_workers())
            job = wait(backend, job, 8, limit_s=600)
            os.kill(max(set(ray_workers()) - others), signal.SIGKILL)
        jobs[engine] = wait(backend, job, JobStatus.SUCCEEDED, limit_s=600)
    said = [event.message for event in backend.events(jobs["ray"])]
    assert sum(message.startswith("Ray gave 2 of the workers") for message in said) == 2
    assert any(message.startswith("Resumed after step ") for message in said)
    plain, recovered = weights(jobs["torchrun"]), weights(jobs["ray"])
    assert plain.keys() == recovered.keys()
    assert all(torch.equal(plain[name], recovered[name]) for name in plain)
    assert float(jobs["ray"].extra["held_seconds"]) > 0
