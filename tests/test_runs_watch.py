"""Watching: it never gives up on a live job, never floods a provider, and can be left and joined again."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from paper_backend import NOON, PaperBackend, write_sums
from test_runs_ledger import LINE, a_run

from advisor.evaluate.training import Curves, curves, overfitting
from advisor.runs import Ledger, Quote, Update, Watch, keep_events, read_events, receipt, view
from advisor.runs.receipt import bill
from backends import (
    AuthenticationFailed,
    BackendError,
    BackendMissing,
    FundsMissing,
    Job,
    JobEvent,
    JobNotFound,
    JobSpec,
    JobStatus,
    ProviderUnavailable,
    RateLimited,
)
from backends._errors import LONGEST_WAIT_S


class Clock:
    """Time that passes only while the watcher waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += max(seconds, 0.001)


def started(backend: PaperBackend, tmp_path: Path, name: str = "tw-1122-00000001", model: str = "a4") -> Ledger:
    ledger = Ledger.open()
    run = a_run(name)
    ledger.add(replace(run, spec=replace(run.spec, model=model)))
    ledger.reserve(name, Decimal("7.5"), monthly_limit=None, now=NOON)
    spec = JobSpec(name, "paper", model, write_sums(tmp_path / "train.jsonl", 3))
    ledger.save(backend.submit(spec))
    return ledger


def watch(ledger: Ledger, backend: PaperBackend, *runs: str) -> tuple[list[Update], Clock]:
    clock = Clock()
    found = Watch(ledger, runs or ("tw-1122-00000001",), lambda name: backend, clock=clock, pause=clock.pause)
    return list(found.updates()), clock


def test_a_run_is_followed_to_its_end_and_its_bill_settled(tmp_path: Path) -> None:
    backend = PaperBackend(tmp_path / "paper", steps=3)
    ledger = started(backend, tmp_path)
    updates, _ = watch(ledger, backend)
    assert [update.job.steps_done for update in updates] == [None, 1, 2, 3]
    assert updates[-1].job.status is JobStatus.SUCCEEDED
    assert [event.id for event in read_events("tw-1122-00000001")] == ["1", "2", "3"]
    assert ledger.settled("tw-1122-00000001") == Decimal(6)  # 2 million tokens at $3


def test_a_backend_need_not_define_metrics_or_deletion(tmp_path: Path) -> None:
    backend = PaperBackend(tmp_path / "paper", steps=2)
    ledger = started(backend, tmp_path)
    updates, _ = watch(ledger, backend)
    assert backend.metrics(updates[-1].job) == ({"step": 1.0, "train_loss": 3.0}, {"step": 2.0, "train_loss": 1.5})
    assert backend.delete_uploads(updates[-1].job) == ()


def test_a_watcher_that_left_is_joined_by_another_without_losing_or_repeating_an_event(tmp_path: Path) -> None:
    backend = PaperBackend(tmp_path / "paper", steps=6)
    ledger = started(backend, tmp_path)
    clock = Clock()
    leaving = Watch(ledger, ("tw-1122-00000001",), lambda name: backend, clock=clock, pause=clock.pause).updates()
    for _ in range(4):
        next(leaving)
    leaving.close()
    watch(ledger, backend)
    assert [event.id for event in read_events("tw-1122-00000001")] == ["1", "2", "3", "4", "5", "6"]


@pytest.mark.parametrize(
    "troubles",
    [
        {"refresh": [ProviderUnavailable("no network")] * 6},
        {"events": [ProviderUnavailable("502")] * 3},
        {"refresh": [RateLimited("slow down", 90.0)]},
        {"refresh": [JobNotFound("not yet")] * 3},
    ],
    ids=["network gone", "events failing", "429", "not found at first"],
)
def test_troubles_are_waited_out(tmp_path: Path, troubles: Mapping[str, list[BackendError]]) -> None:
    backend = PaperBackend(tmp_path / "paper", troubles=troubles)
    ledger = started(backend, tmp_path)
    updates, clock = watch(ledger, backend)
    assert updates[-1].job.status is JobStatus.SUCCEEDED
    assert [event.id for event in read_events("tw-1122-00000001")] == ["1", "2", "3"]
    assert clock.now < 600


def test_the_wait_a_provider_asks_for_is_kept(tmp_path: Path) -> None:
    backend = PaperBackend(tmp_path / "paper", troubles={"refresh": [RateLimited("slow down", 90.0)]})
    ledger = started(backend, tmp_path)
    _, clock = watch(ledger, backend)
    assert clock.now > 90


def test_a_job_the_provider_forgot_is_given_up_with_the_reason(tmp_path: Path) -> None:
    backend = PaperBackend(tmp_path / "paper")
    ledger = started(backend, tmp_path)
    (backend.folder / "job-1.json").unlink()
    updates, _ = watch(ledger, backend)
    assert [update.trouble for update in updates[1:5]] == ["There is no paper job-1."] * 4
    assert updates[-1].trouble == ("There is no paper job-1. paper was asked 5 times, so this is no longer followed.")
    assert [update.given_up for update in updates] == [False] * 5 + [True]


@pytest.mark.parametrize("error", [AuthenticationFailed("wrong key."), FundsMissing("no credit.")])
def test_a_provider_that_refuses_ends_the_following_of_its_run_alone(tmp_path: Path, error: BackendError) -> None:
    good, bad = PaperBackend(tmp_path / "good"), PaperBackend(tmp_path / "bad", troubles={"refresh": [error] * 99})
    ledger = started(good, tmp_path)
    started(bad, tmp_path, "tw-1122-00000002")
    job = ledger.get("tw-1122-00000002").job
    ledger.save(replace(job, backend="bad"))
    clock, runs = Clock(), ("tw-1122-00000001", "tw-1122-00000002")
    places = {"paper": good, "bad": bad}
    found = list(Watch(ledger, runs, lambda name: places[name], clock=clock, pause=clock.pause).updates())
    assert ledger.get(runs[0]).job.status is JobStatus.SUCCEEDED
    (last,) = [update for update in found if update.given_up]
    assert last.job.run == runs[1] and str(error) in str(last.trouble)
    assert not ledger.get(runs[1]).job.status.finished


def test_a_backend_that_cannot_be_had_ends_the_following_of_its_run_alone(tmp_path: Path) -> None:
    backend = PaperBackend(tmp_path / "paper")
    ledger = started(backend, tmp_path)
    started(backend, tmp_path, "tw-1122-00000002")
    ledger.save(replace(ledger.get("tw-1122-00000002").job, backend="gone"))

    def backend_of(name: str) -> PaperBackend:
        if name == "gone":
            raise BackendMissing("There is no backend called 'gone'.")
        return backend

    clock, runs = Clock(), ("tw-1122-00000001", "tw-1122-00000002")
    found = list(Watch(ledger, runs, backend_of, clock=clock, pause=clock.pause).updates())
    assert [update.job.run for update in found if update.given_up] == [runs[1]]
    assert ledger.get(runs[0]).job.status is JobStatus.SUCCEEDED


@pytest.mark.parametrize("stated", [3600.0, float(10**11)])
def test_a_long_wait_is_bounded_and_said(tmp_path: Path, stated: float) -> None:
    backend = PaperBackend(tmp_path / "paper", troubles={"refresh": [RateLimited("slow down.", stated)]})
    ledger = started(backend, tmp_path)
    updates, clock = watch(ledger, backend)
    (waiting,) = [update for update in updates if update.trouble]
    assert waiting.again_s == LONGEST_WAIT_S
    assert clock.now < LONGEST_WAIT_S + 60
    assert updates[-1].job.status is JobStatus.SUCCEEDED


@pytest.mark.parametrize(("verb", "what"), [("events", "its events"), ("metrics", "the result file")])
def test_a_run_that_ended_is_settled_without_what_its_provider_never_gives(
    tmp_path: Path, verb: str, what: str
) -> None:
    class Silent(PaperBackend):
        def metrics(self, job: Job) -> tuple[Mapping[str, float], ...]:
            self._happen("metrics")
            return ()

    backend = Silent(tmp_path / "paper", troubles={verb: [ProviderUnavailable("answered 500.")] * 99})
    ledger = started(backend, tmp_path)
    updates, _ = watch(ledger, backend)
    assert updates[-1].job.status is JobStatus.SUCCEEDED
    assert "answered 500" in str(updates[-1].trouble) and "named in the receipt" in str(updates[-1].trouble)
    assert ledger.settled("tw-1122-00000001") == Decimal(6)
    assert receipt(ledger, "tw-1122-00000001").missing == (what,)


def test_a_second_job_of_a_run_whose_reply_was_lost_is_named_at_its_end(tmp_path: Path) -> None:
    class Twice(PaperBackend):
        def find(self, spec: JobSpec) -> Job | None:
            return replace(Job(spec.run, spec.backend, spec.model), id="job-0", twins=("job-1",))

    backend = Twice(tmp_path / "paper")
    ledger = started(backend, tmp_path)
    ledger.append("tw-1122-00000001", "doubt", {"error": "lost"})
    watch(ledger, backend)
    assert view(ledger.get("tw-1122-00000001")).twins == ("job-0",)


def test_a_failed_job_is_data(tmp_path: Path) -> None:
    backend = PaperBackend(tmp_path / "paper")
    ledger = started(backend, tmp_path, model="broken")
    updates, _ = watch(ledger, backend)
    assert (updates[-1].job.status, updates[-1].job.error) == (JobStatus.FAILED, "the ink ran out")


def test_a_torn_line_in_the_kept_events_costs_only_itself(home: Path) -> None:
    events = [JobEvent(str(number), NOON, "info", f"step {number}") for number in range(3)]
    keep_events("tw-torn", events[:1])
    path = home / "runs" / "tw-torn" / "provider.jsonl"
    path.write_bytes(path.read_bytes() + b'{"id": "1", "ti')
    keep_events("tw-torn", events[1:])
    assert [event.id for event in read_events("tw-torn")] == ["0", "1", "2"]


def test_the_bill_of_a_rented_gpu_keeps_the_hours_of_setting_it_up(tmp_path: Path) -> None:
    """Quoted: 0.5 h of setup and 6 minutes of training at $0.60 an hour. It trained for 1.5 minutes."""
    backend = PaperBackend(tmp_path / "paper")
    ledger = started(backend, tmp_path)
    watch(ledger, backend)
    run = ledger.get("tw-1122-00000001")
    hour = replace(LINE, quantity=Decimal("0.6"), unit="hour", unit_usd=Decimal("0.6"), usd=Decimal("0.36"))
    rented = replace(
        run,
        spec=replace(run.spec, backend="local"),
        quote=Quote(usd=Decimal("0.36"), lines=(hour,), train_minutes=6.0),
    )
    usd, basis = bill(rented)
    assert usd == Decimal("0.315")
    assert "setting the machine up" in basis
    assert bill(replace(rented, quote=replace(rented.quote, train_minutes=None)))[0] is None


class Weather(PaperBackend):
    """A paper provider with failing calls, which counts how many start in each second."""

    def __init__(self, folder: Path, rate: float) -> None:
        super().__init__(folder, steps=4)
        self.random = random.Random(7)
        self.rate = rate
        self.starts: list[float] = []

    def refresh(self, job: Job) -> Job:
        self.starts.append(time.monotonic())
        if self.random.random() < self.rate:
            raise self.random.choice(
                (RateLimited("429", 0.2), ProviderUnavailable("500"), ProviderUnavailable("timed out"))
            )
        return super().refresh(job)

    def events(self, job: Job, after: str | None = None) -> Iterator[JobEvent]:
        if self.random.random() < self.rate:
            raise ProviderUnavailable("the connection closed")
        yield from super().events(job, after)


def test_many_runs_at_once_in_bad_weather_lose_nothing_and_keep_the_pace(tmp_path: Path) -> None:
    backend = Weather(tmp_path / "paper", rate=0.05)
    ledger = Ledger.open()
    names = [f"tw-soak-{number:03}" for number in range(40)]
    for name in names:
        ledger.add(a_run(name))
        ledger.save(backend.submit(JobSpec(name, "paper", "a4", tmp_path / "train.jsonl")))
    found = Watch(ledger, names, lambda name: backend, shortest_s=0.05, per_second=60.0)
    for _ in found.updates():
        pass
    assert all(ledger.get(name).job.status is JobStatus.SUCCEEDED for name in names)
    assert all([event.id for event in read_events(name)] == ["1", "2", "3", "4"] for name in names)
    assert max(Counter(int(start) for start in backend.starts).values()) <= 66


def test_curves_are_read_whatever_the_provider_calls_its_losses() -> None:
    named = [{"train_loss": 3.0}, {"valid_loss": 2.5}, {"loss": 2.0}, {"full_valid_loss": 2.4, "valid_loss": 9.0}]
    events = [JobEvent(str(n), NOON + timedelta(seconds=n), "info", "", n, metrics) for n, metrics in enumerate(named)]
    assert curves(events) == Curves(((0, 3.0), (2, 2.0)), ((1, 2.5), (3, 2.4)))


def points(*losses: float) -> tuple[tuple[int, float], ...]:
    return tuple((10 * place, loss) for place, loss in enumerate(losses))


@pytest.mark.parametrize(
    ("train", "valid", "said"),
    [
        ((3, 2, 1.5, 1.2), (3, 2.2, 2.0, 1.9), None),
        ((3, 2, 1.5, 1.2), (3, 2.0, 2.1, 2.3), "rose twice in a row to 2.300; its best was 2.000 at step 10"),
        ((3, 2, 1.2, 0.6), (3, 2.1, 2.3, 2.25), "widened from"),
        ((3, 2, 1.5, 1.2), (3, 2.0, 2.1, 2.0), None),
        ((3, 2), (3, 2.5), None),
        # examples/demo.sh, where the loss of eleven short answers jumped once; had it stayed there, it would be named
        ((3.26, 0.93, 0.60, 0.34, 0.18), (3.242, 0.973, 0.506, 0.349, 0.460), None),
        ((3.26, 0.93, 0.60, 0.34, 0.18, 0.12), (3.242, 0.973, 0.506, 0.349, 0.460, 0.316), None),
        ((3.26, 0.93, 0.60, 0.34, 0.18, 0.12), (3.242, 0.973, 0.506, 0.349, 0.460, 0.440), "widened from"),
    ],
)
def test_overfitting_is_named(train: tuple[float, ...], valid: tuple[float, ...], said: str | None) -> None:
    found = overfitting(Curves(points(*train), points(*valid)))
    assert (found is None) if said is None else (found is not None and said in found)


def test_the_receipt_sets_quoted_beside_billed(tmp_path: Path) -> None:
    backend = PaperBackend(tmp_path / "paper")
    ledger = started(backend, tmp_path)
    before = receipt(ledger, "tw-1122-00000001")
    assert before.billed_usd is None and before.lines[0].quoted == LINE.quantity * 1_000_000
    watch(ledger, backend)
    after = receipt(ledger, "tw-1122-00000001")
    lines = {line.name: (line.quoted, line.actual) for line in after.lines}
    assert lines["training tokens"] == (Decimal(2_500_000), Decimal(2_000_000))
    assert lines["price"] == (Decimal("7.5"), Decimal(6))
    assert after.error_pct == pytest.approx(-20)
    assert lines["time"] == (None, Decimal("1.5"))
    assert view(ledger.get("tw-1122-00000001")).billed_usd == 6
    assert after.provider_quote_usd is None
    job = ledger.get("tw-1122-00000001").job
    ledger.save(replace(job, extra={**job.extra, "provider_quote_usd": "7.25"}))
    assert receipt(ledger, "tw-1122-00000001").provider_quote_usd == Decimal("7.25")
