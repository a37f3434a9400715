"""How runs look while they are followed: a live screen in a terminal, one line a change elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self

from advisor.cli import render
from advisor.cli.render.runs import changed_text, clock, steps, twins_text
from advisor.cli.render.watch_facts import Message, Seen, points, speed

if TYPE_CHECKING:
    from rich.live import Live

    from advisor.cli.render.watch_screen import WatchScreen
    from advisor.evaluate.training import Curves
    from advisor.runs import Run, Update
    from advisor.runs.standstill import Standing
    from backends import JobEvent

_EVERY_S = 2.0  # between two lines of one run that only say how far it is
_KEPT = 50  # messages of a run; more than a screen holds
_CURVES = ("loss", "validation", "accuracy", "valid. accuracy")  # in the order of Curves


class Progress:
    """A live screen in a terminal, one line a change elsewhere; on stderr when stdout is kept for the document."""

    def __init__(self, *, talk: bool) -> None:
        self._talk = talk
        self._seen: dict[str, Seen] = {}
        self._events: dict[str, dict[str, JobEvent]] = {}
        self._warned: set[tuple[str, str]] = set()
        self._said: dict[str, tuple[float, str]] = {}
        self._live: Live | None = None
        self._ascii = render.says_ascii_alone()  # while drawing goes on, stdout is rich's and does not say

    def __enter__(self) -> Self:
        if render.draws(stderr=self._talk):
            from rich.live import Live

            # A screen of its own, so that neither a new size nor a question leaves lines of it behind.
            self._live = Live(
                console=render.console(stderr=self._talk), screen=True, refresh_per_second=2, get_renderable=self.screen
            )
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

    def finish(self) -> None:
        """Leave the last screen in the terminal, where nothing is followed any more."""
        self.stand_still()
        if self._live is not None and self._seen:
            self._live.console.print(self.screen(last=True))

    def screen(self, *, last: bool = False) -> WatchScreen:
        """Return the screen as it is now; ``last``: to stay in the terminal when nothing is followed any more."""
        from advisor.cli.render.watch_screen import WatchScreen

        return WatchScreen(tuple(self._seen.values()), datetime.now(UTC), last, self._ascii)

    def show(self, run: Run, update: Update, standing: Standing) -> None:
        """Take in what a look brought, and show it."""
        from advisor.evaluate.training import curves

        events = self._events.setdefault(run.id, {})
        fresh = [event for event in update.events if event.id not in events]
        events.update((event.id, event) for event in fresh)
        found = curves(events.values())
        before = self._seen.get(run.id)
        warnings = self._warnings(run, update, standing, found)
        said = [*(before.said if before else ()), *_messages(fresh), *warnings]
        one = Seen(run, found, standing, tuple(said[-_KEPT:]), _trouble(update), *speed(events.values()))
        self._seen = {**self._seen, run.id: one}  # the screen is drawn by another thread
        if self._live is not None:
            self._live.refresh()
            return
        self._say_seldom(_line(run, found, update, standing), run, update)
        samples = [event.message for event in fresh if event.level == "sample"]
        for text in (*samples, *(warning.text for warning in warnings)):
            self._say(f"{run.called}: {text}")

    def _warnings(self, run: Run, update: Update, standing: Standing, found: Curves) -> list[Message]:
        """Return what there is to warn of for the first time."""
        from advisor.evaluate.training import overfitting
        from advisor.runs import view

        shown = view(run)
        warnings = (
            ("twins", twins_text(shown) if shown.twins else None),
            ("changed", changed_text(shown) if shown.changed_by_provider else None),
            ("standstill", standing.standstill or None),
            ("overfitting", overfitting(found) if update.events else None),
        )
        fresh = [(about, text) for about, text in warnings if text and (run.id, about) not in self._warned]
        self._warned |= {(run.id, about) for about, _ in fresh}
        return [Message(datetime.now(UTC), text, "magenta") for _, text in fresh]

    def _say_seldom(self, line: str, run: Run, update: Update) -> None:
        """Say a change of state or a trouble at once, mere progress every few seconds."""
        at, state = self._said.get(run.id, (0.0, ""))
        fresh = f"{run.job.status} {update.trouble or ''}"
        if fresh != state or time.monotonic() - at >= _EVERY_S:
            self._said[run.id] = (time.monotonic(), fresh)
            self._say(line)

    def _say(self, text: str) -> None:
        if self._talk:
            render.note(text)
        else:
            render.out(text)
            sys.stdout.flush()


def _messages(events: Iterable[JobEvent]) -> list[Message]:
    """Return what was said on the way, without the lines that only repeat a step's numbers."""
    return [
        Message(event.time, event.message, _STYLES.get(event.level, ""))
        for event in events
        if event.message and not event.metrics
    ]


_STYLES = {"sample": "green", "warning": "magenta", "error": "red"}


def _line(run: Run, found: Curves, update: Update, standing: Standing) -> str:
    job = run.job
    if update.trouble:
        return f"{run.called}  {job.status}  {'given up' if update.given_up else 'waiting'}: {_trouble(update)}"
    parts = [run.called, str(job.status), steps(job.steps_done, job.steps_total)]
    parts += [f"{name} {told[-1][1]:.4f}" for name, told in zip(_CURVES, points(found), strict=True) if told]
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
