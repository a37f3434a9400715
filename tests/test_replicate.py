"""What only Replicate does: trainers that declare their inputs, destinations, logs instead of metrics, odd statuses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from emulator_replicate import RUNNER_VERSION, TRAINER
from hosted_stage import Hosted, hosted

from backends import BackendError, FundsMissing, Hyperparameters, JobStatus, ModelNotTunable, SpecRefused
from backends.replicate.replies import TrainingReply, completion, log_events, progress


@pytest.fixture
def replicate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosted]:
    with hosted("replicate", tmp_path, monkeypatch) as stage:
        yield stage


def test_a_version_that_declares_no_training(replicate: Hosted) -> None:
    with pytest.raises(ModelNotTunable, match="declares no training inputs"):
        replicate.backend.preflight(replicate.spec(model=f"{TRAINER}:{RUNNER_VERSION}"))


@pytest.mark.parametrize("model", ["meta/llama-2-7b", "trainer", "a/b:"])
def test_a_model_without_its_version(replicate: Hosted, model: str) -> None:
    with pytest.raises(SpecRefused, match="write owner/name:version"):
        replicate.backend.preflight(replicate.spec(model=model))


def test_settings_go_under_the_trainers_names(replicate: Hosted) -> None:
    settings = Hyperparameters(epochs=3, batch_size=2, learning_rate=2e-4, lora_rank=4, seed=7)
    spec = replicate.spec(hyperparameters=settings, options={"inputs": {"peft_method": "qlora"}})
    job = replicate.submit(spec)
    assert replicate.emulator.state["jobs"][job.id]["input"] == {
        "num_train_epochs": 3,
        "train_batch_size": 2,
        "learning_rate": 2e-4,
        "lora_rank": 4,
        "seed": 7,
        "peft_method": "qlora",
        "train_data": job.extra["training_url"],
    }


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"hyperparameters": Hyperparameters(weight_decay=0.1)}, "no setting 'weight_decay'"),
        ({"hyperparameters": Hyperparameters(lora_rank=500)}, "from 1 to 128; 500 is outside"),
        ({"options": {"inputs": {"trigger_word": "TOK"}}}, "no input 'trigger_word'"),
        ({"options": {"inputs": {"num_train_epochs": "three"}}}, "is integer, not 'three'"),
        ({"options": {"inputs": {"num_train_epochs": True}}}, "is integer, not True"),
        ({"options": {"inputs": {"peft_method": "dora"}}}, "is one of"),
        ({"options": {"destination": "mymodel"}}, "as owner/name"),
    ],
)
def test_inputs_are_checked_against_the_trainer(replicate: Hosted, changes: dict[str, object], word: str) -> None:
    with pytest.raises(SpecRefused, match=word):
        replicate.backend.preflight(replicate.spec(**changes))
    assert replicate.asked("POST") == []


def test_the_destination_is_created_private_and_for_this_run(replicate: Hosted) -> None:
    spec = replicate.spec(options={"hardware": "gpu-h100"})
    assert replicate.backend.preflight(spec) == (
        "The destination emulated/run-1 does not exist yet and will be created, private.",
    )
    job = replicate.finish(replicate.submit(spec))
    made = replicate.emulator.state["models"]["emulated/run-1"]
    assert (made["visibility"], made["hardware"]) == ("private", "gpu-h100")
    assert job.tuned_model == f"emulated/run-1:{next(iter(made['versions']))}"
    assert job.extra["weights_url"].startswith("https://replicate.delivery/")


def test_a_destination_of_somebody_else(replicate: Hosted) -> None:
    with pytest.raises(SpecRefused, match=r"destination somebody/model cannot be written.*Set the option"):
        replicate.submit(replicate.spec(options={"destination": "somebody/model"}))
    assert replicate.emulator.paid_jobs == 0


def test_no_credit(replicate: Hosted) -> None:
    replicate.emulator.out_of_credit = True
    with pytest.raises(FundsMissing, match="insufficient credit"):
        replicate.submit()


@pytest.mark.parametrize(
    ("word", "status"),
    [("aborted", JobStatus.CANCELLED), ("canceled", JobStatus.CANCELLED), ("failed", JobStatus.FAILED)],
)
def test_ends_the_sdk_does_not_know(replicate: Hosted, word: str, status: JobStatus) -> None:
    replicate.emulator.ends_as = word
    job = replicate.finish(replicate.submit())
    assert (job.status, job.detail, job.tuned_model) == (status, word, None)
    assert (job.error == "CUDA out of memory") == (word == "failed")


def test_billed_seconds_are_kept(replicate: Hosted) -> None:
    """The SDK's types drop the metrics; the price book turns these seconds into money."""
    job = replicate.finish(replicate.submit())
    assert job.train_seconds == 246.5 and job.billed_usd is None


def test_logs_become_metrics_and_steps(replicate: Hosted) -> None:
    job = replicate.finish(replicate.submit())
    assert (job.steps_done, job.steps_total) == (12, 12)
    rows = replicate.backend.metrics(job)
    # The lines of losses name no step: each counts as one behind the last bar, the least it can be.
    assert [row["step"] for row in rows] == [1, 2, 5, 6, 9, 10]
    assert rows[0].keys() == {"step", "train_loss", "learning_rate"}


def test_an_answer_is_waited_for_and_joined(replicate: Hosted) -> None:
    job = replicate.finish(replicate.submit())
    question = {"role": "user", "content": "what comes after 3 ?"}
    answer = replicate.backend.complete(job.tuned_model, [{"role": "system", "content": "Be short."}, question])
    assert (answer.text, answer.prompt_tokens, answer.completion_tokens) == ("4", 20, 3)
    (asked,) = replicate.emulator.state["predictions"].values()
    assert asked["input"] == {
        "prompt": "what comes after 3 ?",
        "system_prompt": "Be short.",
        "max_new_tokens": 512,
        "temperature": 0.01,  # the least this model takes
    }


@pytest.mark.parametrize(("status", "said"), [("starting", "has not answered"), ("failed", "as 'failed': no memory")])
def test_an_answer_that_did_not_come(status: str, said: str) -> None:
    with pytest.raises(BackendError, match=said):
        completion({"status": status, "error": "no memory"}, 1.0)


def test_a_run_is_recognised_after_its_file_has_expired(replicate: Hosted) -> None:
    spec = replicate.spec()
    job = replicate.finish(replicate.submit(spec))
    replicate.emulator.state["files"].clear()
    found = replicate.backend.find(spec)
    assert found is not None and found.id == job.id


def test_runs_that_write_to_one_model_are_not_taken_for_each_other(replicate: Hosted) -> None:
    replicate.emulator.state["models"]["emulated/mine"] = {"hardware": "cpu", "visibility": "private", "versions": {}}
    chosen = {"destination": "emulated/mine"}
    first = replicate.finish(replicate.submit(replicate.spec(options=chosen)))
    spec = replicate.spec(run="run-2", options=chosen)
    second = replicate.finish(replicate.submit(spec))
    assert first.tuned_model != second.tuned_model
    assert replicate.emulator.paid_jobs == 2
    # Its file has expired: the address that was kept still says which training is whose.
    replicate.emulator.state["files"].clear()
    again = replicate.backend.submit(spec, resume=replace(second, id=None))
    assert again.id == second.id
    assert replicate.emulator.paid_jobs == 2


def reply(logs: str) -> TrainingReply:
    return TrainingReply(id="t", status="processing", logs=logs, created_at=datetime(2026, 11, 22, tzinfo=UTC))


@pytest.mark.parametrize(
    ("line", "metrics", "step"),
    [
        ("{'loss': 1.25, 'learning_rate': 5e-05, 'epoch': 0.5}", {"train_loss": 1.25, "learning_rate": 5e-05}, 1),
        ("step 40/1000 loss: 0.731", {"train_loss": 0.731}, 40),
        ("  4%|3    | 40/1000 [00:10<04:00, 4.0it/s, lr: 4.0e-04 loss: 3.210e-01]",
         {"train_loss": 0.321, "learning_rate": 4e-4}, 40),
        ("eval_loss=0.9 at 7/9", {"valid_loss": 0.9}, 7),
        ("Downloading weights 12/12", {}, None),
        ("loss of connection: retrying", {}, None),
    ],
)  # fmt: skip
def test_log_lines(line: str, metrics: dict[str, float], step: int | None) -> None:
    created, event = log_events(reply(line))
    assert created.message == "Training created"
    assert (dict(event.metrics), event.step, event.message) == (metrics, step, line.strip())


def test_progress_is_the_last_bar() -> None:
    assert progress(" 1/12\nnoise\n 7/12 [") == (7, 12)
    assert progress("a path/2024/01/file") is None
    assert progress(None) is None
