"""For how long a run has held its workers, over all its lives: what rented ones are paid for, and what a limit ends."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from backends.local.folder import RunFolder, as_time, now, read_json, write_json

_NOTE_S = 5.0


@dataclass(slots=True)
class Held:
    """A clock that runs while workers are held. ``limit`` in seconds; None: as long as it takes."""

    folder: RunFolder
    limit: float | None
    seconds: float = 0.0
    holding: bool = False
    looked: float | None = None
    noted: float = 0.0

    def look(self, holding: bool) -> bool:
        """Count the time since the last look; tell whether the limit is reached."""
        at = time.monotonic()
        if holding and self.looked is not None:
            self.seconds += at - self.looked
        changed = holding is not self.holding
        self.looked, self.holding = at, holding
        if changed or at - self.noted > _NOTE_S:
            self.note()
        return self.limit is not None and self.seconds >= self.limit

    def note(self) -> None:
        """Write the clock down, so that a later life goes on from here."""
        write_json(self.folder.held, {"seconds": round(self.seconds, 1), "holding": self.holding, "at": now()})
        self.noted = time.monotonic()


def take_up(folder: RunFolder, limit: float | None) -> Held:
    """Return the clock of the run's next life."""
    return Held(folder, limit, held_seconds(folder, None) or 0.0)


def held_seconds(folder: RunFolder, finished: datetime | None) -> float | None:
    """Return the seconds held so far, up to ``finished`` where the clock was noted before; None: nobody counts."""
    noted = read_json(folder.held)
    seconds, at = noted.get("seconds"), as_time(noted.get("at"))
    if not isinstance(seconds, int | float) or at is None:
        return None
    return seconds + (max(0.0, (finished - at).total_seconds()) if finished and noted.get("holding") else 0.0)
