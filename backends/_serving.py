"""What serving a tuned model at its provider is: a machine's price, and a deployment that stands."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Rate:
    """What one running replica costs on one kind of machine of the provider's."""

    id: str
    gpu: str
    gpus: int
    gpu_memory_gib: int
    usd_per_hour: Decimal


@dataclass(frozen=True, slots=True)
class Serving:
    """A deployment of a tuned model at its provider. ``model`` is what ``complete`` asks; ``usd_per_hour`` is of one
    replica, None when the provider's list of machines does not name the one it runs on. ``hardware`` is then the name
    of its GPU, where that is known.
    """

    model: str
    endpoint_id: str
    deployment_id: str
    status: str
    hardware: str
    usd_per_hour: Decimal | None
    stops_after_idle_minutes: int
    gpus: int = 1  # of one replica
