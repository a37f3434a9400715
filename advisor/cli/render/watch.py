"""How runs look while they are followed: a table with curves in a terminal, one line a change elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self

from advisor.cli import render
from advisor.cli.render.runs import COLOURS, changed_text, clock, fits, grid_of, steps, twins_text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live
    from rich.table import Table

    from advisor.evaluate.training import Curves
    from advisor.runs import Run, Update
    from advisor.runs.standstill import Standing
    from backends import JobEvent

_EVERY_S = 2.0  # between two lines of one run that only say how far it is
_BARS = "▁▂▃▄▅▆▇█"
_CURVES = ("loss", "validation", "accuracy", "valid. accuracy")  # the columns, in the order of Curves


class Progress:
    """Live rows in a terminal, one line a change elsewhere; on stderr when stdout is kept for the document."""

    def __init__(self, *, talk: bool) -> None:
        self._talk = talk
        self._runs: dict[str, Run] = {}
        self._events: dict[str, dict[str, JobEvent]] = {}
        self._troubles: dict[str, str | None] = {}
        self._warned: set[tuple[str, str]] = set()
        self._said: dict[str, tuple[float, str]] = {}
        self._standings: dict[str, Standing] = {}
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if render.draws(stderr=self._talk):
            from rich.live import Live

            self._live = Live(console=render.console(stderr=self._talk), refresh_per_second=4)
        return self

    @property
    def can_ask(self) -> bool:
        """Tell whether a person sees this and can answer."""
        return (sys.stderr if self._talk else sys.stdout).isatty() and sys.stdin.isatty()

    def go_on(self) -> None:
        """Begin to draw, or begin again."""
        if self._live is not None:
            self._live.start()

    def stand_still(self) -> None:
        """Leave the terminal to a question."""
        if self._live is not None:
            self._live.stop()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stand_still()

    def show(self, run: Run, update: Update, standing: Standing) -> None:
        """Take in what a look brought, and show it."""
        from advisor.evaluate.training import curves, overfitting
        from advisor.runs import view

        self._runs[run.id] = run
        self._standings[run.id] = standing
        self._troubles[run.id] = _trouble(update)
        events = self._events.setdefault(run.id, {})
        events.update((event.id, event) for event in update.events)
        if self._live is not None:
            self._live.update(self._screen(self._live.console))
        else:
            self._say_seldom(_line(run, curves(events.values()), update, standing), run, update)
        for event in update.events:
            if event.level == "sample":
                self._say(f"{run.id}: {event.message}")
        shown = view(run)
        warnings = (
            ("twins", twins_text(shown) if shown.twins else None),
            ("changed", changed_text(shown) if shown.changed_by_provider else None),
            ("standstill", standing.standstill or None),
            ("overfitting", overfitting(curves(events.values())) if update.events else None),
        )
        for about, warning in warnings:
            if warning and (run.id, about) not in self._warned:
                self._warned.add((run.id, about))
                self._say(f"{run.id}: {warning}")

    def _say_seldom(self, line: str, run: Run, update: Update) -> None:
        """Say a change of state or a trouble at once, mere progress every few seconds."""
        at, state = self._said.get(run.id, (0.0, ""))
        fresh = f"{run.job.status} {update.trouble or ''}"
        if fresh != state or time.monotonic() - at >= _EVERY_S:
            self._said[run.id] = (time.monotonic(), fresh)
            self._say(line)

    def _say(self, text: str) -> None:
        if self._live is not None:
            self._live.console.print(text, markup=False)
        elif self._talk:
            render.note(text)
        else:
            render.out(text)
            sys.stdout.flush()

    def _screen(self, console: Console) -> RenderableType:
        """Return all runs as one table, or as a few lines each where a table would break words."""
        from rich.console import Group

        from advisor.evaluate.training import curves

        found = {name: curves(events.values()) for name, events in self._events.items()}
        grid = self._table(found)
        if fits(console, grid):
            notes = [f"{run.id}: {note}" for run in self._runs.values() if (note := self._note(run))]
            return Group(grid, *notes)
        return Group(*(part for run in self._runs.values() for part in self._block(run, found[run.id])))

    def _table(self, found: Mapping[str, Curves]) -> Table:
        drawn = [
            (name, place) for place, name in enumerate(_CURVES) if any(_points(one)[place] for one in found.values())
        ]
        grid = grid_of("run", "status", "steps", *(name for name, _ in drawn), "finishes", "spent")
        for run in self._runs.values():
            points = _points(found[run.id])
            grid.add_row(run.id, _status(run), _steps(run), *(_curve(points[at]) for _, at in drawn), *_ending(run))
        return grid

    def _block(self, run: Run, found: Curves) -> list[RenderableType]:
        from rich.padding import Padding

        finishes, spent = _ending(run)
        head = [run.id, _status(run), _steps(run), f"until {finishes}" if finishes else "", spent]
        lines = []
        for label, losses, shares in (
            ("loss", found.train, found.train_accuracy),
            ("validation", found.valid, found.valid_accuracy),
        ):
            loss, share = _curve(losses), _curve(shares)
            accuracy = f"accuracy {share}" if share else ""
            if loss or share:
                lines.append(f"{label:<10} {loss:<16} {accuracy}".rstrip())
        note = self._note(run)
        parts = [*lines, *([note] if note else [])]
        return [" ".join(part for part in head if part), *(Padding(part, (0, 0, 0, 2)) for part in parts)]

    def _note(self, run: Run) -> str:
        """Return what there is to say on a run beside its numbers."""
        from rich.markup import escape

        if trouble := self._troubles[run.id]:
            return f"[yellow]{escape(trouble)}[/]"
        if run.job.error:
            return f"[red]{escape(run.job.error)}[/]"
        standing = self._standings[run.id]
        if standing.standstill:
            return f"[yellow]{escape(standing.standstill)}[/]"
        return escape(_detail(run, standing))


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


def _points(found: Curves) -> tuple[tuple[tuple[int, float], ...], ...]:
    """Return the curves in the order of the columns."""
    return (found.train, found.valid, found.train_accuracy, found.valid_accuracy)


def _curve(points: Sequence[tuple[int, float]]) -> str:
    return f"{sparkline([value for _, value in points])} {points[-1][1]:.3f}" if points else ""


def _status(run: Run) -> str:
    return f"[{COLOURS[run.job.status]}]{run.job.status}[/]"


def _steps(run: Run) -> str:
    return steps(run.job.steps_done, run.job.steps_total)


def _ending(run: Run) -> tuple[str, str]:
    """Return when a run is expected to end, and what it has cost so far."""
    from advisor.runs.run_view import spent_so_far

    return "" if run.job.status.finished else clock(run.job.estimated_finish), render.usd(spent_so_far(run))


def _line(run: Run, found: Curves, update: Update, standing: Standing) -> str:
    job = run.job
    if update.trouble:
        return f"{run.id}  {job.status}  {'given up' if update.given_up else 'waiting'}: {_trouble(update)}"
    parts = [run.id, str(job.status), _steps(run)]
    parts += [f"{name} {points[-1][1]:.4f}" for name, points in zip(_CURVES, _points(found), strict=True) if points]
    if job.estimated_finish is not None and not job.status.finished:
        parts.append(f"finishes {clock(job.estimated_finish)}")
    parts.append(job.error or _detail(run, standing))
    return "  ".join(part for part in parts if part)


def _detail(run: Run, standing: Standing) -> str:
    """Return the provider's word for where a job is, with its age when it is there for minutes."""
    from advisor.recommend.wording import duration

    word = "" if run.job.detail == run.job.status else run.job.detail
    if run.job.status.finished or not standing.stages or (minutes := standing.stages[-1].minutes) < 2:
        return word
    return f"{word or standing.stages[-1].name}, for {duration(minutes)}"


def _trouble(update: Update) -> str | None:
    """Return why there is nothing new, and when it is asked again."""
    if update.trouble is None or update.again_s is None:
        return update.trouble
    return (
        f"{update.trouble} Asked again at {datetime.now().astimezone() + timedelta(seconds=update.again_s):%H:%M:%S}."
    )
