"""Hugging Face Jobs: our own trainer on a machine rented by the minute; data, checkpoints and model in private storage.

Traps: a job without a timeout ends after 30 minutes; with one, price times timeout is the most it can cost. No free
machine shows as a long wait, or as a 500 to the request. A log has no end while its job runs.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from backends._base import Job, JobEvent, JobSpec, JobStatus, Request, Save
from backends._errors import BackendError, FileRejected, OutcomeUnknown, SpecRefused
from backends._files import content_hash, files_of
from backends._hosted import DOWNLOAD_S, behind, id_of, later, tuned_of
from backends._provider import Provider
from backends._refusals import About, HttpRefusal, Refusal
from backends._rented import Log, Rented, read_log, shipped
from backends._replies import content, stumbling
from backends._serving import Rate
from backends.huggingface.connection import QUIET_S, Line, endpoint, refusal
from backends.huggingface.replies import RUN_LABEL, data_name, labels_of, page, rates, snapshot
from backends.huggingface.request import BUCKET, DATA_REPOSITORY, MODEL, body, minutes_of

T = TypeVar("T")


class HuggingFaceBackend(Rented[Line]):
    """Hugging Face Jobs through its SDK and its own HTTP API."""

    name: ClassVar[str] = "huggingface"
    provider: ClassVar[Provider] = Provider(
        "huggingface", "Hugging Face", "HF_TOKEN", "huggingface_hub", "HF_ENDPOINT",
        "https://huggingface.co", extra="hf",
    )  # fmt: skip
    option_names: ClassVar[frozenset[str]] = Rented.option_names | {"namespace"}

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._user: str | None = None

    def connect(self) -> Line:
        return Line(self.key(), self.patience_s)

    def read_error(self, error: Exception) -> Refusal | None:
        response = getattr(error, "response", None)
        if response is not None and not isinstance(error, HttpRefusal) and hasattr(response, "status_code"):
            return super().read_error(refusal(response))
        return super().read_error(error)

    # Before the job

    def preflight(self, spec: JobSpec) -> tuple[str, ...]:
        warnings = super().preflight(spec)
        minutes = minutes_of(spec)
        usd = self._rate(spec).usd_per_hour / 60 * minutes
        return (
            *warnings,
            f"The machine is taken away after {minutes} minutes at the latest, so that this costs ${usd:.2f} at most; "
            "what was trained until then is kept.",
        )

    def machines(self) -> tuple[Rate, ...]:
        line = self.client()
        return self.ask(lambda: line.get("/api/jobs/hardware"), lambda reply: rates(reply.json()))

    def requests(self, spec: JobSpec) -> tuple[Request, ...]:
        self.check(spec)
        base = endpoint()
        owner = str(spec.options.get("namespace") or "(you)")
        paths = {"training_file": spec.train_file, "validation_file": spec.validation_file}
        names = {key: data_name(content_hash(path)) for key, path in paths.items() if path is not None}
        repository = f"{base}/api/datasets/{owner}/{DATA_REPOSITORY}/commit/main"
        files = (*names.values(), *(name for name, _ in shipped(spec.method)))
        return (
            *(Request("POST", repository, {"file": name}) for name in files),
            Request("POST", f"{base}/api/buckets/{owner}/{BUCKET}", {"visibility": "private"}),
            Request(
                "POST",
                f"{base}/api/jobs/{owner}",
                body(spec, self.trainer_config(spec, names), owner, names, {"HF_TOKEN": "(your HF_TOKEN)"}),
                costs_money=True,
            ),
        )

    # The job

    def stored_bytes(self, name: str) -> int | None:
        line, path = self.client(), f"/datasets/{self._repository()}/resolve/main/{name}"
        return self.ask(lambda: line.stored_bytes(path), about=About.FILE)

    def upload(self, spec: JobSpec, key: str, path: Path) -> Mapping[str, str]:
        name = data_name(content_hash(path))
        self._put(name, path, path.stat().st_size)
        return {key: name, "namespace": self._owner(spec)}

    def delete_file(self, name: str) -> None:
        repository = self._repository()
        self.ask_sdk(
            lambda line: line.sdk.delete_file(name, repository, repo_type="dataset", commit_message="Delete a file"),
            about=About.FILE,
        )

    def delete_uploads(self, job: Job) -> tuple[str, ...]:
        self._user = job.extra.get("namespace") or self._user
        return super().delete_uploads(job)

    def create(self, spec: JobSpec, job: Job, save: Save) -> Job:
        """As described in Hosted; ``extra["provider_quote_usd"]`` is the most that it can cost."""
        line, owner = self.client(), self._owner(spec)
        for name, found in shipped(spec.method):
            self._put(name, found, len(found))
        self.ask_sdk(lambda line: line.sdk.create_bucket(f"{owner}/{BUCKET}", visibility="private", exist_ok=True))
        hourly = self._rate(spec).usd_per_hour
        extra = {
            **job.extra,
            "namespace": owner,
            "usd_per_minute": f"{(hourly / 60).normalize():f}",
            "provider_quote_usd": f"{(hourly / 60 * minutes_of(spec)).quantize(Decimal('0.01')):f}",
        }
        if job.id is None:
            job = replace(job, extra=extra)
            save(job)
        else:  # it goes on: what its machines have cost so far counts
            before = "" if job.billed_usd is None else f"{job.billed_usd:f}"
            job = replace(job, extra={**extra, "billed_before_usd": before})
        names = files_of(job)
        asked = body(spec, self.trainer_config(spec, names), owner, names, {"HF_TOKEN": self.key()})
        try:
            return self.ask(
                lambda: line.post(f"/api/jobs/{owner}", asked),
                lambda reply: self._tuned(snapshot(job, content(reply))),
                paid=True,
            )
        except OutcomeUnknown as error:
            raise OutcomeUnknown(
                f"{error} Hugging Face also answers 500 where no {spec.options['machine']} is free; then choose "
                "another -o machine=NAME."
            ) from None

    def find(self, spec: JobSpec) -> Job | None:
        line, path, unsent = self.client(), f"/api/jobs/{self._owner(spec)}", self.unsent(spec)

        def read_page(reply: Any) -> tuple[list[Job], str | None]:
            tagged = [row for row in page(reply.json()) if labels_of(row).get(RUN_LABEL) == spec.run]
            return [self._tuned(snapshot(unsent, row)) for row in tagged], line.next_page(reply)

        first = {"label": f"{RUN_LABEL}={spec.run}"}
        return self.ours(spec, self.pages(lambda at: line.get(at) if at else line.get(path, **first), read_page))

    def unsent(self, spec: JobSpec) -> Job:
        job = super().unsent(spec)
        return replace(job, extra={**job.extra, "namespace": self._owner(spec)})

    def refresh(self, job: Job) -> Job:
        line, path = self.client(), self._path(job)
        fresh = self.ask(
            lambda: line.get(path),
            lambda reply: later(job, self._tuned(snapshot(job, content(reply)))),
            about=About.JOB,
        )
        if fresh.status is JobStatus.QUEUED:
            return fresh
        try:
            log = self._log(fresh, again=False)
        except BackendError:  # how it stands is known without
            return fresh
        told = log.on(fresh)
        reason = log.state.get("error")
        if told.status is JobStatus.FAILED:
            said = str(reason or told.error or "It does not say why.")
            stop = "" if said.endswith(".") else "."
            told = replace(
                told, error=f"{said}{stop} 'tunewise launch --resume {job.run}' goes on from its last checkpoint."
            )
        return told

    def cancel(self, job: Job) -> Job:
        fresh = self.refresh(job)
        if fresh.status.finished:
            return fresh
        line, path = self.client(), self._path(job)
        self.ask(lambda: line.post(f"{path}/cancel", {}), about=About.JOB)
        return self.refresh(job)

    def events(self, job: Job, after: str | None = None) -> Iterator[JobEvent]:
        """Yield what the trainer says in the job's log, of the run's present machine."""
        yield from behind(self._log(job).events, after)

    def fetch(self, model: str) -> str:
        """Bring a run's model into the hub's own cache on this machine."""
        return self._snapshot(model) if model.rsplit("/", 1)[-1].startswith(MODEL) else model

    def download(self, job: Job, folder: Path) -> Path:
        shutil.copytree(self._snapshot(tuned_of(job)), folder, dirs_exist_ok=True)
        return folder

    def delete_model(self, job: Job) -> None:
        """Delete the model's repository on the hub."""
        name = tuned_of(job)
        self.ask_sdk(lambda line: line.sdk.delete_repo(name), about=About.MODEL)

    # The account

    def account(self) -> str:
        """Return the name of the account whose key this is."""
        line = self.client()
        self._user = self.ask(lambda: line.get("/api/whoami-v2"), lambda reply: str(content(reply)["name"]))
        return self._user

    def ask_sdk(self, work: Callable[[Line], T], *, about: About = About.OTHER, within_s: float | None = None) -> T:
        """Ask through the vendor's SDK; the ways in which it stumbles over a reply are a reply nobody can read."""
        line = self.client()

        def send() -> T:
            with stumbling("it is not what the hub's package expects"):
                return work(line)

        return self.ask(send, about=about, within_s=within_s)

    # The parts of the above, in order of use

    def _rate(self, spec: JobSpec) -> Rate:
        found = {rate.id: rate for rate in self.machines()}
        asked = str(spec.options["machine"])
        if asked not in found:
            raise SpecRefused(f"Hugging Face rents out no machine '{asked}'; choose one of: {', '.join(found)}.")
        return found[asked]

    def _tuned(self, job: Job) -> Job:
        done = job.status is JobStatus.SUCCEEDED
        name = f"{job.extra['namespace']}/{MODEL}{job.run}" if done else None
        return replace(job, tuned_model=name)

    def _owner(self, spec: JobSpec) -> str:
        """Return whose account pays and keeps the files: the option's, else the token's own."""
        asked = spec.options.get("namespace")
        if isinstance(asked, str):
            self._user = asked
        return self._user or self.account()

    def _repository(self) -> str:
        assert self._user is not None  # every way to a file begins with the run's owner
        return f"{self._user}/{DATA_REPOSITORY}"

    def _put(self, name: str, what: Path | bytes, size: int) -> None:
        """Bring a file into the private data repository, unless it is there in full. A file's name is its content."""
        if self._holds(name, size):
            return
        repository = self._repository()
        self.ask_sdk(lambda line: line.sdk.create_repo(repository, repo_type="dataset", private=True, exist_ok=True))
        self.ask_sdk(
            lambda line: line.sdk.upload_file(
                path_or_fileobj=what,
                path_in_repo=name,
                repo_id=repository,
                repo_type="dataset",
                commit_message="Add a file",
            ),
            about=About.FILE,
            within_s=self.upload_s(size),
        )
        if not isinstance(what, Path) and not self._holds(name, size):
            raise FileRejected(f"{name} did not arrive at Hugging Face in full. Nothing was spent; try again.")

    def _snapshot(self, model: str) -> str:
        return self.ask_sdk(lambda line: line.snapshot(model), about=About.MODEL, within_s=DOWNLOAD_S)

    def _path(self, job: Job) -> str:
        owner = job.extra.get("namespace") or self._user or self.account()
        return f"/api/jobs/{owner}/{id_of(job)}"

    def _log(self, job: Job, *, again: bool = True) -> Log:
        line, path = self.client(), f"{self._path(job)}/logs"
        quiet = min(QUIET_S, self.patience_s)
        return self.ask(
            lambda: line.log(path, quiet), lambda lines: read_log(lines, id_of(job)), about=About.JOB, again=again
        )


BACKEND = HuggingFaceBackend
