"""What the trainer tells the world, as files in the run folder: status, events, metrics (for TensorBoard too)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from backends import JobStatus, Json
from backends.local.folder import RunFolder, append_line, as_time, now, read_json, read_lines, write_json
from backends.local.trainer import tensorboard

LOADING = "loading"  # the detail of a run before its first step
_EVERY_S = 0.5  # a status file written more often than this serves nobody


class Record:
    """Writes status.json, events.jsonl and metrics.jsonl of one run; a silent one (another rank's) writes nothing."""

    def __init__(self, folder: RunFolder, *, silent: bool = False) -> None:
        self._folder = folder
        self._silent = silent
        self._state: dict[str, Json] = read_json(folder.status)
        self._written = 0.0
        self._board: Path | None = None

    def status(self, status: JobStatus, detail: str, **more: Json) -> None:
        """Write the status at once; what is not given stays as it was."""
        self._state |= {"status": status.value, "detail": detail, "updated": now(), **more}
        self._write()

    def progress(self, *, done: int, total: int, tokens: int, seconds: float, step_seconds: float) -> None:
        """Note a step; the file follows at most twice a second."""
        finish = datetime.now(UTC) + timedelta(seconds=(total - done) * step_seconds)
        self._state |= {
            "steps_done": done,
            "steps_total": total,
            "trained_tokens": tokens,
            "train_seconds": round(seconds, 3),
            "estimated_finish": finish.isoformat(timespec="seconds"),
            "updated": now(),
        }
        if time.monotonic() - self._written > _EVERY_S:
            self._write()

    def event(self, message: str, *, level: str = "info", step: int | None = None) -> None:
        """Add a line for people."""
        if not self._silent:
            append_line(self._folder.events, {"time": now(), "level": level, "message": message, "step": step})

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Add a line of numbers, to the metrics and to the events."""
        if self._silent:
            return
        append_line(self._folder.metrics, {"step": step, "time": now(), **values})
        if self._board is None:
            self._board = tensorboard.begin(self._folder.tensorboard, self._lines())
        else:
            tensorboard.add(self._board, (step, time.time(), values))
        words = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        append_line(
            self._folder.events,
            {"time": now(), "level": "info", "message": f"step {step}: {words}", "step": step, "metrics": dict(values)},
        )

    def _lines(self) -> Iterator[tensorboard.Line]:
        """Yield the metrics noted so far, in all lives of the run."""
        for _, line in read_lines(self._folder.metrics):
            when = as_time(line.get("time"))
            values = {
                key: float(value) for key, value in line.items() if key != "step" and isinstance(value, int | float)
            }
            yield _step(line), when.timestamp() if when else 0.0, values

    def rewind(self, step: int) -> None:
        """Take metrics behind ``step`` back: they belong to a life of the run that was lost."""
        if self._silent or not self._folder.metrics.exists():
            return
        kept = [line for _, line in read_lines(self._folder.metrics) if _step(line) <= step]
        aside = self._folder.metrics.with_suffix(".new")
        aside.unlink(missing_ok=True)
        for line in kept:
            append_line(aside, line)
        aside.touch()
        aside.replace(self._folder.metrics)

    def _write(self) -> None:
        if not self._silent:
            write_json(self._folder.status, self._state)
            self._written = time.monotonic()


def _step(line: Mapping[str, Json]) -> int:
    step = line.get("step")
    return step if isinstance(step, int) else 0
