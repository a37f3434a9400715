"""How runs are followed: polling with back-off, many at once, a bounded number of requests a second."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from threading import Thread

from advisor.atomic import write_whole
from advisor.runs.launch.look_up import with_twins
from advisor.runs.ledger import Ledger
from advisor.runs.provider_events import keep_events, read_events
from advisor.runs.receipt import settle
from advisor.runs.run import Run, folder_of
from backends import (
    REHEARSAL,
    Backend,
    BackendError,
    Job,
    JobEvent,
    JobSpec,
    JobStatus,
    ProviderUnavailable,
    RateLimited,
    wait_s,
)

LONGEST_S = 15.0  # between two looks at a job in which nothing changes
_LONGEST_TROUBLE_S = 60.0
_SAID_AGAIN_S = 600.0  # how a job stands is said at least so often: that nothing changes is news, too
_MOST_MISSED = 5  # looks in a row at which the provider knows no such job, or refuses to say
_MOST_AT_END = 3  # looks for what is still missing of a run that has ended


@dataclass(frozen=True, slots=True)
class Update:
    """What one look at a job brought. ``trouble`` says what it did not bring; the next look comes by itself.

    ``again_s``: in how many seconds, where that is longer than usual. ``given_up``: there is no next look, since the
    provider went on not knowing the job, or refusing the key. ``missing`` names what of the job could not be read.
    """

    job: Job
    events: tuple[JobEvent, ...] = ()
    trouble: str | None = None
    given_up: bool = False
    again_s: float | None = None
    missing: tuple[str, ...] = ()


@dataclass(slots=True)
class _Followed:
    """One run being followed."""

    job: Job
    due: float
    wait: float
    doubted: JobSpec | None = None  # of a run whose reply was lost once: another job of it may show up
    missed: int = 0
    looks: int = 0
    looks_at_end: int = 0
    said_at: float = 0.0
    last_event: str | None = None

    @property
    def over(self) -> bool:
        """Whether there is nothing more to look for."""
        return self.missed >= _MOST_MISSED or (self.job.status.finished and self.looks_at_end == 0)


@dataclass(slots=True)
class _Pace:
    """When a backend may be asked next, so that no more than ``per_second`` looks start in a second."""

    backend: Backend
    per_second: float
    free_at: float = 0.0
    paused_until: float = 0.0

    def next(self) -> float:
        return max(self.free_at, self.paused_until)


@dataclass(slots=True)
class Watch:
    """Follows runs until all have ended; leaving it at any moment loses nothing, and another may start anywhere."""

    ledger: Ledger
    runs: Sequence[str]
    backend_of: Callable[[str], Backend]
    shortest_s: float = 2.0
    per_second: float = 5.0
    at_once: int = 32  # looks on their way; one that hangs holds its place until the backend gives it up
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep
    _paces: dict[str, _Pace] = field(default_factory=dict)

    def updates(self) -> Iterator[Update]:
        """Yield every change, trouble and end; return when no run is left to follow.

        Of a job that does not change there is an update every ten minutes.
        """
        followed = []
        for run in dict.fromkeys(self.runs):
            try:
                followed.append(self._follow(run))
            except BackendError as error:  # of this backend; the others go on
                yield Update(self.ledger.get(run).job, trouble=str(error), given_up=True)
        for one in followed:
            yield Update(one.job, tuple(read_events(one.job.run)))
        waiting = [one for one in followed if not one.job.status.finished and one.job.id is not None]
        asked: dict[Future[Update], _Followed] = {}
        while waiting or asked:
            self._start(waiting, asked)
            if not asked:
                self.pause(max(0.0, min(self._when(one) for one in waiting) - self.clock()))
                continue
            ready = self._next_start(waiting) if len(asked) < self.at_once else None
            done, _ = wait(asked, timeout=ready, return_when=FIRST_COMPLETED)
            for future in done:
                one = asked.pop(future)
                update = self._digest(one, future)
                if not one.over:
                    waiting.append(one)
                if update is not None:
                    yield update

    def _follow(self, run: str) -> _Followed:
        job = self.ledger.get(run).job
        if job.backend not in self._paces:
            self._paces[job.backend] = _Pace(self.backend_of(job.backend), self.per_second)
        events = read_events(run)
        doubted = self.ledger.get(run).spec if self.ledger.last(run, "doubt") is not None else None
        last = events[-1].id if events else None
        return _Followed(job, self.clock(), self.shortest_s, doubted, last_event=last)

    def _when(self, one: _Followed) -> float:
        return max(one.due, self._paces[one.job.backend].next())

    def _next_start(self, waiting: list[_Followed]) -> float | None:
        return max(0.0, min(self._when(one) for one in waiting) - self.clock()) if waiting else None

    def _start(self, waiting: list[_Followed], asked: dict[Future[Update], _Followed]) -> None:
        """Ask about every run whose turn it is, within the pace of its backend."""
        now = self.clock()
        for one in sorted(waiting, key=lambda other: other.due):
            pace = self._paces[one.job.backend]
            if len(asked) >= self.at_once:
                return
            if one.due <= now and pace.next() <= now:
                pace.free_at = max(pace.free_at, now) + 1 / pace.per_second
                waiting.remove(one)
                asked[_looking(pace.backend, one)] = one

    def _digest(self, one: _Followed, future: Future[Update]) -> Update | None:
        """Keep what a look brought and set when the next is due."""
        one.looks += 1
        try:
            update = future.result()
        except BackendError as error:
            return self._trouble(one, error)
        one.missed = 0
        changed = update.job != one.job or bool(update.events)
        one.wait = self.shortest_s if changed else min(one.wait * 1.5, max(LONGEST_S, self.shortest_s))
        one.due = self.clock() + one.wait
        one.job = update.job
        if update.events:
            one.last_event = update.events[-1].id
            keep_events(one.job.run, update.events)
        self.ledger.save(update.job)
        if update.job.status.finished:
            settle(self.ledger, one.job.run)
            update = self._at_end(one, update)
        if not (changed or update.trouble or one.looks == 1) and self.clock() - one.said_at < _SAID_AGAIN_S:
            return None
        one.said_at = self.clock()
        return update

    def _at_end(self, one: _Followed, update: Update) -> Update:
        """Look a few times more for what could not be read of an ended run, then keep a word on what is missing."""
        one.looks_at_end = one.looks_at_end + 1 if update.missing else 0
        if one.looks_at_end >= _MOST_AT_END:
            one.looks_at_end = 0
            self.ledger.append(one.job.run, "missing", {"what": list(update.missing)})
            said = f"{update.trouble} It has ended all the same; what is missing is named in the receipt."
            return replace(update, trouble=said)
        return update

    def _trouble(self, one: _Followed, error: BackendError) -> Update:
        """Set when to ask again; a refusal that will not change by itself ends the following of this run alone."""
        now = self.clock()
        one.wait = wait = min(max(one.wait, 1.0) * 2, _LONGEST_TROUBLE_S)
        if isinstance(error, RateLimited | ProviderUnavailable):
            wait = wait_s(error, wait)
        else:
            one.missed += 1
        one.due = now + wait
        if isinstance(error, RateLimited):
            pace = self._paces[one.job.backend]
            pace.paused_until = max(pace.paused_until, now + wait)
        if one.missed >= _MOST_MISSED:
            said = f"{error} {one.job.backend} was asked {_MOST_MISSED} times, so this is no longer followed."
            return Update(one.job, trouble=said, given_up=True)
        return Update(one.job, trouble=str(error), again_s=wait)


def refreshed(ledger: Ledger, run: Run, backend: Backend) -> Run:
    """Look once at a run that has begun and not ended, keep what is new, and return it as it is now."""
    if run.job.id is None or run.job.status.finished:
        return run
    fresh = backend.refresh(run.job)
    with suppress(BackendError):  # how it stands is known even where its results cannot be read
        fresh = with_metrics(fresh, backend)
    ledger.save(fresh)
    settle(ledger, run.id)
    return ledger.get(run.id)


def with_metrics(job: Job, backend: Backend) -> Job:
    """Return a job that has succeeded with the file its numbers were written to; one that has such a file as it is.

    What the provider says at the end (a result file) is more than what its events said on the way.
    """
    if job.status is not JobStatus.SUCCEEDED or job.metrics_path is not None or job.backend == REHEARSAL:
        return job
    try:
        rows = backend.metrics(job)
    except (ProviderUnavailable, RateLimited):
        raise
    except BackendError:
        return job  # it keeps no result file; the events are kept anyway
    if not rows:
        return job
    path = folder_of(job.run) / "metrics.jsonl"
    write_whole(path, "".join(json.dumps(row) + "\n" for row in rows).encode())
    return replace(job, metrics_path=path)


def _looking(backend: Backend, one: _Followed) -> Future[Update]:
    """Look in a thread that nobody has to wait for: who leaves a watch leaves also a request that hangs."""
    future: Future[Update] = Future()
    job, after, doubted = one.job, one.last_event, one.doubted

    def look() -> None:
        try:
            future.set_result(_look(backend, job, after, doubted))
        except Exception as error:  # noqa: BLE001  whoever waits for the future gets it
            future.set_exception(error)

    Thread(target=look, daemon=True).start()
    return future


def _look(backend: Backend, job: Job, after: str | None, doubted: JobSpec | None) -> Update:
    """Ask once: the job, then its new events, so that the events of a job's end are never missed.

    How the job stands is known even where its events or its results cannot be read.
    """
    fresh = job if job.status.finished else backend.refresh(job)
    if doubted is not None and fresh.status.finished:
        fresh = with_twins(fresh, doubted, backend)
    missing: dict[str, BackendError] = {}
    try:
        fresh = with_metrics(fresh, backend)
    except BackendError as error:
        missing["the result file"] = error
    events: tuple[JobEvent, ...] = ()
    try:
        events = tuple(backend.events(fresh, after))
    except BackendError as error:
        missing["its events"] = error
    trouble = " ".join(f"{what.capitalize()} could not be read: {error}" for what, error in missing.items())
    return Update(fresh, events, trouble or None, missing=tuple(missing))
