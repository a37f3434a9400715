"""Fireworks: LoRA and full fine-tuning of open models, supervised and by preference, answered on a rented machine.

Traps, from its description and from users: we choose every id, so that a doubt is one GET; a part of the rows is carved
out for evaluation unless that is refused; the flags of a model promise more than the create request keeps; a tune
answers only as model#deployment; a deployment that has answered is deleted only when the checks are ignored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from backends._base import Completion, Job, JobEvent, JobSpec, Json, Message, Method, Objective, Request, Save
from backends._errors import JobNotFound
from backends._files import content_hash, files_of
from backends._hosted import DOWNLOAD_S, id_of, tuned_of
from backends._hyperparameters import Hyperparameters
from backends._openai.chat import chat
from backends._provider import Provider
from backends._refusals import About, HttpRefusal
from backends._replies import content
from backends._rows import RowFormat
from backends._serving import Serving
from backends.fireworks import datasets, serving
from backends.fireworks.account import Account
from backends.fireworks.connection import Line, base_url
from backends.fireworks.names import dataset_id, job_id, resource
from backends.fireworks.preflight import preflight
from backends.fireworks.replies import JobReply, Money, addresses, job_events, job_reply, snapshot
from backends.fireworks.request import LARGEST_RANK, body, check_settings

_SUPERVISED, _PREFERENCES = "supervisedFineTuningJobs", "dpoJobs"


class FireworksBackend(Account):
    """Fireworks' managed fine-tuning through its SDK."""

    name: ClassVar[str] = "fireworks"
    provider: ClassVar[Provider] = Provider(
        "fireworks", "Fireworks", "FIREWORKS_API_KEY", "fireworks-ai", "FIREWORKS_BASE_URL",
        "https://api.fireworks.ai", extra="fireworks",
    )  # fmt: skip
    methods: ClassVar[frozenset[Method]] = frozenset({Method.LORA, Method.FULL})
    settings: ClassVar[frozenset[str]] = frozenset(
        {"epochs", "batch_size", "learning_rate", "weight_decay", "lora_rank", "max_seq_length", "dpo_beta"}
    )
    advised: ClassVar[frozenset[str]] = settings - {"batch_size"}  # by what fits its machines
    option_names: ClassVar[frozenset[str]] = frozenset({"carve_out_evaluation", "warmup_steps", "lr_scheduler"})
    validates: ClassVar[frozenset[Objective]] = frozenset({Objective.SFT})
    rows: ClassVar[RowFormat] = RowFormat(settings=frozenset({"weight"}), reasoning="reasoning_content")
    deploys_by: ClassVar[str] = "hour"
    gives_weights: ClassVar[bool] = True
    most_bytes: ClassVar[int] = 50_000_000_000

    def connect(self) -> Line:
        return Line(self.key(), self.patience_s)

    # Before the job

    def check(self, spec: JobSpec) -> None:
        super().check(spec)
        check_settings(spec)

    def preflight(self, spec: JobSpec) -> tuple[str, ...]:
        return (*super().preflight(spec), *preflight(self, spec))

    def fit_settings(self, chosen: Hyperparameters) -> Hyperparameters:
        rank = chosen.lora_rank
        return super().fit_settings(replace(chosen, lora_rank=None if rank is None else min(rank, LARGEST_RANK)))

    def choose(self, spec: JobSpec, examples: int, tokens: int) -> Hyperparameters:
        return replace(spec.hyperparameters, epochs=spec.hyperparameters.epochs or 1)

    def requests(self, spec: JobSpec) -> tuple[Request, ...]:
        self.check(spec)
        base = f"{base_url()}/v1/accounts/(your account)"
        paths = {"training_file": spec.train_file, "validation_file": spec.validation_file}
        ids = {key: dataset_id(content_hash(path)) for key, path in paths.items() if path is not None}
        shown: list[Request] = []
        for name in ids.values():
            shown.append(Request("POST", f"{base}/datasets", {"datasetId": name}))
            shown.append(Request("POST", f"{base}/datasets/{name}:upload", {"file": "(the file)"}))
        asked = body(spec, {key: f"accounts/(your account)/datasets/{name}" for key, name in ids.items()})
        kind, query = _kind(spec), _id_query(spec)
        if spec.objective is Objective.SFT:
            shown.append(Request("POST", f"{base}/{kind}:estimateCost", asked))
        return (*shown, Request("POST", f"{base}/{kind}?{query}={job_id(spec)}", asked, costs_money=True))

    # The job

    def comparable(self, spec: JobSpec) -> Hyperparameters:
        return replace(spec.hyperparameters, epochs=spec.hyperparameters.epochs or 1)

    def stored_bytes(self, name: str) -> int | None:
        return datasets.stored_bytes(self, name)

    def upload(self, spec: JobSpec, key: str, path: Path) -> Mapping[str, str]:
        return {key: datasets.upload(self, path)}

    def delete_file(self, name: str) -> None:
        datasets.delete(self, name)

    def create(self, spec: JobSpec, job: Job, save: Save) -> Job:
        """As described in Hosted.

        The provider's own price is in ``extra["provider_quote_usd"]`` of a snapshot that ``save`` is given before the
        paid request, where it has one: an exception raised there stops the launch.
        """
        line, path, name = self.client(), self.path(_kind(spec)), job_id(spec)
        files = {key: self.path("datasets", found).removeprefix("/v1/") for key, found in files_of(job).items()}
        asked = body(spec, files)
        if spec.objective is Objective.SFT:
            job = replace(job, extra={**job.extra, **self._quote(f"{path}:estimateCost", asked)})
        save(job)
        query: dict[str, Json] = {_id_query(spec): name}
        made = self.ask(
            lambda: line.post(path, asked, **query),
            lambda reply: snapshot(job, job_reply(reply, name)),
            about=About.FILE,
            paid=True,
        )
        return self.compared(made)

    def find(self, spec: JobSpec) -> Job | None:
        """Get the job by its id, which is the run."""
        unsent, name = self.unsent(spec), job_id(spec)
        try:
            return self.ours(spec, [self.compared(snapshot(unsent, self._get(_kind(spec), name)))])
        except JobNotFound:
            return None

    def unsent(self, spec: JobSpec) -> Job:
        job = super().unsent(spec)
        return replace(job, extra={**job.extra, "kind": _kind(spec)})

    def refresh(self, job: Job) -> Job:
        return self.compared(snapshot(job, self._reply(job)))

    def cancel(self, job: Job) -> Job:
        fresh = self.refresh(job)
        if fresh.status.finished or fresh.detail == "cancelling":
            return fresh
        self._act(job, "cancel")
        return self.refresh(job)

    def resume(self, job: Job) -> Job:
        """Ask the provider to go on with a job that it paused."""
        self._act(job, "resume")
        return self.refresh(job)

    def events(self, job: Job, after: str | None = None) -> Iterator[JobEvent]:
        """Yield the job's states as they are seen: Fireworks keeps no list of events and states no losses."""
        found = list(job_events(self._reply(job)))
        if changed := job.extra.get("changed_by_provider"):
            text = f"Fireworks trains with settings other than those asked for: {changed}"
            found.insert(1, JobEvent("changed-by-provider", found[0].time, "warning", text))
        ids = [event.id for event in found]
        seen = ids.index(after) if after in ids else len(found) - 2  # a state that has passed is gone from the list
        yield from found if after is None else found[seen + 1 :]

    def download(self, job: Job, folder: Path) -> Path:
        """Write the trained adapter's files into ``folder``; a half-written file never gets its name."""
        line, path = self.client(), f"/v1/{tuned_of(job)}"
        found = self.ask(lambda: line.get(f"{path}:getDownloadEndpoint"), addresses, about=About.MODEL)
        folder.mkdir(parents=True, exist_ok=True)
        for name, address in sorted(found.items()):
            part = folder / f"{Path(name).name}.part"
            self.ask(
                lambda address=address, part=part: _fetch(line, address, part),  # type: ignore[misc]
                about=About.FILE,
                within_s=DOWNLOAD_S,
            )
            part.replace(folder / Path(name).name)
        return folder

    def delete_model(self, job: Job) -> None:
        """Delete the tuned model there; its adapter cannot be downloaded afterwards."""
        line, path = self.client(), f"/v1/{tuned_of(job)}"
        self.ask(lambda: line.delete(path), about=About.MODEL)

    # The model

    def serve(self, job: Job, *, idle_minutes: int = 30) -> Serving:
        return serving.serve(self, job, idle_minutes)

    def stop(self, serving_: Serving) -> None:
        serving.stop(self, serving_)

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
        """Ask ``model``. A tuned model answers only as MODEL#DEPLOYMENT, while a deployment of it stands."""
        settings: dict[str, Json] = {"max_tokens": max_tokens, "temperature": temperature, "seed": seed}
        return chat(self, resource(model), messages, tools, settings, self.client().answers)

    # The parts of the above, in order of use

    def _quote(self, path: str, asked: Mapping[str, Json]) -> dict[str, str]:
        """Ask for the provider's own price."""
        line = self.client()
        usd = self.ask(
            lambda: line.post(path, asked),
            lambda reply: Money.of(content(reply).get("estimatedCost")).usd,
            about=About.FILE,
        )
        return {} if usd is None else {"provider_quote_usd": f"{usd:f}"}

    def _reply(self, job: Job) -> JobReply:
        return self._get(job.extra.get("kind", _SUPERVISED), id_of(job))

    def _get(self, kind: str, name: str) -> JobReply:
        line, path = self.client(), self.path(kind, name)
        return self.ask(lambda: line.get(path), lambda reply: job_reply(reply, name), about=About.JOB)

    def _act(self, job: Job, verb: str) -> None:
        line, path = self.client(), self.path(job.extra.get("kind", _SUPERVISED), id_of(job))
        self.ask(lambda: line.post(f"{path}:{verb}", {}), about=About.JOB)


def _kind(spec: JobSpec) -> str:
    return _PREFERENCES if spec.objective is Objective.DPO else _SUPERVISED


def _id_query(spec: JobSpec) -> str:
    return "dpoJobId" if spec.objective is Objective.DPO else "supervisedFineTuningJobId"


def _fetch(line: Line, address: str, part: Path) -> None:
    with line.store.stream("GET", address) as reply:
        if reply.status_code >= 300:
            raise HttpRefusal(reply.status_code, reply.headers, b"")
        with part.open("wb") as out:
            for piece in reply.iter_bytes():
                out.write(piece)


BACKEND = FireworksBackend
