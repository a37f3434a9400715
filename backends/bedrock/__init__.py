"""AWS Bedrock: tuning of Nova and Llama in a bucket and as a role of yours, answered by the token on demand.

Traps, from its description and from users: the id that can be tuned is not the id that answers; a job may stand still
before its training for days; no weights come out; keeping a tuned model costs by the month until it is deleted; the SDK
sends everything three times unless it is told not to.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from backends._base import Completion, Job, JobEvent, JobSpec, Json, Message, Objective, Request, Save
from backends._errors import AuthenticationFailed, FileRejected, JobNotFound, ModelNotTunable, SpecRefused
from backends._files import FILES, files_of
from backends._hosted import Hosted, behind, id_of, tuned_of
from backends._hyperparameters import Hyperparameters
from backends._provider import Provider
from backends._refusals import About, Refusal
from backends._replies import Unreadable, count, moment
from backends._rows import RowFormat
from backends._serving import Serving
from backends.bedrock import serving
from backends.bedrock.account import bucket_problem, lacking, role_problem
from backends.bedrock.connection import Line, address, chained, refusal_of
from backends.bedrock.losses import losses
from backends.bedrock.names import address_parts, bucket_of, object_key, output_prefix, region_of, role_of, with_names
from backends.bedrock.replies import JobReply, job_events, job_reply, snapshot
from backends.bedrock.request import EPOCHS, LEARNING_RATE, body, check_settings


class BedrockBackend(Hosted[Line]):
    """Bedrock's model customisation through boto3. The method is AWS's own; ``lora`` stands for it."""

    name: ClassVar[str] = "bedrock"
    provider: ClassVar[Provider] = Provider(
        "bedrock", "AWS Bedrock", "AWS_SECRET_ACCESS_KEY", "boto3", "AWS_ENDPOINT_URL_BEDROCK",
        "https://bedrock.us-east-1.amazonaws.com", extra="bedrock",
    )  # fmt: skip
    objectives: ClassVar[frozenset[Objective]] = frozenset({Objective.SFT})
    settings: ClassVar[frozenset[str]] = frozenset({"epochs", "learning_rate"})
    option_names: ClassVar[frozenset[str]] = frozenset({"bucket", "role", "region", "warmup_steps"})
    rows: ClassVar[RowFormat] = RowFormat(form="converse", settings=frozenset(), reasoning="dropped")
    validates: ClassVar[frozenset[Objective]] = frozenset({Objective.SFT})
    deploys_by: ClassVar[str] = "token"
    most_bytes: ClassVar[int] = 5_000_000_000  # of one request to the bucket

    # The connection

    def connect(self) -> Line:
        import boto3

        if not self._written_key():
            return Line(boto3.Session(), self.patience_s)
        name = os.environ.get("AWS_ACCESS_KEY_ID")
        if not name:
            raise AuthenticationFailed("AWS_ACCESS_KEY_ID, the name of the key, is missing beside its secret; set it.")
        session = boto3.Session(
            aws_access_key_id=name,
            aws_secret_access_key=self.key(),
            aws_session_token=os.environ.get("AWS_SESSION_TOKEN"),
        )
        return Line(session, self.patience_s)

    def key(self) -> str:
        """Return the secret key: of the environment, of the keyring, or what AWS's own chain of places has."""
        if self._written_key():
            return super().key()
        found = chained()
        if found is None:
            raise AuthenticationFailed(
                "There are no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run 'aws configure'."
            )
        return str(found.secret_key)

    def credentials(self) -> str | None:
        found = chained()
        return None if found is None else f"credentials by {found.method}"

    def lacks(self, *, offline: bool) -> tuple[str, str] | None:
        return lacking(self, offline=offline)

    def key_warnings(self) -> tuple[str, ...]:
        return super().key_warnings() if self._written_key() else ()

    def read_error(self, error: Exception) -> Refusal | None:
        return refusal_of(error) or super().read_error(error)

    # Before the job

    def check(self, spec: JobSpec) -> None:
        super().check(spec)
        check_settings(spec)

    def preflight(self, spec: JobSpec) -> tuple[str, ...]:
        warnings = super().preflight(spec)
        region, bucket, role = region_of(spec), bucket_of(spec), role_of(spec)
        self.key()
        _, ends = self._customised(spec)
        for problem in (bucket_problem(self, bucket, region), role_problem(self, role)):
            if problem is not None:
                raise SpecRefused(f"Bedrock cannot train: {problem}. 'tunewise doctor' prints what they need.")
        served = (
            ()
            if serving.is_on_demand(spec.model, region)
            else (
                f"A tune of {spec.model} in {region} is served by provisioned throughput only, at a high hourly price; "
                "Nova in us-east-1 and Llama 3.3 70B in us-west-2 are served by the token.",
            )
        )
        return (*warnings, *ends, *served, "A tuned model is stored, and billed by the month, until you delete it.")

    def fit_settings(self, chosen: Hyperparameters) -> Hyperparameters:
        epochs, rate = chosen.epochs, chosen.learning_rate
        return replace(
            super().fit_settings(chosen),
            epochs=None if epochs is None else min(epochs, EPOCHS[1]),
            learning_rate=None if rate is None else min(rate, LEARNING_RATE[1]),
        )

    def choose(self, spec: JobSpec, examples: int, tokens: int) -> Hyperparameters:
        return replace(spec.hyperparameters, epochs=spec.hyperparameters.epochs or 2)  # Nova's default

    def requests(self, spec: JobSpec) -> tuple[Request, ...]:
        self.check(spec)
        spec = with_names(spec)
        region, bucket = region_of(spec), bucket_of(spec)
        files = {
            key: f"s3://{bucket}/{object_key(path)}" for key, part in FILES if (path := getattr(spec, part)) is not None
        }
        store = address("s3", region)
        uploads = [
            Request("PUT", f"{store}/{bucket}/{address_parts(uri)[1]}", {"content": "(the file)"})
            for uri in files.values()
        ]
        asked = body(spec, f"{spec.model}(:the context that is tuned)", files)
        return (
            *uploads,
            Request("POST", f"{address('bedrock', region)}/model-customization-jobs", asked, costs_money=True),
        )

    # The job

    def stored_bytes(self, name: str) -> int | None:
        s3 = self.client().client("s3", region_of(None))
        bucket, key = address_parts(name)
        return self.ask(
            lambda: s3.head_object(Bucket=bucket, Key=key),
            lambda reply: count(reply.get("ContentLength")),
            about=About.FILE,
        )

    def upload(self, spec: JobSpec, key: str, path: Path) -> Mapping[str, str]:
        bucket, name = bucket_of(spec), object_key(path)
        uri, size = f"s3://{bucket}/{name}", path.stat().st_size
        if not self._lies_there(uri, size):
            s3 = self.client().client("s3", region_of(spec))
            with path.open("rb") as content:
                self.ask(
                    lambda: s3.put_object(Bucket=bucket, Key=name, Body=content, ContentLength=size),
                    about=About.FILE,
                    again=False,
                    within_s=self.upload_s(size),
                )
        return {key: uri}

    def delete_file(self, name: str) -> None:
        s3 = self.client().client("s3", region_of(None))
        bucket, key = address_parts(name)
        self.ask(lambda: s3.delete_object(Bucket=bucket, Key=key), about=About.FILE)

    def create(self, spec: JobSpec, job: Job, save: Save) -> Job:
        bedrock = self.client().client("bedrock", region_of(spec))
        model, _ = self._customised(spec)
        asked = body(spec, model, files_of(job))
        arn = self.ask(
            lambda: bedrock.create_model_customization_job(**asked),
            lambda reply: _arn(reply),
            about=About.FILE,
            paid=True,
        )
        return replace(job, id=spec.run, detail="sent", extra={**job.extra, "job_arn": arn})

    def find(self, spec: JobSpec) -> Job | None:
        """Get the job by its name, which is the run."""
        unsent = self.unsent(spec)
        try:
            reply = self._get(spec.run, region_of(spec))
        except JobNotFound:
            return None
        return self.ours(spec, [self.compared(snapshot(unsent, reply))])

    def unsent(self, spec: JobSpec) -> Job:
        job = super().unsent(spec)
        places = {"region": region_of(spec), "output": f"s3://{bucket_of(spec)}/{output_prefix(spec.run)}"}
        return replace(job, extra={**job.extra, **places})

    def refresh(self, job: Job) -> Job:
        reply = self._get(id_of(job), _region(job))
        return self.compared(snapshot(job, reply))

    def cancel(self, job: Job) -> Job:
        fresh = self.refresh(job)
        if fresh.status.finished or fresh.detail == "Stopping":
            return fresh
        bedrock, name = self.client().client("bedrock", _region(job)), id_of(job)
        self.ask(lambda: bedrock.stop_model_customization_job(jobIdentifier=name), about=About.JOB)
        return self.refresh(job)

    def events(self, job: Job, after: str | None = None) -> Iterator[JobEvent]:
        """Yield the stages of the job, and the losses that it leaves in the output prefix when it has ended."""
        reply = self._get(id_of(job), _region(job))
        found = list(job_events(reply))
        if reply.status == "Completed":
            last = found.pop()
            found += [*losses(self, job, _region(job), last), last]
        yield from behind(found, after)

    # The model

    def serve(self, job: Job, *, idle_minutes: int = 30) -> Serving:
        return serving.serve(self, job)

    def stop(self, standing: Serving) -> None:
        serving.stop(self, standing)

    def delete_model(self, job: Job) -> None:
        """Delete the tuned model, which ends what keeping it costs; nothing brings it back."""
        bedrock, model = self.client().client("bedrock", _region(job)), tuned_of(job)
        self.ask(lambda: bedrock.delete_custom_model(modelIdentifier=model), about=About.MODEL)

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
        """Ask ``model`` by the Converse API. A tuned model answers only while a deployment of it stands."""
        if tools:
            raise SpecRefused("Bedrock is asked without tools: its training rows cannot hold any.")
        return serving.converse(self, model, messages, max_tokens, temperature)

    # The parts of the above, in order of use

    def _customised(self, spec: JobSpec) -> tuple[str, tuple[str, ...]]:
        """Return the id of the model that can be tuned, which carries a context length, and what to know of its end."""
        region = region_of(spec)
        bedrock = self.client().client("bedrock", region)
        listed = self.ask(
            lambda: bedrock.list_foundation_models(byCustomizationType="FINE_TUNING"),
            lambda reply: [row for row in reply["modelSummaries"] if isinstance(row.get("modelId"), str)],
            about=About.MODEL,
        )
        same = [row for row in listed if row["modelId"] == spec.model or row["modelId"].startswith(f"{spec.model}:")]
        if not same:
            known = ", ".join(sorted(row["modelId"] for row in listed)) or "none"
            raise ModelNotTunable(f"Bedrock does not tune {spec.model} in {region}. Tuned there: {known}.")
        about = same[0].get("modelLifecycle") or {}
        ends = moment(about.get("endOfLifeTime"))
        if ends is not None and ends <= datetime.now(UTC):
            raise ModelNotTunable(f"Bedrock ended {spec.model} on {ends:%Y-%m-%d}; choose another model.")
        said = f", until {ends:%Y-%m-%d}" if ends else ""
        warned = (f"AWS calls {spec.model} a legacy model{said}.",) if about.get("status") == "LEGACY" else ()
        return str(same[0]["modelId"]), warned

    def _lies_there(self, uri: str, size: int) -> bool:
        try:
            return self.stored_bytes(uri) == size
        except FileRejected:
            return False

    def _get(self, name: str, region: str) -> JobReply:
        bedrock = self.client().client("bedrock", region)
        return self.ask(
            lambda: bedrock.get_model_customization_job(jobIdentifier=name),
            lambda reply: job_reply(reply, name),
            about=About.JOB,
        )


def _region(job: Job) -> str:
    return job.extra.get("region") or region_of(None)


def _arn(reply: Mapping[str, Any]) -> str:
    found = reply.get("jobArn")
    if not isinstance(found, str):
        raise Unreadable("no 'jobArn'")
    return found


BACKEND = BedrockBackend
