"""What a job at Hugging Face is asked for: a machine, our trainer on it, its storage, and when it is taken away."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from backends._base import JobSpec, Json
from backends._rented import DATA, KEPT, command, environment, shipped
from backends.huggingface.replies import DATA_LABEL, RUN_LABEL

_IMAGE = "ghcr.io/astral-sh/uv:python3.12-bookworm"  # what the SDK itself runs Python scripts on
DATA_REPOSITORY, BUCKET = "tunewise-data", "tunewise-runs"
MODEL = "tunewise-"  # begins the name of a tuned model's repository; the run follows


def body(
    spec: JobSpec, trainer: Mapping[str, Json], owner: str, names: Mapping[str, str], secrets: Mapping[str, str]
) -> dict[str, Json]:
    """Return the body of the request that creates the job.

    ``trainer`` is the run as the machine's trainer reads it, ``owner`` whose account pays, ``names`` the files' there.
    """
    told = environment(trainer, spec.run, f"{owner}/{MODEL}{spec.run}")
    return {
        "command": list[Json](command(shipped(spec.method)[-1][0])),
        "arguments": [],
        "environment": dict[str, Json](told),
        "flavor": spec.options["machine"],
        "secrets": dict[str, Json](secrets),
        "timeoutSeconds": minutes_of(spec) * 60,
        "labels": {"name": spec.run, RUN_LABEL: spec.run, DATA_LABEL: Path(names["training_file"]).stem},
        "volumes": [
            {"type": "dataset", "source": f"{owner}/{DATA_REPOSITORY}", "mountPath": DATA, "readOnly": True},
            {"type": "bucket", "source": f"{owner}/{BUCKET}", "mountPath": KEPT, "readOnly": False},
        ],
        "dockerImage": _IMAGE,
    }


def minutes_of(spec: JobSpec) -> int:
    minutes = spec.options["max_minutes"]
    assert isinstance(minutes, int)
    return minutes
