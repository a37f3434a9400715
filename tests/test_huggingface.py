"""What only Hugging Face Jobs does: our trainer on a rented machine, its price by the minute, going on elsewhere."""

from __future__ import annotations

import base64
import io
import json
import tarfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path

import pytest
from hosted_stage import Hosted, hosted
from huggingface_hub import JobStage
from huggingface_hub._jobs_api import TERMINAL_JOB_STAGES

from backends import (
    FundsMissing,
    Hyperparameters,
    Job,
    JobSpec,
    JobStatus,
    Method,
    ModelNotTunable,
    OutcomeUnknown,
    ProviderUnavailable,
    SpecRefused,
)
from backends._refusals import RightMissing
from backends._rented import read_log, shipped
from backends.huggingface.replies import snapshot

RENT = {"machine": "a10g-small", "max_minutes": 45}
QUICK = Hyperparameters(epochs=2, batch_size=4, max_seq_length=64, lora_rank=2)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosted]:
    with hosted("huggingface", tmp_path, monkeypatch) as stage:
        yield stage


def rented(hub: Hosted, **changes: object) -> JobSpec:
    return replace(hub.spec(), **{"options": RENT, "model": "tiny", "hyperparameters": QUICK, **changes})  # type: ignore[arg-type]


def ended(hub: Hosted, job: Job) -> Job:
    deadline = time.monotonic() + 120
    while not job.status.finished and time.monotonic() < deadline:
        time.sleep(0.2)
        job = hub.backend.refresh(job)
    return job


def test_the_very_command_trains_and_goes_on_after_a_failure(hub: Hosted) -> None:
    """The machine is a child process here: it installs nothing, and does all the rest for real."""
    hub.emulator.real = hub.folder / "machines"
    quick = {**RENT, "device": "cpu", "threads": 1, "save_every": 1}
    spec = rented(hub, options=quick)
    hub.emulator.fault("POST /api/repos/create", "status", status=403, skip=3, body={"error": "no right"})
    failed = ended(hub, hub.submit(spec))
    assert failed.status is JobStatus.FAILED
    assert "did not get to acme/tunewise-run-1" in str(failed.error)
    assert "launch --resume run-1" in str(failed.error)
    assert (hub.emulator.real / "bucket" / "run-1" / "checkpoints").is_dir()

    job = hub.backend.submit(spec, hub.saved.append, failed)
    assert job.id != failed.id and hub.emulator.paid_jobs == 2
    done = ended(hub, job)
    log = (hub.emulator.real / done.id / "log").read_text()
    assert done.status is JobStatus.SUCCEEDED, log
    assert done.tuned_model == "acme/tunewise-run-1"
    assert (done.steps_done, done.steps_total) == (6, 6)
    assert done.trained_tokens
    assert any("Resumed after step 6" in event.message for event in hub.backend.events(done))
    first = list(hub.backend.events(failed))
    assert [event.step for event in first if "train_loss" in event.metrics] == [1, 2, 3, 4, 5, 6]
    published = [name for name in hub.emulator.state["others"] if name.startswith("acme/tunewise-run-1:")]
    assert "acme/tunewise-run-1:adapter_model.safetensors" in published
    assert hub.emulator.key not in log
    assert hub.backend.submit(spec, resume=done).id == done.id  # nothing is left to do


def test_a_tuned_model_is_fetched_into_a_folder(hub: Hosted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(hub.folder / "cache"))
    done = ended(hub, hub.submit(rented(hub)))
    with pytest.raises(ModelNotTunable):  # the machine is drawn here, and has published nothing
        hub.backend.download(done, hub.folder / "none")
    hub.emulator.state["repos"]["acme/tunewise-run-1"] = "model"
    content = base64.b64encode(b"weights").decode()
    hub.emulator.state["others"]["acme/tunewise-run-1:adapter_model.safetensors"] = {"content": content, "bytes": 7}
    hub.emulator.fault("GET /api/models/{namespace}/{repo}/tree/{revision}", "status", status=403, body={"error": "no"})
    with pytest.raises(RightMissing, match="may not do that: no"):
        hub.backend.download(done, hub.folder / "none")
    folder = hub.backend.download(done, hub.folder / "adapter")
    assert [path.name for path in folder.iterdir()] == ["adapter_model.safetensors"]
    assert (folder / "adapter_model.safetensors").read_bytes() == b"weights"


def test_the_job_is_capped_labelled_and_reads_private_storage(hub: Hosted) -> None:
    spec = rented(hub)
    job = hub.submit(spec)
    (asked,) = hub.emulator.state["jobs"].values()
    assert asked["timeout"] == 45 * 60
    assert asked["labels"]["tunewise-run"] == "run-1"
    assert job.extra["provider_quote_usd"] == "0.75"  # 45 minutes of $0.016667
    kinds = {volume["type"]: volume for volume in asked["volumes"]}
    assert kinds["dataset"] == {
        "type": "dataset",
        "source": "acme/tunewise-data",
        "mountPath": "/tunewise/data",
        "readOnly": True,
    }
    assert kinds["bucket"]["source"] == "acme/tunewise-runs"
    assert "HF_TOKEN" not in asked["environment"] and hub.emulator.key not in json.dumps(asked)
    told = json.loads(asked["environment"]["TUNEWISE_JOB"])
    assert told["spec"]["options"]["max_hours"] == 0.5  # it stops by itself, and keeps a checkpoint, before that
    assert told["spec"]["train_file"].startswith("/tunewise/data/data/")


def test_the_machine_installs_this_very_tunewise_and_its_packages(hub: Hosted) -> None:
    (source, archive), (lock, pins) = shipped(Method.LORA)
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        names = packed.getnames()
    assert {"tunewise/pyproject.toml", "tunewise/pricing.yaml", "tunewise/backends/_rented.py"} <= set(names)
    first, *rest = pins.decode().splitlines()
    assert first == f"tunewise[local] @ file:///tunewise/data/{source}"
    assert f"torch=={version('torch').split('+')[0]}" in rest
    assert all("==" in line for line in rest)
    assert lock in " ".join(hub.backend.requests(rented(hub))[-1].body["command"])
    assert shipped(Method.QLORA)[-1][1].startswith(b"tunewise[qlora]")


def test_the_price_is_the_days_own_and_is_known_before_the_paid_request(hub: Hosted) -> None:
    assert [rate.usd_per_hour for rate in hub.backend.machines()] == [
        Decimal("0.40002"), Decimal("0.79998"), Decimal("1.00002"), Decimal("2.50002"), Decimal("10.00002"),
    ]  # fmt: skip
    assert any("at most" in said and "$0.75" in said for said in hub.backend.preflight(rented(hub)))

    def save(job: Job) -> None:
        if "provider_quote_usd" in job.extra and job.id is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hub.backend.submit(rented(hub), save)
    assert hub.emulator.paid_jobs == 0


def test_what_an_ended_job_ran_is_its_bill(hub: Hosted) -> None:
    done = ended(hub, hub.submit(rented(hub)))
    assert done.billed_usd == Decimal("0.04")  # 120 seconds, to the cent above


def test_a_machine_that_is_not_rented_out_is_named_with_those_that_are(hub: Hosted) -> None:
    with pytest.raises(SpecRefused, match="no machine 'b300'; choose one of: t4-small, l4x1, a10g-small"):
        hub.backend.preflight(rented(hub, options={**RENT, "machine": "b300"}))


@pytest.mark.parametrize("options", [{}, {"machine": "t4-small"}, {**RENT, "max_minutes": 5}])
def test_no_machine_is_rented_without_an_end(hub: Hosted, options: dict[str, object]) -> None:
    with pytest.raises(SpecRefused, match="-o m"):
        hub.submit(rented(hub, options=options))
    assert hub.emulator.requests == []


def test_no_credit_is_said_in_its_words(hub: Hosted) -> None:
    said = "Pre-paid credit balance is insufficient - add more credits to your account to use Jobs."
    hub.emulator.fault("POST /api/jobs/{namespace}", "status", status=402, body={"error": said})
    with pytest.raises(FundsMissing, match="Pre-paid credit balance is insufficient"):
        hub.submit(rented(hub))


def test_no_capacity_is_explained_and_is_no_second_job(hub: Hosted) -> None:
    hub.emulator.fault("POST /api/jobs/{namespace}", "status", status=500)
    with pytest.raises(OutcomeUnknown, match="where no a10g-small is free"):
        hub.submit(rented(hub))
    assert hub.backend.find(rented(hub)) is None
    waiting = {"id": "1", "status": {"stage": "SCHEDULING"}, "createdAt": "2026-12-01T10:00:00Z", "flavor": "h200"}
    job = snapshot(Job("run-1", "huggingface", "m"), waiting, datetime(2026, 12, 1, 10, 25, tzinfo=UTC))
    assert "no h200 has been free for 25 minutes" in job.detail


@pytest.mark.parametrize("stage", list(JobStage))
def test_every_stage(hub: Hosted, stage: JobStage) -> None:
    job = hub.submit(rented(hub))
    hub.emulator.advance_on_poll = False
    hub.emulator.state["jobs"][job.id]["status"] = stage.value
    fresh = hub.backend.refresh(job)
    assert fresh.detail == stage.value.lower()
    assert fresh.status.finished is (stage in TERMINAL_JOB_STAGES)


def test_a_machine_taken_away_is_a_failure_that_goes_on(hub: Hosted) -> None:
    hub.emulator.ends_as = "ERROR"
    spec = rented(hub)
    failed = ended(hub, hub.submit(spec))
    assert failed.status is JobStatus.FAILED
    assert "Job timeout" in str(failed.error) and "goes on from its last checkpoint" in str(failed.error)
    hub.emulator.ends_as = "COMPLETED"
    again = hub.backend.submit(spec, resume=failed)
    assert failed.billed_usd == Decimal("0.04") and ended(hub, again).billed_usd == Decimal("0.08")
    assert again.id != failed.id
    assert hub.backend.find(spec).twins == (failed.id,)  # which was billed as well
    assert hub.backend.submit(spec, resume=failed).id == again.id  # one at a time


def test_a_log_of_others_words_is_passed_over() -> None:
    lines = ["", "Installed 61 packages", "tunewise: {", "tunewise: []", 'tunewise: {"event": 7}', "tunewise: null"]
    assert read_log(lines, "1").events == ()
    event = {"id": "1", "time": "2026-12-01T10:00:00+00:00", "message": "step 1", "metrics": {"train_loss": "NaN"}}
    (found,) = read_log([f"10:00 tunewise: {json.dumps({'event': event})}"], "1").events
    assert (found.id, found.metrics) == ("1:1", {})


def test_a_list_goes_on_here_and_comes_to_an_end(hub: Hosted) -> None:
    hub.emulator.ends_as, hub.emulator.page_size = "ERROR", 1
    spec = rented(hub)
    failed = ended(hub, hub.submit(spec))
    again = hub.backend.submit(spec, resume=failed)
    assert hub.backend.find(spec).id == again.id  # which is on the second page

    def spoil(link: str) -> None:
        hub.emulator.spoil = lambda call, reply: replace(reply, headers={"link": f'<{link}>; rel="next"'})

    spoil("https://elsewhere.example/api/jobs?cursor=1")
    with pytest.raises(ProviderUnavailable, match="goes on at another address"):
        hub.backend.find(spec)
    spoil(f"{hub.emulator.origin}/api/jobs/acme?label=tunewise-run%3Drun-1&cursor=1")
    with pytest.raises(ProviderUnavailable, match="begins again at a page"):
        hub.backend.find(spec)


def test_a_stage_nobody_knows_that_has_ended_is_a_failure(hub: Hosted) -> None:
    found = {"id": "1", "status": {"stage": "LEVITATED"}, "finishedAt": "2026-12-01T10:00:00Z"}
    job = snapshot(Job("run-1", "huggingface", "m"), found)
    assert (job.status, job.detail) == (JobStatus.FAILED, "LEVITATED")
