"""A run's folder: which file is where, how small files are written so that no reader ever sees half of one, and what a
dead trainer left in it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from backends import Json

_ERROR = re.compile(r"[\w.]*(Error|Exception|Interrupt)\b")  # how the last line of a traceback begins
_STARTING = timedelta(seconds=10)  # a trainer that has not noted its process by then never will


def home() -> Path:
    """Return the state folder: $TUNEWISE_HOME, or the platform's user data folder."""
    chosen = os.environ.get("TUNEWISE_HOME")
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("tunewise", appauthor=False))


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of one run. A person can read all of them; nothing in here is a pickle."""

    path: Path

    @property
    def config(self) -> Path:  # what was asked for
        return self.path / "config.json"

    @property
    def chosen(self) -> Path:  # what the trainer made of it, and why
        return self.path / "chosen.json"

    @property
    def status(self) -> Path:
        return self.path / "status.json"

    @property
    def process(self) -> Path:
        return self.path / "process.json"

    @property
    def lock(self) -> Path:  # held by the living trainer
        return self.path / "lock"

    @property
    def stop(self) -> Path:  # exists when somebody asked the trainer to stop
        return self.path / "stop"

    @property
    def held(self) -> Path:  # for how many seconds the run has held its workers
        return self.path / "held.json"

    @property
    def log(self) -> Path:
        return self.path / "trainer.log"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def readme(self) -> Path:  # for whoever opens the folder
        return self.path / "README.md"

    @property
    def tensorboard(self) -> Path:  # the metrics as TensorBoard reads them
        return self.path / "tensorboard"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def tuned(self) -> Path:  # the adapter, or the whole model after full fine-tuning
        return self.path / "tuned"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    @property
    def environment(self) -> Path:
        return self.path / "environment.json"


def write_json(path: Path, value: Mapping[str, Json]) -> None:
    """Replace ``path`` in one step: a reader sees the old file or the new one, even after a crash."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, ensure_ascii=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_json(path: Path) -> dict[str, Json]:
    """Return the JSON object in ``path``; empty when it is not there or not JSON."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def append_line(path: Path, value: Mapping[str, Json]) -> None:
    """Append one JSON line, on a line of its own even when the last writer was killed in the middle of one."""
    with path.open("ab+") as file:
        if file.tell() > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(json.dumps(value, ensure_ascii=False).encode() + b"\n")


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Json]]]:
    """Yield (line number, object) of a JSON Lines file; a torn line is passed over, its number is not reused."""
    try:
        file = path.open(encoding="utf-8", errors="replace")
    except OSError:
        return
    with file:
        for number, line in enumerate(file, 1):
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                yield number, value


def now() -> str:
    """Return the present moment as the text our files hold."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def as_time(value: Json) -> datetime | None:
    """Read what ``now`` wrote."""
    return datetime.fromisoformat(value) if isinstance(value, str) else None


def whole(value: Json) -> int | None:
    return value if isinstance(value, int) else None


def number(value: Json) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def nearest(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def is_young(state: Mapping[str, Json]) -> bool:
    created = as_time(state.get("created"))
    return created is not None and datetime.now(UTC) - created < _STARTING


def death_note(folder: RunFolder) -> str:
    """Say what a trainer without last words leaves behind, and how to go on."""
    try:
        lines = folder.log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    # The log holds what libraries print as well: only what ends in an error there is the trainer's own.
    raised = [line.strip() for line in lines[-1:] if _ERROR.match(line)]
    events = [str(line.get("message")) for _, line in read_lines(folder.events)]
    last = " | ".join([*events[-1:], *raised])
    said = f"Its last words: {last}" if last else "It left no message (killed, or the machine went down)."
    return (
        f"The trainer died. {said} Its log is {folder.log}. "
        f"'tunewise launch --resume {folder.path.name}' continues from the newest checkpoint."
    )
