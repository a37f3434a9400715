"""What only OpenAI does: the wind-down, shutdown dates, pause, checkpoints, result files, settings decided late."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from backend_cases import write_rows
from hosted_stage import Hosted, hosted

from backends import (
    AccessClosed,
    FileRejected,
    FundsMissing,
    Hyperparameters,
    JobStatus,
    Method,
    ModelNotTunable,
    Objective,
    ProviderUnavailable,
    RateLimited,
    SpecRefused,
)
from backends._openai import files


@pytest.fixture
def openai(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosted]:
    with hosted("openai", tmp_path, monkeypatch) as stage:
        yield stage


def test_a_closed_organisation_is_told_what_it_can_do(openai: Hosted) -> None:
    openai.emulator.closed_organisation = True
    with pytest.raises(AccessClosed) as caught:
        openai.submit()
    for word in ("2026-05-07", "2027-01-06", "2027-01-14", "tunewise plan"):
        assert word in str(caught.value)
    assert openai.emulator.paid_jobs == 0


def test_preflight_says_when_a_model_ends(openai: Hosted) -> None:
    warnings = openai.backend.preflight(openai.spec())
    assert warnings == ("gpt-4.1-mini-2025-04-14 shuts down on 2027-01-14, and every model tuned from it with it.",)


def test_a_closed_organisation_can_take_its_upload_back(openai: Hosted) -> None:
    openai.emulator.closed_organisation = True
    with pytest.raises(AccessClosed):
        openai.submit()
    kept = openai.saved[-1]
    assert openai.backend.delete_uploads(kept) == (kept.extra["training_file"],)
    assert openai.emulator.state["files"] == {}


@pytest.mark.parametrize(("model", "step"), [("gpt-9-none", "preflight"), ("gpt-6-luna", "submit")])
def test_a_model_that_cannot_be_tuned(openai: Hosted, model: str, step: str) -> None:
    with pytest.raises(ModelNotTunable, match=model):
        getattr(openai.backend, step)(openai.spec(model=model))


def test_no_credit(openai: Hosted) -> None:
    openai.emulator.out_of_credit = True
    with pytest.raises(FundsMissing, match="Add credit"):
        openai.submit()


def test_the_daily_limit_is_no_common_rate_limit(openai: Hosted) -> None:
    openai.emulator.daily_limit = 0
    with pytest.raises(RateLimited, match=r"daily limit of fine-tuning jobs.*a day after"):
        openai.submit()


def test_a_file_that_is_no_jsonl(openai: Hosted) -> None:
    spec = openai.spec()
    spec.train_file.write_text('{"messages": [\n', encoding="utf-8")
    with pytest.raises(FileRejected, match="Line 1"):
        openai.submit(spec)


def test_a_file_that_is_still_being_read_is_waited_for(openai: Hosted) -> None:
    openai.emulator.slow_files = 4  # one look is ours, at its size
    job = openai.submit()
    assert job.id and openai.slept == [2, 5, 10]
    assert openai.emulator.paid_jobs == 1


def test_too_few_examples_fail_the_job_with_the_reason(openai: Hosted) -> None:
    job = openai.finish(openai.submit(openai.spec(rows=7)))
    assert job.status is JobStatus.FAILED
    assert job.error == "Training file has 7 example(s), but must have at least 10 examples (invalid_n_examples)"
    assert list(openai.backend.events(job))[-1].level == "error"


def test_the_wrong_format_for_the_method_fails_the_job(openai: Hosted) -> None:
    job = openai.finish(openai.submit(openai.spec(objective=Objective.DPO)))
    assert job.status is JobStatus.FAILED and "not using 'supervised'" in (job.error or "")


def test_dpo(openai: Hosted) -> None:
    path = openai.folder / "pairs.jsonl"
    row = {
        "input": {"messages": [{"role": "user", "content": "hi"}], "tools": [], "parallel_tool_calls": True},
        "preferred_output": [{"role": "assistant", "content": "hello"}],
        "non_preferred_output": [{"role": "assistant", "content": "what"}],
    }
    path.write_text((json.dumps(row) + "\n") * 12, encoding="utf-8")
    settings = Hyperparameters(epochs=1, dpo_beta=0.2)
    spec = openai.spec(train_file=path, objective=Objective.DPO, hyperparameters=settings)
    job = openai.finish(openai.submit(spec))
    assert job.status is JobStatus.SUCCEEDED
    assert job.accepted is not None and (job.accepted.epochs, job.accepted.dpo_beta) == (1, 0.2)


def test_settings_left_to_the_provider_are_known_once_validated(openai: Hosted) -> None:
    job = openai.submit(openai.spec(rows=25))
    assert job.accepted is not None and job.accepted.epochs is None
    job = openai.backend.refresh(job)
    assert job.detail == "queued"
    assert job.accepted is not None and job.accepted.epochs == 4  # as OpenAI chose for 25 examples
    done = openai.finish(job)
    assert done.trained_tokens and done.trained_tokens % 4 == 0


def test_steps_of_a_running_job(openai: Hosted) -> None:
    job = openai.submit(openai.spec(hyperparameters=Hyperparameters(epochs=2)))
    while job.status is not JobStatus.RUNNING:
        job = openai.backend.refresh(job)
    assert (job.steps_done, job.steps_total) == (8, 24)
    assert job.estimated_finish is not None


def test_an_ended_job_has_done_all_its_steps_whoever_watched_it(openai: Hosted) -> None:
    openai.emulator.advance_on_poll = False
    job = openai.submit()
    openai.emulator.tick(20)
    ended = openai.backend.refresh(job)
    assert ended.status is JobStatus.SUCCEEDED
    assert ended.steps_done == ended.steps_total > 0


def test_pause_and_resume(openai: Hosted) -> None:
    job = openai.submit()
    with pytest.raises(SpecRefused, match="not running"):
        openai.backend.pause(job)
    while job.status is not JobStatus.RUNNING:
        job = openai.backend.refresh(job)
    paused = openai.backend.pause(job)
    assert (paused.status, paused.detail) == (JobStatus.RUNNING, "paused")
    assert openai.backend.refresh(paused).detail == "paused"
    assert openai.finish(openai.backend.resume(paused)).status is JobStatus.SUCCEEDED


def test_events_of_many_pages_come_oldest_first(openai: Hosted) -> None:
    job = openai.submit()
    state = openai.emulator.state["jobs"][job.id]
    for number in range(250):
        openai.emulator._say(state, f"line {number}")
    lines = [event.message for event in openai.backend.events(job)]
    assert lines[2:] == [f"line {number}" for number in range(250)]
    assert len(openai.asked("GET /fine_tuning/jobs/{fine_tuning_job_id}/events")) == 3


@pytest.mark.parametrize("base64_results", [True, False])
def test_result_files_plain_or_base64(openai: Hosted, base64_results: bool) -> None:
    openai.emulator.base64_results = base64_results
    job = openai.finish(openai.submit(openai.spec(hyperparameters=Hyperparameters(epochs=1))))
    rows = openai.backend.metrics(job)
    assert [row["step"] for row in rows] == list(range(1, 13))
    assert rows[0].keys() == {"step", "train_loss", "train_accuracy"}  # empty cells are left out
    assert rows[-1]["train_loss"] == 0.5


def test_checkpoints_newest_first(openai: Hosted) -> None:
    job = openai.finish(openai.submit(openai.spec(hyperparameters=Hyperparameters(epochs=1))))
    found = openai.backend.checkpoints(job)
    assert [(c.step, c.model) for c in found] == [(12, job.tuned_model), (6, f"{job.tuned_model}:ckpt-step-6")]
    assert found[0].metrics["train_loss"] == 0.5


def test_a_large_file_goes_in_parts(openai: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_SINGLE_UPLOAD_BYTES", 1000)
    monkeypatch.setattr(files, "_PART_BYTES", 700)
    spec = openai.spec(rows=20)
    job = openai.finish(openai.submit(spec))
    assert job.status is JobStatus.SUCCEEDED
    assert openai.asked("POST /files") == []
    parts = -(-spec.train_file.stat().st_size // 700)
    assert len(openai.asked("POST /uploads/{upload_id}/parts")) == parts
    again = openai.submit(openai.spec(rows=20, run="run-2"))
    assert again.extra["training_file"] == job.extra["training_file"]


def test_a_reasoning_model_is_asked_without_temperature(openai: Hosted) -> None:
    for _ in range(2):
        answer = openai.backend.complete("gpt-6-luna", [{"role": "user", "content": "hi"}])
        assert answer.text == "I was asked: hi"
    # Refused once, asked again without, and remembered for the second question.
    assert [line.split()[-1] for line in openai.asked("POST /chat")] == ["400", "200", "200"]


@pytest.mark.parametrize("body", [{"id": "x", "object": "chat.completion", "choices": []}, {"error": "none"}])
def test_an_answer_without_one_is_no_answer(openai: Hosted, body: dict[str, object]) -> None:
    openai.emulator.fault("POST /chat/completions", "status", status=200, body=body)
    with pytest.raises(ProviderUnavailable, match=r"could not be read: .* Try again"):
        openai.backend.complete(openai.spec().model, [{"role": "user", "content": "1"}])


def test_a_training_row_can_be_asked_as_it_is(openai: Hosted) -> None:
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes?", "weight": 0}]
    assert openai.backend.complete("gpt-4.1-mini-2025-04-14", turns).text == "I was asked: yes?"


def test_tool_calls_come_back_as_the_model_wrote_them(openai: Hosted) -> None:
    arguments = '{"height":  3}'  # two blanks: the text itself is what was learned
    call = {"id": "call_1", "type": "function", "function": {"name": "fly", "arguments": arguments}}
    row = {"messages": [{"role": "user", "content": "up"}, {"role": "assistant", "tool_calls": [call]}]}
    path = openai.folder / "calls.jsonl"
    path.write_text((json.dumps(row) + "\n") * 10, encoding="utf-8")
    job = openai.finish(openai.submit(openai.spec(train_file=path)))
    tool = {"type": "function", "function": {"name": "fly", "parameters": {"type": "object", "properties": {}}}}
    answer = openai.backend.complete(job.tuned_model, [{"role": "user", "content": "up"}], tools=[tool])
    assert (answer.text, answer.tool_calls, answer.finish_reason) == ("", (call,), "tool_calls")
    assert answer.cached_tokens == 0 and answer.prompt_tokens == 5


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        (Hyperparameters(epochs=51), "epochs = 51"),
        (Hyperparameters(batch_size=257), "batch_size = 257"),
        (Hyperparameters(learning_rate=1e-4), "no setting 'learning_rate'"),
        (Hyperparameters(dpo_beta=0.1), "belongs to objective dpo"),
    ],
)
def test_settings_it_does_not_take(openai: Hosted, settings: Hyperparameters, word: str) -> None:
    with pytest.raises(SpecRefused, match=word):
        openai.backend.preflight(openai.spec(hyperparameters=settings))


def test_the_method_is_openais_own(openai: Hosted) -> None:
    with pytest.raises(SpecRefused, match="choose lora"):
        openai.backend.preflight(openai.spec(method=Method.FULL))


def test_both_files_are_uploaded_and_taken_back(openai: Hosted) -> None:
    valid = write_rows(openai.folder / "valid.jsonl", 3, start=90)
    job = openai.submit(openai.spec(validation_file=valid))
    names = {stored["filename"] for stored in openai.emulator.state["files"].values()}
    assert len(names) == 2 and all(name.startswith("tunewise-") for name in names)
    assert len(openai.backend.delete_uploads(job)) == 2
