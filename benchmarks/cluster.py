"""Loses workers and a whole node of a Ray cluster in the middle of a run, and compares what is learned with no loss.

    python benchmarks/cluster.py [--steps 40]

``lost_worker``: two workers on this machine, one killed with -9; compared with two undisturbed workers under torchrun.
``lost_node``: two nodes, each in a network namespace of its own (Linux, root), all of one killed and never replaced;
the run goes on with one worker and is compared with one undisturbed process. Prints one JSON document: seconds by the
clock, the step resumed behind, the workers of each life, and the largest difference of any weight beside the largest.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from test_local import spec  # noqa: E402

from backends import Hyperparameters, Job, JobStatus, Json  # noqa: E402
from backends.local import LocalBackend  # noqa: E402
from backends.local.workers import process  # noqa: E402

HOSTS = {"tunewise-a": "10.77.0.1", "tunewise-b": "10.77.0.2"}
PORT = 6399


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=40)
    steps = parser.parse_args().steps
    with tempfile.TemporaryDirectory() as name:
        os.environ["TUNEWISE_HOME"] = f"{name}/home"
        found: dict[str, Any] = {"steps": steps}
        plain = {str(count): train(Path(name), f"plain-{count}", {"workers": count}, steps) for count in (1, 2)}
        job = train(Path(name), "worker", {"engine": "ray", "workers": 2}, steps, lose=kill_a_worker)
        found["lost_worker"] = compared(job, plain["2"])
        found["lost_node"] = lost_node(Path(name), steps, plain["1"])
        print(json.dumps(found, indent=1))


def train(folder: Path, run: str, options: dict[str, Json], steps: int, lose: Callable[[], None] | None = None) -> Job:
    """Train a tiny model to its end, and lose something on the way once a third of the steps are done."""
    backend = LocalBackend()
    settings = Hyperparameters(epochs=10, lora_dropout=0.0, evaluations=0)
    few: dict[str, Json] = {"save_every": 5, "max_steps": steps, "threads": 1}
    job = backend.submit(spec(folder, run=run, hyperparameters=settings, options=few | options))
    while not job.status.finished:
        time.sleep(0.2)
        job = backend.refresh(job)
        if lose is not None and (job.steps_done or 0) > steps // 3:
            lose()
            lose = None
    if job.status is not JobStatus.SUCCEEDED:
        sys.exit(f"{run}: {job.error}")
    return job


def compared(job: Job, plain: Job) -> dict[str, Any]:
    """Return how a run that lost something ended, beside an undisturbed one."""
    events = [event.message for event in LocalBackend().events(job)]
    lives = [int(found[1]) for text in events if (found := re.match(r"Ray gave (\d+)", text))]
    resumed = [int(found[1]) for text in events if (found := re.match(r"Resumed after step (\d+)", text))]
    assert job.created and job.finished
    theirs = load_file(Path(str(plain.tuned_model)) / "adapter_model.safetensors")
    ours = load_file(Path(str(job.tuned_model)) / "adapter_model.safetensors")
    return {
        "seconds": round((job.finished - job.created).total_seconds(), 1),
        "training_seconds": job.train_seconds,
        "workers": lives,
        "resumed_behind": resumed,
        "largest_difference": max((ours[key] - theirs[key]).abs().max().item() for key in theirs),
        "largest_weight": max(tensor.abs().max().item() for tensor in theirs.values()),
    }


def kill_a_worker() -> None:
    """Kill one of Ray Train's workers that have this benchmark's home."""
    mine = f"TUNEWISE_HOME={os.environ['TUNEWISE_HOME']}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            name, environment = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
        except OSError:
            continue
        if name.startswith(b"ray::") and b"RayTrainWorker" in name and mine in environment.split(b"\0"):
            os.kill(int(entry.name), signal.SIGKILL)
            return
    sys.exit("there is no worker to kill")


def lost_node(folder: Path, steps: int, plain: Job) -> dict[str, Any]:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return {"skipped": "network namespaces need root and iproute2"}
    with two_hosts() as (first, second):
        os.environ["GLOO_SOCKET_IFNAME"] = "eth0"
        start_node(first, "--head", f"--port={PORT}", "--include-dashboard=false")
        os.environ["RAY_AUTH_MODE"] = "token"  # 'ray start' made one, and does not show it by itself when it joins
        start_node(second, f"--address={HOSTS[first]}:{PORT}")
        options: dict[str, Json] = {"engine": "ray", "workers": 2, "address": f"{HOSTS[first]}:{PORT}"}
        process_command = process.command
        process.command = lambda *words: ["ip", "netns", "exec", first, *process_command(*words)]
        return compared(train(folder, "node", options, steps, lose=lambda: end(second)), plain)


@contextmanager
def two_hosts() -> Iterator[tuple[str, str]]:
    """Make two network namespaces joined by a cable, and take them away with all that runs in them."""
    first, second = HOSTS
    try:
        for host in HOSTS:
            run("ip", "netns", "add", host)
            run("ip", "-n", host, "link", "set", "lo", "up")
        run("ip", "-n", first, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", second)
        for host, address in HOSTS.items():
            run("ip", "-n", host, "addr", "add", f"{address}/24", "dev", "eth0")
            run("ip", "-n", host, "link", "set", "eth0", "up")
        yield first, second
    finally:
        for host in HOSTS:
            end(host)
            subprocess.run(["ip", "netns", "del", host], capture_output=True, check=False)


def start_node(host: str, *words: str) -> None:
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start", f"--node-ip-address={HOSTS[host]}", "--num-cpus=1"]
    run("ip", "netns", "exec", host, *ray, *words)


def end(host: str) -> None:
    """Kill all that runs in a namespace."""
    pids = subprocess.run(["ip", "netns", "pids", host], capture_output=True, text=True, check=False).stdout.split()
    for pid in pids:
        os.kill(int(pid), signal.SIGKILL)


def run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words)}: {done.stderr or done.stdout}")


if __name__ == "__main__":
    main()
