"""How a run is started exactly once: staged, quoted, kept in the ledger, sent, and looked up after any doubt."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from advisor.dataset import Dataset, Format, split, write_for
from advisor.errors import DataError, OverLimit, RunError
from advisor.runs.launch.gate import Unpriced, check_payable, comparing, refuse, reserve
from advisor.runs.launch.look_up import SETTLE_S, look_up, note_on, with_twins
from advisor.runs.ledger import Ledger, only_one
from advisor.runs.ledger_file import LedgerUnwritable
from advisor.runs.run import Origin, Quote, Run, folder_of, new_id
from backends import (
    Backend,
    BackendError,
    Hyperparameters,
    Job,
    JobSpec,
    JobStatus,
    Json,
    Method,
    Objective,
    OutcomeUnknown,
    ProviderUnavailable,
    RateLimited,
    wait_s,
)

_FEWEST_TO_VALIDATE = 60  # with fewer training examples, none is taken away for a validation curve
_VALIDATES = 0.1  # of what is left to train on, however much is held out
_LONGEST_WAIT_S = 120.0  # which a launch sits through; beyond it the person goes on later
_WAITS_S = (2.0, 8.0, 30.0)  # between attempts that surely had no effect


@dataclass(frozen=True, slots=True)
class Order:
    """What to launch: data, backend, model and settings, as the flags or a plan file say."""

    data: tuple[str, ...]
    backend: str
    model: str
    method: Method = Method.LORA
    objective: Objective | None = None
    hyperparameters: Hyperparameters = field(default_factory=Hyperparameters)
    options: Mapping[str, Json] = field(default_factory=dict)
    held_out: float = 0.1
    validation: Path | None = None
    task: str | None = None
    plan: str | None = None
    fingerprint: str | None = None
    group: str | None = None
    name: str | None = None


def stage(
    order: Order,
    *,
    now: datetime,
    seed: int = 0,
    run: str | None = None,
    validates: frozenset[Objective] = frozenset(Objective),
    decides: bool = False,
) -> tuple[Run, tuple[str, ...]]:
    """Split and convert the data into the run's folder; nothing is kept in the ledger or sent.

    ``validates``: the objectives the backend takes a validation file for; no examples are kept from the training for
    one otherwise.
    ``decides``: that file picks the weights that are kept, so a score on it proves little, and others are held out.
    Returns the run without a quote, and what could not be expressed in the backend's format. Raises DataError.
    """
    run = run or new_id(now)
    dataset = Dataset.open(*order.data)
    if order.fingerprint and dataset.fingerprint != order.fingerprint:
        raise DataError(
            f"{order.plan}: the data has changed since this plan was made; run 'tunewise plan' again to renew it."
        )
    folder = folder_of(run)
    try:
        return _staged(run, order, dataset, folder, now, seed, validates=validates, decides=decides and bool(validates))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def discard(run: Run) -> None:
    """Remove the folder of a staged run that was not launched."""
    shutil.rmtree(run.folder, ignore_errors=True)


def record(
    ledger: Ledger, run: Run, *, monthly_limit: Decimal | None, now: datetime, beside: Collection[str] | None = None
) -> tuple[str, ...]:
    """Keep the run in the ledger and reserve its price: the last step before anything is sent.

    Returns the runs that ``monthly_limit`` could not count, since what they cost is unknown. Raises OverLimit, and
    TwinRunning where the same work is under way in a run that ``beside`` does not name (None: any may be).
    """
    ledger.add(run, beside=beside)
    try:
        return reserve(ledger, run, monthly_limit=monthly_limit, now=now)
    except BaseException as error:
        reason = str(error) if isinstance(error, OverLimit) else "interrupted before anything was sent"
        ledger.save(replace(run.job, status=JobStatus.FAILED, finished=now, error=reason))
        raise


def send(
    ledger: Ledger,
    run_id: str,
    backend: Backend,
    *,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    settle_s: float = SETTLE_S,
    most_usd: Decimal | None = None,
    monthly_limit: Decimal | None = None,
    say: Callable[[str], None] = lambda text: None,
    unpriced: Unpriced = refuse,
) -> Job:
    """Create the run's job at the provider, once, whatever interrupted earlier attempts.

    An attempt that may have reached the provider is looked up by its tag until ``settle_s`` seconds have passed since
    it was made. One whose reply was lost here is never sent again here, but raises OutcomeUnknown: only a later call,
    which somebody wants, sends it again when the provider still knows no such job. A provider that says a price of its
    own above ``most_usd`` is not paid: OverLimit. Nor is one when the month would pass ``monthly_limit``. ``say`` hears
    what is waited for; ``unpriced`` is as in ``comparing``.
    """
    with only_one(run_id), _kept_in_doubt(run_id):
        run = ledger.get(run_id)
        if run.job.id is not None:
            return _go_on(ledger, run, backend, monthly_limit, clock)
        job = look_up(ledger, run, backend, pause, clock, settle_s, say)
        waits, again = list(_WAITS_S), ledger.last(run.id, "doubt") is not None
        if job is None and again:
            say(f"{run.spec.backend} knows no job of {run_id}, so it is sent again.")
        while job is None:
            check_payable(ledger, run, backend, monthly_limit, clock())
            saved = ledger.last(run.id, "job")
            resume = ledger.get(run.id).job if saved is not None else None
            if resume is not None and resume.status.finished:
                resume = replace(resume, status=JobStatus.QUEUED, error=None, finished=None)
            ledger.append(run.id, "sending", {}, clock())
            try:
                job = backend.submit(run.spec, comparing(ledger, run.quote, most_usd, unpriced), resume)
            except OutcomeUnknown as error:
                ledger.append(run.id, "doubt", {"error": str(error)}, clock())
                job = look_up(ledger, run, backend, pause, clock, settle_s, say)
                if job is None and not any(request.costs_money for request in backend.requests(run.spec)):
                    if not waits:
                        raise
                    waits.pop(0)
                elif job is None:
                    note_on(ledger, run, f"in doubt: {error}")
                    raise OutcomeUnknown(
                        f"{error} It was looked for and is not there yet, but may still show up, so nothing is sent "
                        "again unasked. That command looks once more, and sends it again only if it is still missing."
                    ) from error
            except (ProviderUnavailable, RateLimited) as error:
                ledger.append(run.id, "unsent", {"error": str(error)}, clock())
                if not waits or (error.retry_after_s or 0.0) > _LONGEST_WAIT_S:
                    note_on(ledger, run, f"not sent: {error}")
                    raise ProviderUnavailable(
                        f"{error} Nothing was charged; 'tunewise launch --resume {run.id}' goes on."
                    ) from error
                wait = wait_s(error, waits.pop(0))
                say(f"{error} Trying again in {wait:.0f} s.")
                pause(wait)
            except (BackendError, RunError, OverLimit) as error:
                _refused(ledger, run, str(error), clock())
                raise
        job = with_twins(job, run.spec, backend) if again else job
        ledger.save(job)
        return job


@contextmanager
def _kept_in_doubt(run_id: str) -> Iterator[None]:
    """Say of a ledger that takes no more what that means for the run that was being sent."""
    try:
        yield
    except LedgerUnwritable as error:
        raise LedgerUnwritable(
            f"{error} {run_id} may have reached its provider; that is looked up before anything is paid again."
        ) from error


def _staged(
    run: str,
    order: Order,
    dataset: Dataset,
    folder: Path,
    now: datetime,
    seed: int,
    *,
    validates: frozenset[Objective],
    decides: bool,
) -> tuple[Run, tuple[str, ...]]:
    """Split off the held-out examples, then a part to validate on, and write the rest as the backend reads it."""
    preference = dataset.format is Format.PREFERENCE
    objective = order.objective or (Objective.DPO if preference else Objective.SFT)
    train, held_out, share = None, order.validation, 0.0
    if order.held_out > 0 and (order.validation is None or decides):
        train, held_out = split(dataset, folder / "split", held_out=order.held_out, seed=seed)
        share = order.held_out
    source = dataset if train is None else Dataset.open(train)
    validation = order.validation if objective in validates else None
    enough = train is not None and sum(1 for _ in source.examples()) >= _FEWEST_TO_VALIDATE
    if objective in validates and validation is None and enough:
        fit_part, validation = split(source, folder / "split" / "validation", held_out=_VALIDATES, seed=seed + 1)
        source = Dataset.open(fit_part)
        train = fit_part
    upload = folder / "upload"
    upload.mkdir(mode=0o700, exist_ok=True)
    lost = list(write_for(source, order.backend, objective, upload / "train.jsonl"))
    if validation is not None:
        lost += write_for(Dataset.open(validation), order.backend, objective, upload / "validation.jsonl")
    spec = JobSpec(
        run=run,
        backend=order.backend,
        model=order.model,
        train_file=upload / "train.jsonl",
        validation_file=upload / "validation.jsonl" if validation is not None else None,
        objective=objective,
        method=order.method,
        hyperparameters=order.hyperparameters,
        options=order.options,
    )
    for path in folder.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    origin = Origin(
        data=tuple(str(Path(part).absolute()) for part in order.data),
        fingerprint=dataset.fingerprint,
        held_out=held_out,
        train=train or upload / "train.jsonl",
        task=order.task,
        source=order.plan,
        share=share,
        validation=order.validation,
        group=order.group,
        decides=decides and validation is not None,
    )
    job = Job(run=run, backend=order.backend, model=order.model, detail="not sent yet", created=now)
    staged = Run(id=run, name=order.name, created=now, spec=spec, quote=Quote(), origin=origin, job=job)
    return staged, tuple(dict.fromkeys(problem.message for problem in lost))


def _go_on(
    ledger: Ledger, run: Run, backend: Backend, monthly_limit: Decimal | None, clock: Callable[[], datetime]
) -> Job:
    """Return a created job as it is now; one that broke off goes on from where it was, where its backend can."""
    if run.job.status is JobStatus.SUCCEEDED:
        return run.job  # an end stays an end, whatever is said later
    job = backend.refresh(run.job)
    if job.status in (JobStatus.FAILED, JobStatus.CANCELLED):
        if not backend.resumes and any(request.costs_money for request in backend.requests(run.spec)):
            raise RunError(f"{run.id} was created and has {job.status}; launch again to start (and pay for) a new run.")
        check_payable(ledger, run, backend, monthly_limit, clock())
        job = backend.submit(run.spec, ledger.save, job)
    ledger.save(job)
    return job


def _refused(ledger: Ledger, run: Run, error: str, now: datetime) -> None:
    """Note that the provider refused before anything was created, and give the reservation back."""
    ledger.append(run.id, "unsent", {"error": error}, now)
    ledger.save(replace(ledger.get(run.id).job, status=JobStatus.FAILED, detail="refused", error=error, finished=now))
    ledger.settle(run.id, Decimal(0), "nothing was sent")
