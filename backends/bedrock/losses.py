"""The losses of a job: CSV files that Bedrock leaves in the output prefix when it has ended."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from backends._base import Job, JobEvent
from backends._refusals import About
from backends._replies import count
from backends.bedrock.names import address_parts
from backends.bedrock.replies import as_float

if TYPE_CHECKING:
    from backends._hosted import Hosted
    from backends.bedrock.connection import Line

_LARGEST = 10_000_000  # bytes of one file
_COLUMNS = {"train_loss": "training_loss", "valid_loss": "validation_loss"}
_STEPS = ("step_number", "step", "epoch_number", "epoch")


def losses(backend: Hosted[Line], job: Job, region: str, last: JobEvent) -> list[JobEvent]:
    """Read the losses of an ended job, by step; files that hold none are left alone. ``last``: its last event."""
    bucket, prefix = address_parts(job.extra.get("output", ""))
    if not bucket:
        return []
    s3 = backend.client().client("s3", region)
    listed: dict[str, Any] = backend.ask(
        lambda: s3.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/"), about=About.FILE
    )
    found: dict[str, JobEvent] = {}
    for row in listed.get("Contents") or ():
        key = str(row.get("Key"))
        if not key.endswith("metrics.csv") or (count(row.get("Size")) or 0) > _LARGEST:
            continue
        text = backend.ask(
            lambda key=key: s3.get_object(Bucket=bucket, Key=key)["Body"].read(),  # type: ignore[misc]
            lambda content: content.decode("utf-8"),
            about=About.FILE,
        )
        for step, values in loss_rows(text):
            name = f"{'-'.join(sorted(values))}-{step}"
            said = ", ".join(f"{kind} {value:.4g}" for kind, value in values.items())
            found[name] = JobEvent(name, last.time, "info", f"step {step}: {said}", step, values)
    return sorted(found.values(), key=lambda event: event.step or 0)


def loss_rows(text: str) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield the step and the losses of each row of a metrics file; columns of no known name are left out."""
    for row in csv.DictReader(io.StringIO(text)):
        named = {str(name).strip().lower(): value for name, value in row.items()}
        step = next((found for name in _STEPS if (found := as_float(named.get(name))) is not None), None)
        stated = {ours: as_float(named.get(theirs)) for ours, theirs in _COLUMNS.items()}
        known = {name: value for name, value in stated.items() if value is not None}
        if step is not None and known:
            yield int(step), known
