"""One thing that ``tunewise doctor`` looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. ``missing`` is something optional that is absent; ``broken`` stops tunewise from working."""

    name: str
    status: Literal["ok", "missing", "warning", "broken"]
    detail: str
    fix: str = ""
