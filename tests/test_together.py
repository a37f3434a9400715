"""What only Together does: its estimate before the launch, late validation, silent changes, nano-dollars."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from backend_cases import write_rows
from hosted_stage import Hosted, hosted

from backends import (
    AuthenticationFailed,
    BackendError,
    BackendMissing,
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


@pytest.fixture
def together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosted]:
    with hosted("together", tmp_path, monkeypatch) as stage:
        yield stage


def sent(stage: Hosted) -> dict[str, object]:
    """Return the one job the emulator was asked for."""
    (job,) = stage.emulator.state["jobs"].values()
    return dict(job)


def test_its_own_price_is_known_before_the_paid_request(together: Hosted) -> None:
    """A caller that dislikes the provider's price stops the launch from ``save``."""

    class TooDear(Exception): ...

    def save(job: Job) -> None:
        if "provider_quote_usd" in job.extra:
            assert job.id is None
            assert Decimal(job.extra["provider_quote_usd"]) == Decimal("4.000000")  # the minimum
            assert int(job.extra["provider_quote_tokens"]) > 0
            raise TooDear

    with pytest.raises(TooDear):
        together.backend.submit(together.spec(), save)
    assert together.emulator.paid_jobs == 0
    assert together.asked("POST /fine-tunes ") == []


def test_the_estimate_says_that_the_credit_does_not_suffice(together: Hosted) -> None:
    """The SDK would go on and have the job cancelled later."""
    together.emulator.credit_usd = 3.0
    with pytest.raises(FundsMissing, match=r"4\.00 USD for this job; the account's limit is 3\.00 USD"):
        together.submit()
    assert together.emulator.paid_jobs == 0


def test_a_key_that_may_not_upload_is_not_called_used_up_credit(together: Hosted) -> None:
    together.emulator.fault("POST /files", "status", status=403)
    with pytest.raises(AuthenticationFailed, match="may not do that"):
        together.submit()


def test_used_up_free_credit_is_not_called_a_wrong_key(together: Hosted) -> None:
    together.emulator.free_credit_used_up = True
    with pytest.raises(FundsMissing, match="Add credit"):
        together.submit()


@pytest.mark.parametrize(
    ("method", "objective", "rate"),
    [
        (Method.LORA, Objective.SFT, 3e-4),
        (Method.FULL, Objective.SFT, 1e-5),
        (Method.LORA, Objective.DPO, 1e-5),
        (Method.FULL, Objective.DPO, 1e-6),
    ],
)
def test_the_learning_rate_is_always_said(together: Hosted, method: Method, objective: Objective, rate: float) -> None:
    together.submit(together.spec(method=method, objective=objective))
    job = sent(together)
    assert job["learning_rate"] == rate
    kind, how = job["training_type"], job["training_method"]
    assert isinstance(kind, dict) and kind["type"] == {"lora": "Lora", "full": "Full"}[method.value]
    assert isinstance(how, dict) and how["method"] == objective.value


def test_what_was_changed_without_a_word_is_said(together: Hosted) -> None:
    together.emulator.changed_settings = {"lora_r": 64, "lora_alpha": 128, "weight_decay": 0.0}
    settings = Hyperparameters(epochs=3, lora_rank=16, lora_alpha=32, weight_decay=0.1)
    job = together.submit(together.spec(hyperparameters=settings))
    changed = "weight_decay: asked 0.1, got 0; lora_rank: asked 16, got 64; lora_alpha: asked 32, got 128"
    assert job.extra["changed_by_provider"] == changed
    assert job.accepted is not None and job.accepted.lora_rank == 64
    assert together.backend.refresh(job).extra["changed_by_provider"] == changed
    first = next(together.backend.events(job))
    assert first.level == "warning" and changed in first.message


def test_nothing_is_said_when_nothing_was_changed(together: Hosted) -> None:
    job = together.submit(together.spec(hyperparameters=Hyperparameters(epochs=3, lora_rank=16, packing=True)))
    assert "changed_by_provider" not in job.extra
    assert {event.level for event in together.backend.events(job)} == {"info"}


def test_the_bill_is_in_nano_dollars_and_tokens_are_of_one_epoch(together: Hosted) -> None:
    together.emulator.usd_per_mtok = 5000.0
    job = together.finish(together.submit(together.spec(hyperparameters=Hyperparameters(epochs=3))))
    assert job.status is JobStatus.SUCCEEDED
    per_epoch = int(job.extra["tokens_per_epoch"])
    assert job.trained_tokens == 3 * per_epoch
    assert job.billed_usd == Decimal(3 * per_epoch) * 5000 / 1_000_000
    assert job.started is not None and job.finished is not None


@pytest.mark.parametrize("end", ["error", "user_error"])
def test_the_two_bad_ends(together: Hosted, end: str) -> None:
    together.emulator.ends_as = end
    job = together.finish(together.submit())
    assert (job.status, job.detail) == (JobStatus.FAILED, end)
    assert job.error == "Training data has no trainable tokens"
    assert job.billed_usd is None  # refunded, as its pages say; no bill is stated


def test_a_file_that_its_validation_refuses(together: Hosted) -> None:
    spec = together.spec()
    lines = spec.train_file.read_text(encoding="utf-8").splitlines()
    lines[6] = json.dumps({"messages": [{"role": "user", "content": "hi"}, {"content": "no role"}]})
    spec.train_file.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(FileRejected, match=r"Line 7: `messages\[1\]` must contain a `role` field"):
        together.submit(spec)
    assert together.emulator.paid_jobs == 0


def test_its_tokenizer_shows_the_first_rows(together: Hosted) -> None:
    found = together.backend.preview(together.submit(), rows=2)
    assert len(found) == 2
    assert found[0].trained_tokens == 1 and found[0].tokens > 10 and not found[0].truncated


def test_a_serving_has_a_price_a_name_and_an_end(together: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    job = together.submit()
    with pytest.raises(SpecRefused, match="wait until it has succeeded"):
        together.backend.serve(job)
    job = together.finish(job)
    with pytest.raises(SpecRefused, match="TOGETHER_PROJECT_ID"):
        together.backend.serve(job)
    monkeypatch.setenv("TOGETHER_PROJECT_ID", "p")
    together.backend.close()
    with pytest.raises(SpecRefused, match="30 to 1440 idle minutes"):
        together.backend.serve(job, idle_minutes=5)

    serving = together.backend.serve(job, idle_minutes=45)
    assert (serving.usd_per_hour, serving.stops_after_idle_minutes) == (Decimal("5.49"), 45)
    assert (serving.status, serving.model) == ("provisioning", "slug/run-1/run-1")
    assert together.backend.adapters(serving) == ()
    together.backend.stop(serving)
    assert together.emulator.state["deployments"] == {} and together.emulator.state["endpoints"] == {}


@pytest.mark.parametrize("step", ["", "/{endpoint_id}/deployments"])
def test_a_serving_whose_reply_was_lost_is_not_paid_twice(
    together: Hosted, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setenv("TOGETHER_PROJECT_ID", "p")
    job = together.finish(together.submit())
    together.emulator.fault("POST /v2/projects/{project_id}/endpoints" + step, "drop")
    with pytest.raises(OutcomeUnknown):
        together.backend.serve(job)
    together.backend.serve(job)
    assert len(together.emulator.state["endpoints"]) == len(together.emulator.state["deployments"]) == 1


def test_machines_cheapest_first(together: Hosted) -> None:
    assert [(rate.gpus, rate.usd_per_hour) for rate in together.backend.rates()] == [
        (1, Decimal("5.49")),
        (8, Decimal("43.92")),
    ]


def test_a_tuned_model_without_an_endpoint(together: Hosted) -> None:
    job = together.finish(together.submit())
    with pytest.raises(ModelNotTunable, match="dedicated endpoint"):
        together.backend.complete(job.tuned_model, [{"role": "user", "content": "hi"}])


def test_the_base_url_of_older_sdks_works(together: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOGETHER_BASE_URL", together.emulator.base_url + "/v1/")
    together.backend.preflight(together.spec())
    assert together.emulator.requests == ["GET /fine-tunes/models/limits 200"]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"hyperparameters": Hyperparameters(lora_rank=128)}, "lora_rank = 128"),
        ({"hyperparameters": Hyperparameters(epochs=21)}, "epochs = 21"),
        ({"hyperparameters": Hyperparameters(batch_size=4)}, "batch_size = 4"),
        ({"hyperparameters": Hyperparameters(max_seq_length=40_000)}, "max_seq_length = 40000"),
        ({"model": "google/gemma-4-31B-it", "method": Method.FULL}, "LoRA only"),
        ({"method": Method.FULL, "hyperparameters": Hyperparameters(lora_rank=8)}, "belongs to method lora"),
        ({"method": Method.QLORA}, "choose full or lora"),
        ({"hyperparameters": Hyperparameters(early_stopping_patience=1)}, "needs a validation file"),
    ],
)
def test_the_models_own_limits(together: Hosted, changes: dict[str, object], word: str) -> None:
    with pytest.raises(SpecRefused, match=word):
        together.backend.preflight(together.spec(**changes))


def test_a_model_it_does_not_tune(together: Hosted) -> None:
    with pytest.raises(ModelNotTunable, match="not available for fine-tuning"):
        together.backend.preflight(together.spec(model="meta-llama/Llama-3.2-1B"))


def test_early_stopping_needs_evaluations_enough(together: Hosted) -> None:
    valid = write_rows(together.folder / "valid.jsonl", 4, start=90)
    settings = Hyperparameters(epochs=2, early_stopping_patience=2)
    with pytest.raises(SpecRefused, match="at least 4 evaluations"):
        together.backend.preflight(together.spec(validation_file=valid, hyperparameters=settings))


def test_evaluations_are_once_per_epoch_and_said_to_be_billed(together: Hosted) -> None:
    valid = write_rows(together.folder / "valid.jsonl", 4, start=90)
    spec = together.spec(validation_file=valid, hyperparameters=Hyperparameters(epochs=2))
    assert together.backend.preflight(spec) == ("The validation file is read 2 times, and every reading is billed.",)
    job = together.finish(together.submit(spec))
    losses = [event for event in together.backend.events(job) if "valid_loss" in event.metrics]
    assert losses and sent(together)["n_evals"] == 2


def test_evaluations_without_a_file_are_left_out_and_said_to_be(together: Hosted) -> None:
    spec = together.spec(hyperparameters=Hyperparameters(epochs=1, evaluations=5))
    assert together.backend.preflight(spec) == ("Without a validation file there is nothing to evaluate on.",)
    job = together.submit(spec)
    assert sent(together)["n_evals"] == 0 and "changed_by_provider" not in job.extra


def test_metrics_have_steps_and_our_names(together: Hosted) -> None:
    job = together.finish(together.submit(together.spec(hyperparameters=Hyperparameters(epochs=3))))
    rows = together.backend.metrics(job)
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[0].keys() == {"step", "train_loss", "learning_rate"}


def test_checkpoints_and_download(together: Hosted) -> None:
    job = together.finish(together.submit())
    (last,) = together.backend.checkpoints(job)
    assert last.step == job.steps_total
    folder = together.backend.download(job, together.folder / "adapter")
    assert sorted(path.name for path in folder.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    assert (folder / "adapter_model.safetensors").read_text() == f"adapter_model.safetensors of {job.id}"


def test_weights_that_cannot_be_unpacked_are_not_fetched(together: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    job = together.finish(together.submit())
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(BackendMissing, match="zstandard"):
        together.backend.download(job, together.folder / "adapter")
    assert together.asked("GET /finetune/download") == []


def test_weights_that_arrive_cut_are_refused(together: Hosted) -> None:
    job = together.finish(together.submit())
    together.emulator.fault("GET /finetune/download", "status", status=200, body="no archive")
    with pytest.raises(BackendError, match="did not arrive from Together in full"):
        together.backend.download(job, together.folder / "adapter")


@pytest.mark.parametrize(
    "said",
    [
        {"estimated_total_price": None},
        {"estimated_total_price": float("nan")},
        {"estimated_total_price": "not available"},
        {"estimated_total_price": -3},
        {"estimation_available": False, "unavailable_reason": "not available"},
        {},
        {"estimation_available": None, "estimated_total_price": None, "allowed_to_proceed": None},
    ],
)
def test_a_price_that_is_none_is_unknown_and_never_zero(together: Hosted, said: dict[str, object]) -> None:
    together.emulator.fault("POST /fine-tunes/estimate-price", "status", status=200, body=said or {"x": 1})
    job = together.submit()
    assert "provider_quote_usd" not in job.extra
    assert job.extra["provider_quote"].startswith("none: ")
