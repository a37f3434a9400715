"""Whatever a server says, at whatever step: nothing is paid twice, no key goes elsewhere, no other error than ours."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from backend_cases import HOSTED, Case
from emulator_base import Call, Emulator, Reply
from hosted_stage import Hosted, hosted
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from advisor.errors import RunError
from advisor.runs import Ledger, Origin, Quote, Run, record, send
from advisor.runs.receipt import bill
from advisor.serialization import to_json
from backends import (
    AuthenticationFailed,
    BackendError,
    BackendMissing,
    Job,
    JobStatus,
    OutcomeUnknown,
    ProviderUnavailable,
    SpecRefused,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture(params=HOSTED, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture
def stage(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosted]:
    with hosted(case.name, tmp_path, monkeypatch) as found:
        yield found
        found.emulator.violations.clear()  # what these servers say is not what they are described to say


# Redirects


@pytest.mark.parametrize("when", ["before it is processed", "after it was processed"])
@pytest.mark.parametrize("where", ["to itself", "to another host"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_paid_request_follows_a_redirect(case: Case, stage: Hosted, status: int, where: str, when: str) -> None:
    assert case.emulator is not None
    with case.emulator(specs=None) as elsewhere:
        target = stage.emulator.origin if where == "to itself" else elsewhere.origin
        headers = {"location": f"{target}{stage.emulator.prefix}{case.create.split(' ')[1]}"}
        kind = "status" if when.startswith("before") else "lost"
        stage.emulator.fault(case.create, kind, status=status, headers=headers, body={"moved": True})
        with pytest.raises(OutcomeUnknown):
            stage.submit(case.spec(stage.folder))
        found = stage.backend.find(case.spec(stage.folder))
        assert (found is not None) == (kind == "lost")
        job = stage.backend.submit(case.spec(stage.folder), resume=stage.saved[-1])
        assert stage.emulator.paid_jobs == 1
        assert stage.emulator.state["paid"][0]["id"] == job.id
        assert elsewhere.requests == []


def test_no_read_takes_the_key_to_another_host(case: Case, stage: Hosted) -> None:
    assert case.emulator is not None
    job = stage.submit(case.spec(stage.folder))
    with case.emulator(specs=None) as elsewhere:
        headers = {"location": f"{elsewhere.origin}/v1/anything"}
        stage.emulator.fault("*", "status", status=307, headers=headers)
        with pytest.raises(ProviderUnavailable, match=r"another address at 127\.0\.0\.1, which is not followed"):
            stage.backend.refresh(job)
        assert elsewhere.requests == []


def test_a_list_that_goes_on_elsewhere_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hosted("replicate", tmp_path, monkeypatch) as stage, type(stage.emulator)(specs=None) as elsewhere:
        page = {"results": [], "next": f"{elsewhere.origin}/v1/trainings?cursor=2", "previous": None}
        stage.emulator.fault("GET /trainings", "status", status=200, body=page)
        with pytest.raises(ProviderUnavailable, match="goes on at another address"):
            stage.backend.find(stage.spec())
        assert elsewhere.requests == []


# Replies of any shape

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(max_size=8)
    | st.sampled_from([-1, 0, 10**12, 10**15, 1e300, "NaN", "auto", "not available", "\x1b[2J", "2026-13-45T99:00"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip
BODIES = st.sampled_from(
    [
        b"",
        b"<html>busy</html>",
        b'"text"',
        b"[]",
        b"[null]",
        b"null",
        b"{}",
        b"7",
        b"NaN",
        b"{",
        b"\xff\xfe",
        b"[" * 5000,
    ]
)


@dataclass
class Spoiler:
    """Spoils the reply to the ``at``-th request: all of it, or one field, chosen among those it has by ``field``."""

    at: int
    field: int
    value: object
    body: bytes | None
    seen: int = 0
    place: str = ""

    def __call__(self, call: Call, reply: Reply) -> Reply:
        self.seen += 1
        if self.seen - 1 != self.at or reply.status >= 300:
            return reply
        self.place = f"{call.method} {call.path}"
        if self.body is not None:
            return replace(reply, body=self.body)
        changed = json.loads(json.dumps(reply.body)) if not isinstance(reply.body, bytes) else {}
        fields = list(_fields(changed))
        if not fields:
            return reply
        holder, name = fields[self.field % len(fields)]
        holder[name] = self.value
        return replace(reply, body=changed)


def _fields(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place in a JSON value, as what holds it and its name there."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in list(items):
        yield value, name
        yield from _fields(inner)


def walk(case: Case, backend: Any, folder: Path) -> list[Job]:
    """Do everything a run goes through; go on behind an error of ours, as a person would. Anything else is raised."""
    jobs: list[Job] = []
    spec = case.spec(folder)

    def attempt(step: Callable[[], Any]) -> Any:
        with contextlib.suppress(BackendError):
            found = step()
            if isinstance(found, Job):
                jobs.append(found)
            return found

    attempt(lambda: backend.preflight(spec))
    job = None
    for _ in range(3):
        job = job or attempt(lambda: backend.submit(spec, jobs.append, jobs[-1] if jobs else None))
    if job is None:
        return jobs
    for _ in range(9):
        job = attempt(lambda job=job: backend.refresh(job)) or job
    for step in (backend.events, backend.metrics, getattr(backend, "checkpoints", backend.events)):
        attempt(lambda step=step: list(step(job)))
    asked = [{"role": "user", "content": "what comes after 7 ?"}]
    attempt(lambda: backend.complete(job.tuned_model or case.model, asked))
    attempt(lambda: backend.cancel(job))
    attempt(lambda: backend.delete_uploads(job))
    attempt(backend.rates)
    return jobs


@settings(
    max_examples=40, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(
    at=st.integers(0, 32), field=st.integers(0, 400), value=JSON_VALUES, body=st.one_of(st.none(), st.none(), BODIES)
)
def test_whatever_a_server_says_only_errors_of_ours_come_of_it_and_nothing_is_paid_twice(
    case: Case, stage: Hosted, at: int, field: int, value: object, body: bytes | None
) -> None:
    emulator: Emulator = stage.emulator
    emulator.control(Call("POST", "/__emulator__/reset", {}, {}, b"{}"))
    emulator.state.update({name: {} for name in ("models", "predictions") if name in emulator.state})
    for name, chosen in case.knobs.items():
        setattr(emulator, name, chosen)
    emulator.spoil = spoiler = Spoiler(at, field, value, body)
    backend: Any = type(stage.backend)(retries=1, timeout_s=20.0, sleep=lambda seconds: None)
    try:
        jobs = walk(case, backend, stage.folder)
    finally:
        backend.close()
        emulator.spoil = None
    assert emulator.paid_jobs <= 1, spoiler.place
    for job in jobs:
        json.dumps(to_json(job), allow_nan=False)
        assert job.trained_tokens is None or job.trained_tokens >= 0
        assert job.billed_usd is None or (job.billed_usd.is_finite() and job.billed_usd >= 0)
        assert job.train_seconds is None or (math.isfinite(job.train_seconds) and job.train_seconds >= 0)
        assert all(time is None or 2000 <= time.year < 2201 for time in (job.created, job.finished))


# Whose job it is

OF_OUR_CHOICE = ("fireworks", "bedrock")  # providers that let us choose the job's id: there it is the tag


@pytest.fixture
def tagged(case: Case) -> Case:
    if case.name in OF_OUR_CHOICE:
        pytest.skip("the id itself is the tag")
    return case


def test_a_reply_about_another_job_does_not_lead_to_that_job(tagged: Case, stage: Hosted) -> None:
    case = tagged
    """Seen: the id of another job in a reply, which then was cancelled."""
    mine = stage.submit(case.spec(stage.folder))
    stage.saved.clear()
    (stage.folder / "other").mkdir()
    other = stage.submit(case.spec(stage.folder / "other", run="run-contract-2", rows=14))
    stage.emulator.advance_on_poll = False
    shown = {name: value for name, value in stage.emulator.state["jobs"][other.id].items() if name != "events"}
    stage.emulator.fault("*", "status", status=200, body=shown)
    with pytest.raises(ProviderUnavailable, match="about another"):
        stage.backend.cancel(mine)
    with pytest.raises(ProviderUnavailable, match="about another"):
        stage.backend.refresh(replace(mine, id=other.id))  # an id that is another's, in a job that is ours
    ended = ("cancelled", "canceled", "cancel_requested")
    assert not any(job["status"] in ended for job in stage.emulator.state["jobs"].values())


def test_of_two_jobs_with_a_runs_tag_the_one_that_trains_is_it_and_the_other_is_named(
    tagged: Case, stage: Hosted
) -> None:
    case = tagged
    job = stage.submit(case.spec(stage.folder))
    first = stage.emulator.state["jobs"][job.id]
    second = json.loads(json.dumps(first)) | {"id": "second-job"}
    stage.emulator.state["jobs"]["second-job"] = second
    first["status"] = {"together": "error", "huggingface": "ERROR"}.get(case.name, "failed")
    found = stage.backend.find(case.spec(stage.folder))
    assert found is not None and (found.id, found.twins) == ("second-job", (job.id,))


def test_a_job_with_a_runs_tag_and_another_file_is_not_its_own(tagged: Case, stage: Hosted) -> None:
    case = tagged
    spec = case.spec(stage.folder)
    stage.submit(spec)
    case.spec(stage.folder, rows=30)  # the file that is trained on now is another
    assert stage.backend.find(spec) is None


def test_an_end_stays_an_end(case: Case, stage: Hosted) -> None:
    done = stage.finish(stage.submit(case.spec(stage.folder)))
    assert done.status is JobStatus.SUCCEEDED
    stage.emulator.advance_on_poll = False
    stage.emulator.state["jobs"][done.id]["status"] = {"replicate": "processing"}.get(case.name, "running")
    assert stage.backend.refresh(done).status is JobStatus.SUCCEEDED


@pytest.mark.parametrize("model", ["ours", None])
def test_a_word_nobody_knows_and_a_finish_is_an_end(tagged: Case, stage: Hosted, model: str | None) -> None:
    case = tagged
    if case.name in ("together", "huggingface"):
        pytest.skip("Together states no time of its own for the end, Hugging Face no model")
    job = stage.submit(case.spec(stage.folder))
    stage.emulator.advance_on_poll = False
    kept = stage.emulator.state["jobs"][job.id]
    when = "2026-11-22T01:00:00Z" if case.name == "replicate" else stage.emulator.now
    kept |= {"status": "levitated", "completed_at": when, "finished_at": when}
    kept |= {"output": {"version": model}, "fine_tuned_model": model}
    seen = stage.backend.refresh(job)
    assert seen.status is (JobStatus.SUCCEEDED if model else JobStatus.FAILED)
    assert seen.detail == "levitated"


def test_what_is_not_decided_yet_is_not_said_to_be_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hosted("openai", tmp_path, monkeypatch) as stage:
        job = stage.submit(HOSTED[0].spec(tmp_path))
        stage.emulator.advance_on_poll = False
        kept = stage.emulator.state["jobs"][job.id]
        kept["hyperparameters"] |= {"n_epochs": -1, "batch_size": 0}
        kept["estimated_finish"] = 0
        seen = stage.backend.refresh(job)
        assert seen.accepted is not None and seen.accepted.epochs is None
        assert "changed_by_provider" not in seen.extra and seen.estimated_finish is None
        stage.emulator.violations.clear()  # the description knows of no -1


# Replies that do not end


def test_an_answer_of_a_byte_now_and_then_has_a_deadline(case: Case, stage: Hosted) -> None:
    job = stage.submit(case.spec(stage.folder))
    stage.backend.timeout_s = 0.4
    stage.backend.close()
    stage.emulator.fault("*", "drip")
    with pytest.raises(ProviderUnavailable, match="did not end within 1 seconds"):
        stage.backend.refresh(job)


def test_a_list_whose_page_comes_again_ends_the_reading(tagged: Case, stage: Hosted) -> None:
    case = tagged
    if case.name in ("together", "huggingface"):
        pytest.skip("Together's list of jobs has one page, Hugging Face's goes on in a header")
    spec = case.spec(stage.folder)
    stage.submit(spec)
    route = "GET /trainings" if case.name == "replicate" else "GET " + case.create.split(" ")[1]
    kept: list[Reply] = []

    def forever(call: Call, reply: Reply) -> Reply:
        if f"{call.method} {call.path.removeprefix('/v1')}" != route:
            return reply
        assert isinstance(reply.body, dict)
        kept.append(replace(reply, body=reply.body | {"has_more": True, "next": "/v1/trainings?cursor=1"}))
        return kept[0]

    stage.emulator.spoil = forever
    with pytest.raises(ProviderUnavailable, match="begins again at a page that was read before"):
        stage.backend.find(spec)
    stage.emulator.spoil = None


# The key and the way there


def test_a_key_with_a_line_break_is_trimmed_and_said(
    case: Case, stage: Hosted, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = stage.backend.provider.key_name
    monkeypatch.setenv(name, f" {stage.emulator.key}\r\n")
    assert any(name in said and "which is ignored" in said for said in stage.backend.preflight(case.spec(stage.folder)))
    monkeypatch.setenv(name, " \n")
    with pytest.raises(AuthenticationFailed, match="There is no API key"):
        stage.backend.key()
    monkeypatch.setenv(name, "two\nlines")
    with pytest.raises(AuthenticationFailed, match="a line break or a character that no key has"):
        stage.backend.key()


@pytest.mark.parametrize(
    ("proxy", "kind", "said"),
    [
        ("socks5://127.0.0.1:9", BackendMissing, "pip install 'httpx\\[socks\\]'"),
        ("gopher://127.0.0.1:9", SpecRefused, "of a kind that cannot be used"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_one_sentence(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str, kind: type[BackendError], said: str
) -> None:
    if case.name == "bedrock":
        pytest.skip("botocore reads no ALL_PROXY")
    if proxy.startswith("socks") and importlib.util.find_spec("socksio"):
        pytest.skip("socksio is installed")
    with hosted(case.name, tmp_path, monkeypatch) as stage:
        monkeypatch.setenv("ALL_PROXY", proxy)
        with pytest.raises(kind, match=said):
            stage.backend.find(case.spec(tmp_path))
        monkeypatch.delenv("ALL_PROXY")


# What the ledger says of it


def test_a_launch_whose_every_connection_is_reset_stays_in_doubt_until_it_is_looked_up(
    case: Case, stage: Hosted, home: Path
) -> None:
    ledger = Ledger.open()
    spec = case.spec(stage.folder)
    job = Job(spec.run, spec.backend, spec.model, detail="not sent yet")
    record(ledger, Run(spec.run, NOW, spec, Quote(), Origin(), job), monthly_limit=None, now=NOW)
    stage.emulator.fault(case.create, "reset")
    asked = len(stage.emulator.requests)

    def launched() -> None:
        send(ledger, spec.run, stage.backend, pause=lambda seconds: None, settle_s=0.0)

    stage.emulator.spoil = resetting = Resetting(stage.emulator, case.create)
    for _ in range(6):
        with pytest.raises((BackendError, RunError)):
            launched()
        assert ledger.get(spec.run).unanswered and bill(ledger.get(spec.run))[0] is None
    assert resetting.created and len(stage.emulator.requests) > asked + 6
    stage.emulator.spoil = None
    stage.emulator._faults.clear()
    launched()
    assert stage.emulator.paid_jobs == 1
    assert stage.emulator.state["paid"][0]["id"] == ledger.get(spec.run).job.id


@dataclass
class Resetting:
    """Resets every connection from the request on that creates the job."""

    emulator: Emulator
    create: str
    created: bool = False

    def __call__(self, call: Call, reply: Reply) -> Reply:
        if self.emulator.paid_jobs and not self.created:
            self.created = True
            self.emulator.fault("*", "reset", times=10_000)
        return reply
