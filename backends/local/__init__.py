"""Training on this machine: a detached process of our own trains; this side only reads and writes its run folder."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from backends import (
    Backend,
    BackendMissing,
    Completion,
    FileRejected,
    Heard,
    Hyperparameters,
    Job,
    JobEvent,
    JobNotFound,
    JobSpec,
    JobStatus,
    Json,
    Message,
    Method,
    Objective,
    Request,
    RowFormat,
    Save,
    SpecRefused,
)
from backends._base import _discard
from backends._install import install_extra
from backends.local import pretrained
from backends.local.folder import (
    RunFolder,
    as_time,
    death_note,
    home,
    is_young,
    nearest,
    now,
    number,
    read_json,
    read_lines,
    whole,
    write_json,
)
from backends.local.hyperparameters import MOST_PASSES, settle
from backends.local.inference.client import Answerer, ScoredExample, TokenLoss
from backends.local.model_path import askable, at_revision, base_of, check_model
from backends.local.options import TINY, hyperparameters_from_json, read_options, spec_to_json
from backends.local.workers import process
from backends.local.workers.ray_cluster import submission
from backends.local.workers.worker_clock import held_seconds

__all__ = ["BACKEND", "TINY", "LocalBackend", "ScoredExample", "TokenLoss", "check_model"]

_PACKAGES = ("torch", "transformers", "peft", "safetensors", "tokenizers", "jinja2", "numpy")


class LocalBackend(Backend):
    """Trains with torch, transformers and peft in a process of its own; torch never enters the caller's process."""

    name: ClassVar[str] = "local"
    validation_decides: ClassVar[bool] = True
    at_once: ClassVar[int] = 64  # one batch takes little longer than one question
    answers_here: ClassVar[bool] = True
    rows: ClassVar[RowFormat] = RowFormat(
        settings=frozenset({"parallel_tool_calls"}), reasoning="reasoning_content", text=True, images=False
    )
    brings_model: ClassVar[bool] = True
    levels: ClassVar[Mapping[str, str]] = {
        "consecutive_roles": "warning", "unread_part": "error", "plain_text": "info"
    }  # fmt: skip

    def __init__(self) -> None:
        self._answerer: Answerer | None = None

    def choose(self, spec: JobSpec, examples: int, tokens: int) -> Hyperparameters:
        """Return the passes and the batch that the trainer would take; the rest depends on the model it loads."""
        chosen, _ = settle(
            spec.hyperparameters,
            spec.method,
            spec.objective,
            examples=examples,
            tokens=tokens,
            context=tokens,
            from_scratch=spec.model in TINY,
        )
        return replace(spec.hyperparameters, epochs=chosen.epochs, batch_size=chosen.batch_size)

    def fit_settings(self, chosen: Hyperparameters) -> Hyperparameters:
        """Leave the rate to the trainer, which knows the model's size, and pass over the data a few times at most."""
        epochs = None if chosen.epochs is None else min(chosen.epochs, MOST_PASSES)
        return replace(super().fit_settings(chosen), learning_rate=None, epochs=epochs)

    def preflight(self, spec: JobSpec) -> tuple[str, ...]:
        """Check packages, files, options, model and disk; return warnings."""
        options = read_options(spec.options)
        if importlib.util.find_spec("fcntl") is None:
            raise BackendMissing("Local training needs Linux or macOS; on Windows, run tunewise inside WSL.")
        for package in _PACKAGES:
            if importlib.util.find_spec(package) is None:
                raise BackendMissing(f"Local training needs the package '{package}': {install_extra('local')}")
        if options.engine == "ray" and importlib.util.find_spec("ray") is None:
            raise BackendMissing(f"Training on a Ray cluster needs the package 'ray': {install_extra('cluster')}")
        if spec.method is Method.QLORA and importlib.util.find_spec("bitsandbytes") is None:
            raise BackendMissing(f"QLoRA needs the package 'bitsandbytes': {install_extra('qlora')}")
        if (name := options.log_to) is not None and importlib.util.find_spec(name) is None:
            raise BackendMissing(f"Logging to {name} needs its package: {install_extra(name)}")
        for file in (spec.train_file, spec.validation_file):
            if file is not None and not file.is_file():
                raise FileRejected(f"{file}: there is no such file; give the training data as JSON Lines.")
        if spec.train_file.stat().st_size == 0:
            raise FileRejected(f"{spec.train_file}: the file is empty; it needs at least one example.")
        if spec.hyperparameters.learning_rate_multiplier is not None:
            raise SpecRefused("learning_rate_multiplier is OpenAI's; give learning_rate for local training.")
        check_model(spec.model)
        pretrained.make(spec.model)
        if options.split and spec.method is Method.QLORA:
            raise SpecRefused("A 4-bit base cannot be split over workers; use shard=ddp, or method lora.")
        warnings = [said] if (said := pretrained.cost_of_gguf(spec.model)) else []
        if spec.objective is Objective.DPO and options.loss_on != "assistant":
            raise SpecRefused("DPO compares whole answers; loss_on does not apply to it.")
        if (free := shutil.disk_usage(nearest(self._folder(spec).path)).free) < 2e9:
            warnings.append(f"Only {free / 1e9:.1f} GB are free where runs are kept; checkpoints need room.")
        return tuple(warnings)

    def requests(self, spec: JobSpec) -> tuple[Request, ...]:
        """Return what ``submit`` starts: our trainer on the run's folder, and what that asks of a Ray cluster."""
        folder, options = self._folder(spec), read_options(spec.options)
        run = Request("RUN", f"python -m backends.local.{options.starts} {folder.path}", spec_to_json(spec))
        if options.engine != "ray":
            return (run,)
        asked = submission(folder, options)
        return run, Request("RAY", str(asked["address"]), asked)

    def submit(self, spec: JobSpec, save: Save = _discard, resume: Job | None = None) -> Job:
        """Start the trainer, or let it go on from its newest valid checkpoint when the run's folder exists already.

        A run whose trainer lives, or that has succeeded, is returned as it is.
        """
        folder = RunFolder(Path(resume.extra["folder"])) if resume and "folder" in resume.extra else self._folder(spec)
        self.preflight(spec)
        if folder.config.is_file():
            job = self.refresh(_job(spec, folder))
            if job.status is JobStatus.SUCCEEDED or not job.status.finished:
                return job
            folder.stop.unlink(missing_ok=True)
        else:
            folder.path.mkdir(parents=True, exist_ok=True)
        write_json(folder.config, spec_to_json(spec))
        job = replace(_job(spec, folder), created=datetime.now(UTC))
        save(job)
        write_json(folder.status, {"status": JobStatus.QUEUED.value, "detail": "starting", "created": now()})
        process.start(folder, read_options(spec.options).starts)
        job = self.refresh(job)
        save(job)
        return job

    def find(self, spec: JobSpec) -> Job | None:
        folder = self._folder(spec)
        return self.refresh(_job(spec, folder)) if folder.config.is_file() else None

    def refresh(self, job: Job) -> Job:
        folder = _folder_of(job)
        state = read_json(folder.status)
        word = str(state.get("status"))
        status = JobStatus(word) if word in list(JobStatus) else JobStatus.RUNNING
        detail, error = str(state.get("detail") or ""), state.get("error")
        if not status.finished:
            if process.alive(folder):
                detail = "stopping after this step" if folder.stop.exists() else detail
            elif read_json(folder.status) != state:
                return self.refresh(job)  # it ended between our two looks
            elif status is JobStatus.QUEUED and is_young(state):
                pass  # another process is just starting it
            elif folder.stop.exists():
                status, detail = JobStatus.CANCELLED, "stopped"
            else:
                status, detail = JobStatus.FAILED, "the trainer's process is gone"
                error = death_note(folder)
        held = held_seconds(folder, as_time(state.get("finished")))
        return replace(
            job,
            status=status,
            detail=detail,
            error=str(error) if error else None,
            created=job.created or as_time(state.get("created")),
            started=as_time(state.get("started")),
            finished=as_time(state.get("finished")),
            estimated_finish=as_time(state.get("estimated_finish")),
            steps_done=whole(state.get("steps_done")),
            steps_total=whole(state.get("steps_total")),
            trained_tokens=whole(state.get("trained_tokens")),
            train_seconds=number(state.get("train_seconds")),
            tuned_model=str(state["tuned_model"]) if status is JobStatus.SUCCEEDED else None,
            accepted=_accepted(folder) or job.accepted,
            trained_without=_trained_without(folder),
            extra=job.extra if held is None else {**job.extra, "held_seconds": f"{held:.1f}"},
        )

    def cancel(self, job: Job) -> Job:
        """Ask the trainer to stop after its current step; it keeps a checkpoint, so that the run can go on later."""
        job = self.refresh(job)
        if not job.status.finished:
            _folder_of(job).stop.touch()
            job = self.refresh(job)
        return job

    def events(self, job: Job, after: str | None = None) -> Iterator[JobEvent]:
        folder = _folder_of(job)
        seen = int(after) if after else 0
        for place, line in read_lines(folder.events):
            time = as_time(line.get("time"))
            if place <= seen or time is None:
                continue
            metrics = line.get("metrics")
            measured = metrics.items() if isinstance(metrics, dict) else ()
            yield JobEvent(
                id=str(place),
                time=time,
                level=str(line.get("level", "info")),
                message=str(line.get("message", "")),
                step=whole(line.get("step")),
                metrics={key: float(value) for key, value in measured if isinstance(value, int | float)},
            )

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
        """Ask a base (hub id or folder) or a tuned model (the folder in ``Job.tuned_model``) once."""
        return self._answering().complete(
            askable(model), messages, tools, max_tokens=max_tokens, temperature=temperature, seed=seed
        )

    def stream(
        self, model: str, messages: Sequence[Message], heard: Heard, *, max_tokens: int = 512, temperature: float = 0.0
    ) -> Completion:
        return self._answering().stream(askable(model), messages, heard, max_tokens=max_tokens, temperature=temperature)

    def score(self, model: str, examples: Sequence[ScoredExample]) -> tuple[TokenLoss, ...]:
        """Return, for each example, the loss of ``model`` on the example's assistant turns: a sum and its tokens.

        The mean loss of a set is ``sum(nll_sum) / sum(tokens)``. The example's own answers are never generated, only
        read; base and tuned model see exactly the same tokens.
        """
        return self._answering().score(askable(model), examples)

    def close(self) -> None:
        if self._answerer is not None:
            self._answerer.close()
            self._answerer = None

    def _answering(self) -> Answerer:
        self._answerer = self._answerer or Answerer()
        return self._answerer

    def _folder(self, spec: JobSpec) -> RunFolder:
        folder = spec.options.get("folder")
        return RunFolder(Path(str(folder)) if folder else home() / "runs" / spec.run)


def _job(spec: JobSpec, folder: RunFolder) -> Job:
    base = at_revision(base_of(spec.model, spec.train_file, spec.hyperparameters.seed), spec.options.get("revision"))
    return Job(
        run=spec.run,
        backend=spec.backend,
        model=spec.model,
        id=spec.run,
        metrics_path=folder.metrics,
        accepted=spec.hyperparameters,
        extra={"folder": str(folder.path), "base": base},
    )


def _folder_of(job: Job) -> RunFolder:
    folder = RunFolder(Path(job.extra.get("folder") or home() / "runs" / job.run))
    if folder.path.is_dir():
        return folder
    raise JobNotFound(f"The run folder {folder.path} is gone; start the run again with 'tunewise launch'.")


def _accepted(folder: RunFolder) -> Hyperparameters | None:
    chosen = read_json(folder.chosen).get("hyperparameters")
    return hyperparameters_from_json(chosen) if isinstance(chosen, dict) else None


def _trained_without(folder: RunFolder) -> tuple[str, ...]:
    said = read_json(folder.chosen).get("left_out")
    return tuple(str(one) for one in said) if isinstance(said, list) else ()


BACKEND = LocalBackend
