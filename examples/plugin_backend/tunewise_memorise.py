"""A backend that learns by heart: it keeps question and answer, and needs no network, no GPU and no time.

It is an example of what a plugin has to do, not of what a model does. State lives beside the training file, so that a
job can be looked at from another process, as the interface wants it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from backends import (
    Backend,
    Completion,
    Job,
    JobEvent,
    JobNotFound,
    JobSpec,
    JobStatus,
    Json,
    Message,
    Objective,
    Request,
    RowFormat,
    Save,
    SpecRefused,
)


class MemoriseBackend(Backend):
    """What it takes, then every method of the interface, in the order a run meets them."""

    name: ClassVar[str] = "memorise"
    # What check, launch and the rules of advice go by; left out, a backend takes everything.
    brings_model: ClassVar[bool] = True  # any name will do: there is no list of models
    objectives: ClassVar[frozenset[Objective]] = frozenset({Objective.SFT})
    settings: ClassVar[frozenset[str]] = frozenset({"epochs"})
    rows: ClassVar[RowFormat] = RowFormat(settings=frozenset(), reasoning="dropped", images=False, least_examples=2)

    def preflight(self, spec: JobSpec) -> tuple[str, ...]:
        if spec.options:
            raise SpecRefused(f"This backend has no options; leave out {', '.join(spec.options)}.")
        if not spec.train_file.is_file():
            raise SpecRefused(f"{spec.train_file}: there is no such file.")
        return ("It answers only what it has seen, word by word.",)

    def requests(self, spec: JobSpec) -> tuple[Request, ...]:
        return (Request("WRITE", str(_memory(spec)), {"rows": len(_rows(spec.train_file))}),)

    def submit(self, spec: JobSpec, save: Save = lambda job: None, resume: Job | None = None) -> Job:
        self.preflight(spec)
        answers = {_question(row["messages"]): str(row["messages"][-1]["content"]) for row in _rows(spec.train_file)}
        memory = _memory(spec)
        if not memory.exists():  # the same run again is the same job
            fresh = memory.with_suffix(".new")
            fresh.write_text(json.dumps({"created": _now().isoformat(), "answers": answers}), encoding="utf-8")
            fresh.replace(memory)
        job = self._job(spec.run, spec.model, memory)
        save(job)
        return job

    def find(self, spec: JobSpec) -> Job | None:
        memory = _memory(spec)
        return self._job(spec.run, spec.model, memory) if memory.exists() else None

    def refresh(self, job: Job) -> Job:
        memory = Path(job.id or "")
        if not memory.is_file():
            raise JobNotFound(f"{job.id}: there is no such memory; it may have been deleted.")
        return replace(job, status=JobStatus.SUCCEEDED, finished=_time_of(memory), tuned_model=str(memory))

    def cancel(self, job: Job) -> Job:
        return self.refresh(job)  # it ended before anybody could say stop

    def events(self, job: Job, after: str | None = None) -> Iterator[JobEvent]:
        if after is None:
            yield JobEvent("done", _time_of(Path(job.id or "")), "info", "Learned by heart", 1, {"train_loss": 0.0})

    def complete(
        self,
        model: str,
        messages: Sequence[Message],
        *,
        tools: Sequence[Mapping[str, Json]] = (),
        max_tokens: int = 512,
        temperature: float = 0.0,
        seed: int | None = None,
    ) -> Completion:
        memory = Path(model)  # of a tuned model; any other name is the base, which has seen nothing
        answers = json.loads(memory.read_text(encoding="utf-8"))["answers"] if memory.is_file() else {}
        return Completion(text=answers.get(_question(messages), "I have not seen that."), finish_reason="stop")

    def _job(self, run: str, model: str, memory: Path) -> Job:
        return Job(run, self.name, model, id=str(memory), status=JobStatus.RUNNING, created=_time_of(memory))


def _memory(spec: JobSpec) -> Path:
    return spec.train_file.with_name(f"{spec.run}.memory.json")


def _rows(path: Path) -> list[dict[str, list[Message]]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _question(messages: Sequence[Message]) -> str:
    return next((str(m.get("content")) for m in reversed(messages) if m["role"] == "user"), "")


def _time_of(memory: Path) -> datetime:
    return datetime.fromisoformat(json.loads(memory.read_text(encoding="utf-8"))["created"])


def _now() -> datetime:
    return datetime.now(UTC)
