"""What is said of a followed run: what was seen of it, how long it takes, how fast it is, what it costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from advisor.cli import render
from advisor.cli.render.scale import short
from advisor.runs.run_view import spent_so_far

if TYPE_CHECKING:
    from advisor.evaluate.training import Curves
    from advisor.runs import Run
    from advisor.runs.standstill import Standing
    from backends import JobEvent

_BARS = "▁▂▃▄▅▆▇█"
_RATED = 20  # steps by which the speed of now is told


@dataclass(frozen=True, slots=True)
class Message:
    """What was said of a run, when, and in which style."""

    at: datetime
    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """One followed run as it was seen last. ``said`` is the newest last; ``trouble``: why there is nothing newer."""

    run: Run
    curves: Curves
    standing: Standing
    said: tuple[Message, ...] = ()
    trouble: str | None = None
    steps_per_s: float | None = None
    tokens_per_s: float | None = None


def speed(events: Iterable[JobEvent]) -> tuple[float | None, float | None]:
    """Return the steps and the tokens a second of the last steps; None where the events do not tell."""
    trained = {event.step: event for event in events if event.step and not _validates(event)}
    told = [trained[step] for step in sorted(trained)][-_RATED:]
    if len(told) < 2 or (seconds := (told[-1].time - told[0].time).total_seconds()) <= 0:
        return None, None
    counts = [event.metrics.get("tokens") for event in (told[0], told[-1])]
    tokens = None if counts[0] is None or counts[1] is None else (counts[1] - counts[0]) / seconds
    return ((told[-1].step or 0) - (told[0].step or 0)) / seconds, tokens


def _validates(event: JobEvent) -> bool:
    return all("valid" in name for name in event.metrics)


def sparkline(values: Sequence[float], width: int = 8) -> str:
    """Draw a curve in one line of at most ``width`` characters."""
    if not values:
        return ""
    step = max(1, -(-len(values) // width))
    means = [
        sum(values[start : start + step]) / len(values[start : start + step]) for start in range(0, len(values), step)
    ]
    low, spread = min(means), (max(means) - min(means)) or 1.0
    return "".join(_BARS[round((value - low) / spread * (len(_BARS) - 1))] for value in means)


def passed(time: timedelta) -> str:
    """Write a time as a clock counts it: 0:42, 12:05, 3:04:05."""
    seconds = max(0, int(time.total_seconds()))
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"


def elapsed(run: Run, now: datetime) -> str:
    end = run.job.finished if run.job.status.finished and run.job.finished else now
    return passed(_utc(end) - _utc(run.job.started or run.created))


def left(one: Seen, now: datetime) -> str:
    """Return how long a run still takes: by its provider, else by the speed of its last steps."""
    job = one.run.job
    if job.status.finished:
        return ""
    if job.estimated_finish is not None:
        return f"about {passed(_utc(job.estimated_finish) - now)}"
    if one.steps_per_s and job.steps_done is not None and job.steps_total:
        return f"about {passed(timedelta(seconds=(job.steps_total - job.steps_done) / one.steps_per_s))}"
    return ""


def rates(one: Seen) -> list[str]:
    said = []
    if one.steps_per_s:
        slow = one.steps_per_s < 1
        said.append(f"{1 / one.steps_per_s:.2g} s a step" if slow else f"{one.steps_per_s:.2g} steps/s")
    if one.tokens_per_s:
        said.append(f"{short(float(f'{one.tokens_per_s:.2g}'))} tokens/s")
    return said


def spent(run: Run) -> str:
    return render.usd(spent_so_far(run))


def money(run: Run) -> str:
    """Return what is spent, what was quoted, and where the run is stopped."""
    if run.quote.usd == 0:
        return "no charge"
    said = f"{'cost' if run.job.status.finished else 'spent'} {spent(run)} of {render.usd(run.quote.usd)} quoted"
    return said if run.quote.cap_usd is None else f"{said}, stops at {render.usd(run.quote.cap_usd)}"


def points(found: Curves) -> tuple[tuple[tuple[int, float], ...], ...]:
    return (found.train, found.valid, found.train_accuracy, found.valid_accuracy)


def loss_text(loss: float) -> str:
    """Write a loss to three decimals, a tiny one to two digits."""
    return f"{loss:.3f}" if loss >= 0.01 else f"{loss:.2g}"


def curve(points: Sequence[tuple[int, float]]) -> str:
    return f"{sparkline([value for _, value in points])} {loss_text(points[-1][1])}" if points else ""


def place(run: Run) -> str:
    return f"REHEARSAL of {run.rehearses}" if run.rehearses else run.spec.backend


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
