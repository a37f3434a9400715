"""A word when a run ends: sent by the real apprise to a webhook on the loopback, and never in a run's way."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result
from loopback import answering
from paper_backend import NOON, PaperBackend
from test_runs_ledger import a_run
from test_runs_watch import started

import backends
from advisor.cli import tunewise
from advisor.errors import UsageError
from advisor.runs import Ledger
from advisor.runs.follow import notify
from advisor.runs.follow.notify import Notifier, word
from backends import JobNotFound, JobStatus

# apprise asks for a module that Python 3.13 no longer has.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
RUN = "tw-1122-00000001"


class Hook(ThreadingHTTPServer):
    """Keeps what is posted; /refuse answers 500, /hang does not answer before it is let go."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.posted: list[tuple[str, dict[str, str]]] = []
        self.let_go = threading.Event()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class _Answer(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.posted.append((self.path, body))
        if self.path == "/hang":
            self.server.let_go.wait(20)
        self.send_response(500 if self.path == "/refuse" else 204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def hook() -> Iterator[Hook]:
    with answering(Hook()) as server:
        yield server
        server.let_go.set()


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PaperBackend:
    backend = PaperBackend(tmp_path / "paper", steps=1)
    started(backend, tmp_path)
    monkeypatch.setattr(backends, "get", lambda name: backend)
    return backend


def run(*words: str) -> Result:
    return CliRunner().invoke(tunewise, words, catch_exceptions=False)


def test_a_word_is_posted_when_a_followed_run_ends(paper: PaperBackend, hook: Hook) -> None:
    result = run("watch", RUN, "--notify", hook.url("/a%20hook?token=s3cret&empty="))
    assert result.exit_code == 0, result.output
    ((path, body),) = hook.posted
    assert urlsplit(path).path == "/a%20hook" and "token=s3cret" in path
    assert body["title"] == f"tunewise: {RUN} has succeeded"
    assert body["message"].startswith(f"{RUN} on paper has succeeded") and f"tunewise evaluate {RUN}" in body["message"]
    assert "s3cret" not in result.output
    run("watch", RUN, "--notify", hook.url("/late"))
    assert len(hook.posted) == 1, "it had ended before"


def test_the_word_says_nothing_of_data_model_or_provider() -> None:
    made = a_run()
    job = replace(
        made.job, id="job-1", created=NOON, finished=NOON + timedelta(minutes=107), billed_usd=Decimal("1.75")
    )
    failed = replace(made, job=replace(job, status=JobStatus.FAILED, error="row 3: 'my password is hunter2'"))
    title, text = word(failed)
    assert title == f"tunewise: {RUN} has failed"
    assert text == f"{RUN} on paper has failed after 107 min, for $1.75. Next: tunewise show {RUN}"
    cancelled = word(replace(made, job=replace(job, status=JobStatus.CANCELLED)))
    assert "was cancelled" in cancelled[0] and "a4" not in cancelled[1]
    assert "can no longer be followed" in word(failed, given_up=True)[1]


def test_a_run_that_can_no_longer_be_followed_is_told_too(
    paper: PaperBackend, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("advisor.runs.follow.watch._MOST_MISSED", 1)
    paper.troubles["refresh"] = [JobNotFound("gone")]
    assert run("watch", RUN, "--notify", hook.url("/")).exit_code == 1
    assert [body["title"] for _, body in hook.posted] == [f"tunewise: {RUN} is lost"]


@pytest.mark.parametrize("path", ["/refuse", "/hang", "nobody"])
def test_a_word_that_does_not_arrive_disturbs_nothing(
    path: str, paper: PaperBackend, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "_LONGEST_S", 0.5)
    url = "http://127.0.0.1:9/?key=s3cret" if path == "nobody" else hook.url(path)
    result = run("watch", RUN, "--json", "--notify", url)
    assert result.exit_code == 0 and json.loads(result.stdout)["status"] == "succeeded"
    assert "warning: http://127.0.0.1 could not be notified; the run is not affected." in result.stderr
    assert "s3cret" not in result.output and Ledger.open().get(RUN).job.status is JobStatus.SUCCEEDED


@pytest.mark.parametrize("address", ["bogus://key@host", "s3cret", "https:///"])
def test_an_address_that_cannot_be_used_is_said_before_anything_starts(address: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing can be sent to") as said:
        Notifier([address])
    assert "key" not in str(said.value) and "s3cret" not in str(said.value)
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"messages": []}\n')
    with pytest.raises(UsageError, match="nothing can be sent to"):
        run("launch", str(rows), "--backend", "local", "--model", "tiny", "--watch", "--yes", "--notify", address)
    assert not Ledger.open().runs()


def test_the_setting_is_used_hidden_and_never_in_the_way(
    paper: PaperBackend, hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = tmp_path / "tunewise.yaml"
    settings.write_text(f"notify: {hook.url('/?key=s3cret')}\n")
    assert "s3cret" not in run("config").output + run("config", "--json").output
    assert run("watch", RUN).exit_code == 0 and len(hook.posted) == 1
    settings.write_text("notify: bogus://host\n")
    again = run("watch", RUN)
    assert again.exit_code == 0 and "warning: --notify: nothing can be sent to bogus" in again.stderr


def test_launch_needs_somebody_who_follows() -> None:
    result = run("launch", "rows.jsonl", "--backend", "local", "--model", "tiny", "--notify", "desktop")
    assert result.exit_code == 2 and "--notify needs --watch here" in result.output


def test_the_word_of_a_rehearsal_says_so() -> None:
    made = a_run()
    spec = replace(made.spec, backend="rehearsal", options={"stands_for": "together"})
    job = replace(
        made.job, id="rehearsal-1", backend="rehearsal", status=JobStatus.SUCCEEDED, created=NOON, finished=NOON
    )
    text = word(replace(made, spec=spec, job=job))[1]
    assert text == f"{RUN} (a REHEARSAL of together) has succeeded, for $0. Next: tunewise show {RUN}"
