"""What the hosts of OpenAI's protocol do differently."""

from __future__ import annotations

from pathlib import Path

import pytest
from hosted_stage import hosted

from backends import Hyperparameters, JobStatus, Method, Objective, SpecRefused


def test_azure_needs_its_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hosted("azure", tmp_path, monkeypatch) as azure:
        monkeypatch.delenv("AZURE_OPENAI_ENDPOINT")
        with pytest.raises(SpecRefused, match="Set AZURE_OPENAI_ENDPOINT"):
            azure.backend.preflight(azure.spec())
        assert azure.emulator.requests == []


@pytest.mark.parametrize("endpoint", ["https://NAME.openai.azure.com", "https://NAME.openai.azure.com/openai/v1/"])
def test_azures_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    with hosted("azure", tmp_path, monkeypatch) as azure:
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", endpoint)
        urls = [request.url for request in azure.backend.requests(azure.spec())]
    assert urls[-1] == "https://NAME.openai.azure.com/openai/v1/fine_tuning/jobs"


def test_azures_training_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hosted("azure", tmp_path, monkeypatch) as azure:
        spec = azure.spec(options={"training_type": "DeveloperTier"})
        assert azure.backend.requests(spec)[-1].body["trainingType"] == "DeveloperTier"
        assert azure.submit(spec).id
        with pytest.raises(SpecRefused, match="one of Standard, GlobalStandard, DeveloperTier"):
            azure.backend.requests(azure.spec(options={"training_type": "cheap"}))


def test_nebius_takes_its_own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hosted("nebius", tmp_path, monkeypatch) as nebius:
        settings = Hyperparameters(epochs=3, learning_rate=2e-4, lora_rank=8, max_seq_length=4096, packing=True)
        job = nebius.submit(nebius.spec(hyperparameters=settings))
        kept = nebius.emulator.state["jobs"][job.id]
        assert kept["suffix"] == "run-1" and kept["metadata"] is None
        assert {
            name: kept["hyperparameters"][name] for name in ("learning_rate", "lora", "lora_r", "context_length")
        } == {
            "learning_rate": 2e-4,
            "lora": True,
            "lora_r": 8,
            "context_length": 4096,
        }
        done = nebius.finish(job)
        assert done.status is JobStatus.SUCCEEDED
        assert done.accepted is not None and (done.accepted.learning_rate, done.accepted.lora_rank) == (2e-4, 8)
        assert done.steps_done == done.steps_total  # it states its steps on the job


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"objective": Objective.DPO}, "trains sft only"),
        ({"method": Method.QLORA}, "choose full or lora"),
        ({"hyperparameters": Hyperparameters(learning_rate_multiplier=2.0)}, "no setting 'learning_rate_multiplier'"),
    ],
)
def test_what_nebius_does_not_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object], word: str
) -> None:
    with hosted("nebius", tmp_path, monkeypatch) as nebius, pytest.raises(SpecRefused, match=word):
        nebius.backend.preflight(nebius.spec(**changes))
