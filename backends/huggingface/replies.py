"""Reads what Hugging Face says of a job and of its machines."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from backends._base import Job, JobStatus
from backends._replies import Unreadable, count, moment, number
from backends._serving import Rate

RUN_LABEL, DATA_LABEL = "tunewise-run", "tunewise-data"
_STAGES = {
    "SCHEDULING": JobStatus.QUEUED,
    "RUNNING": JobStatus.RUNNING,
    "COMPLETED": JobStatus.SUCCEEDED,
    "CANCELED": JobStatus.CANCELLED,
    "DELETED": JobStatus.CANCELLED,
    "ERROR": JobStatus.FAILED,
}
_WAITS_LONG_S = 600.0


def data_name(digest: str) -> str:
    """Return the path of an uploaded file in the data repository."""
    return f"data/{digest[:32]}.jsonl"


def snapshot(job: Job, found: Mapping[str, object], now: datetime | None = None) -> Job:
    """Return ``job`` as a reply tells it. Raises Unreadable when the reply is no job."""
    name, status = found.get("id"), found.get("status")
    labels, lasted = labels_of(found), found.get("durations")
    if labels.get(RUN_LABEL, job.run) != job.run:
        raise Unreadable(f"it is about another run, {labels[RUN_LABEL]}")
    stage = status.get("stage") if isinstance(status, dict) else None
    if not isinstance(name, str) or not isinstance(stage, str):
        raise Unreadable("it has no id or no stage")
    lasted = lasted if isinstance(lasted, dict) else {}
    ran = number(lasted.get("runningSecs"))
    unknown = JobStatus.RUNNING if moment(found.get("finishedAt")) is None else JobStatus.FAILED
    known, extra = _STAGES.get(stage, unknown), dict(job.extra)
    digest = labels.get(DATA_LABEL)
    if isinstance(digest, str) and "training_file" not in extra:
        extra["training_file"] = data_name(digest)
    said = status.get("message") if isinstance(status, dict) else None
    created = moment(found.get("createdAt"))
    minute = extra.get("usd_per_minute")
    fresh = replace(
        job,
        id=name,
        status=known,
        detail=stage if stage not in _STAGES else stage.lower(),
        created=created or job.created,
        started=moment(found.get("startedAt")),
        finished=moment(found.get("finishedAt")) if known.finished else None,
        error=str(said)[:400] if said and known is JobStatus.FAILED else None,
        billed_usd=_bill(ran, minute, extra.get("billed_before_usd", "0")) if known.finished else None,
        extra=extra,
    )
    if known is JobStatus.QUEUED and created is not None:
        waited = ((now or datetime.now(UTC)) - created).total_seconds()
        if waited > _WAITS_LONG_S:
            flavor = found.get("flavor")
            text = f"no {flavor} has been free for {waited / 60:.0f} minutes; waiting is not billed, or stop it and "
            fresh = replace(fresh, detail=f"scheduling: {text}choose another -o machine")
    return fresh


def labels_of(found: Mapping[str, object]) -> Mapping[str, object]:
    """Return the labels of a job; none where it has none."""
    labels = found.get("labels")
    return labels if isinstance(labels, dict) else {}


def page(found: object) -> list[Mapping[str, object]]:
    """Return the rows of a list. Raises Unreadable when it is none: a missing list is not an empty one."""
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise Unreadable("it is no list of jobs")
    return found


def rates(found: object) -> tuple[Rate, ...]:
    """Return the machines with a GPU, cheapest first. Raises Unreadable."""
    machines = []
    for row in page(found):
        part, micro, unit = row.get("accelerator"), count(row.get("unitCostMicroUSD")), row.get("unitLabel")
        if not isinstance(part, dict) or not micro or unit != "minute" or not isinstance(row.get("name"), str):
            continue
        gpus = count(part.get("quantity")) or 1
        memory = count(str(part.get("vram", "")).split(" ")[0]) or 0
        usd = Decimal(micro) * 60 / 1_000_000
        machines.append(Rate(str(row["name"]), str(part.get("model")), gpus, memory, usd))
    return tuple(sorted(machines, key=lambda one: one.usd_per_hour))


def _bill(seconds: float | None, usd_per_minute: str | None, before_usd: str) -> Decimal | None:
    """Return what the stated seconds cost at the stated price, to the cent above, and the run's machines before it.

    None where one of these is not known.
    """
    if seconds is None or usd_per_minute is None or not before_usd:
        return None
    return Decimal(math.ceil(Decimal(str(seconds)) / 60 * Decimal(usd_per_minute) * 100)) / 100 + Decimal(before_usd)
