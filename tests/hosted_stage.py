"""Sets one hosted backend up against its emulator, for the tests of what only that provider does."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from backend_cases import CASES, write_rows
from emulator_base import Emulator

import backends
from backends import Job, JobSpec


@dataclass
class Hosted:
    """A backend, its emulator, and every snapshot that ``save`` was given. ``backend`` is typed loosely on purpose:
    these tests call what only one provider has."""

    backend: Any
    emulator: Any
    folder: Path
    name: str
    saved: list[Job] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def spec(self, rows: int = 12, **changes: Any) -> JobSpec:
        fields: dict[str, Any] = {
            "run": "run-1",
            "backend": self.name,
            "model": CASES[self.name].model,
            "train_file": write_rows(self.folder / "train.jsonl", rows, form=CASES[self.name].form),
        }
        return JobSpec(**fields | changes)

    def submit(self, spec: JobSpec | None = None) -> Job:
        job: Job = self.backend.submit(spec or self.spec(), self.saved.append)
        return job

    def finish(self, job: Job) -> Job:
        for _ in range(50):
            if job.status.finished:
                return job
            job = self.backend.refresh(job)
        raise AssertionError(f"still {job.status}")

    def asked(self, start: str) -> list[str]:
        return [line for line in self.emulator.requests if line.startswith(start)]


@contextlib.contextmanager
def hosted(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosted]:
    """Start the emulator, point the SDK at it, and check at the end that all that was said fits the description."""
    case = CASES[name]
    assert case.emulator is not None
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    emulator: Emulator
    with case.emulator() as emulator:
        for variable, value in case.environment(emulator).items():
            monkeypatch.setenv(variable, value)
        slept: list[float] = []
        kind: Any = type(backends.get(name))
        backend = kind(retries=0, timeout_s=60.0, sleep=slept.append)
        yield Hosted(backend, emulator, folder, name, slept=slept)
        backend.close()
        assert emulator.violations == []
