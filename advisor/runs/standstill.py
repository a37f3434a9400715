"""How long a job has been at each stage, what is usual there, and what to do about one that stands still."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from advisor.pricing import PriceBook
from advisor.recommend.wording import duration
from advisor.runs.ledger import Ledger
from advisor.runs.provider_events import read_events
from advisor.runs.run import Run
from backends import Job, JobStatus, Json

_TIMES = 2  # what is usual, before a job is said to stand still
_SHORTEST_M = 60.0  # a job that moved within the last hour stands nowhere
_ENOUGH_RUNS = 3  # of our own, before they alone say what is usual
_MOST_RUNS = 10  # of our own that are looked at, newest first
_ENDED = frozenset(status for status in JobStatus if status.finished)


@dataclass(frozen=True, slots=True)
class StageAge:
    """One stage of a job: since when it is or was in it, for how many minutes, and how long nothing moved at most."""

    name: str
    since: datetime
    minutes: float
    quiet_minutes: float
    moved: datetime  # when something moved last: it began, a step was made, the provider wrote a line


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a job stands: its stages, oldest first, and a sentence when it stands still, else ''."""

    stages: tuple[StageAge, ...] = ()
    standstill: str = ""


@dataclass(slots=True)
class Standings:
    """Says of runs where they stand; what is usual is worked out once a backend and stage."""

    ledger: Ledger
    book: PriceBook
    _lately: dict[str, tuple[Job, datetime, Standing]] = field(default_factory=dict)
    _usual: dict[tuple[str, str], tuple[float, str]] = field(default_factory=dict)

    def of(self, run: Run, now: datetime, *, asked: bool = True) -> Standing:
        """Return where a run stands at ``now``. ``asked``: its provider has just been asked, so nothing is newer."""
        lines = () if run.job.status.finished else [_utc(event.time) for event in read_events(run.id)]
        stages = stages_of(self.ledger, run, now, lines)
        if run.job.status.finished or run.rehearses or not stages:
            return Standing(stages)
        return Standing(stages, self._standstill(run, stages[-1], now, asked=asked))

    def lately(self, run: Run, now: datetime) -> Standing:
        """Return where a run that is followed stands, worked out anew when its stage changes, or once a minute."""
        job, at, standing = self._lately.get(run.id, (None, now, Standing()))
        same = job is not None and (job.status, job.stage) == (run.job.status, run.job.stage)
        if not same or now - at >= timedelta(minutes=1):
            standing = self.of(run, now)
            self._lately[run.id] = run.job, now, standing
        return standing

    def _standstill(self, run: Run, stage: StageAge, now: datetime, *, asked: bool) -> str:
        quiet = (now - stage.moved) / timedelta(minutes=1)
        key = (run.spec.backend, stage.name)
        if key not in self._usual:
            self._usual[key] = self._longest(*key)
        longest, basis = self._usual[key]
        if quiet <= max(_TIMES * longest, _SHORTEST_M):
            return ""
        said = f"{stage.name} for {duration(stage.minutes)}"
        if stage.moved > stage.since:
            said += f", and nothing has moved for {duration(quiet)}"
        if not asked:
            return f"{said}, as far as is known here; {basis}. 'tunewise show {run.id}' asks."
        way_on = f"launch again with {run.job.elsewhere}" if run.job.elsewhere else "launch at another backend"
        return (
            f"stands still: {said}; {basis}. 'tunewise logs {run.id}' shows its last messages; to stop it, 'tunewise "
            f"cancel {run.id}', then {way_on}."
        )

    def _longest(self, backend: str, stage: str) -> tuple[float, str]:
        """Return the longest that is usual without progress, in minutes, and who says so."""
        ended = [
            run for run in self.ledger.runs() if run.spec.backend == backend and run.job.status is JobStatus.SUCCEEDED
        ]
        own = [
            one.quiet_minutes
            for run in ended[:_MOST_RUNS]
            for one in stages_of(self.ledger, run, run.job.finished or run.created)
            if one.name == stage
        ]
        longest = max(own, default=0.0)
        known, basis = self._known(backend)
        if len(own) >= _ENOUGH_RUNS or longest > known:
            return longest, f"your own runs there ({len(own)}) moved on within {duration(longest)}"
        return known, basis

    def _known(self, backend: str) -> tuple[float, str]:
        """Return the longest wait that is known of a provider, else of any, and what it was."""
        waits = {name: seller.waits for name, seller in self.book.providers.items() if seller.waits is not None}
        if there := waits.get(backend):
            said = f"the longest known of {backend} is {duration(there.longest_minutes)}"
            return there.longest_minutes, f"{said} ({there.note})" if there.note else said
        longest = max((one.longest_minutes for one in waits.values()), default=0)
        return longest, f"the longest known of any provider is {duration(longest)}"


def stages_of(ledger: Ledger, run: Run, now: datetime, lines: Sequence[datetime] = ()) -> tuple[StageAge, ...]:
    """Return the stages a job was seen at, oldest first; the last of a job that goes on lasts until ``now``.

    A provider's own times count; where it gives none, a stage begins with the look that first saw it. ``lines``: when
    the provider wrote one.
    """
    begun: list[tuple[str, datetime]] = []
    steps: dict[str, datetime] = {}  # when each count was first seen; that of the first look is no step
    for event in ledger.events(run.id, "job"):
        job = event.body  # read key by key: a long run has thousands, and a Job of each takes seconds
        if not isinstance(job, dict) or not job.get("id"):
            continue
        steps.setdefault(str(job.get("steps_done")), event.at)
        name = str(job.get("stage") or job.get("status"))
        if job.get("status") not in _ENDED and (not begun or begun[-1][0] != name):
            begun.append((name, _since(job, event.at, begun[-1][1] if begun else None)))
    if not begun:
        return ()
    over = run.job.status.finished
    end = max(_utc(run.job.finished) if over and run.job.finished else now, begun[-1][1])
    moved = [*list(steps.values())[1:], *lines]
    found = []
    for (name, since), (_, until) in pairwise([*begun, ("", end)]):
        signs = sorted({since, until, *(at for at in moved if since < at < until)})
        quiet = max((after - before for before, after in pairwise(signs)), default=timedelta())
        last = max(at for at in signs if at < until or at == since)
        minute = timedelta(minutes=1)
        found.append(StageAge(name, since, max(0.0, (until - since) / minute), quiet / minute, last))
    return tuple(found)


def _since(job: Mapping[str, Json], seen: datetime, before: datetime | None) -> datetime:
    """Return since when a job is at the stage it was ``seen`` at, after one that began ``before``."""
    begun = job.get("started") if job.get("status") == JobStatus.RUNNING else None
    stated = job.get("stage_since") or begun or (job.get("created") if before is None else None)
    moment = _utc(datetime.fromisoformat(stated)) if isinstance(stated, str) else seen
    return moment if before is None or before < moment <= seen else seen


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
