"""One suite over every backend: the real SDK against an emulator of its provider, and the local one for real."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, dataclass, field, replace
from importlib.metadata import entry_points
from pathlib import Path

import keyring
import keyring.backend
import pytest
from backend_cases import CASES, HOSTED, Case
from conftest import ROOT
from emulator_base import Emulator

import backends
from backends import (
    AuthenticationFailed,
    Backend,
    BackendError,
    BackendMissing,
    FileRejected,
    Job,
    JobEvent,
    JobNotFound,
    JobSpec,
    JobStatus,
    Message,
    ModelNotTunable,
    OutcomeUnknown,
    ProviderUnavailable,
    RateLimited,
    SpecRefused,
)

PLANTED = "planted-secret-0123456789"


@dataclass
class Stage:
    """A backend set up to be used, with its emulator when it has one, and the snapshots ``save`` was given."""

    case: Case
    backend: Backend
    emulator: Emulator | None
    folder: Path
    saved: list[Job] = field(default_factory=list)

    @property
    def played(self) -> Emulator:
        assert self.emulator is not None
        return self.emulator

    def submit(self, spec: JobSpec, resume: Job | None = None) -> Job:
        return self.backend.submit(spec, self.saved.append, resume)

    def finish(self, job: Job) -> Job:
        for _ in range(1000):
            if job.status.finished:
                return job
            if self.emulator is None:
                time.sleep(0.1)  # a real process trains; an emulator advances with every look
            job = self.backend.refresh(job)
        raise AssertionError(f"still {job.status} ({job.detail}) after 1000 refreshes")


def build(case: Case, emulator: Emulator | None, monkeypatch: pytest.MonkeyPatch) -> Backend:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    if emulator is None:
        return backends.get(case.name)
    for name, value in case.environment(emulator).items():
        monkeypatch.setenv(name, value)
    return impatient(case)


def impatient(case: Case) -> Backend:
    """Return a backend without retries by its SDK: the suite wants to see every failure, and to wait for none."""
    kind = type(backends.get(case.name))
    return kind(retries=0, timeout_s=60.0, sleep=lambda seconds: None)  # type: ignore[call-arg]


@pytest.fixture(params=list(CASES.values()), ids=list(CASES))
def stage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    yield from _set_up(request.param, tmp_path, monkeypatch)


@pytest.fixture(params=HOSTED, ids=[case.name for case in HOSTED])
def hosted(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    yield from _set_up(request.param, tmp_path, monkeypatch)


def _set_up(case: Case, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    if case.emulator is None:
        backend = build(case, None, monkeypatch)
        stage = Stage(case, backend, None, folder)
        yield stage
        for job in stage.saved:
            stage.finish(backend.cancel(job))
        backend.close()
        return
    with case.emulator() as emulator:
        for name, value in case.knobs.items():
            setattr(emulator, name, value)
        backend = build(case, emulator, monkeypatch)
        yield Stage(case, backend, emulator, folder)
        backend.close()
        # Every request that was accepted, and every reply, agrees with the official description.
        assert emulator.violations == []
        assert not emulator.requests or not emulator.has_description or emulator.validated > 0


def test_every_backend_has_a_case() -> None:
    plugins = {point.name for point in entry_points(group="tunewise.backends")}
    assert set(backends.names()) - plugins == set(CASES), "a backend without an emulator (or a local run) is not tested"


def test_name_is_the_file_name(stage: Stage) -> None:
    assert isinstance(stage.backend, Backend)
    assert stage.backend.name == stage.case.name


def test_requests_are_shown_without_being_sent(stage: Stage) -> None:
    shown = stage.backend.requests(stage.case.spec(stage.folder))
    if stage.emulator is not None:
        assert stage.emulator.requests == []
        assert [request.costs_money for request in shown].count(True) == 1
        assert shown[-1].costs_money
        assert stage.emulator.key not in json.dumps([dict(r.body) for r in shown]) + repr(shown)
        assert all(request.url.startswith(stage.emulator.origin) for request in shown)


def test_walk(stage: Stage) -> None:
    """Submit, watch to the end, read events and metrics, ask the tuned model."""
    spec = stage.case.spec(stage.folder, validation=stage.case.validates)
    stage.backend.preflight(spec)
    job = stage.submit(spec)
    assert job.id
    assert (job.run, job.backend, job.model) == (spec.run, spec.backend, spec.model)
    assert stage.saved[-1].id == job.id
    assert not job.status.finished or stage.emulator is None
    with pytest.raises(FrozenInstanceError):
        job.id = "other"  # type: ignore[misc]

    done = stage.finish(job)
    assert done.status is JobStatus.SUCCEEDED, done.error
    assert done.error is None
    assert done.tuned_model
    assert done.created is not None and done.created.tzinfo is not None
    assert done.accepted is None or done.accepted.epochs == 2

    events = list(stage.backend.events(done))
    assert len({event.id for event in events}) == len(events) > 0
    assert [event.time for event in events] == sorted(event.time for event in events)
    losses = [event.metrics["train_loss"] for event in events if "train_loss" in event.metrics]
    assert bool(losses) is stage.case.curve, "an event carries train_loss, or the case says that none does"
    middle = events[len(events) // 2]
    assert list(stage.backend.events(done, after=middle.id)) == events[len(events) // 2 + 1 :]
    assert list(stage.backend.events(done, after=events[-1].id)) == []

    if stage.emulator is not None:
        assert stage.emulator.paid_jobs == 1
    if not stage.case.answers:
        with pytest.raises(ModelNotTunable):  # its machine is drawn, so that there is nothing to fetch
            stage.backend.complete(done.tuned_model, [{"role": "user", "content": "hello"}])
        return
    asked: list[Message] = [
        {"role": "system", "content": "Answer with a number."},
        {"role": "user", "content": "what comes after 7 ?"},
    ]
    answer = stage.backend.complete(done.tuned_model, asked, max_tokens=8)
    heard: list[str] = []
    streamed = stage.backend.stream(done.tuned_model, asked, heard.append, max_tokens=8)
    assert streamed.text.strip() == "".join(heard).strip() == answer.text
    assert streamed.completion_tokens in (None, answer.completion_tokens)  # unasked, not every host counts a stream
    assert streamed.finish_reason == answer.finish_reason
    assert answer.latency_ms > 0
    if stage.emulator is not None:
        assert answer.text == "8"


def test_preflight_asks_for_nothing_that_could_be_bought(hosted: Stage) -> None:
    """A create request that is sent to learn whether it would be refused buys a job where it is not."""
    hosted.backend.preflight(hosted.case.spec(hosted.folder))
    reads = ("GET ", "HEAD ", *hosted.case.reads)
    assert hosted.played.requests
    assert [line for line in hosted.played.requests if not line.startswith(reads)] == []
    assert hosted.played.paid_jobs == 0


def test_find_by_run(stage: Stage) -> None:
    spec = stage.case.spec(stage.folder)
    assert stage.backend.find(spec) is None
    job = stage.submit(spec)
    found = stage.backend.find(spec)
    assert found is not None and found.id == job.id
    assert stage.backend.find(replace(spec, run="run-contract-2")) is None


def test_the_same_run_is_submitted_once(stage: Stage) -> None:
    spec = stage.case.spec(stage.folder)
    job = stage.submit(spec)
    again = stage.submit(spec, resume=stage.saved[0])
    assert again.id == job.id
    if stage.emulator is not None:
        assert stage.emulator.paid_jobs == 1


def test_cancel(stage: Stage) -> None:
    job = stage.submit(stage.case.spec(stage.folder))
    done = stage.finish(stage.backend.cancel(job))
    assert done.status in (JobStatus.CANCELLED, JobStatus.SUCCEEDED)
    assert done.status is JobStatus.CANCELLED or stage.emulator is None
    assert stage.backend.cancel(done).status is done.status


def test_an_unknown_job_is_said_to_be_unknown(stage: Stage) -> None:
    spec = stage.case.spec(stage.folder)
    ghost = Job(spec.run, spec.backend, spec.model, id="no-such-job", status=JobStatus.RUNNING)
    with pytest.raises(JobNotFound):
        stage.backend.refresh(ghost)


@pytest.mark.parametrize("wrong", ["option", "missing file", "empty file"])
def test_a_wrong_spec_is_refused_before_anything_is_sent(stage: Stage, wrong: str) -> None:
    spec = stage.case.spec(stage.folder)
    if wrong == "option":
        spec = replace(spec, options={**spec.options, "no_such_option": 1})
    elif wrong == "missing file":
        spec = replace(spec, train_file=stage.folder / "absent.jsonl")
    else:
        (stage.folder / "empty.jsonl").touch()
        spec = replace(spec, train_file=stage.folder / "empty.jsonl")
    with pytest.raises((SpecRefused, FileRejected)):
        stage.submit(spec)
    if stage.emulator is not None:
        assert stage.emulator.requests == []


# What only a provider behind a network can do


def test_an_unchanged_file_is_not_uploaded_twice(hosted: Stage) -> None:
    first = hosted.submit(hosted.case.spec(hosted.folder))
    uploaded = len(hosted.played.state["files"])
    second = hosted.submit(hosted.case.spec(hosted.folder, run="run-contract-2"))
    assert first.id != second.id
    # Replicate's trainings carry no tag but the address of their file, so that every run has a file of its own.
    assert len(hosted.played.state["files"]) == uploaded + (0 if hosted.case.shares_uploads else 1)


def test_resuming_does_not_upload_again(hosted: Stage) -> None:
    hosted.played.fault(hosted.case.create, "close")
    spec = hosted.case.spec(hosted.folder)
    with pytest.raises(BackendError):
        hosted.submit(spec)
    uploads = [line for line in hosted.played.requests if line.startswith(f"{hosted.case.upload} ")]
    assert uploads
    job = hosted.submit(spec, resume=hosted.saved[-1])
    assert [line for line in hosted.played.requests if line.startswith(f"{hosted.case.upload} ")] == uploads
    assert job.id and hosted.played.paid_jobs == 1


def test_a_file_that_is_gone_is_uploaded_again(hosted: Stage) -> None:
    hosted.played.fault(hosted.case.create, "close")
    spec = hosted.case.spec(hosted.folder)
    with pytest.raises(BackendError):
        hosted.submit(spec)
    hosted.played.state["files"].clear()
    job = hosted.submit(spec, resume=hosted.saved[-1])
    assert job.id and len(hosted.played.state["files"]) == 1


def test_half_an_upload_is_noticed_before_anything_is_paid(hosted: Stage) -> None:
    hosted.played.fault(hosted.case.upload, "cut")
    spec = hosted.case.spec(hosted.folder)
    with pytest.raises(BackendError):
        hosted.submit(spec)
    assert hosted.played.paid_jobs == 0
    assert hosted.submit(spec, resume=hosted.saved[-1] if hosted.saved else None).id
    (arrived,) = [stored for stored in hosted.played.state["files"].values() if stored["content"] is not None]
    assert arrived.get("bytes", arrived.get("size")) == spec.train_file.stat().st_size


def test_threads_share_one_client(hosted: Stage) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: hosted.backend.client(), range(32)))  # type: ignore[attr-defined]
    assert len({id(client) for client in found}) == 1


def test_a_wrong_key(hosted: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    hosted.played.key = "the-right-key"
    key_name = hosted.backend.provider.key_name  # type: ignore[attr-defined]
    monkeypatch.setenv(key_name, PLANTED)
    with pytest.raises(AuthenticationFailed) as caught:
        hosted.backend.preflight(hosted.case.spec(hosted.folder))
    assert key_name in str(caught.value)
    assert PLANTED not in _everything_shown(caught)


def test_no_key(hosted: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    key_name = hosted.backend.provider.key_name  # type: ignore[attr-defined]
    monkeypatch.delenv(key_name)
    with pytest.raises(AuthenticationFailed, match=key_name):
        hosted.backend.preflight(hosted.case.spec(hosted.folder))
    assert hosted.played.requests == []


@pytest.mark.parametrize("kind", ["drop", "truncate", "garble", "lost", "stall"])
def test_a_lost_reply_to_the_paid_request(hosted: Stage, kind: str) -> None:
    """The job exists but we were not told: that is an unknown outcome, and looking the tag up settles it."""
    if kind == "stall":
        hosted.backend.timeout_s = 0.5  # type: ignore[attr-defined]
    hosted.played.fault(hosted.case.create, kind)
    spec = hosted.case.spec(hosted.folder)
    with pytest.raises(OutcomeUnknown) as caught:
        hosted.submit(spec)
    assert hosted.played.key not in _everything_shown(caught)
    found = hosted.backend.find(spec)
    assert found is not None and found.id
    assert hosted.submit(spec, resume=hosted.saved[-1]).id == found.id
    assert hosted.played.paid_jobs == 1


@pytest.mark.parametrize("kind", ["drop", "truncate", "close", "lost", "status"])
def test_every_reply_lost_once(hosted: Stage, kind: str) -> None:
    """Whichever request of a launch fails, a caller that resumes ends with exactly one paid job."""
    hosted.submit(hosted.case.spec(hosted.folder, run="run-count"))
    steps = len(hosted.played.requests)
    for step in range(steps):
        run = f"run-{kind}-{step}"
        paid = hosted.played.paid_jobs
        (hosted.folder / run).mkdir()
        # Content of its own, so that every launch uploads.
        spec = hosted.case.spec(hosted.folder / run, run=run, rows=12 + step)
        hosted.saved.clear()
        hosted.played.fault("*", kind, skip=step)
        job = None
        for _ in range(5):
            try:
                job = hosted.submit(spec, resume=hosted.saved[-1] if hosted.saved else None)
                break
            except (OutcomeUnknown, ProviderUnavailable):
                continue
        assert job is not None and job.id, f"request {step} of {steps} lost ({kind}): not launched"
        assert hosted.played.paid_jobs == paid + 1, f"request {step} of {steps} lost ({kind})"


def test_dying_at_every_save(hosted: Stage) -> None:
    """The process ends between a request and the keeping of its result; another process goes on with what was kept."""

    class Died(BaseException): ...

    died = 0
    for moment in range(10):
        run = f"run-dies-{moment}"
        (hosted.folder / run).mkdir()
        spec = hosted.case.spec(hosted.folder / run, run=run, rows=12 + moment)
        paid = hosted.played.paid_jobs
        kept: list[Job] = []
        calls = iter(range(100))

        def save(job: Job, kept: list[Job] = kept, calls: Iterator[int] = calls, moment: int = moment) -> None:
            if next(calls) == moment:
                raise Died
            kept.append(job)

        try:
            hosted.backend.submit(spec, save)
        except Died:
            died += 1
        other = impatient(hosted.case)
        job = other.submit(spec, resume=kept[-1] if kept else None)
        other.close()
        assert job.id and hosted.played.paid_jobs == paid + 1
        if moment >= died:
            break
    assert died >= 2, "a launch keeps at least the upload and the job"


def test_the_key_may_come_from_the_keyring(hosted: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    class Remembered(keyring.backend.KeyringBackend):
        priority = 1.0  # type: ignore[assignment]

        def get_password(self, service: str, username: str) -> str | None:
            return hosted.played.key if (service, username) == ("tunewise", hosted.case.name) else None

        def set_password(self, service: str, username: str, password: str) -> None: ...

        def delete_password(self, service: str, username: str) -> None: ...

    monkeypatch.delenv(hosted.backend.provider.key_name)  # type: ignore[attr-defined]
    before = keyring.get_keyring()
    keyring.set_keyring(Remembered())
    try:
        hosted.backend.preflight(hosted.case.spec(hosted.folder))
    finally:
        keyring.set_keyring(before)


@pytest.mark.parametrize("status", [500, 503])
def test_provider_down(hosted: Stage, status: int) -> None:
    job = hosted.submit(hosted.case.spec(hosted.folder))
    hosted.played.fault("*", "status", status=status, times=99)
    with pytest.raises(ProviderUnavailable, match=str(status)):
        hosted.backend.refresh(job)


def test_nobody_answers(hosted: Stage) -> None:
    """A connection that was never made cannot have created a job."""
    spec = hosted.case.spec(hosted.folder)
    hosted.played.__exit__()
    with pytest.raises(ProviderUnavailable) as caught:
        hosted.submit(spec)
    assert not isinstance(caught.value, OutcomeUnknown)


def test_rate_limited_says_when(hosted: Stage) -> None:
    job = hosted.submit(hosted.case.spec(hosted.folder))
    hosted.played.fault("*", "status", status=429, headers={"retry-after": "17"}, times=9)
    with pytest.raises(RateLimited, match="17 seconds") as caught:
        hosted.backend.refresh(job)
    assert caught.value.retry_after_s == 17


def test_an_unknown_status_is_running_and_keeps_its_word(hosted: Stage) -> None:
    job = hosted.submit(hosted.case.spec(hosted.folder))
    hosted.played.advance_on_poll = False
    hosted.played.state["jobs"][job.id]["status"] = "levitating"
    seen = hosted.backend.refresh(job)
    assert (seen.status, seen.detail) == (JobStatus.RUNNING, "levitating")
    hosted.played.violations.clear()  # no description lists that word


def test_no_key_in_logs_at_any_level(hosted: Stage, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        job = hosted.finish(hosted.submit(hosted.case.spec(hosted.folder)))
        list(hosted.backend.events(job))
    assert hosted.played.key not in caplog.text
    assert hosted.played.key not in repr(hosted.saved) + repr(hosted.backend)


def test_a_missing_package_is_one_sentence(hosted: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = hosted.backend.provider
    assert provider is not None
    monkeypatch.setitem(sys.modules, provider.package.removesuffix("-ai"), None)  # imported without its suffix
    with pytest.raises(BackendMissing) as caught:
        hosted.backend.find(hosted.case.spec(hosted.folder))
    assert str(caught.value).endswith(provider.install)


def test_vendor_packages_are_imported_when_used_only() -> None:
    program = (
        "import sys, backends\n"
        f"for name in {[case.name for case in HOSTED]}: backends.get(name)\n"
        "vendors = {'openai', 'together', 'replicate', 'fireworks', 'boto3', 'httpx', 'httpx2', 'keyring'}\n"
        "vendors.add('huggingface_hub')\n"
        "print(sorted(vendors & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_uploads_can_be_taken_back(hosted: Stage) -> None:
    job = hosted.submit(hosted.case.spec(hosted.folder))
    before = len(hosted.played.state["files"])
    gone = hosted.backend.delete_uploads(job)  # type: ignore[attr-defined]
    assert len(gone) == 1
    assert len(hosted.played.state["files"]) == before - 1


def test_a_storm_of_failing_reads_loses_nothing(hosted: Stage) -> None:
    """A third of all reads fail; a patient caller still sees the job end, with every event once."""
    job = hosted.submit(hosted.case.spec(hosted.folder))
    hosted.played.storm(0.33, seed=1)
    seen: list[JobEvent] = []
    for _ in range(200):
        try:
            if not job.status.finished:
                job = hosted.backend.refresh(job)
                continue
            fresh = list(hosted.backend.events(job, seen[-1].id if seen else None))
            seen += fresh
            if not fresh and seen:
                break
        except (ProviderUnavailable, RateLimited):
            continue
    hosted.played.storm(0.0)
    assert job.status is JobStatus.SUCCEEDED
    assert seen == list(hosted.backend.events(job))


def _everything_shown(caught: pytest.ExceptionInfo[BaseException]) -> str:
    """Message, repr, and the traceback with every chained exception."""
    lines = traceback.TracebackException.from_exception(caught.value, capture_locals=False).format()
    return "".join(lines) + repr(caught.value) + repr(caught.value.__context__) + repr(caught.value.__cause__)
