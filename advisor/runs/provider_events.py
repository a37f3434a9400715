"""What a provider said of a run, kept beside it so that it outlives the provider's copy."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from advisor.runs.run import folder_of
from advisor.serialization import from_json, to_json
from backends import JobEvent


def events_file(run: str) -> Path:
    """Return where the events of a run are kept; there is no such file before the first."""
    return folder_of(run) / "provider.jsonl"


def keep_events(run: str, events: Sequence[JobEvent]) -> None:
    """Append a job's events to the run's folder, so that they outlive the provider's copy."""
    path = events_file(run)
    text = "".join(json.dumps(to_json(event)) + "\n" for event in events)
    with path.open("ab+") as file:
        path.chmod(0o600)
        torn = file.tell() > 0 and (file.seek(-1, 2), file.read(1))[1] != b"\n"
        file.write((b"\n" if torn else b"") + text.encode())


def read_events(run: str) -> list[JobEvent]:
    """Return the events kept so far, oldest first, each once; a line torn by a crash is left out."""
    path = events_file(run)
    return list({event.id: event for event in _read(path)}.values()) if path.is_file() else []


def _read(path: Path) -> Iterator[JobEvent]:
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield from_json(JobEvent, json.loads(line))
        except (ValueError, TypeError):
            continue
