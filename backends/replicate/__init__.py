"""Replicate: bring your own trainer, ``owner/name:version``; trainable or not is read from what the version declares.

Traps, all measured: the SDK's types refuse the status ``aborted`` and any new one, and drop the metrics that say what
is billed, so that trainings are read without it; a training carries no name or metadata, so that our tag is the address
of the file that was uploaded for the run; the SDK sleeps through up to ten retries of a GET.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from backends._base import Completion, Job, JobEvent, JobSpec, Json, Message, Objective, Request, Save
from backends._errors import AccessClosed, AuthenticationFailed, ModelNotTunable, SpecRefused
from backends._files import content_hash
from backends._hosted import Hosted, behind, id_of
from backends._hyperparameters import stated
from backends._provider import Provider
from backends._refusals import About
from backends._replies import count
from backends._rows import RowFormat
from backends.replicate.http import Line, base_url
from backends.replicate.inputs import (
    check_inputs,
    declared_inputs,
    file_input,
    hyperparameter_inputs,
    prompt_inputs,
    trainer,
)
from backends.replicate.replies import (
    TrainingReply,
    address,
    completion,
    file_id,
    log_events,
    metadata,
    page,
    snapshot,
    username,
)

_TAG = "tunewise_run"  # in the metadata of the uploaded file
_ANSWER_WAITS_S = (0.2, 0.5, *[1.0] * 300)  # a cold model takes minutes to start


class ReplicateBackend(Hosted[Line]):
    """Replicate's trainings API. The trainer decides which settings exist; a name it does not declare is refused."""

    name: ClassVar[str] = "replicate"
    provider: ClassVar[Provider] = Provider(
        "replicate", "Replicate", "REPLICATE_API_TOKEN", "replicate", "REPLICATE_BASE_URL", "https://api.replicate.com"
    )
    advised: ClassVar[frozenset[str]] = frozenset()  # a trainer of one's own names its inputs itself
    brings_model: ClassVar[bool] = True
    objectives: ClassVar[frozenset[Objective]] = frozenset({Objective.SFT})
    rows: ClassVar[RowFormat] = RowFormat(form="prompt")
    validates: ClassVar[frozenset[Objective]] = frozenset()
    settings: ClassVar[frozenset[str]] = frozenset(
        {"epochs", "batch_size", "learning_rate", "warmup_ratio", "weight_decay"}
        | {"lora_rank", "lora_alpha", "lora_dropout", "max_seq_length", "packing"}
    )
    option_names: ClassVar[frozenset[str]] = frozenset({"destination", "inputs", "hardware", "file_input"})
    file_suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".zip", ".tar", ".csv", ".txt", ".parquet")
    most_bytes: ClassVar[int] = 100_000_000  # the API's own refusal: "Files must be less than 100MB in size"

    def connect(self) -> Line:
        return Line(self.key(), self.patience_s)

    # Before the job

    def check(self, spec: JobSpec) -> None:
        super().check(spec)
        trainer(spec.model)
        if spec.validation_file is not None:
            raise SpecRefused("Replicate takes no validation file; leave it out, or use an input of the trainer.")
        if not isinstance(spec.options.get("inputs", {}), dict):
            raise SpecRefused(
                'The option \'inputs\' holds the trainer\'s inputs by name, such as {"trigger_word": "TOK"}.'
            )
        destination = spec.options.get("destination", "me/model")
        if not isinstance(destination, str) or destination.count("/") != 1:
            raise SpecRefused("The option 'destination' must be the model to write to, as owner/name.")

    def preflight(self, spec: JobSpec) -> tuple[str, ...]:
        warnings = super().preflight(spec)
        declared = self._declared(spec)
        self._inputs(spec, declared, "https://example.com/data")
        destination = self._destination(spec)
        try:
            self._get(f"/v1/models/{destination}", About.MODEL)
        except ModelNotTunable:
            return (
                *warnings,
                f"The destination {destination} does not exist yet and will be created, private.",
            )
        return (
            *warnings,
            f"The destination {destination} exists; training adds a version to it.",
        )

    def requests(self, spec: JobSpec) -> tuple[Request, ...]:
        self.check(spec)
        base, (owner, name, version) = base_url() + "/v1", trainer(spec.model)
        destination = str(spec.options.get("destination", f"(your account)/{spec.run}"))
        # Only the trainer's version says what its inputs are called, and reading it would be a request.
        settings = {
            f"(its input for {name})": getattr(spec.hyperparameters, name) for name in stated(spec.hyperparameters)
        }
        inputs: dict[str, Json] = {
            **settings,
            **self._chosen(spec),
            "(its input for a file)": "(address of the upload)",
        }
        return (
            Request("POST", f"{base}/files", {"content": str(spec.train_file), "metadata": {_TAG: spec.run}}),
            Request("POST", f"{base}/models", self._new_model(spec, destination)),
            Request(
                "POST",
                f"{base}/models/{owner}/{name}/versions/{version}/trainings",
                {"destination": destination, "input": inputs},
                costs_money=True,
            ),
        )

    # The job

    def stored_bytes(self, name: str) -> int | None:
        return count(self._get(f"/v1/files/{name}", About.FILE).get("size"))

    def upload(self, spec: JobSpec, key: str, path: Path) -> Mapping[str, str]:
        """Upload the file for this run alone: its address is what the training is recognised by."""
        digest = content_hash(path)
        for row in self._uploads_of(spec.run):  # one that has expired since is not among them
            if metadata(row).get("sha256") == digest:
                return {key: str(row.get("id")), "training_url": address(row)}
        line, tags = self.client(), {_TAG: spec.run, "sha256": digest}
        return self.ask(
            lambda: line.upload(path, tags),
            lambda stored: {key: file_id(stored), "training_url": address(stored)},
            about=About.FILE,
            within_s=self.upload_s(path.stat().st_size),
        )

    def delete_file(self, name: str) -> None:
        line = self.client()
        self.ask(lambda: line.send("DELETE", f"/v1/files/{name}"), about=About.FILE)

    def create(self, spec: JobSpec, job: Job, save: Save) -> Job:
        owner, name, version = trainer(spec.model)
        inputs: Json = self._inputs(spec, self._declared(spec), job.extra["training_url"])
        destination = self._destination(spec)
        self._make_destination(spec, destination)
        job = replace(job, extra={**job.extra, "destination": destination})
        body: dict[str, Json] = {"destination": destination, "input": inputs}
        path, line = f"/v1/models/{owner}/{name}/versions/{version}/trainings", self.client()
        return self.ask(
            lambda: line.send("POST", path, body),
            lambda found: snapshot(job, TrainingReply.model_validate(found)),
            about=About.MODEL,
            paid=True,
        )

    def find(self, spec: JobSpec) -> Job | None:
        """Look the training up by the file that only this run uploaded, or by what it wrote to a model of its own."""
        return self._among_trainings(spec, {})

    def known(self, spec: JobSpec, resume: Job | None) -> Job | None:
        kept = resume.extra if resume is not None else {}
        address = kept.get("training_url")  # still says whose the training is when the file has expired
        return self._among_trainings(spec, {address: kept["training_file"]} if address else {})

    def refresh(self, job: Job) -> Job:
        return self._training(job, "GET")

    def cancel(self, job: Job) -> Job:
        fresh = self.refresh(job)
        if fresh.status.finished:
            return fresh
        return self._training(fresh, "POST", "/cancel")

    def events(self, job: Job, after: str | None = None) -> Iterator[JobEvent]:
        line, job_id = self.client(), id_of(job)
        found = self.ask(
            lambda: line.send("GET", f"/v1/trainings/{job_id}"),
            lambda reply: list(log_events(TrainingReply.model_validate(reply))),
            about=About.JOB,
        )
        yield from behind(found, after)

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
        """Ask ``owner/name:version`` by a prediction; its inputs are read from what the version declares."""
        if tools:
            raise SpecRefused("Models on Replicate take a prompt and no tools; ask without them.")
        owner, name, version = trainer(model)
        declared = declared_inputs(self._version(owner, name, version), "Input") or {}
        if "prompt" not in declared:
            raise ModelNotTunable(f"{model} takes no text prompt; its inputs are: {', '.join(sorted(declared))}.")
        inputs = prompt_inputs(messages, declared, max_tokens, temperature, seed)
        start = time.perf_counter()
        body: dict[str, Json] = {"version": version, "input": inputs}
        line = self.client()
        found: dict[str, object] = self.ask(
            lambda: line.send("POST", "/v1/predictions", body), about=About.MODEL, again=False
        )
        for wait in _ANSWER_WAITS_S:
            if found.get("status") not in ("starting", "processing"):
                break
            self.sleep(wait)
            found = self._get(f"/v1/predictions/{found.get('id')}", About.MODEL)
        return completion(found, (time.perf_counter() - start) * 1000)

    # The parts of the above, in order of use

    def _among_trainings(self, spec: JobSpec, kept: Mapping[str, str]) -> Job | None:
        uploads = {**kept, **{address(row): str(row.get("id")) for row in self._uploads_of(spec.run)}}
        destination = self._destination(spec)
        own = f"{destination}:" if "destination" not in spec.options else None  # a chosen one other runs write to too
        tagged = []
        for row in self._rows("/v1/trainings"):
            if not isinstance(row.get("id"), str):
                continue
            reply = TrainingReply.model_validate(row)
            written = (reply.output.version or "") if reply.output else ""
            inputs = (reply.input or {}).values()
            addresses = [value for value in inputs if isinstance(value, str) and value in uploads]
            if addresses or (own is not None and written.startswith(own)):
                extra = {"destination": destination}
                if addresses:
                    extra |= {"training_file": uploads[addresses[0]], "training_url": addresses[0]}
                blank = self.unsent(spec)
                tagged.append(snapshot(replace(blank, extra={**blank.extra, **extra}), reply))
        return self.ours(spec, tagged)

    def _get(self, path: str, about: About = About.OTHER) -> dict[str, object]:
        line = self.client()
        return self.ask(lambda: line.send("GET", path), about=about)

    def _rows(self, path: str) -> list[dict[str, object]]:
        line = self.client()
        return list(self.pages(lambda at: line.send("GET", at or path), page))

    def _training(self, job: Job, method: str, verb: str = "") -> Job:
        line, path = self.client(), f"/v1/trainings/{id_of(job)}{verb}"
        return self.ask(
            lambda: line.send(method, path),
            lambda found: snapshot(job, TrainingReply.model_validate(found)),
            about=About.JOB,
        )

    def _version(self, owner: str, name: str, version: str) -> dict[str, object]:
        return self._get(f"/v1/models/{owner}/{name}/versions/{version}", About.MODEL)

    def _declared(self, spec: JobSpec) -> Mapping[str, Mapping[str, Json]]:
        declared = declared_inputs(self._version(*trainer(spec.model)), "TrainingInput")
        if declared is None:
            raise ModelNotTunable(
                f"{spec.model} cannot be trained: this version declares no training inputs. Replicate's public "
                "trainers of language models are gone; bring your own trainer, or train elsewhere ('tunewise plan')."
            )
        return declared

    def _chosen(self, spec: JobSpec) -> dict[str, Json]:
        chosen = spec.options.get("inputs", {})
        return dict(chosen) if isinstance(chosen, dict) else {}

    def _inputs(self, spec: JobSpec, declared: Mapping[str, Mapping[str, Json]], url: str) -> dict[str, Json]:
        where = spec.options.get("file_input") or file_input(declared)
        inputs = {**hyperparameter_inputs(spec.hyperparameters, declared), **self._chosen(spec), str(where): url}
        check_inputs(inputs, declared)
        return inputs

    def _destination(self, spec: JobSpec) -> str:
        """Return the model to write to; by default one of its own for this run, which makes it unmistakable."""
        chosen = spec.options.get("destination")
        if chosen:
            return str(chosen)
        line = self.client()
        return f"{self.ask(lambda: line.send('GET', '/v1/account'), username)}/{spec.run}"

    def _new_model(self, spec: JobSpec, destination: str) -> dict[str, Json]:
        owner, name = destination.split("/")
        hardware = str(spec.options.get("hardware", "cpu"))
        return {"owner": owner, "name": name, "visibility": "private", "hardware": hardware}

    def _make_destination(self, spec: JobSpec, destination: str) -> None:
        try:
            self._get(f"/v1/models/{destination}", About.MODEL)
            return
        except ModelNotTunable:
            pass
        line, new = self.client(), self._new_model(spec, destination)
        try:
            self.ask(lambda: line.send("POST", "/v1/models", new))
        except (AuthenticationFailed, AccessClosed, SpecRefused) as error:
            raise SpecRefused(
                f"The destination {destination} cannot be written with this token: {error} Set the option "
                "'destination' to a model of your own account, as owner/name."
            ) from None

    def _uploads_of(self, run: str) -> list[dict[str, object]]:
        """Return the files uploaded for ``run``, newest first."""
        return [row for row in self._rows("/v1/files") if metadata(row).get(_TAG) == run and address(row)]


BACKEND = ReplicateBackend
