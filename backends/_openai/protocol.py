"""The fine-tuning protocol of OpenAI's API, which several hosts speak: files, jobs, events, checkpoints, chat.

Traps, all measured: a healthy job carries ``error: {}``; ``validating_files`` is not an end; events come newest first;
result files may be base64 of the CSV; the SDK repeats a POST after a 5xx without any idempotency key.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from backends._base import Completion, Heard, Job, JobEvent, JobSpec, JobStatus, Json, Message, Objective, Request, Save
from backends._errors import BackendError, SpecRefused
from backends._files import files_of, placeholders
from backends._hosted import Checkpoint, Hosted, id_of, same_model, within
from backends._openai.chat import chat
from backends._openai.files import stored_name, upload
from backends._openai.replies import (
    TAG,
    checkpoint_page,
    event_page,
    job_event,
    job_page,
    job_reply,
    metric_rows,
    numbers,
    snapshot,
)
from backends._refusals import About, FileNotReady
from backends._remote import CONNECT_TIMEOUT_S
from backends._replies import content, count, rows
from backends._rows import RowFormat

if TYPE_CHECKING:
    from openai import OpenAI

_MOST_PAGES = 1000  # of a hundred jobs or events each
_NOT_READY_WAITS_S = (2, 5, 10, 20, 30)


class OpenAIProtocol(Hosted["OpenAI"]):
    """A host that speaks OpenAI's fine-tuning API; a subclass names it."""

    settings: ClassVar[frozenset[str]] = frozenset({"epochs", "batch_size", "learning_rate_multiplier", "dpo_beta"})
    rows: ClassVar[RowFormat] = RowFormat(
        settings=frozenset({"parallel_tool_calls", "functions"}), reasoning="dropped", functions=True, pair_images=False
    )
    option_names: ClassVar[frozenset[str]] = frozenset({"suffix"})
    most_bytes: ClassVar[int] = 8_000_000_000  # the limit of /uploads
    answer_limit: ClassVar[str] = "max_completion_tokens"
    filters_by_tag: ClassVar[bool] = True  # whether the list of jobs takes a metadata filter

    def __init__(
        self, *, timeout_s: float | None = None, retries: int = 2, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        super().__init__(timeout_s=timeout_s, retries=retries, sleep=sleep)
        self._refused_settings: dict[str, frozenset[str]] = {}  # model -> chat settings it does not take

    # What a host may say otherwise

    def base_url(self) -> str | None:
        """Return where the API is; None leaves it to the SDK (OPENAI_BASE_URL, or OpenAI itself)."""
        return None

    def headers(self) -> dict[str, str]:
        """Return what this host wants beside the SDK's own headers."""
        return {}

    def extra_body(self, spec: JobSpec) -> dict[str, Json]:
        """Return what this host takes in the create request beyond OpenAI's own fields."""
        return {}

    def connect(self) -> OpenAI:
        import openai

        timeout = openai.Timeout(self.patience_s, connect=min(self.patience_s, CONNECT_TIMEOUT_S))
        return openai.OpenAI(
            api_key=self.key(),
            base_url=self.base_url(),
            default_headers=self.headers(),
            max_retries=0,
            timeout=timeout,
            http_client=openai.DefaultHttpxClient(timeout=timeout, follow_redirects=False),
        )

    # Before the job

    def check(self, spec: JobSpec) -> None:
        super().check(spec)
        chosen = spec.hyperparameters
        within("epochs", chosen.epochs, 1, 50)
        within("batch_size", chosen.batch_size, 1, 256)
        within("dpo_beta", chosen.dpo_beta, 1e-9, 2)
        within("learning_rate_multiplier", chosen.learning_rate_multiplier, 1e-9, float("inf"))
        suffix = spec.options.get("suffix", "x")
        if not isinstance(suffix, str) or not 1 <= len(suffix) <= 64:
            raise SpecRefused("The option 'suffix' must be a text of 1 to 64 characters.")

    def preflight(self, spec: JobSpec) -> tuple[str, ...]:
        known = super().preflight(spec)
        client = self.client()
        model = self.ask(lambda: client.models.with_raw_response.retrieve(spec.model), content, about=About.MODEL)
        day = model.get("shutdown_date")
        if not isinstance(day, str):
            return known
        return (*known, f"{spec.model} shuts down on {day}, and every model tuned from it with it.")

    def requests(self, spec: JobSpec) -> tuple[Request, ...]:
        self.check(spec)
        base = (self.base_url() or _environment_url()).rstrip("/")
        uploads = [
            Request(
                "POST",
                f"{base}/files",
                {
                    "purpose": "fine-tune",
                    "file": str(path),
                    "filename": stored_name(path),
                    "bytes": path.stat().st_size,
                },
            )
            for path in filter(None, (spec.train_file, spec.validation_file))
        ]
        body = self.body(spec, placeholders(spec)) | self.extra_body(spec)
        return (*uploads, Request("POST", f"{base}/fine_tuning/jobs", body, costs_money=True))

    def body(self, spec: JobSpec, files: Mapping[str, str]) -> dict[str, Json]:
        """Return the body of the request that creates the job."""
        chosen = spec.hyperparameters
        settings: dict[str, Json] = {
            "n_epochs": chosen.epochs,
            "batch_size": chosen.batch_size,
            "learning_rate_multiplier": chosen.learning_rate_multiplier,
            "beta": chosen.dpo_beta,
        }
        kind = "dpo" if spec.objective is Objective.DPO else "supervised"
        inner: dict[str, Json] = {"hyperparameters": {k: v for k, v in settings.items() if v is not None}}
        return {
            "model": spec.model,
            **files,
            "method": {"type": kind, kind: inner},
            "seed": chosen.seed,
            "suffix": str(spec.options.get("suffix", spec.run)),
            "metadata": {TAG: spec.run},
        }

    # The job

    def stored_bytes(self, name: str) -> int | None:
        files = self.client().files.with_raw_response
        return self.ask(lambda: files.retrieve(name), _size, about=About.FILE)

    def upload(self, spec: JobSpec, key: str, path: Path) -> Mapping[str, str]:
        return {key: upload(self, path)}

    def delete_file(self, name: str) -> None:
        client = self.client()
        self.ask(lambda: client.files.with_raw_response.delete(name), about=About.FILE)

    def create(self, spec: JobSpec, job: Job, save: Save) -> Job:
        body, more = self.body(spec, files_of(job)), self.extra_body(spec)
        once = self.client().fine_tuning.jobs.with_raw_response

        waits = list(_NOT_READY_WAITS_S)
        while True:
            try:
                created = self.ask(
                    lambda: once.create(**body, extra_body=more),
                    lambda found: snapshot(job, job_reply(found)),
                    about=About.FILE,
                    paid=True,
                )
            except FileNotReady:
                if not waits:
                    raise
                self.sleep(waits.pop(0))
            else:
                return self.compared(created)

    def find(self, spec: JobSpec) -> Job | None:
        # Hosts that do not filter list everything, so the tag is compared here as well.
        jobs, tag = self.client().fine_tuning.jobs.with_raw_response, {TAG: spec.run}
        wanted = {"limit": 100, **({"metadata": tag} if self.filters_by_tag else {})}
        listed = self.pages(lambda at: jobs.list(**wanted, **({"after": at} if at else {})), job_page, most=_MOST_PAGES)
        tagged = [reply for reply in listed if reply.carries(spec.run) and same_model(spec.model, reply.model)]
        return self.ours(spec, [self.compared(snapshot(self.unsent(spec), reply)) for reply in tagged])

    def refresh(self, job: Job) -> Job:
        jobs, job_id = self.client().fine_tuning.jobs.with_raw_response, id_of(job)

        def read(found: Any) -> tuple[Job, bool]:
            reply = job_reply(found)
            return self.compared(snapshot(job, reply)), reply.total_steps is not None

        fresh, counted = self.ask(lambda: jobs.retrieve(job_id), read, about=About.JOB)
        if fresh.status in (JobStatus.RUNNING, JobStatus.SUCCEEDED) and not counted:
            return self._with_steps(fresh)
        return fresh

    def cancel(self, job: Job) -> Job:
        fresh = self.refresh(job)
        return fresh if fresh.status.finished else self._act(job, "cancel")

    def pause(self, job: Job) -> Job:
        """Ask the provider to pause the job. Raises SpecRefused when it is in no state for that."""
        return self._act(job, "pause")

    def resume(self, job: Job) -> Job:
        """Ask the provider to go on with a paused job. Raises SpecRefused when it is not paused."""
        return self._act(job, "resume")

    def events(self, job: Job, after: str | None = None) -> Iterator[JobEvent]:
        jobs, job_id = self.client().fine_tuning.jobs.with_raw_response, id_of(job)
        newest_first = self.pages(
            lambda at: jobs.list_events(job_id, limit=100, **({"after": at} if at else {})),
            event_page,
            about=About.JOB,
            most=_MOST_PAGES,
        )
        fresh = [job_event(row) for row in takewhile(lambda row: row["id"] != after, newest_first)]
        yield from reversed(fresh)

    def metrics(self, job: Job) -> tuple[Mapping[str, float], ...]:
        files = self.client().files
        results = [name for name in job.extra.get("result_files", "").split(",") if name]
        if not results:
            return super().metrics(job)
        return self.ask(lambda: files.content(results[0]), metric_rows, about=About.FILE)

    def checkpoints(self, job: Job) -> tuple[Checkpoint, ...]:
        """Return the checkpoints the provider kept, newest first; the first is the final model."""
        kept, job_id = self.client().fine_tuning.jobs.checkpoints.with_raw_response, id_of(job)
        return tuple(
            self.pages(lambda at: kept.list(job_id, **({"after": at} if at else {})), checkpoint_page, about=About.JOB)
        )

    # The model

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
        return self._answered(model, messages, tools, max_tokens=max_tokens, temperature=temperature, seed=seed)

    def stream(
        self, model: str, messages: Sequence[Message], heard: Heard, *, max_tokens: int = 512, temperature: float = 0.0
    ) -> Completion:
        return self._answered(model, messages, (), max_tokens=max_tokens, temperature=temperature, heard=heard)

    # The parts of the above, in order of use

    def _answered(
        self,
        model: str,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Json]],
        *,
        max_tokens: int,
        temperature: float,
        seed: int | None = None,
        heard: Heard | None = None,
    ) -> Completion:
        """Ask without the settings that the model refuses, which are learned from its first refusal."""
        refused = self._refused_settings.get(model, frozenset())
        wanted: dict[str, Json] = {self.answer_limit: max_tokens, "temperature": temperature, "seed": seed}
        settings = {name: value for name, value in wanted.items() if name not in refused}
        try:
            return chat(self, model, messages, tools, settings, heard=heard)
        except SpecRefused as error:
            # Reasoning models take no temperature or seed; which ones, only the provider knows.
            unsupported = {name for name in ("temperature", "seed") if name in settings and f"'{name}'" in str(error)}
            if not unsupported:
                raise
            self._refused_settings[model] = refused | unsupported
        return self._answered(
            model, messages, tools, max_tokens=max_tokens, temperature=temperature, seed=seed, heard=heard
        )

    def _act(self, job: Job, verb: str) -> Job:
        jobs, job_id = self.client().fine_tuning.jobs.with_raw_response, id_of(job)
        return self.compared(
            self.ask(
                lambda: getattr(jobs, verb)(job_id), lambda found: snapshot(job, job_reply(found)), about=About.JOB
            )
        )

    def _with_steps(self, job: Job) -> Job:
        """Return the job with the step its newest events name; events that cannot be read leave it as it is."""
        jobs, job_id = self.client().fine_tuning.jobs.with_raw_response, id_of(job)
        try:
            newest = self.ask(lambda: jobs.list_events(job_id, limit=20), lambda found: rows(content(found)))
        except BackendError:
            return job
        for event in newest:
            data = numbers(event.get("data"))
            done, total = count(data.get("step")), count(data.get("total_steps"))
            if done is not None:
                return replace(job, steps_done=done, steps_total=total)
        return job


def _size(stored: Any) -> int | None:
    return count(content(stored).get("bytes"))


def _environment_url() -> str:
    return os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
