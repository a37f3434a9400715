"""A run is sent once: whatever is lost, refused or killed on the way, the provider holds one job of it."""

from __future__ import annotations

import contextlib
import json
import os
import resource
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Barrier, Thread

import pytest
from paper_backend import NOON, PaperBackend, write_sums

from advisor.atomic import write_whole
from advisor.errors import AdvisorError, DataError, OverLimit, RunError
from advisor.estimate import LineItem
from advisor.runs import Ledger, Order, Quote, Run, discard, receipt, record, send, stage
from advisor.runs.evaluation.contamination import validated_on
from advisor.runs.evaluation.pilot import design
from advisor.runs.ledger import TwinRunning
from advisor.runs.receipt import bill, settle
from backends import (
    AccessClosed,
    BackendError,
    FundsMissing,
    Job,
    JobSpec,
    JobStatus,
    OutcomeUnknown,
    ProviderUnavailable,
    RateLimited,
    Request,
    Save,
)


class Time:
    """A clock that moves only when somebody waits."""

    def __init__(self) -> None:
        self.now = NOON
        self.waits: list[float] = []

    def __call__(self) -> datetime:
        return self.now

    def pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def staged(tmp_path: Path) -> Run:
    data = write_sums(tmp_path / "sums.jsonl", 100)
    return stage(Order((str(data),), "paper", "a4"), now=NOON, run="tw-1122-cafe0001")[0]


@pytest.fixture
def recorded(staged: Run) -> Ledger:
    ledger = Ledger.open()
    record(ledger, replace(staged, quote=Quote(usd=Decimal(5))), monthly_limit=None, now=NOON)
    return ledger


def start(ledger: Ledger, backend: PaperBackend, time: Time | None = None) -> None:
    time = time or Time()
    send(ledger, "tw-1122-cafe0001", backend, pause=time.pause, clock=time)


def test_data_is_split_so_that_the_trainer_never_sees_what_is_held_out(staged: Run) -> None:
    assert staged.origin.held_out is not None and staged.spec.validation_file is not None
    parts = [
        {json.loads(line)["messages"][0]["content"] for line in path.read_text().splitlines()}
        for path in (staged.spec.train_file, staged.spec.validation_file, staged.origin.held_out)
    ]
    assert [len(part) for part in parts] == [81, 9, 10]
    assert len(set.union(*parts)) == 100


def test_a_file_of_ones_own_takes_the_place_of_the_split(tmp_path: Path) -> None:
    train, valid = write_sums(tmp_path / "t.jsonl", 20), write_sums(tmp_path / "v.jsonl", 5, start=50)
    run, _ = stage(Order((str(train),), "paper", "a4", validation=valid), now=NOON)
    assert len(run.spec.train_file.read_text().splitlines()) == 20
    assert run.spec.validation_file is not None and len(run.spec.validation_file.read_text().splitlines()) == 5
    assert run.origin.held_out == valid and not run.origin.decides_on_held_out


def test_scores_rest_on_examples_that_did_not_pick_the_weights(tmp_path: Path) -> None:
    train, valid = write_sums(tmp_path / "t.jsonl", 100), write_sums(tmp_path / "v.jsonl", 5, start=500)

    def staged_as(order: Order) -> Run:
        return stage(order, now=NOON, decides=True)[0]

    own = staged_as(Order((str(train),), "paper", "a4", validation=valid))
    assert own.origin.held_out not in (None, valid) and not own.origin.decides_on_held_out
    assert len(own.spec.train_file.read_text().splitlines()) == 90
    only = staged_as(Order((str(train),), "paper", "a4", validation=valid, held_out=0))
    assert only.origin.held_out == valid and only.origin.decides_on_held_out
    assert "picked the weights that were kept: the tuned score is too good" in validated_on(only, valid)[0]
    assert validated_on(own, tmp_path / "other.jsonl") == [] and "too good" in validated_on(own, valid)[0]
    split = staged_as(Order((str(train),), "paper", "a4", held_out=0.3))
    assert len(split.spec.train_file.read_text().splitlines()) == 63  # a tenth of the rest is validated on


def test_data_that_changed_since_the_plan_is_refused_and_leaves_nothing(tmp_path: Path, home: Path) -> None:
    data = write_sums(tmp_path / "sums.jsonl", 20)
    order = Order((str(data),), "paper", "a4", plan="plan.yaml", fingerprint="0" * 64)
    with pytest.raises(DataError, match=r"plan.yaml: the data has changed"):
        stage(order, now=NOON)
    assert not (home / "runs").exists() or not list((home / "runs").iterdir())


def test_a_staged_run_that_nobody_wanted_leaves_no_folder(staged: Run) -> None:
    discard(staged)
    assert not staged.spec.train_file.exists()


def test_a_part_of_a_pilot_is_replaced_whole_and_never_rewritten_in_place(tmp_path: Path) -> None:
    """A reader that has it open, such as another start of the same pilot, goes on reading what it opened."""
    data = str(write_sums(tmp_path / "sums.jsonl", 60))
    (_, part), *_ = design([data], (20,), key="x").parts
    with part.open("rb") as reader:
        assert design([data], (20,), key="x").parts[0][1] == part
        assert os.fstat(reader.fileno()).st_nlink == 0
    assert len(part.read_bytes().splitlines()) == 20
    assert [path.name for path in part.parent.iterdir() if path.name.endswith(".part")] == []


def test_a_write_that_fails_leaves_nothing_aside(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_whole(tmp_path / "taken", b"x")
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == ["taken"]


def test_the_run_is_kept_before_anything_is_sent(recorded: Ledger, tmp_path: Path) -> None:
    backend = PaperBackend(tmp_path / "paper")
    assert recorded.get("tw-1122-cafe0001").job.id is None
    start(recorded, backend)
    assert recorded.get("tw-1122-cafe0001").job.id == "job-1"
    kinds = [event.kind for event in recorded.events("tw-1122-cafe0001")]
    assert kinds.index("reserved") < kinds.index("sending") < kinds.index("job")


def test_sending_again_sends_nothing(recorded: Ledger, tmp_path: Path) -> None:
    backend = PaperBackend(tmp_path / "paper")
    start(recorded, backend)
    start(recorded, backend)
    assert backend.paid == ["job-1"]
    assert backend.calls.count("submit") == 1


def test_a_lost_reply_is_looked_up_before_anything_is_sent_again(recorded: Ledger, tmp_path: Path) -> None:
    backend = PaperBackend(tmp_path / "paper", troubles={"after_create": [OutcomeUnknown("lost")]})
    start(recorded, backend)
    assert backend.paid == ["job-1"]
    assert recorded.get("tw-1122-cafe0001").job.id == "job-1"
    assert backend.calls[-1] == "find"


def test_a_lost_request_is_sent_again_only_by_a_later_call_and_after_the_provider_had_time(
    recorded: Ledger, tmp_path: Path
) -> None:
    backend, time = PaperBackend(tmp_path / "paper", troubles={"before_create": [OutcomeUnknown("Lost.")]}), Time()
    with pytest.raises(OutcomeUnknown, match="nothing is sent again unasked"):
        start(recorded, backend, time)
    assert backend.paid == [] and recorded.get("last").unanswered
    assert sum(time.waits) >= 30 and backend.calls.count("find") > 3
    said: list[str] = []
    send(recorded, "tw-1122-cafe0001", backend, pause=time.pause, clock=time, say=said.append)
    assert backend.paid == ["job-1"]
    assert said == ["paper knows no job of tw-1122-cafe0001, so it is sent again."]


class Late(PaperBackend):
    """Shows the first job it has only when a second one is there, as a list that lags behind does."""

    def find(self, spec: JobSpec) -> Job | None:
        found = super().find(spec)
        return replace(found, twins=tuple(self.paid[1:])) if found is not None and len(self.paid) > 1 else None


def test_a_job_that_shows_up_later_than_anybody_waits_is_not_paid_again_unasked_and_then_named(
    recorded: Ledger, tmp_path: Path
) -> None:
    backend = Late(tmp_path / "paper", troubles={"after_create": [OutcomeUnknown("Lost.")]})
    with pytest.raises(OutcomeUnknown):
        start(recorded, backend)
    assert backend.paid == ["job-1"]
    start(recorded, backend)  # somebody wants it all the same
    job = recorded.get("last").job
    assert (job.id, job.twins, backend.paid) == ("job-2", ("job-1",), ["job-1", "job-2"])
    assert receipt(recorded, job.run).twins == ("job-1",)


def test_a_run_that_succeeded_stays_so_whatever_its_provider_says_when_it_is_resumed(
    recorded: Ledger, tmp_path: Path
) -> None:
    backend = PaperBackend(tmp_path / "paper")
    start(recorded, backend)
    recorded.save(replace(recorded.get("last").job, status=JobStatus.SUCCEEDED, tuned_model="paper-x"))
    start(recorded, backend)
    assert recorded.get("last").job.status is JobStatus.SUCCEEDED


def test_in_doubt_and_with_the_provider_away_nothing_is_sent(recorded: Ledger, tmp_path: Path) -> None:
    troubles: dict[str, list[BackendError]] = {
        "after_create": [OutcomeUnknown("lost")],
        "find": [ProviderUnavailable("away.")],
    }
    backend = PaperBackend(tmp_path / "paper", troubles=troubles)
    with pytest.raises(RunError, match=r"may or may not have reached paper.*--resume tw-1122-cafe0001"):
        start(recorded, backend)
    assert backend.calls.count("submit") == 1
    start(recorded, backend)
    assert backend.paid == ["job-1"]


def test_an_upload_is_not_repeated_after_an_interruption(recorded: Ledger, tmp_path: Path) -> None:
    class Killed(BaseException):
        """Stands for the process ending here."""

    backend = PaperBackend(tmp_path / "paper")
    backend.troubles["before_create"] = [Killed()]  # type: ignore[list-item]
    with pytest.raises(Killed):
        start(recorded, backend)
    start(recorded, backend)
    assert backend.calls.count("upload") == 1
    assert backend.paid == ["job-1"]


@pytest.mark.parametrize("error", [ProviderUnavailable("busy."), RateLimited("slow down.", 7.0)])
def test_an_error_without_effect_is_waited_out(recorded: Ledger, tmp_path: Path, error: BackendError) -> None:
    backend, time = PaperBackend(tmp_path / "paper", troubles={"before_create": [error]}), Time()
    start(recorded, backend, time)
    assert backend.paid == ["job-1"]
    assert time.waits == [7.0 if isinstance(error, RateLimited) else 2.0]


def test_a_limit_of_hours_is_not_waited_for(recorded: Ledger, tmp_path: Path) -> None:
    backend = PaperBackend(tmp_path / "paper", troubles={"before_create": [RateLimited("tomorrow.", 40_000.0)]})
    with pytest.raises(ProviderUnavailable, match=r"tomorrow\. Nothing was charged; 'tunewise launch --resume"):
        start(recorded, backend)
    assert recorded.get("tw-1122-cafe0001").job.status is JobStatus.QUEUED


@pytest.mark.parametrize("error", [AccessClosed("closed."), FundsMissing("no credit.")])
def test_a_refusal_ends_the_run_and_gives_the_reservation_back(
    recorded: Ledger, tmp_path: Path, error: BackendError
) -> None:
    assert recorded.spent("2026-11") == 5
    backend = PaperBackend(tmp_path / "paper", troubles={"before_create": [error]})
    with pytest.raises(type(error)):
        start(recorded, backend)
    job = recorded.get("tw-1122-cafe0001").job
    assert (job.status, job.error) == (JobStatus.FAILED, str(error))
    assert recorded.spent("2026-11") == 0


def test_a_run_over_the_monthly_limit_is_kept_as_failed_and_not_sent(staged: Run, tmp_path: Path) -> None:
    ledger = Ledger.open()
    with pytest.raises(OverLimit):
        record(ledger, replace(staged, quote=Quote(usd=Decimal(5))), monthly_limit=Decimal(4), now=NOON)
    assert ledger.get(staged.id).job.status is JobStatus.FAILED
    assert ledger.spent("2026-11") == 0


def test_a_bill_that_no_watcher_lived_to_settle_takes_the_place_of_the_quote(recorded: Ledger, staged: Run) -> None:
    job = recorded.get("tw-1122-cafe0001").job
    recorded.save(replace(job, id="job-1", status=JobStatus.SUCCEEDED, billed_usd=Decimal(2)))
    assert recorded.spent("2026-11") == 5
    again = replace(staged, id="tw-again", spec=replace(staged.spec, run="tw-again"), job=replace(job, run="tw-again"))
    record(recorded, replace(again, quote=Quote(usd=Decimal(5))), monthly_limit=Decimal(7), now=NOON)
    assert recorded.spent("2026-11") == 7


def test_a_job_that_failed_where_it_costs_money_is_not_started_again(recorded: Ledger, tmp_path: Path) -> None:
    backend = PaperBackend(tmp_path / "paper", steps=1)
    start(recorded, backend)
    (backend.folder / "job-1.json").write_text(json.dumps({"run": "x", "step": 0, "model": "broken"}))
    with pytest.raises(RunError, match="launch again to start"):
        start(recorded, backend)
    assert backend.paid == ["job-1"]


class Pricing(PaperBackend):
    """States a price of its own once the file is there, as Together does."""

    price = "5.90"

    def submit(self, spec: JobSpec, save: Save = lambda job: None, resume: Job | None = None) -> Job:
        save(Job(spec.run, spec.backend, spec.model, extra={"file": "train", "provider_quote_usd": self.price}))
        return super().submit(spec, save, resume)


@pytest.mark.parametrize(("price", "paid"), [("5.90", 1), ("4.10", 1), ("6.10", 0), ("3.90", 0)])
def test_a_provider_whose_own_price_is_far_from_the_quote_is_not_paid(
    recorded: Ledger, tmp_path: Path, price: str, paid: int
) -> None:
    backend = Pricing(tmp_path / "paper")
    backend.price = price
    if paid:
        start(recorded, backend)
    else:
        with pytest.raises(RunError, match=r"paper prices this job at .* our quote is \$5.00"):
            start(recorded, backend)
        assert recorded.get("last").job.status is JobStatus.FAILED
    assert len(backend.paid) == paid


class Unpriced(PaperBackend):
    """Was asked for its own price and states none."""

    def submit(self, spec: JobSpec, save: Save = lambda job: None, resume: Job | None = None) -> Job:
        save(Job(spec.run, spec.backend, spec.model, extra={"file": "train", "provider_quote": "none: not available"}))
        return super().submit(spec, save, resume)


@pytest.mark.parametrize(("cap", "agrees", "paid"), [(None, False, 1), ("9", True, 1), ("9", False, 0)])
def test_a_cap_is_held_against_our_quote_alone_only_where_somebody_agrees(
    recorded: Ledger, tmp_path: Path, cap: str | None, agrees: bool, paid: int
) -> None:
    backend, heard = Unpriced(tmp_path / "paper"), []

    def unpriced(said: str, most_usd: Decimal | None) -> bool:
        heard.append((said, most_usd))
        return agrees

    most = None if cap is None else Decimal(cap)
    with contextlib.nullcontext() if paid else pytest.raises(OverLimit, match=r"what --max-cost \$9.* is not known"):
        send(recorded, "tw-1122-cafe0001", backend, most_usd=most, unpriced=unpriced)
    assert len(backend.paid) == paid
    assert heard == [("paper states no price of its own for this job (none: not available).", most)]


def test_what_costs_nothing_and_broke_off_before_it_was_kept_goes_on_at_once(recorded: Ledger, tmp_path: Path) -> None:
    """The launch died between the job's folder and its process: a look-up finds a job that will never run."""

    class Free(PaperBackend):
        def requests(self, spec: JobSpec) -> tuple[Request, ...]:
            return ()

        def find(self, spec: JobSpec) -> Job | None:
            found = super().find(spec)
            return found and replace(found, status=JobStatus.FAILED, error="its process is gone")

    backend = Free(tmp_path / "paper", troubles={"after_create": [OutcomeUnknown("killed")]})
    start(recorded, backend)
    job = recorded.get("tw-1122-cafe0001").job
    assert job.id == "job-2" and job.status is JobStatus.QUEUED


def test_a_run_that_goes_on_asks_the_monthly_limit_too(recorded: Ledger, tmp_path: Path) -> None:
    backend, time = PaperBackend(tmp_path / "paper"), Time()
    with pytest.raises(OverLimit, match=r"quoted at \$5.00; \$0 of this month's limit of \$4.00"):
        send(recorded, "tw-1122-cafe0001", backend, pause=time.pause, clock=time, monthly_limit=Decimal(4))
    assert backend.paid == []
    assert not recorded.get("last").job.status.finished
    send(recorded, "tw-1122-cafe0001", backend, pause=time.pause, clock=time, monthly_limit=Decimal(5))
    assert backend.paid == ["job-1"]


def test_a_run_that_went_into_a_new_month_counts_there(recorded: Ledger, tmp_path: Path) -> None:
    time = Time()
    time.now += timedelta(days=30)
    start(recorded, PaperBackend(tmp_path / "paper"), time)
    assert (recorded.spent("2026-11"), recorded.spent("2026-12")) == (0, 5)


@pytest.mark.parametrize("back", [timedelta(days=1), timedelta(days=400)])
def test_a_clock_that_was_set_back_makes_nobody_wait_longer(recorded: Ledger, tmp_path: Path, back: timedelta) -> None:
    backend = PaperBackend(tmp_path / "paper", troubles={"before_create": [KeyboardInterrupt()]})  # type: ignore[list-item]
    time, said = Time(), list[str]()
    with pytest.raises(KeyboardInterrupt):
        start(recorded, backend, time)
    time.now -= back
    send(recorded, "tw-1122-cafe0001", backend, pause=time.pause, clock=time, say=said.append)
    assert sum(time.waits) == pytest.approx(30)
    assert said == ["tw-1122-cafe0001 may have reached paper; it is looked for there for up to 30 s."]
    assert backend.paid == ["job-1"]


def test_a_disk_that_fills_while_a_job_is_paid_says_what_to_do_and_pays_once(recorded: Ledger, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    class Filling(PaperBackend):
        def submit(self, spec: JobSpec, save: Save = lambda job: None, resume: Job | None = None) -> Job:
            def full(job: Job) -> None:
                if job.id is not None:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))  # a write beyond it fails, as on a full disk
                save(job)

            return super().submit(spec, full, resume)

    try:
        with pytest.raises(
            AdvisorError, match=r"make room on the disk.*tw-1122-cafe0001 may have reached its provider"
        ):
            start(recorded, Filling(tmp_path / "paper"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    backend = PaperBackend(tmp_path / "paper")
    start(recorded, backend)
    assert backend.paid == ["job-1"]
    assert recorded.get("last").job.id == "job-1"


@pytest.mark.parametrize("billed", [Decimal(-25), Decimal("NaN"), Decimal("Infinity")])
def test_a_bill_that_is_none_makes_no_room_in_a_limit(recorded: Ledger, billed: Decimal) -> None:
    job = recorded.get("last").job
    recorded.save(replace(job, id="job-1", status=JobStatus.SUCCEEDED, billed_usd=billed))
    settle(recorded, job.run)
    assert recorded.spent("2026-11") == 5


def test_fewer_than_no_tokens_are_no_bill(recorded: Ledger) -> None:
    line = LineItem("training", Decimal(1), "Mtok", *[Decimal(5)] * 4, "x", None)
    run = replace(recorded.get("last"), quote=Quote(usd=Decimal(5), lines=(line,)))
    job = replace(run.job, id="job-1", status=JobStatus.SUCCEEDED, trained_tokens=-5_000_000)
    assert bill(replace(run, job=job))[0] is None
    assert bill(replace(run, job=replace(job, trained_tokens=2_000_000)))[0] == 10


def test_of_two_that_start_the_same_at_once_one_is_refused(staged: Run) -> None:
    ledger = Ledger.open()
    quoted = replace(staged, quote=Quote(usd=Decimal(5)))
    twin = replace(quoted, id="tw-1122-cafe0002", spec=replace(staged.spec, run="tw-1122-cafe0002"))
    barrier, refused = Barrier(2), list[str]()

    def begin(run: Run) -> None:
        barrier.wait()
        try:
            record(ledger, run, monthly_limit=None, now=NOON, beside=[])
        except TwinRunning as error:
            refused.append(f"{run.id} {error.runs}")

    threads = [Thread(target=begin, args=[run]) for run in (quoted, twin)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (kept,) = ledger.runs()
    (other,) = {quoted.id, twin.id} - {kept.id}
    assert refused == [f"{other} {(kept.id,)}"]
    record(ledger, twin if kept.id == quoted.id else quoted, monthly_limit=None, now=NOON, beside=[kept.id])
    assert len(ledger.runs()) == 2
