"""`tunewise ui`: who knows the address reads it, nobody can change a thing, and a real browser follows a run."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from loopback import answering
from report_browser import CHROMIUM, NO_AXE, NO_CHROMIUM, Browser, axe, browser
from report_story import a_plan, a_run

from advisor.cli import stories, tunewise
from advisor.cli.ui import Pages, Server, pages
from advisor.errors import AdvisorError, UsageError
from advisor.recommend import write_plan
from advisor.runs import Ledger, Origin, Quote, Run, keep_events
from advisor.runs.run import folder_of
from backends import Job, JobEvent, JobSpec, JobStatus
from backends.local.folder import RunFolder, write_json

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
TODAY = date(2026, 11, 22)
EVIL = "<img src=x onerror=alert(1)>"
in_a_browser = pytest.mark.skipif(not CHROMIUM, reason=NO_CHROMIUM)


class Runs:
    """Three runs in a ledger: one that trains at a provider, one measured, one with a hostile model and error."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ledger = folder, Ledger.open()
        self.training = self._add("tw-1122-0000000a", "Qwen/Qwen3-8B", JobStatus.RUNNING, name="first")
        self.measured = self._add("tw-1122-0000000b", "Qwen/Qwen3-8B", JobStatus.SUCCEEDED)
        self.hostile = self._add("tw-1122-0000000c", f"org/{EVIL}", JobStatus.FAILED, error=f"Refused: {EVIL}")
        self.ledger.append(self.measured.id, "scorecard", a_run().scorecard)
        self.metrics.write_text('{"step": 1, "train_loss": 2.5}\n{"step": 2, "train_loss": 2.25}\n', encoding="utf-8")

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.jsonl"

    def step(self, number: int, loss: float) -> None:
        with self.metrics.open("a", encoding="utf-8") as file:
            file.write(f'{{"step": {number}, "train_loss": {loss}}}\n')
        self.ledger.save(replace(self.training.job, steps_done=number, steps_total=100))

    def _add(self, id: str, model: str, status: JobStatus, *, name: str | None = None, error: str | None = None) -> Run:
        spec = JobSpec(run=id, backend="together", model=model, train_file=self.folder / "train.jsonl")
        job = Job(id, "together", model, id=f"job-{id[-1]}", status=status, created=NOON, error=error)
        job = replace(job, metrics_path=self.metrics if status is JobStatus.RUNNING else None)
        run = Run(id, NOON, spec, Quote(usd=Decimal("4.50")), Origin(), job, name=name)
        self.ledger.add(run)
        self.ledger.save(job)
        return run


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


@pytest.fixture
def server(runs: Runs, tmp_path: Path) -> Iterator[Server]:
    kept = a_plan()
    plan = tmp_path / "plan.yaml"
    write_plan(plan, kept.advice, data=[], fingerprint="", workload=kept.workload, today=TODAY, created=TODAY)
    with answering(Server("127.0.0.1", 0, Pages(runs.ledger, (plan,), TODAY))) as server:
        yield server


def ask(server: Server, path: str = "", method: str = "GET", host: str = "", secret: str = "") -> tuple[int, str, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    place = f"/{secret or server.secret}/{path}"
    connection.request(method, place, headers={"Host": host or f"127.0.0.1:{server.server_port}"})
    reply = connection.getresponse()
    return reply.status, reply.read().decode(), {name.lower(): value for name, value in reply.getheaders()}


def test_the_first_page_shows_runs_curves_scorecards_receipts_and_plans(server: Server) -> None:
    status, text, _ = ask(server)
    assert status == 200 and "1 run in progress" in text
    assert all(f'href="run/tw-1122-0000000{one}"' in text for one in "abc")
    assert ">first</a>" in text and "2.25" in text and 'class="spark"' in text
    assert "“tuned” is best, beyond chance" in text and "$4.50" in text
    assert 'href="plan/1"' in text and "Prompt gpt-6-luna with no examples" in text


def test_a_run_that_ended_since_is_finished_in_its_receipt_too(server: Server, runs: Runs) -> None:
    id = "tw-1122-0000000d"
    spec = JobSpec(run=id, backend="local", model="Qwen/Qwen3-8B", train_file=runs.folder / "train.jsonl")
    job = Job(id, "local", spec.model, id=id, status=JobStatus.RUNNING, created=NOON)
    runs.ledger.add(Run(id, NOON, spec, Quote(usd=Decimal(0)), Origin(), job))
    runs.ledger.save(job)
    ended = {"status": "succeeded", "finished": NOON.isoformat(), "tuned_model": "adapter"}
    write_json(RunFolder(folder_of(id)).status, ended)
    assert not runs.ledger.get(id).job.status.finished
    for path in ("", f"run/{id}"):
        text = ask(server, path)[1]
        assert "your own machine" in text and "not finished" not in text


def test_a_rehearsal_is_looked_at_and_a_run_of_a_cluster_is_not(runs: Runs) -> None:
    before = datetime.now(UTC) - timedelta(hours=1)
    spec = replace(runs.training.spec, backend="rehearsal", options={"stands_for": "together"})
    job = replace(runs.training.job, backend="rehearsal", created=before, metrics_path=None)
    rehearsed = replace(runs.training, spec=spec, job=job)
    assert rehearsed.is_here and pages.as_it_is(rehearsed).job.status is JobStatus.SUCCEEDED
    spec = replace(spec, backend="local", options={"address": "ray://cluster:10001"})
    elsewhere = replace(rehearsed, spec=spec)
    assert not elsewhere.is_here and pages.as_it_is(elsewhere) is elsewhere


def test_curves_are_shown_whatever_the_provider_calls_its_losses(server: Server, runs: Runs) -> None:
    runs.metrics.write_text(
        '{"step": 1, "loss": 2.5}\n{"step": 2, "full_valid_loss": 1.75, "valid_loss": 9}\n{"step": 3, "loss": NaN}\n',
        encoding="utf-8",
    )
    assert stories.losses(runs.training) == {"training": ((1, 2.5),), "validation": ((2, 1.75),)}
    keep_events(runs.measured.id, [JobEvent("1", NOON, "info", "", 4, {"full_valid_loss": 1.25})])
    assert "1.25 at step 4" in ask(server, f"run/{runs.measured.id}")[1]


def test_a_run_and_a_plan_have_pages_with_the_look_of_the_report(server: Server) -> None:
    status, text, _ = ask(server, "run/tw-1122-0000000a")
    assert status == 200 and 'id="chart-loss"' in text and 'href="../"' in text
    assert text.index('id="loss"') < text.index('id="scorecard"'), "while it trains, its curve comes first"
    status, text, _ = ask(server, "plan/1")
    assert status == 200 and 'id="chart-requests"' in text
    for path in ("plan/2", "plan/0", "run/none", "run/", "run/tw-1122-0000000", "nothing", "../../etc/passwd"):
        assert ask(server, path)[0] == 404


def test_a_plan_that_changes_is_read_again(server: Server, tmp_path: Path) -> None:
    assert "About $360" in ask(server, "plan/1")[1]
    kept = a_plan(volume=200_000)
    plan = tmp_path / "plan.yaml"
    write_plan(plan, kept.advice, data=[], fingerprint="", workload=kept.workload, today=TODAY, created=TODAY)
    os.utime(plan, ns=(1, 1))
    assert "About $720" in ask(server, "plan/1")[1]


def test_the_first_page_reads_only_what_has_changed(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, plan, read = a_plan(), tmp_path / "plan.yaml", []
    write_plan(plan, kept.advice, data=[], fingerprint="", workload=kept.workload, today=TODAY, created=TODAY)
    tell, read_plan = stories.told, pages.read_plan
    monkeypatch.setattr(stories, "told", lambda ledger, run: (read.append(run.id), tell(ledger, run))[1])
    monkeypatch.setattr(pages, "read_plan", lambda path: (read.append(path.name), read_plan(path))[1])
    page = Pages(runs.ledger, (plan,), TODAY)
    page("")
    assert sorted(read) == ["plan.yaml", runs.training.id, runs.measured.id, runs.hostile.id]
    read.clear()
    page("")
    assert read == [runs.training.id], "only it goes on"
    keep_events(runs.measured.id, [JobEvent("1", NOON, "info", "", 4, {"train_loss": 1.25})])
    card = a_run().scorecard or {}
    runs.ledger.append(runs.hostile.id, "scorecard", {**card, "metric": "accuracy of now"})
    os.utime(plan, ns=(1, 1))
    read.clear()
    text = page("")
    assert text is not None and "1.25" in text and "accuracy of now" in text
    assert sorted(read) == ["plan.yaml", runs.training.id, runs.measured.id, runs.hostile.id]
    assert page("plan/1") is page("plan/1")


def test_without_the_secret_there_is_nothing(server: Server) -> None:
    for secret in ("x", server.secret[:-1], server.secret + "x", "%00", "%C3%A4"):
        status, text, _ = ask(server, secret=secret)
        assert (status, text) == (404, "Nothing here.")
    assert len(server.secret) >= 40
    with Server("127.0.0.1", 0, lambda path: None) as other:
        assert other.secret != server.secret


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1.evil.example", "[::1]"])
def test_a_name_of_another_site_that_leads_here_is_refused(server: Server, host: str) -> None:
    status, text, _ = ask(server, host=host)
    assert status == 403 and "tw-1122" not in text
    assert ask(server, host=f"localhost:{server.server_port}")[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
def test_it_is_only_read(server: Server, method: str) -> None:
    status, _, headers = ask(server, method=method)
    assert status == 405 and headers["allow"] == "GET"


def test_looking_changes_nothing(server: Server, runs: Runs, tmp_path: Path) -> None:
    def everything() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in Path(os.environ["TUNEWISE_HOME"]).rglob("*") if path.is_file()}

    before = everything()
    for path in ("", "run/tw-1122-0000000a", "run/tw-1122-0000000b", "plan/1"):
        assert ask(server, path)[0] == 200
    assert everything() == before and before


def test_every_answer_forbids_what_is_not_its_own(server: Server) -> None:
    for path in ("", "run/tw-1122-0000000a", "nothing"):
        policy = ask(server, path)[2]["content-security-policy"]
        assert policy.startswith("default-src 'none'") and "unsafe" not in policy
        assert all(part in policy for part in ("frame-ancestors 'none'", "form-action 'none'", "connect-src 'self'"))
        assert not re.search(r"https?:", policy)
    headers = ask(server)[2]
    assert headers["referrer-policy"] == "no-referrer" and headers["cache-control"] == "no-store"


def test_hostile_text_stays_text(server: Server) -> None:
    for path in ("", "run/tw-1122-0000000c"):
        assert EVIL not in ask(server, path)[1] and "&lt;img src=x" in ask(server, path)[1]


def test_what_cannot_be_read_is_said(server: Server, tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("tunewise: [", encoding="utf-8")
    status, text, headers = ask(server, "plan/1")
    assert status == 500 and "plan.yaml" in text and headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::", "example.com", ""])
def test_no_address_that_others_reach_is_listened_on(host: str) -> None:
    with pytest.raises(UsageError, match="stays on this machine"):
        Server(host, 0, lambda path: None)


def test_a_port_in_use_is_a_sentence(server: Server) -> None:
    with pytest.raises(AdvisorError, match="choose another with --port"):
        Server("127.0.0.1", server.server_port, lambda path: None)


def test_a_file_that_is_no_plan_is_said_before_anything_is_served(tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text("a: 1\n", encoding="utf-8")
    assert isinstance(CliRunner().invoke(tunewise, ["ui", "--plan", str(path)]).exception, AdvisorError)


def test_the_command_prints_its_address_and_ends_cleanly_on_ctrl_c(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "advisor", "ui", "--no-browser"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)(/[\w-]{40,}/)", address)
        assert found, address
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=20)
        connection.request("GET", found[2])
        assert "No runs yet" in connection.getresponse().read().decode()
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=20)[1]
    assert process.returncode == 0 and said.splitlines() == ["Ctrl-C ends it.", "ended."]


@in_a_browser
def test_a_browser_follows_a_run_without_losing_its_place(server: Server, runs: Runs) -> None:
    with browser() as tab:
        follow(tab, server, runs)


def follow(tab: Browser, server: Server, runs: Runs) -> None:
    address = f"{server.address}run/tw-1122-0000000a"
    tab.visit(address, width=390)
    legend = "document.querySelector('#chart-loss .legend').innerText"
    assert "2.25 at step 2" in str(tab.run(legend))
    seen = "Math.round(document.querySelector('#receipt').getBoundingClientRect().top)"
    tab.run("document.querySelector('#chart-loss details').open = true; scrollTo({top: 500, behavior: 'instant'}); 0")
    place = tab.run(seen)
    runs.step(3, 1.125)
    wait(tab, f"{legend}.includes('1.125 at step 3')")
    assert "3 of 100" in str(tab.run("document.querySelector('#answer').innerText"))
    assert tab.run("document.querySelector('#chart-loss details').open") is True
    # The table of the drawing has a row more, the answer a figure more: what is looked at may move by those, not away.
    moved = tab.run(seen)
    assert isinstance(moved, int) and isinstance(place, int) and abs(moved - place) < 120 and tab.run("scrollY >= 500")
    tab.run("document.querySelector('[data-chart=loss]').focus()")
    tab.key("Home")
    assert "2.5" in str(tab.run(legend)), "a renewed drawing can be read too"
    assert set(tab.requests) == {address} and tab.complaints == []


@in_a_browser
def test_a_browser_says_that_the_page_is_no_longer_served(server: Server) -> None:
    with browser() as tab:
        tab.visit(server.address)
        server.page = lambda path: None
        wait(tab, "document.querySelector('.lost').innerText.includes('does not answer any more')")


@in_a_browser
@pytest.mark.skipif(axe() is None, reason=NO_AXE)
def test_axe_finds_no_violation(server: Server) -> None:
    with browser() as tab:
        for path, width, dark in (("", 390, True), ("", 1280, False), ("run/tw-1122-0000000a", 1280, True)):
            tab.visit(server.address + path, width=width, dark=dark)
            assert tab.violations() == []
            wide = tab.run("document.documentElement.scrollWidth")
            assert isinstance(wide, int) and wide <= width
        assert tab.complaints == []


def wait(tab: Browser, true: str) -> None:
    until = time.monotonic() + 20
    while not tab.run(true):
        assert time.monotonic() < until, true
        time.sleep(0.1)
