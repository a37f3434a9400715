"""The backends the contract suite runs over: where each is played, and a job each can train."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator_base import Emulator
from emulator_bedrock import BUCKET, NAME, ROLE, BedrockEmulator
from emulator_fireworks import FireworksEmulator
from emulator_huggingface import HuggingFaceEmulator
from emulator_nebius import NebiusEmulator
from emulator_openai import OpenAIEmulator
from emulator_replicate import TRAINER, TRAINER_VERSION, ReplicateEmulator
from emulator_together import TogetherEmulator

from backends import Hyperparameters, JobSpec, Json

Environment = Callable[[Emulator], dict[str, str]]


@dataclass(frozen=True)
class Case:
    """One backend under the contract. ``emulator`` is None where the real thing runs here."""

    name: str
    model: str
    emulator: type[Emulator] | None
    environment: Environment
    hyperparameters: Hyperparameters = field(default_factory=lambda: Hyperparameters(epochs=2))
    options: Mapping[str, Json] = field(default_factory=dict)
    # The route of the request that creates the job, as faults name it.
    create: str = ""
    upload: str = "POST /files"  # the request that carries a file's content
    validates: bool = True  # takes a validation file
    form: str = "messages"  # of its rows
    reads: tuple[str, ...] = ()  # POST requests that only read
    curve: bool = True  # states losses while it trains
    answers: bool = True  # its tuned model answers without having been trained for real
    shares_uploads: bool = True  # the same content is uploaded once for several runs
    # How the emulator is set before a test.
    knobs: Mapping[str, bool] = field(default_factory=dict)

    def spec(self, folder: Path, run: str = "run-contract-1", rows: int = 12, validation: bool = False) -> JobSpec:
        return JobSpec(
            run=run,
            backend=self.name,
            model=self.model,
            train_file=write_rows(folder / "train.jsonl", rows, form=self.form),
            validation_file=write_rows(folder / "valid.jsonl", rows, 500, self.form) if validation else None,
            hyperparameters=self.hyperparameters,
            options=self.options,
        )


def write_rows(path: Path, rows: int, start: int = 0, form: str = "messages") -> Path:
    """Write a small chat dataset: what is N plus one?"""
    lines: list[dict[str, Any]] = [
        {
            "messages": [
                {"role": "system", "content": "Answer with a number."},
                {"role": "user", "content": f"what comes after {n} ?"},
                {"role": "assistant", "content": str(n + 1)},
            ]
        }
        for n in range(start, start + rows)
    ]
    if form == "converse":
        lines = [_conversation(line["messages"]) for line in lines]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def _conversation(turns: list[dict[str, str]]) -> dict[str, Any]:
    """Write a row in AWS's format."""
    parts = [{"role": turn["role"], "content": [{"text": turn["content"]}]} for turn in turns]
    return {"schemaVersion": "bedrock-conversation-2024", "system": parts[0]["content"], "messages": parts[1:]}


CASES = {
    case.name: case
    for case in (
        Case(
            "openai",
            "gpt-4.1-mini-2025-04-14",
            OpenAIEmulator,
            lambda emulator: {"OPENAI_API_KEY": emulator.key, "OPENAI_BASE_URL": emulator.base_url},
            create="POST /fine_tuning/jobs",
        ),
        Case(
            "azure",
            "gpt-4.1-mini-2025-04-14",
            OpenAIEmulator,
            lambda emulator: {"AZURE_OPENAI_API_KEY": emulator.key, "AZURE_OPENAI_ENDPOINT": emulator.base_url},
            create="POST /fine_tuning/jobs",
        ),
        Case(
            "nebius",
            "meta-llama/Llama-3.1-8B-Instruct",
            NebiusEmulator,
            lambda emulator: {"NEBIUS_API_KEY": emulator.key, "NEBIUS_BASE_URL": emulator.base_url},
            hyperparameters=Hyperparameters(epochs=2, learning_rate=1e-4, lora_rank=8),
            create="POST /fine_tuning/jobs",
        ),
        Case(
            "together",
            "Qwen/Qwen3.5-9B",
            TogetherEmulator,
            lambda emulator: {"TOGETHER_API_KEY": emulator.key, "TOGETHER_BASE_URL": emulator.base_url},
            create="POST /fine-tunes",
            upload="PUT /storage/{file_id}",
            knobs={"deployed": True},
        ),
        Case(
            "fireworks",
            "Qwen/Qwen3-8B",
            FireworksEmulator,
            lambda emulator: {"FIREWORKS_API_KEY": emulator.key, "FIREWORKS_BASE_URL": emulator.base_url},
            create="POST /v1/accounts/{account_id}/supervisedFineTuningJobs",
            upload="POST /v1/accounts/{account_id}/datasets/{dataset_id}:upload",
            curve=False,
            knobs={"deployed": True},
        ),
        Case(
            "bedrock",
            "amazon.nova-micro-v1:0",
            BedrockEmulator,
            lambda emulator: {
                "AWS_ACCESS_KEY_ID": NAME,
                "AWS_SECRET_ACCESS_KEY": emulator.key,
                "AWS_ENDPOINT_URL": emulator.base_url,
                "AWS_EC2_METADATA_DISABLED": "true",  # nobody's own credentials, and no look for them
                "AWS_CONFIG_FILE": os.devnull,
                "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
                "TUNEWISE_BEDROCK_BUCKET": BUCKET,
                "TUNEWISE_BEDROCK_ROLE": ROLE,
            },
            create="POST /model-customization-jobs",
            upload=f"PUT /{BUCKET}/{{key}}",
            form="converse",
            reads=("POST / ",),  # iam:GetRole
            knobs={"deployed": True},
        ),
        Case(
            "huggingface",
            "Qwen/Qwen3-0.6B",
            HuggingFaceEmulator,
            lambda emulator: {"HF_TOKEN": emulator.key, "HF_ENDPOINT": emulator.base_url},
            options={"machine": "a10g-small", "max_minutes": 45},
            create="POST /api/jobs/{namespace}",
            upload="POST /api/{kind}/{namespace}/{repo}/commit/{revision}",
            answers=False,
        ),
        Case(
            "replicate",
            f"{TRAINER}:{TRAINER_VERSION}",
            ReplicateEmulator,
            lambda emulator: {"REPLICATE_API_TOKEN": emulator.key, "REPLICATE_BASE_URL": emulator.base_url},
            create="POST /models/{model_owner}/{model_name}/versions/{version_id}/trainings",
            validates=False,
            shares_uploads=False,
        ),
        Case(
            "local",
            "tiny",
            None,
            lambda emulator: {},
            hyperparameters=Hyperparameters(epochs=2, batch_size=4, max_seq_length=64, lora_rank=2),
            options={"device": "cpu", "threads": 1},
        ),
    )
}
HOSTED = tuple(case for case in CASES.values() if case.emulator is not None)
