"""What only Fireworks does: ids that we choose, signed addresses, its own price, flags that promise, deployments."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from emulator_fireworks import REFUSED
from hosted_stage import Hosted, hosted

from backends import (
    AuthenticationFailed,
    FileRejected,
    FundsMissing,
    Hyperparameters,
    Job,
    JobStatus,
    Method,
    ModelNotTunable,
    Objective,
    OutcomeUnknown,
    SpecRefused,
)
from backends.fireworks import datasets
from backends.fireworks.names import resource
from backends.fireworks.replies import Money

STATES = {
    "UNSPECIFIED": JobStatus.RUNNING,
    "CREATING": JobStatus.QUEUED,
    "RUNNING": JobStatus.RUNNING,
    "COMPLETED": JobStatus.SUCCEEDED,
    "FAILED": JobStatus.FAILED,
    "CANCELLED": JobStatus.CANCELLED,
    "DELETING": JobStatus.RUNNING,
    "WRITING_RESULTS": JobStatus.RUNNING,
    "VALIDATING": JobStatus.QUEUED,
    "DELETING_CLEANING_UP": JobStatus.RUNNING,
    "PENDING": JobStatus.QUEUED,
    "EXPIRED": JobStatus.FAILED,
    "RE_QUEUEING": JobStatus.QUEUED,
    "CREATING_INPUT_DATASET": JobStatus.QUEUED,
    "IDLE": JobStatus.RUNNING,
    "CANCELLING": JobStatus.RUNNING,
    "EARLY_STOPPED": JobStatus.SUCCEEDED,
    "PAUSED": JobStatus.RUNNING,
    "DELETED": JobStatus.FAILED,
}


@pytest.fixture
def fireworks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosted]:
    with hosted("fireworks", tmp_path, monkeypatch) as stage:
        yield stage


def sent(stage: Hosted) -> dict[str, object]:
    """Return the one job the emulator was asked for."""
    (job,) = stage.emulator.state["jobs"].values()
    return dict(job)


def paired(stage: Hosted, **changes: object) -> object:
    row = {
        "input": {"messages": [{"role": "user", "content": "what comes after 7 ?"}]},
        "preferred_output": [{"role": "assistant", "content": "8"}],
        "non_preferred_output": [{"role": "assistant", "content": "9"}],
    }
    path = stage.folder / "pairs.jsonl"
    path.write_text((json.dumps(row) + "\n") * 4)
    return stage.spec(train_file=path, objective=Objective.DPO, **changes)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("Qwen/Qwen3-8B", "accounts/fireworks/models/qwen3-8b"),
        ("openai/gpt-oss-20b", "accounts/fireworks/models/gpt-oss-20b"),
        ("meta-llama/Llama-3.3-70B-Instruct", "accounts/fireworks/models/llama-v3p3-70b-instruct"),
        ("meta-llama/Meta-Llama-3.1-8B-Instruct", "accounts/fireworks/models/llama-v3p1-8b-instruct"),
        ("qwen2.5-7b-instruct", "accounts/fireworks/models/qwen2p5-7b-instruct"),
        ("accounts/acme/models/mine", "accounts/acme/models/mine"),
    ],
)
def test_hub_names_are_found_in_its_library(model: str, name: str) -> None:
    assert resource(model) == name


def test_every_id_is_ours(fireworks: Hosted) -> None:
    job = fireworks.submit()
    assert job.id == "run-1"
    asked = sent(fireworks)
    assert asked["name"] == "accounts/acme/supervisedFineTuningJobs/run-1"
    assert asked["outputModel"] == "run-1"
    assert str(asked["dataset"]).startswith("accounts/acme/datasets/tunewise-")
    assert fireworks.finish(job).tuned_model == "accounts/acme/models/run-1"


def test_a_run_is_looked_up_by_one_request(fireworks: Hosted) -> None:
    fireworks.submit()
    before = len(fireworks.emulator.requests)
    assert fireworks.backend.find(fireworks.spec()).id == "run-1"
    assert fireworks.emulator.requests[before:] == [
        "GET /v1/accounts/{account_id}/supervisedFineTuningJobs/{job_id} 200"
    ]


def test_the_same_id_makes_no_second_job(fireworks: Hosted) -> None:
    """Whoever created it in between: 409 is a doubt, and looking settles it."""
    fireworks.submit()
    job = fireworks.backend.unsent(fireworks.spec())
    kept = dataclasses.replace(job, extra={**job.extra, **fireworks.saved[0].extra})
    with pytest.raises(OutcomeUnknown, match="409"):
        fireworks.backend.create(fireworks.spec(), kept, lambda job: None)
    assert fireworks.emulator.paid_jobs == 1


def test_nothing_that_the_present_stack_refuses_is_sent(fireworks: Hosted) -> None:
    chosen = Hyperparameters(
        epochs=2, batch_size=16, learning_rate=1e-4, weight_decay=0.01, lora_rank=16, max_seq_length=2048
    )
    options = {"warmup_steps": 5, "lr_scheduler": "cosine"}
    fireworks.submit(fireworks.spec(hyperparameters=chosen, options=options))
    asked = sent(fireworks)
    assert not set(REFUSED) & set(asked)
    assert asked["evalAutoCarveout"] is False
    assert asked["baseModel"] == "accounts/fireworks/models/qwen3-8b"
    assert (asked["epochs"], asked["loraRank"], asked["batchSizeSamples"]) == (2, 16, 16)
    assert (asked["learningRate"], asked["optimizerWeightDecay"], asked["maxContextLength"]) == (1e-4, 0.01, 2048)
    assert asked["learningRateWarmupSteps"] == 5
    assert asked["lrScheduler"] == {"cosine": {}}


def test_epochs_and_rank_are_always_said(fireworks: Hosted) -> None:
    fireworks.submit()
    assert (sent(fireworks)["epochs"], sent(fireworks)["loraRank"]) == (1, 8)


def test_carving_out_is_asked_for_by_an_option(fireworks: Hosted) -> None:
    fireworks.submit(fireworks.spec(options={"carve_out_evaluation": True}))
    assert sent(fireworks)["evalAutoCarveout"] is True


def test_full_training_is_rank_nought(fireworks: Hosted) -> None:
    spec = fireworks.spec(model="openai/gpt-oss-20b", method=Method.FULL)
    assert fireworks.backend.preflight(spec)
    job = fireworks.submit(spec)
    assert sent(fireworks)["loraRank"] == 0
    assert job.accepted is not None and job.accepted.lora_rank is None


def test_preferences_always_name_their_method(fireworks: Hosted) -> None:
    """One comment of the description says that unset means GRPO, another DPO."""
    spec = paired(fireworks, hyperparameters=Hyperparameters(epochs=1, dpo_beta=0.2))
    job = fireworks.submit(spec)
    asked = sent(fireworks)
    assert asked["name"] == "accounts/acme/dpoJobs/run-1"
    assert asked["lossConfig"] == {"method": "DPO", "dpo": {"beta": 0.2}}
    assert job.accepted is not None and job.accepted.dpo_beta == 0.2
    assert "provider_quote_usd" not in job.extra  # it prices supervised jobs only
    assert fireworks.finish(job).status is JobStatus.SUCCEEDED
    assert fireworks.backend.find(spec).id == job.id
    assert list(fireworks.backend.events(job))


def test_a_validation_file_is_a_dataset_of_its_own(fireworks: Hosted) -> None:
    from backend_cases import write_rows

    spec = fireworks.spec(validation_file=write_rows(fireworks.folder / "valid.jsonl", 5, start=900))
    fireworks.submit(spec)
    assert sent(fireworks)["evaluationDataset"] != sent(fireworks)["dataset"]
    assert len(fireworks.emulator.state["files"]) == 2


def test_its_own_price_is_known_before_the_paid_request(fireworks: Hosted) -> None:
    class TooDear(Exception): ...

    fireworks.emulator.usd_per_mtok = 1_000_000.0

    def save(job: Job) -> None:
        if "provider_quote_usd" in job.extra:
            assert job.id is None
            raise TooDear

    with pytest.raises(TooDear):
        fireworks.backend.submit(fireworks.spec(), save)
    assert fireworks.emulator.paid_jobs == 0


@pytest.mark.parametrize(
    ("found", "usd"),
    [
        ({"currencyCode": "USD", "units": "0", "nanos": 359_000_000}, "0.359"),
        ({"currencyCode": "USD", "units": "40", "nanos": 590_000_000}, "40.59"),
        ({"currencyCode": "USD", "units": "7"}, "7"),
    ],
)
def test_money_is_units_and_billionths(found: dict[str, object], usd: str) -> None:
    assert Money.model_validate(found).usd == Decimal(usd)


def test_a_large_file_goes_to_a_signed_address(fireworks: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "MOST_IN_ONE_REQUEST", 10)
    spec = fireworks.spec()
    assert fireworks.submit(spec).id
    assert fireworks.asked("PUT /storage/{dataset_id} 200")
    (stored,) = fireworks.emulator.state["files"].values()
    assert stored["bytes"] == spec.train_file.stat().st_size


def test_half_of_a_signed_upload_is_noticed(fireworks: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "MOST_IN_ONE_REQUEST", 10)
    fireworks.emulator.fault("PUT /storage/{dataset_id}", "cut")
    with pytest.raises((FileRejected, SpecRefused)):
        fireworks.submit()
    assert fireworks.emulator.paid_jobs == 0
    assert fireworks.submit().id


def test_a_file_it_cannot_read_is_refused_with_its_words_and_forgotten(fireworks: Hosted) -> None:
    path = fireworks.folder / "bad.jsonl"
    path.write_text('{"messages": []}\n{broken\n')
    with pytest.raises(FileRejected, match="Line 2"):
        fireworks.submit(fireworks.spec(train_file=path))
    assert fireworks.emulator.state["files"] == {}


def test_a_model_that_is_not_in_its_library(fireworks: Hosted) -> None:
    with pytest.raises(ModelNotTunable):
        fireworks.backend.preflight(fireworks.spec(model="acme/unheard-of"))


def test_a_model_without_the_flag_is_refused_before_the_upload(fireworks: Hosted) -> None:
    with pytest.raises(ModelNotTunable, match="does not tune"):
        fireworks.backend.preflight(fireworks.spec(model="old-8b"))
    with pytest.raises(ModelNotTunable, match="method lora is offered"):
        fireworks.backend.preflight(fireworks.spec(method=Method.FULL))


def test_a_retired_model_is_refused_before_the_upload(fireworks: Hosted) -> None:
    with pytest.raises(ModelNotTunable, match="2026-09-01"):
        fireworks.backend.preflight(fireworks.spec(model="meta-llama/Llama-3.1-8B-Instruct"))


def test_a_flag_that_promises_more_than_the_create_request_keeps(fireworks: Hosted) -> None:
    """Seen on 2026-09-05: the flag said yes, the create request said no. The estimate says so before it is paid."""
    spec = fireworks.spec(model="meta-llama/Llama-3.2-3B-Instruct")
    fireworks.backend.preflight(spec)
    with pytest.raises(ModelNotTunable, match="does not support tuning"):
        fireworks.submit(spec)
    assert fireworks.emulator.paid_jobs == 0
    assert fireworks.asked("POST /v1/accounts/{account_id}/supervisedFineTuningJobs ") == []


def test_a_tune_that_cannot_be_served_is_said_before_the_upload(fireworks: Hosted) -> None:
    (said, *_) = fireworks.backend.preflight(fireworks.spec(model="nvidia/Nemotron-Nano-3-30B"))
    assert "may not be servable" in said
    assert fireworks.emulator.state["files"] == {}


def test_an_account_without_gpus_is_warned(fireworks: Hosted) -> None:
    fireworks.emulator.gpus = 0
    assert any("payment method" in said for said in fireworks.backend.preflight(fireworks.spec()))


def test_rows_are_said_to_be_cut(fireworks: Hosted) -> None:
    assert any("32,768" in said for said in fireworks.backend.preflight(fireworks.spec()))
    long = fireworks.spec(hyperparameters=Hyperparameters(max_seq_length=100_000))
    with pytest.raises(SpecRefused, match="65536"):
        fireworks.backend.preflight(long)


@pytest.mark.parametrize("rank", [3, 64, 0])
def test_a_rank_it_does_not_take(fireworks: Hosted, rank: int) -> None:
    with pytest.raises(SpecRefused, match="power of two"):
        fireworks.backend.check(fireworks.spec(hyperparameters=Hyperparameters(lora_rank=rank)))


@pytest.mark.parametrize("option", [{"warmup_steps": -1}, {"lr_scheduler": "wave"}, {"carve_out_evaluation": "yes"}])
def test_an_option_it_does_not_take(fireworks: Hosted, option: dict[str, object]) -> None:
    with pytest.raises(SpecRefused):
        fireworks.backend.check(fireworks.spec(options=option))


@pytest.mark.parametrize(("word", "status"), STATES.items())
def test_every_state(fireworks: Hosted, word: str, status: JobStatus) -> None:
    job = fireworks.submit()
    fireworks.emulator.advance_on_poll = False
    fireworks.emulator.state["jobs"]["run-1"]["status"] = word
    fresh = fireworks.backend.refresh(job)
    assert fresh.status is status
    assert fresh.detail.startswith(word.lower().replace("_", " ")[:6])
    assert (fresh.tuned_model is not None) is (status is JobStatus.SUCCEEDED)
    assert (fresh.error is not None) is (status is JobStatus.FAILED)


def test_the_states_are_those_of_the_description(shared: Path) -> None:
    import yaml

    text = (shared / "specs" / "fireworks-gateway.yaml").read_text()
    listed = yaml.safe_load(text)["components"]["schemas"]["gatewayJobState"]["enum"]
    assert {word.removeprefix("JOB_STATE_") for word in listed} == set(STATES)


def test_a_paused_job_is_explained_and_goes_on(fireworks: Hosted) -> None:
    job = fireworks.submit()
    fireworks.emulator.state["jobs"]["run-1"]["status"] = "PAUSED"
    fresh = fireworks.backend.refresh(job)
    assert (fresh.status, "suspended account" in fresh.detail) == (JobStatus.RUNNING, True)
    assert [event.level for event in fireworks.backend.events(fresh)] == ["info", "warning"]
    assert fireworks.finish(fireworks.backend.resume(fresh)).status is JobStatus.SUCCEEDED


def test_stopping_early_is_a_success(fireworks: Hosted) -> None:
    fireworks.emulator.ends_as = "EARLY_STOPPED"
    done = fireworks.finish(fireworks.submit())
    assert done.status is JobStatus.SUCCEEDED and done.tuned_model


def test_a_failed_job_says_why(fireworks: Hosted) -> None:
    fireworks.emulator.ends_as = "FAILED"
    done = fireworks.finish(fireworks.submit())
    assert (done.status, done.error) == (JobStatus.FAILED, "trainer pod was evicted")


def test_progress_is_in_the_detail_and_its_states_come_once(fireworks: Hosted) -> None:
    job, last, seen, details = fireworks.submit(), None, [], []
    while not job.status.finished:
        job = fireworks.backend.refresh(job)
        fireworks.emulator.advance_on_poll = False
        fresh = list(fireworks.backend.events(job, last))
        fireworks.emulator.advance_on_poll = True
        seen += fresh
        details.append(job.detail)
        last = seen[-1].id
    assert "running, 30%, epoch 1" in details
    ids = [event.id for event in seen]
    assert len(set(ids)) == len(ids)
    assert ids[0] == "created" and ids[-1] == "state-COMPLETED"


def test_several_accounts_have_to_be_told_apart(fireworks: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"name": f"accounts/{name}", "email": "user@example.com"} for name in ("acme", "other")]
    fireworks.emulator.fault("GET /v1/accounts", "status", status=200, body={"accounts": rows, "totalSize": 2})
    with pytest.raises(SpecRefused, match="FIREWORKS_ACCOUNT_ID to one of acme, other"):
        fireworks.submit()
    monkeypatch.setenv("FIREWORKS_ACCOUNT_ID", "acme")
    fireworks.backend.close()
    assert fireworks.submit().id


def test_a_key_for_answers_only(fireworks: Hosted) -> None:
    fireworks.emulator.fault("*", "status", status=401, body={"code": 16, "message": "no training scope"})
    with pytest.raises(AuthenticationFailed, match="FIREWORKS_API_KEY"):
        fireworks.backend.preflight(fireworks.spec())


def test_a_quota_that_is_used_up_is_no_request_rate(fireworks: Hosted) -> None:
    refused = {"code": 8, "message": "quota_exceeded: h100-us-iowa-1"}
    route = "POST /v1/accounts/{account_id}/supervisedFineTuningJobs"
    fireworks.emulator.fault(route, "status", status=429, body=refused)
    with pytest.raises(FundsMissing, match="quota"):
        fireworks.submit()


# Serving


def test_serving_is_checked_for_nothing_and_stops_by_itself(fireworks: Hosted) -> None:
    done = fireworks.finish(fireworks.submit())
    serving = fireworks.backend.serve(done, idle_minutes=10)
    assert serving.model == "accounts/acme/models/run-1#accounts/acme/deployments/run-1"
    assert (serving.hardware, serving.gpus, serving.stops_after_idle_minutes) == ("h100-80gb-sxm", 2, 10)
    (made,) = fireworks.emulator.state["deployments"].values()
    assert made["autoscalingPolicy"] == {"scaleToZeroWindow": "600s"}
    assert (made["minReplicaCount"], made["maxReplicaCount"], made["deploymentShape"][:9]) == (0, 1, "accounts/")
    assert made["expireTime"]
    assert fireworks.backend.serve(done).model == serving.model  # the one that stands
    assert len(fireworks.emulator.state["deployments"]) == 1
    answer = fireworks.backend.complete(serving.model, [{"role": "user", "content": "what comes after 7 ?"}])
    assert answer.text == "8"
    fireworks.backend.stop(serving)
    assert made["state"] == "DELETED"
    again = fireworks.backend.serve(done)
    assert again.deployment_id == "run-1-2"  # a deleted one keeps its id


def test_a_bare_name_does_not_answer(fireworks: Hosted) -> None:
    fireworks.emulator.deployed = False
    done = fireworks.finish(fireworks.submit())
    with pytest.raises(ModelNotTunable, match="serve RUN --at-provider"):
        fireworks.backend.complete(done.tuned_model, [{"role": "user", "content": "hello"}])


def test_a_lost_reply_to_a_deployment_is_found(fireworks: Hosted) -> None:
    done = fireworks.finish(fireworks.submit())
    fireworks.emulator.fault("POST /v1/accounts/{account_id}/deployments", "drop", skip=1)  # the check comes first
    with pytest.raises(OutcomeUnknown):
        fireworks.backend.serve(done)
    assert fireworks.backend.serve(done).deployment_id == "run-1"
    assert len(fireworks.emulator.state["deployments"]) == 1


def test_a_model_without_a_machine_is_said_before_anything_is_billed(fireworks: Hosted) -> None:
    done = fireworks.finish(fireworks.submit())
    fireworks.emulator.servable = False
    with pytest.raises(ModelNotTunable, match="live merge is not supported"):
        fireworks.backend.serve(done)
    assert fireworks.emulator.state["deployments"] == {}


@pytest.mark.parametrize("minutes", [4, 61])
def test_idle_minutes_it_does_not_take(fireworks: Hosted, minutes: int) -> None:
    with pytest.raises(SpecRefused, match="5 to 60"):
        fireworks.backend.serve(fireworks.finish(fireworks.submit()), idle_minutes=minutes)


def test_the_adapter_is_downloaded_without_the_key_and_the_model_deleted(fireworks: Hosted) -> None:
    done = fireworks.finish(fireworks.submit())
    folder = fireworks.backend.download(done, fireworks.folder / "adapter")
    assert sorted(path.name for path in folder.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    assert (folder / "adapter_model.safetensors").read_bytes() == b"adapter_model.safetensors of run-1"
    fireworks.backend.delete_model(done)
    with pytest.raises(ModelNotTunable):
        fireworks.backend.download(done, fireworks.folder / "gone")
