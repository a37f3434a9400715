"""What a run asks of a Ray cluster, and what each worker there does: our own recipe as one rank of Ray Train."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backends import JobStatus, Json
from backends.local.folder import RunFolder, home, read_json
from backends.local.options import Options
from backends.local.workers.process import environment

OWN = "local"  # Ray's word for a cluster that begins and ends with its driver
_LOSSES = 2  # that Ray recovers from by itself before the supervisor starts afresh
_RESIZE_S = 300.0  # between two looks whether the cluster has grown: new workers cost the steps since a checkpoint
# No secret is among them: a token for the hub is set on the nodes.
_PASSED_ON = (
    "PYTHONPATH",
    "TOKENIZERS_PARALLELISM",
    "OMP_WAIT_POLICY",
    "HF_HUB_DISABLE_TELEMETRY",
    "HF_HUB_OFFLINE",
    "PYTORCH_ALLOC_CONF",
    "PYTORCH_CUDA_ALLOC_CONF",
    "GLOO_SOCKET_IFNAME",
    "NCCL_SOCKET_IFNAME",
)


class NotShared(Exception):
    """A worker does not see the run's folder."""


def submission(folder: RunFolder, options: Options) -> dict[str, Json]:
    """Return what Ray Train is asked for, in Ray's own words, as ``--dry-run`` shows it.

    ``use_gpu`` None: a GPU for each worker where the cluster has any. Only a cluster that others may shrink or grow is
    asked for a range of workers.
    """
    fewest = options.min_workers or (options.workers if options.split or options.address is None else 1)
    workers: Json = options.workers if fewest == options.workers else [fewest, options.workers]
    ours = environment()
    return {
        "address": options.address or OWN,
        "train_loop_per_worker": "backends.local.workers.ray_cluster.rank",
        "train_loop_config": {"folder": str(folder.path.absolute())},
        "scaling_config": {
            "num_workers": workers,
            "resources_per_worker": {"CPU": options.threads or 1},
            "use_gpu": {"cuda": True, "cpu": False}.get(options.device or ""),
            "elastic_resize_monitor_interval_s": _RESIZE_S,
        },
        "run_config": {"name": "ray", "storage_path": str(folder.path.absolute()), "max_failures": _LOSSES},
        "env_vars": {"TUNEWISE_HOME": str(home()), **{name: ours[name] for name in _PASSED_ON if name in ours}},
    }


def scarce(scaling: Mapping[str, Any], there: Mapping[str, float]) -> str | None:
    """Say what the cluster has too little of for the fewest workers asked for; None when there is enough."""
    workers = scaling["num_workers"]
    fewest = workers[0] if isinstance(workers, tuple) else workers
    each = dict(scaling["resources_per_worker"]) | ({"GPU": 1} if scaling["use_gpu"] else {})
    short = [
        f"{fewest * count:g} {name} (it has {there.get(name, 0):g})"
        for name, count in each.items()
        if there.get(name, 0) < fewest * count
    ]
    return f"Waiting for the cluster to have {' and '.join(short)}." if short else None


def settings() -> dict[str, str]:
    """Return the variables under which Ray's driver starts: it reads them while it is imported."""
    found = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_COLOR_PREFIX": "0",
        "RAY_TRAIN_METRICS_ENABLED": "0",  # needs Ray's dashboard
    }
    # Ray shows its token by itself where it starts a cluster, and not where it joins one.
    token = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    if "RAY_AUTH_TOKEN" in os.environ or token.is_file():
        found["RAY_AUTH_MODE"] = os.environ.get("RAY_AUTH_MODE", "token")
    return found


def rank(config: dict[str, str]) -> None:
    """Train as one of Ray Train's workers; raise when it cannot go on, so that no other one waits for it.

    Ray starts all of them again then. Where the run itself has failed they see so, and end.
    """
    from ray import train as ray_train
    from ray.util import get_node_ip_address

    from backends.local.trainer.distributed import World
    from backends.local.trainer.run_log import Record
    from backends.local.trainer.train import live

    folder = RunFolder(Path(config["folder"]))
    context = ray_train.get_context()
    world = World(context.get_world_rank(), context.get_world_size())
    hosts = world.gather(get_node_ip_address())
    if not folder.config.is_file():
        raise NotShared(
            f"{folder.path} is not there on {hosts[world.rank]}: keep TUNEWISE_HOME on storage that all nodes share."
        )
    if read_json(folder.status).get("status") == JobStatus.FAILED:
        return
    machines = ", ".join(dict.fromkeys(hosts))
    Record(folder, silent=not world.first).event(f"Ray gave {world.size} of the workers, on {machines}.")
    if live(folder, world) != 0:
        raise RuntimeError("This worker cannot go on: it failed, or another one was lost.")
