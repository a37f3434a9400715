"""One attempt of a run on a Ray cluster: ``python -m backends.local.workers.ray_attempt RUN_FOLDER``."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError
from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError, WorkerGroupError
from ray.train.torch import TorchConfig, TorchTrainer

from backends import JobStatus
from backends.local.folder import RunFolder, now, read_json
from backends.local.options import read_options, spec_from_json
from backends.local.trainer.distributed import PATIENCE
from backends.local.trainer.run_log import Record
from backends.local.workers.ray_cluster import OWN, NotShared, rank, scarce, submission


def main(arguments: Sequence[str]) -> int:
    """Run the workers to their end; 0 ended (well or not, the folder says how), 1 lost for Ray."""
    folder = RunFolder(Path(arguments[0]).absolute())
    asked: dict[str, Any] = submission(folder, read_options(spec_from_json(read_json(folder.config)).options))
    record = Record(folder)
    try:
        _connect(asked)
    except (ConnectionError, RayError, RuntimeError, ValueError) as error:
        record.status(JobStatus.FAILED, "failed", error=_unreachable(asked, error), finished=now())
        return 1
    scaling = dict(asked["scaling_config"])
    if isinstance(scaling["num_workers"], list):
        scaling["num_workers"] = tuple(scaling["num_workers"])
    if scaling["use_gpu"] is None:
        scaling["use_gpu"] = ray.cluster_resources().get("GPU", 0) > 0
    short = scarce(scaling, ray.cluster_resources())
    if short:
        record.event(short, level="warning")
    run = dict(asked["run_config"])
    trainer = TorchTrainer(
        rank,
        train_loop_config=asked["train_loop_config"],
        scaling_config=ScalingConfig(**scaling),
        torch_config=TorchConfig(timeout_s=round(PATIENCE.total_seconds())),
        run_config=RunConfig(
            name=run["name"],
            storage_path=run["storage_path"],
            failure_config=FailureConfig(max_failures=run["max_failures"]),
        ),
    )
    try:
        trainer.fit()
    except TrainingFailedError as error:
        traceback.print_exc()
        hidden = [one for one in _reasons(error) if isinstance(one, NotShared)]
        if hidden:
            record.status(JobStatus.FAILED, "failed", error=str(hidden[0]), finished=now())
        return 1
    return 0


def _connect(asked: Mapping[str, Any]) -> None:
    """Join the cluster, or make one for this run that has room for its workers."""
    own = asked["address"] == OWN
    workers, each = asked["scaling_config"]["num_workers"], asked["scaling_config"]["resources_per_worker"]["CPU"]
    ray.init(
        address=asked["address"],
        num_cpus=max(os.cpu_count() or 1, workers * each) if own else None,
        include_dashboard=False if own else None,
        runtime_env={"env_vars": asked["env_vars"]},
        log_to_driver=True,
    )


def _unreachable(asked: Mapping[str, Any], error: Exception) -> str:
    first = str(error).strip().split("\n")[0]
    return (
        f"Ray did not connect to '{asked['address']}': {first} Start tunewise on a node of the cluster; 'ray start "
        "--address=HOST:PORT --num-cpus=0 --num-gpus=0' makes this machine one without taking work."
    )


def _reasons(error: TrainingFailedError) -> list[BaseException]:
    """Return what the workers raised, out of the wrapping of their tasks."""
    failures = error.worker_failures.values() if isinstance(error, WorkerGroupError) else ()
    return [getattr(one, "cause", None) or one for one in failures]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
