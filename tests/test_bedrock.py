"""What only Bedrock does: a bucket and a role of the user's, stages with their age, idle for free."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from backend_cases import write_rows
from emulator_bedrock import BUCKET, ROLE
from hosted_stage import Hosted, hosted

from advisor.dataset import Dataset, write_for
from backends import (
    AuthenticationFailed,
    FundsMissing,
    Hyperparameters,
    Job,
    JobStatus,
    ModelNotTunable,
    Objective,
    SpecRefused,
)
from backends.bedrock.replies import JobReply, snapshot

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.fixture
def bedrock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosted]:
    with hosted("bedrock", tmp_path, monkeypatch) as stage:
        yield stage


def sent(stage: Hosted) -> dict[str, object]:
    """Return the one job the emulator was asked for."""
    (job,) = stage.emulator.state["jobs"].values()
    return dict(job)


def test_the_run_is_every_name_and_the_token(bedrock: Hosted) -> None:
    bedrock.submit(bedrock.spec(hyperparameters=Hyperparameters(epochs=3, learning_rate=1e-5)))
    asked = sent(bedrock)
    assert asked["jobName"] == asked["customModelName"] == asked["clientRequestToken"] == "run-1"
    assert asked["baseModelIdentifier"] == "amazon.nova-micro-v1:0:128k"  # what can be tuned is not what answers
    assert asked["roleArn"] == ROLE
    assert asked["hyperParameters"] == {"epochCount": "3", "learningRate": "0.00001"}
    assert asked["outputDataConfig"] == {"s3Uri": f"s3://{BUCKET}/tunewise/out/run-1"}
    assert asked["customizationType"] == "FINE_TUNING"


def test_a_second_request_with_the_token_is_answered_by_the_first_job(bedrock: Hosted) -> None:
    job = bedrock.submit()
    kept = Job(job.run, job.backend, job.model, extra=job.extra)
    again = bedrock.backend.create(bedrock.spec(), kept, lambda job: None)
    assert again.extra["job_arn"] == job.extra["job_arn"]
    assert bedrock.emulator.paid_jobs == 1


def test_the_paid_request_is_sent_once(bedrock: Hosted) -> None:
    """The SDK would send it three times."""
    bedrock.emulator.fault("POST /model-customization-jobs", "status", status=503, times=3)
    with pytest.raises(Exception, match="503"):
        bedrock.submit()
    assert len(bedrock.asked("POST /model-customization-jobs ")) == 1


@pytest.mark.parametrize("chosen", [{"epochs": 6}, {"learning_rate": 2e-4}, {"learning_rate": 1e-7}, {"lora_rank": 8}])
def test_settings_it_does_not_take(bedrock: Hosted, chosen: dict[str, float]) -> None:
    with pytest.raises(SpecRefused):
        bedrock.backend.check(bedrock.spec(hyperparameters=Hyperparameters(**chosen)))  # type: ignore[arg-type]


def test_advice_keeps_within_its_bounds(bedrock: Hosted) -> None:
    advised = Hyperparameters(epochs=9, learning_rate=3e-4, lora_rank=16, lora_alpha=32)
    assert bedrock.backend.fit_settings(advised) == Hyperparameters(epochs=5, learning_rate=1e-4)


def test_preferences_are_not_learnt(bedrock: Hosted) -> None:
    with pytest.raises(SpecRefused, match="trains sft only"):
        bedrock.backend.check(bedrock.spec(objective=Objective.DPO))


def test_too_many_records(bedrock: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backends.bedrock.request.MOST_RECORDS", 20)
    valid = write_rows(bedrock.folder / "valid.jsonl", 9, form="converse")
    with pytest.raises(SpecRefused, match="these are 21"):
        bedrock.backend.check(bedrock.spec(validation_file=valid))


@pytest.mark.parametrize(("missing", "said"), [("BUCKET", "your own bucket"), ("ROLE", "role of yours")])
def test_bucket_and_role_are_the_users(
    bedrock: Hosted, missing: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(f"TUNEWISE_BEDROCK_{missing}")
    with pytest.raises(SpecRefused, match=said):
        bedrock.backend.preflight(bedrock.spec())
    options = {"bucket": BUCKET, "role": ROLE}
    bedrock.backend.preflight(bedrock.spec(options=options))


def test_what_would_be_sent_is_shown_without_a_bucket(bedrock: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BUCKET", "ROLE"):
        monkeypatch.delenv(f"TUNEWISE_BEDROCK_{name}")
    upload, created = bedrock.backend.requests(bedrock.spec())
    assert "/YOUR-BUCKET/" in upload.url and isinstance(created.body, dict)
    assert created.costs_money and str(created.body["roleArn"]).endswith("/YOUR-ROLE")


def test_a_bucket_in_another_region_is_said_before_the_upload(bedrock: Hosted) -> None:
    bedrock.emulator.bucket_region = "eu-west-1"
    with pytest.raises(SpecRefused, match="is in eu-west-1, and the model is tuned in us-east-1"):
        bedrock.backend.preflight(bedrock.spec())
    assert bedrock.emulator.state["files"] == {}


def test_a_role_that_does_not_trust_bedrock(bedrock: Hosted) -> None:
    bedrock.emulator.trusted = False
    with pytest.raises(SpecRefused, match=r"does not trust bedrock\.amazonaws\.com"):
        bedrock.backend.preflight(bedrock.spec())


def test_a_model_that_is_not_tuned_there(bedrock: Hosted) -> None:
    with pytest.raises(ModelNotTunable, match=r"Tuned there: amazon\.nova-2-lite"):
        bedrock.backend.preflight(bedrock.spec(model="anthropic.claude-haiku"))


def test_how_a_tune_is_served_is_said_before_the_upload(bedrock: Hosted) -> None:
    assert not any("provisioned" in said for said in bedrock.backend.preflight(bedrock.spec()))
    bedrock.emulator.region = bedrock.emulator.bucket_region = "us-west-2"
    west = bedrock.spec(options={"region": "us-west-2"})
    assert any("provisioned throughput only" in said for said in bedrock.backend.preflight(west))
    said = bedrock.backend.preflight(bedrock.spec(model="meta.llama3-3-70b-instruct-v1:0"))
    assert any("legacy" in text for text in said) and not any("provisioned" in text for text in said)


def test_a_quota_that_is_used_up(bedrock: Hosted) -> None:
    headers = {"x-amzn-errortype": "ServiceQuotaExceededException"}
    refused = {"message": "You have too many custom models"}
    bedrock.emulator.fault("POST /model-customization-jobs", "status", status=400, headers=headers, body=refused)
    with pytest.raises(FundsMissing, match="quota"):
        bedrock.submit()


def test_a_wrong_name_of_the_key(bedrock: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASOMEBODYELSE")
    with pytest.raises(AuthenticationFailed):
        bedrock.submit()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    bedrock.backend.close()
    with pytest.raises(AuthenticationFailed, match="AWS_ACCESS_KEY_ID"):
        bedrock.submit()


def test_every_status_and_stage(bedrock: Hosted) -> None:
    job, seen = bedrock.submit(), []
    while not job.status.finished:
        job = bedrock.backend.refresh(job)
        seen.append((job.status, job.detail.partition(",")[0]))
    assert seen == [
        (JobStatus.QUEUED, "data processing in progress"),
        (JobStatus.QUEUED, "training has not started"),
        (JobStatus.RUNNING, "training in progress"),
        (JobStatus.SUCCEEDED, "Completed"),
    ]
    assert job.tuned_model is not None and ":custom-model/" in job.tuned_model
    assert [event.message for event in bedrock.backend.events(job)][:3] == [
        "created",
        "validation begun",
        "validation completed",
    ]


def test_a_job_says_its_stage_since_when_and_where_else_it_could_run() -> None:
    """Three jobs of one account stood so for 25, 25 and 74 hours and cost nothing; another region took 81 minutes."""
    since = NOW - timedelta(hours=25)
    done = {"status": "Completed", "lastModifiedTime": since}
    details = {
        "validationDetails": done,
        "dataProcessingDetails": done,
        "trainingDetails": {"status": "NotStarted", "creationTime": since},
    }
    reply = JobReply.of(
        {"jobName": "run-1", "status": "InProgress", "statusDetails": details, "creationTime": NOW - timedelta(days=9)}
    )
    job = snapshot(Job("run-1", "bedrock", "amazon.nova-micro-v1:0", id="run-1", extra={"region": "us-east-1"}), reply)
    assert job.status is JobStatus.QUEUED
    assert (job.stage, job.stage_since) == ("training has not started", since)
    assert job.elsewhere == "-o region=us-west-2"


def test_a_failed_job_says_why(bedrock: Hosted) -> None:
    bedrock.emulator.ends_as = "Failed"
    done = bedrock.finish(bedrock.submit())
    assert done.error == "Encountered an internal error when processing the request."
    assert [event.level for event in bedrock.backend.events(done)][-1] == "error"


def test_losses_come_from_the_bucket(bedrock: Hosted) -> None:
    valid = write_rows(bedrock.folder / "valid.jsonl", 5, start=500, form="converse")
    job = bedrock.submit(bedrock.spec(validation_file=valid))
    assert all(not event.metrics for event in bedrock.backend.events(job))
    done = bedrock.finish(job)
    rows = bedrock.backend.metrics(done)
    assert [row["train_loss"] for row in rows if "train_loss" in row] == [1.75, 1.5, 1.25, 1.0]
    assert [row["valid_loss"] for row in rows if "valid_loss" in row] == pytest.approx([1.95, 1.7, 1.45, 1.2])


def test_a_deployment_costs_nothing_by_the_hour_and_is_asked_by_converse(bedrock: Hosted) -> None:
    done = bedrock.finish(bedrock.submit())
    question = [
        {"role": "system", "content": "Answer with a number."},
        {"role": "user", "content": "what comes after 7 ?"},
    ]
    with pytest.raises(ModelNotTunable, match="serve RUN --at-provider"):
        bedrock.backend.complete(done.tuned_model, question)
    serving = bedrock.backend.serve(done)
    assert (serving.usd_per_hour, serving.status) == (Decimal(0), "creating")
    assert bedrock.backend.serve(done).status == "active"  # the one that stands
    assert len(bedrock.emulator.state["deployments"]) == 1
    for model in (serving.model, done.tuned_model):
        answer = bedrock.backend.complete(model, question)
        assert (answer.text, answer.finish_reason) == ("8", "stop")
        assert answer.prompt_tokens and answer.completion_tokens
    bedrock.backend.stop(serving)
    bedrock.backend.delete_model(done)
    assert bedrock.emulator.state["deployments"] == bedrock.emulator.state["tuned"] == {}


def test_rows_become_conversations(tmp_path: Path) -> None:
    rows = [
        {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"},
                      {"role": "assistant", "content": "Hello"}]},
        {"messages": [{"role": "user", "content": "Sum"}, {"role": "assistant", "content": "3", "weight": 0},
                      {"role": "user", "content": "Again"}, {"role": "assistant", "content": "3"}]},
        {"messages": [{"role": "user", "content": "One"}, {"role": "user", "content": "Two"},
                      {"role": "assistant", "content": "Three"}]},
    ]  # fmt: skip
    source = tmp_path / "data.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    problems = write_for(Dataset.open(str(source)), "bedrock", Objective.SFT, tmp_path / "out.jsonl")
    first, second = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert first == {
        "schemaVersion": "bedrock-conversation-2024",
        "system": [{"text": "Be brief."}],
        "messages": [
            {"role": "user", "content": [{"text": "Hi"}]},
            {"role": "assistant", "content": [{"text": "Hello"}]},
        ],
    }
    assert [turn["role"] for turn in second["messages"]] == ["user", "assistant"] * 2
    assert {problem.code for problem in problems} == {"not_expressible", "setting_dropped"}
