"""The two files of a job: what they are called, what their content is known by, what stands for them before."""

from __future__ import annotations

import hashlib
from pathlib import Path

from backends._base import Job, JobSpec

FILES = (("training_file", "train_file"), ("validation_file", "validation_file"))  # in Job.extra, and in JobSpec


def content_hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def files_of(job: Job) -> dict[str, str]:
    """Return the ids of the uploaded files, under the names that create requests have for them."""
    return {key: job.extra[key] for key, _ in FILES if key in job.extra}


def placeholders(spec: JobSpec) -> dict[str, str]:
    """Return what stands for the ids of the files before they are uploaded."""
    places = ("(id of the first upload)", "(id of the second upload)")
    return {key: place for (key, part), place in zip(FILES, places, strict=True) if getattr(spec, part) is not None}
