"""The fine-tuning protocol of OpenAI's API, which several hosts speak: files, jobs, events, checkpoints, chat.

Traps, all measured: a healthy job carries ``error: {}``; ``validating_files`` is not an end; events come newest first;
result files may be base64 of the CSV; the SDK repeats a POST after a 5xx without any idempotency key.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from backends._base import Completion, Job, JobEvent, JobSpec, JobStatus, Json, Message, Objective, Request, Save
from backends._errors import SpecRefused
from backends._files import files_of, placeholders
from backends._hosted import Checkpoint, Hosted, id_of, within
from backends._openai.chat import chat
from backends._openai.files import stored_name, upload
from backends._openai.replies import job_event, job_reply, metric_rows, numbers, snapshot
from backends._refusals import About, FileNotReady

if TYPE_CHECKING:
    from openai import OpenAI

TAG = "tunewise_run"  # the metadata key that holds our run id
_NEWEST_JOBS = 1000  # looked through for a tag where the host does not filter
_NOT_READY_WAITS_S = (2, 5, 10, 20, 30)


class OpenAIProtocol(Hosted["OpenAI"]):
    """A host that speaks OpenAI's fine-tuning API; a subclass names it."""

    package: ClassVar[str] = "openai"
    settings: ClassVar[frozenset[str]] = frozenset({"epochs", "batch_size", "learning_rate_multiplier", "dpo_beta"})
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

        return openai.OpenAI(
            api_key=self.key(),
            base_url=self.base_url(),
            default_headers=self.headers(),
            max_retries=self.retries,
            timeout=self.patience_s,
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
            raise SpecRefused("The option 'suffix' is a text of 1 to 64 characters.")

    def preflight(self, spec: JobSpec) -> tuple[str, ...]:
        self.check(spec)
        client = self.client()
        model = self.ask(lambda: client.models.retrieve(spec.model), about=About.MODEL)
        day = getattr(model, "shutdown_date", None)
        if day is None:
            return ()
        return (f"{spec.model} shuts down on {day}, and every model tuned from it with it.",)

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
        client = self.client()
        size: int | None = self.ask(lambda: client.files.retrieve(name).bytes, about=About.FILE)
        return size

    def upload(self, spec: JobSpec, key: str, path: Path) -> Mapping[str, str]:
        client = self.client()
        return {key: self.ask(lambda: upload(client, path), about=About.FILE)}

    def delete_file(self, name: str) -> None:
        client = self.client()
        self.ask(lambda: client.files.delete(name), about=About.FILE)

    def create(self, spec: JobSpec, job: Job, save: Save) -> Job:
        body, more = self.body(spec, files_of(job)), self.extra_body(spec)
        once = self.client().with_options(max_retries=0).fine_tuning.jobs
        waits = list(_NOT_READY_WAITS_S)
        while True:
            try:
                reply = self.ask(lambda: job_reply(once.create(**body, extra_body=more)), about=About.FILE, paid=True)
            except FileNotReady:
                if not waits:
                    raise
                self.sleep(waits.pop(0))
            else:
                return self.compared(snapshot(job, reply))

    def find(self, spec: JobSpec) -> Job | None:
        client, tag = self.client(), {TAG: spec.run}

        def look() -> Job | None:
            # Hosts that do not filter list everything, so the tag is compared here as well.
            newest = client.fine_tuning.jobs.list(limit=100, **({"metadata": tag} if self.filters_by_tag else {}))
            for found in islice(newest, _NEWEST_JOBS):
                reply = job_reply(found)
                named = reply.user_provided_suffix or reply.suffix
                if (reply.metadata or {}).get(TAG) == spec.run or (not reply.metadata and named == spec.run):
                    return self.compared(snapshot(self.unsent(spec), reply))
            return None

        return self.ask(look)

    def refresh(self, job: Job) -> Job:
        client = self.client()
        job_id = id_of(job)
        reply = self.ask(lambda: job_reply(client.fine_tuning.jobs.retrieve(job_id)), about=About.JOB)
        fresh = self.compared(snapshot(job, reply))
        if fresh.status in (JobStatus.RUNNING, JobStatus.SUCCEEDED) and reply.total_steps is None:
            for event in self.ask(lambda: client.fine_tuning.jobs.list_events(job_id, limit=20).data):
                data = numbers(getattr(event, "data", None))
                if "step" in data:
                    total = data.get("total_steps")
                    return replace(
                        fresh, steps_done=int(data["step"]), steps_total=None if total is None else int(total)
                    )
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
        client = self.client()

        def newest_first() -> list[JobEvent]:
            found: list[JobEvent] = []
            for event in client.fine_tuning.jobs.list_events(id_of(job), limit=100):
                if event.id == after:
                    break
                found.append(job_event(event))
            return found

        yield from reversed(self.ask(newest_first, about=About.JOB))

    def metrics(self, job: Job) -> tuple[Mapping[str, float], ...]:
        client = self.client()
        results = [name for name in job.extra.get("result_files", "").split(",") if name]
        if not results:
            return super().metrics(job)
        content = self.ask(lambda: client.files.content(results[0]).read(), about=About.FILE)
        return metric_rows(content)

    def checkpoints(self, job: Job) -> tuple[Checkpoint, ...]:
        """Return the checkpoints the provider kept, newest first; the first is the final model."""
        client = self.client()
        found = self.ask(lambda: list(client.fine_tuning.jobs.checkpoints.list(id_of(job))), about=About.JOB)
        return tuple(
            Checkpoint(c.fine_tuned_model_checkpoint, c.step_number, numbers(c.metrics.model_dump())) for c in found
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
        refused = self._refused_settings.get(model, frozenset())
        wanted: dict[str, Json] = {self.answer_limit: max_tokens, "temperature": temperature, "seed": seed}
        settings = {name: value for name, value in wanted.items() if name not in refused}
        try:
            return chat(self, model, messages, tools, settings)
        except SpecRefused as error:
            # Reasoning models take no temperature or seed; which ones, only the provider knows.
            unsupported = {name for name in ("temperature", "seed") if name in settings and f"'{name}'" in str(error)}
            if not unsupported:
                raise
            self._refused_settings[model] = refused | unsupported
        return self.complete(model, messages, tools=tools, max_tokens=max_tokens, temperature=temperature, seed=seed)

    # The parts of the above, in order of use

    def _act(self, job: Job, verb: str) -> Job:
        jobs, job_id = self.client().fine_tuning.jobs, id_of(job)
        reply = self.ask(lambda: job_reply(getattr(jobs, verb)(job_id)), about=About.JOB)
        return self.compared(snapshot(job, reply))


def _environment_url() -> str:
    return os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
