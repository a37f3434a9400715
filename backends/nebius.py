"""Nebius Token Factory: LoRA and full fine-tuning of open models through OpenAI's fine-tuning API.

Its own settings, which docs.tokenfactory.nebius.com/api-reference/fine-tuning lists, replace OpenAI's; jobs carry no
metadata, so that the suffix is the tag.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import ClassVar

from backends._base import JobSpec, Json, Method, Objective
from backends._hosted import Hosted
from backends._openai.protocol import OpenAIProtocol
from backends._openai.replies import job_page
from backends._provider import Provider
from backends._rows import RowFormat


class NebiusBackend(OpenAIProtocol):
    """Nebius's flavour of the protocol."""

    name: ClassVar[str] = "nebius"
    provider: ClassVar[Provider] = Provider(
        "nebius", "Nebius Token Factory", "NEBIUS_API_KEY", "openai", "NEBIUS_BASE_URL",
        "https://api.tokenfactory.nebius.com/v1",
    )  # fmt: skip
    methods: ClassVar[frozenset[Method]] = frozenset({Method.LORA, Method.FULL})
    settings: ClassVar[frozenset[str]] = frozenset(
        {"epochs", "batch_size", "learning_rate", "warmup_ratio", "weight_decay"}
        | {"lora_rank", "lora_alpha", "lora_dropout", "max_seq_length", "packing"}
    )
    advised: ClassVar[frozenset[str]] = settings - {"batch_size"}  # by what fits its machines
    objectives: ClassVar[frozenset[Objective]] = frozenset({Objective.SFT})  # all that its create request knows
    rows: ClassVar[RowFormat] = RowFormat(reasoning="dropped", functions=True)
    filters_by_tag: ClassVar[bool] = False
    option_names: ClassVar[frozenset[str]] = frozenset()
    most_bytes: ClassVar[int] = 5_000_000_000
    answer_limit: ClassVar[str] = "max_tokens"

    def base_url(self) -> str:
        return os.environ.get("NEBIUS_BASE_URL") or "https://api.tokenfactory.nebius.com/v1"

    def preflight(self, spec: JobSpec) -> tuple[str, ...]:
        # Its model list holds what it serves, not what it tunes; a list of jobs proves the key.
        warnings = Hosted.preflight(self, spec)
        jobs = self.client().fine_tuning.jobs.with_raw_response
        self.ask(lambda: jobs.list(limit=1), job_page)
        return warnings

    def body(self, spec: JobSpec, files: Mapping[str, str]) -> dict[str, Json]:
        chosen, lora = spec.hyperparameters, spec.method is Method.LORA
        settings: dict[str, Json] = {
            "n_epochs": chosen.epochs,
            "batch_size": chosen.batch_size,
            "learning_rate": chosen.learning_rate,
            "warmup_ratio": chosen.warmup_ratio,
            "weight_decay": chosen.weight_decay,
            "packing": chosen.packing,
            "context_length": chosen.max_seq_length,
            "lora": lora,
            "lora_r": chosen.lora_rank if lora else None,
            "lora_alpha": chosen.lora_alpha if lora else None,
            "lora_dropout": chosen.lora_dropout if lora else None,
        }
        return {
            "model": spec.model,
            **files,
            "hyperparameters": {name: value for name, value in settings.items() if value is not None},
            "seed": chosen.seed,
            "suffix": spec.run,
        }

    def extra_body(self, spec: JobSpec) -> dict[str, Json]:
        return {"tags": spec.run}  # beside the suffix: what a person sees and filters by in the console


BACKEND = NebiusBackend
