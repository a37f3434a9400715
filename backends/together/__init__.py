"""Together: LoRA and full fine-tuning of open models, supervised and DPO.

Traps, all measured or seen: ``error`` and ``user_error`` are ends and there is no "failed"; prices come in
nano-dollars; the SDK goes on when the estimate says the credit does not suffice; its learning rate suits no LoRA; it
repeats the create request after a 5xx; settings may be changed without a word; uploads are validated after the upload.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from backends._base import Completion, Heard, Job, JobEvent, JobSpec, JobStatus, Json, Message, Method, Request, Save
from backends._errors import BackendError, FundsMissing, SpecRefused
from backends._files import content_hash, files_of, placeholders
from backends._hosted import Checkpoint, Hosted, behind, id_of, same_model, within
from backends._hyperparameters import Hyperparameters
from backends._openai.chat import chat
from backends._provider import Provider
from backends._refusals import About
from backends._remote import CONNECT_TIMEOUT_S
from backends._replies import content
from backends._rows import RowFormat
from backends._serving import Rate, Serving
from backends.together.files import download, upload, wait_until_valid
from backends.together.replies import (
    Estimate,
    RowPreview,
    checkpoint_rows,
    event_rows,
    job_events,
    job_list,
    job_reply,
    metric_rows,
    previews,
    size,
    snapshot,
)
from backends.together.request import Limits, arguments, check_bounds, create_body, evaluations, price_question
from backends.together.serving import adapters, rates, serve, stop

if TYPE_CHECKING:
    from together import Together


class TogetherBackend(Hosted["Together"]):
    """Together's fine-tuning API through its SDK 3.x."""

    name: ClassVar[str] = "together"
    provider: ClassVar[Provider] = Provider(
        "together", "Together", "TOGETHER_API_KEY", "together", "TOGETHER_BASE_URL", "https://api.together.ai"
    )
    methods: ClassVar[frozenset[Method]] = frozenset({Method.LORA, Method.FULL})
    settings: ClassVar[frozenset[str]] = frozenset(
        {"epochs", "batch_size", "learning_rate", "warmup_ratio", "weight_decay", "lora_rank", "lora_alpha"}
        | {"lora_dropout", "max_seq_length", "packing", "evaluations", "early_stopping_patience", "dpo_beta"}
    )
    option_names: ClassVar[frozenset[str]] = frozenset({"train_on_inputs", "checkpoints"})
    levels: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            ("consecutive_roles", "deprecated_role", "developer_role", "unread_part", "image_link"), "error"
        ),
        "plain_text": "info",
    }  # fmt: skip
    # The batch goes by what fits its machines; its own rate suits no LoRA, nor do its settings stop a run in time.
    advised: ClassVar[frozenset[str]] = settings - {"batch_size", "early_stopping_patience"}
    advised_pair_rate: ClassVar[bool] = True
    rows: ClassVar[RowFormat] = RowFormat(settings=frozenset({"weight"}), text=True, parts_alike=True)
    deploys_by: ClassVar[str] = "hour"
    gives_weights: ClassVar[bool] = True
    file_suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".parquet")
    most_bytes: ClassVar[int] = 50_000_000_000

    def connect(self) -> Together:
        import together

        timeout = together.Timeout(self.patience_s, connect=min(self.patience_s, CONNECT_TIMEOUT_S))
        return together.Together(
            api_key=self.key(),
            base_url=_base_url(),
            max_retries=0,
            timeout=timeout,
            http_client=together.DefaultHttpxClient(timeout=timeout, follow_redirects=False),
        )

    # Before the job

    def check(self, spec: JobSpec) -> None:
        super().check(spec)
        chosen = spec.hyperparameters
        within("warmup_ratio", chosen.warmup_ratio, 0, 1)
        within("lora_dropout", chosen.lora_dropout, 0, 0.999)
        within("weight_decay", chosen.weight_decay, 0, float("inf"))
        patience = chosen.early_stopping_patience
        if patience is not None and spec.validation_file is None:
            raise SpecRefused("Early stopping needs a validation file; give one or leave it out.")
        if patience is not None and evaluations(spec) < patience + 2:
            raise SpecRefused(f"Early stopping with patience {patience} needs at least {patience + 2} evaluations.")

    def preflight(self, spec: JobSpec) -> tuple[str, ...]:
        warnings = super().preflight(spec)
        tunes = self.client().fine_tuning.with_raw_response
        check_bounds(
            spec,
            self.ask(
                lambda: tunes.model_limits(model_name=spec.model),
                lambda found: Limits.model_validate(content(found)),
                about=About.MODEL,
            ),
        )
        if spec.validation_file is None:
            unread = spec.hyperparameters.evaluations
            return (*warnings, "Without a validation file there is nothing to evaluate on.") if unread else warnings
        return (*warnings, f"The validation file is read {evaluations(spec)} times, and every reading is billed.")

    def requests(self, spec: JobSpec) -> tuple[Request, ...]:
        self.check(spec)
        base = f"{_base_url()}/v1"
        uploads = [
            Request(
                "POST",
                f"{base}/files",
                {"purpose": "fine-tune", "file_name": path.name, "checksum": content_hash(path)},
            )
            for path in filter(None, (spec.train_file, spec.validation_file))
        ]
        body = arguments(spec, placeholders(spec))
        return (
            *uploads,
            Request("POST", f"{base}/fine-tunes/estimate-price", price_question(spec, body)),
            Request("POST", f"{base}/fine-tunes", body, costs_money=True),
        )

    # The job

    def comparable(self, spec: JobSpec) -> Hyperparameters:
        # Packing and patience are not given back; evaluations without a file were not asked for.
        evaluated = None if spec.validation_file is None else spec.hyperparameters.evaluations
        return replace(spec.hyperparameters, packing=None, early_stopping_patience=None, evaluations=evaluated)

    def stored_bytes(self, name: str) -> int | None:
        files = self.client().files.with_raw_response
        # It checks the checksum it was told before the upload; a size of 0 is one that is not known yet.
        return self.ask(lambda: files.retrieve(name), size, about=About.FILE) or None

    def upload(self, spec: JobSpec, key: str, path: Path) -> Mapping[str, str]:
        return {key: upload(self, path)}

    def delete_file(self, name: str) -> None:
        client = self.client()
        self.ask(lambda: client.files.with_raw_response.delete(name), about=About.FILE)

    def create(self, spec: JobSpec, job: Job, save: Save) -> Job:
        """As described in Hosted.

        The provider's own price is in ``extra["provider_quote_usd"]`` of a snapshot that ``save`` is given before the
        paid request: an exception raised there stops the launch.
        """
        for name in files_of(job).values():
            wait_until_valid(self, name)
        client, asked = self.client(), arguments(spec, files_of(job))
        tunes = client.fine_tuning.with_raw_response
        body = self.ask(
            lambda: tunes.model_limits(model_name=spec.model),
            lambda found: create_body(found, asked),
            about=About.MODEL,
        )
        job = replace(job, extra={**job.extra, **self._quote(price_question(spec, asked))})
        save(job)

        import httpx

        created = self.ask(
            lambda: client.post("/v1/fine-tunes", body=body, cast_to=httpx.Response),
            lambda found: snapshot(job, job_reply(found)),
            about=About.FILE,
            paid=True,
        )
        return self.compared(created)

    def find(self, spec: JobSpec) -> Job | None:
        tunes = self.client().fine_tuning.with_raw_response
        tagged = [
            reply
            for reply in self.ask(lambda: tunes.list(), job_list)
            if reply.carries(spec.run) and same_model(spec.model, reply.model)
        ]
        return self.ours(spec, [self.compared(snapshot(self.unsent(spec), reply)) for reply in tagged])

    def refresh(self, job: Job) -> Job:
        tunes, job_id = self.client().fine_tuning.with_raw_response, id_of(job)
        fresh = self.ask(lambda: tunes.retrieve(job_id), lambda found: snapshot(job, job_reply(found)), about=About.JOB)
        fresh = self.compared(fresh)
        if fresh.status is JobStatus.FAILED and fresh.error is None:
            return replace(fresh, error=self._reason(fresh))
        return fresh

    def cancel(self, job: Job) -> Job:
        fresh = self.refresh(job)
        if fresh.status.finished or fresh.detail == "cancel_requested":
            return fresh
        tunes, job_id = self.client().fine_tuning.with_raw_response, id_of(job)
        read = self.ask(lambda: tunes.cancel(job_id), lambda found: snapshot(fresh, job_reply(found)), about=About.JOB)
        return self.compared(read)

    def events(self, job: Job, after: str | None = None) -> Iterator[JobEvent]:
        tunes, job_id = self.client().fine_tuning.with_raw_response, id_of(job)
        lines = self.ask(lambda: tunes.list_events(job_id), event_rows, about=About.JOB)
        rows = self.ask(lambda: tunes.list_metrics(job_id), metric_rows, about=About.JOB)
        found = job_events(lines, rows)
        if changed := job.extra.get("changed_by_provider"):
            text = f"Together trains with settings other than those asked for: {changed}"
            first = min((event.time for event in found), default=job.created or datetime.now(UTC))
            found.insert(0, JobEvent("changed-by-provider", first, "warning", text))
        yield from behind(found, after)

    def checkpoints(self, job: Job) -> tuple[Checkpoint, ...]:
        """Return the checkpoints the provider kept, newest first."""
        tunes, job_id = self.client().fine_tuning.with_raw_response, id_of(job)
        found = self.ask(lambda: tunes.list_checkpoints(job_id), checkpoint_rows, about=About.JOB)
        return tuple(sorted(found, key=lambda kept: -kept.step))

    def download(self, job: Job, folder: Path, *, checkpoint: str = "adapter") -> Path:
        """As described in Backend. ``checkpoint``: adapter, merged, or model_output_path for full training."""
        return download(self, id_of(job), folder, checkpoint)

    def preview(self, job: Job, rows: int = 3) -> tuple[RowPreview, ...]:
        """Return how the provider's own tokenizer reads the first rows of the uploaded file; supervised only, free."""
        tunes, name = self.client().fine_tuning.with_raw_response, job.extra["training_file"]
        return self.ask(
            lambda: tunes.preview(model=job.model, training_file=name, top_k=rows), previews, about=About.FILE
        )

    # The model

    def rates(self) -> tuple[Rate, ...]:
        return rates(self)

    def serve(self, job: Job, *, idle_minutes: int = 30) -> Serving:
        return serve(self, job, idle_minutes)

    def stop(self, serving: Serving) -> None:
        stop(self, serving)

    def adapters(self, serving: Serving) -> tuple[str, ...]:
        """Return the adapters that share a serving."""
        return adapters(self, serving)

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
        """Ask ``model``. A tuned model answers only while a dedicated endpoint serves it: ModelNotTunable otherwise."""
        settings: dict[str, Json] = {"max_tokens": max_tokens, "temperature": temperature, "seed": seed}
        return chat(self, model, messages, tools, settings)

    def stream(
        self, model: str, messages: Sequence[Message], heard: Heard, *, max_tokens: int = 512, temperature: float = 0.0
    ) -> Completion:
        settings: dict[str, Json] = {"max_tokens": max_tokens, "temperature": temperature}
        return chat(self, model, messages, (), settings, heard=heard)

    # The parts of the above, in order of use

    def _quote(self, about: Mapping[str, Json]) -> dict[str, str]:
        """Ask for the provider's own price. Raises FundsMissing when it says the credit does not suffice."""
        tunes = self.client().fine_tuning.with_raw_response
        found = self.ask(
            lambda: tunes.estimate_price(**about),
            lambda reply: Estimate.model_validate(content(reply)),
            about=About.FILE,
        )
        if found.allowed_to_proceed is False:
            estimated, limit = found.estimated_total_price, found.user_limit
            raise FundsMissing(
                f"Together estimates {'an unknown sum' if estimated is None else f'{estimated:.2f} USD'} for this job; "
                f"the account's limit is {'not stated' if limit is None else f'{limit:.2f} USD'}. Add credit there, or "
                "train on less."
            )
        if found.estimation_available is False or found.estimated_total_price is None:
            return {"provider_quote": f"none: {found.unavailable_reason or 'no reason given'}"}
        tokens = str(found.estimated_train_token_count or 0)
        return {"provider_quote_usd": f"{found.estimated_total_price:.6f}", "provider_quote_tokens": tokens}

    def _reason(self, job: Job) -> str:
        """Return why a job failed, as its events say; reading them must not hide that it has."""
        reasons = [f"Together ended it as '{job.detail}'."]
        with suppress(BackendError):
            reasons += [event.message for event in self.events(job) if event.level == "error"]
        return reasons[-1]


def _base_url() -> str:
    # SDK 3.x carries /v1 in its paths; a base URL that ends in it, as 2.x wanted, would ask for /v1/v1.
    return (os.environ.get("TOGETHER_BASE_URL") or "https://api.together.ai").rstrip("/").removesuffix("/v1")


BACKEND = TogetherBackend
