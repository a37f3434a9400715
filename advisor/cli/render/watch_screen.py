"""The live screen of followed runs: how far, how fast, how much longer, for how much, and the curves."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from advisor.cli.render.loss_plot import TRAIN, VALID, loss_plot
from advisor.cli.render.runs import COLOURS, clock, fits, grid_of, short, steps
from advisor.cli.render.safe_text import for_terminal
from advisor.cli.render.watch_facts import (
    Message,
    Seen,
    curve,
    elapsed,
    left,
    loss_text,
    money,
    passed,
    place,
    points,
    rates,
    spent,
)

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table
    from rich.text import Text


_PLOT = (3, 14)  # lines of the curves: the fewest worth drawing, and the most
_WIDEST = 160  # columns of the curves
_PROMPT = 2  # lines below the last screen: the next command, and the shell's prompt
_TOLD = 2  # lines of one message
_MESSAGES = 4  # lines of what was said last, at least, where there is room for the curves too


@dataclass(frozen=True, slots=True)
class WatchScreen:
    """A screen of runs at ``now``, as high and wide as the terminal. ``last``: printed at the end, to stay."""

    seen: Sequence[Seen]
    now: datetime
    last: bool = False
    ascii: bool = False  # nothing else can be shown

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height = options.size.height - (_PROMPT if self.last else 0)
        one = self.seen[0] if len(self.seen) == 1 else None
        lines = self._single(one, console.width, height) if one else self._several(console, height)
        yield from lines[:height]

    def _single(self, one: Seen, width: int, height: int) -> list[Text]:
        head = [*self._head(one, width), *self._facts(one, width)]
        legend = _legend(one, width)
        foot = [] if self.last else [_text(""), _text("Ctrl-C leaves; the job goes on.", "dim")]
        room = height - len(head) - len(foot)
        rows = min(_PLOT[1], room - _MESSAGES - len(legend) - 4)  # the axis, and a blank line above and below
        found, done = one.curves, one.run.job.steps_total or 0
        plot = (
            loss_plot(found.train, found.valid, done, min(width, _WIDEST), rows, ascii=self.ascii)
            if rows >= _PLOT[0]
            else []
        )
        curves = [_text(""), *legend, *(_joined(parts) for parts in plot)] if legend or plot else []
        said = self._said([one], width, room - len(curves) - 1)
        return [*head, *curves, *([_text(""), *said] if said else []), *foot]

    def _several(self, console: Console, height: int) -> list[Text | Table]:
        live = sum(not one.run.job.status.finished for one in self.seen)
        head: list[Text | Table] = [_text(f"{len(self.seen)} runs, {live} of them going on", "bold"), _text("")]
        table = self._table()
        if fits(console, table):
            body: list[Text | Table] = [table]
            used = len(self.seen) + 1
        else:
            body = [line for one in self.seen for line in self._block(one, console.width)]
            used = len(body)
        foot = [] if self.last else [_text(""), _text("Ctrl-C leaves; the jobs go on.", "dim")]
        room = height - used - len(head) - len(foot) - 1
        said = self._said(self.seen, console.width, room)
        return [*head, *body, *([_text(""), *said] if said else []), *foot]

    def _head(self, one: Seen, width: int) -> list[Text]:
        run = one.run
        name = f"{run.name} ({run.id})" if run.name else run.id
        said = f"{short(run.spec.model)} on {place(run)}, {run.spec.method}"
        style = COLOURS[run.job.status]
        if len(name) + len(said) + len(run.job.status) + 4 <= width:
            return [_joined([(name, "bold"), (f"  {said}  ", ""), (run.job.status, style)])]
        return [_joined([(f"{name}  ", "bold"), (run.job.status, style)]), *_wrapped(said, width)]

    def _facts(self, one: Seen, width: int) -> list[Text]:
        run, job = one.run, one.run.job
        lines = []
        done, total = job.steps_done, job.steps_total
        remaining = left(one, self.now)
        if done is not None and total:
            counted = f"  {done:,}/{total:,} steps  {done / total:.0%}" + (f"  {remaining} left" if remaining else "")
            wide = max(10, min(60, width - len(counted)))
            lines.append(_joined([*_bar(done / total, wide, ascii=self.ascii), (counted, "")]))
        elif done is not None:
            lines.append(_text(f"{done:,} steps"))
        facts = [f"elapsed {elapsed(run, self.now)}"]
        if not job.status.finished:
            facts += rates(one)
            if job.estimated_finish is not None:
                facts.append(f"ends about {clock(job.estimated_finish)}")
        facts.append(money(run))
        if job.tuned_model and job.status.finished:
            facts.append(f"tuned model {job.tuned_model}")
        if stage := self._stage(one):
            facts.append(stage)
        lines += _filled(facts, width)
        for text, style in ((job.error, "red"), (one.trouble, "magenta"), (one.standing.standstill, "magenta")):
            lines += _wrapped(text, width, style) if text else []
        return lines

    def _stage(self, one: Seen) -> str:
        """Return where a job is and since when, in the provider's word."""
        if one.run.job.status.finished:
            return ""
        word = "" if one.run.job.detail == one.run.job.status else one.run.job.detail
        stages = one.standing.stages
        if not stages:
            return word
        return f"{word or stages[-1].name} for {passed(self.now - stages[-1].since)}"

    def _table(self) -> Table:
        drawn = [at for at in range(4) if any(points(one.curves)[at] for one in self.seen)]
        names = ("loss", "validation", "accuracy", "valid. accuracy")
        grid = grid_of("run", "model", "status", "steps", "left", *(names[at] for at in drawn), "spent")
        for one in self.seen:
            run = one.run
            drawn_of = points(one.curves)
            grid.add_row(
                _text(run.called),
                _text(f"{short(run.spec.model)} on {place(run)}"),
                _text(run.job.status, COLOURS[run.job.status]),
                steps(run.job.steps_done, run.job.steps_total),
                left(one, self.now),
                *(curve(drawn_of[at]) for at in drawn),
                spent(run),
            )
        return grid

    def _block(self, one: Seen, width: int) -> list[Text]:
        run = one.run
        remaining = left(one, self.now)
        count = steps(run.job.steps_done, run.job.steps_total)
        facts = [f"{count} steps" if count else "", f"{remaining} left" if remaining else "", spent(run)]
        found = one.curves
        facts += [
            f"{name} {curve(told)}"
            for name, told in (("loss", found.train), ("validation", found.valid), ("accuracy", found.train_accuracy))
            if told
        ]
        return [
            _joined([(f"{run.called} ", "bold"), (run.job.status, COLOURS[run.job.status])]),
            *_wrapped(f"{short(run.spec.model)} on {place(run)}", width, start="  "),
            *(_text(f"  {line}") for line in _filled(facts, width - 2)),
        ]

    def _said(self, seen: Sequence[Seen], width: int, room: int) -> list[Text]:
        """Return what was said last, in the order of time; troubles of several runs among it."""
        told = [(message, one.run) for one in seen for message in one.said]
        if len(seen) > 1:
            told += [
                (Message(self.now, said, "magenta"), one.run)
                for one in seen
                if (said := one.trouble or one.run.job.error or one.standing.standstill)
            ]
        told.sort(key=lambda pair: pair[0].at)
        lines: list[Text] = []
        for message, run in reversed(told):
            start = f"{clock(message.at)} {f'{run.called}: ' if len(seen) > 1 else ''}"
            text = " ".join(for_terminal(message.text).split())
            wide = max(20, width - len(start))
            wrapped = textwrap.wrap(text, wide, break_on_hyphens=False, max_lines=_TOLD, placeholder=" ...")
            if len(lines) + len(wrapped) > room:
                break
            parts = [(start, "dim"), *((" " * len(start), "") for _ in wrapped[1:])]
            told_now = [_joined([part, (line, message.style)]) for part, line in zip(parts, wrapped, strict=True)]
            lines = [*told_now, *lines]
        return lines


def _legend(one: Seen, width: int) -> list[Text]:
    """Return the last values of the curves, each in the style of its curve."""
    found = one.curves
    said: list[tuple[str, str]] = []
    if found.train:
        said.append((f"loss {loss_text(found.train[-1][1])}", TRAIN))
    if found.valid:
        lowest = min(loss for _, loss in found.valid)
        best = f", lowest {loss_text(lowest)} at step {found.best_step}" if found.valid[-1][1] > lowest else ""
        said.append((f"validation (o) {loss_text(found.valid[-1][1])}{best}", VALID))
    accuracies = [
        f"{name} {points[-1][1]:.0%}"
        for name, points in (("training", found.train_accuracy), ("validation", found.valid_accuracy))
        if points
    ]
    if accuracies:
        said.append((f"tokens right: {', '.join(accuracies)}", ""))
    lines: list[list[tuple[str, str]]] = []
    for part in said:
        used = sum(len(text) for text, _ in lines[-1]) if lines else width
        if used + 3 + len(part[0]) > width:
            lines.append([part])
        else:
            lines[-1] += [("   ", ""), part]
    return [_joined(line) for line in lines]


def _bar(share: float, width: int, *, ascii: bool) -> list[tuple[str, str]]:
    full, empty = ("#", ".") if ascii else ("█", "░")
    done = int(min(1.0, share) * width)
    return [(full * done, "green"), (empty * (width - done), "dim")]


def _filled(facts: Sequence[str], width: int) -> list[Text]:
    """Put facts on lines, each whole where a line holds it."""
    lines: list[str] = []
    for fact in filter(None, facts):
        if lines and len(lines[-1]) + 3 + len(fact) <= width:
            lines[-1] += f"   {fact}"
        else:
            lines += textwrap.wrap(for_terminal(fact), width, break_on_hyphens=False)
    return [_text(line) for line in lines]


def _wrapped(text: str, width: int, style: str = "", start: str = "") -> list[Text]:
    said = for_terminal(text)
    lines = textwrap.wrap(said, width, initial_indent=start, subsequent_indent=start, break_on_hyphens=False)
    return [_text(line, style) for line in lines]


def _text(text: str, style: str = "") -> Text:
    return _joined([(text, style)])


def _joined(parts: Iterable[tuple[str, str]]) -> Text:
    from rich.text import Text

    made = Text(no_wrap=True, overflow="crop", end="\n")
    for text, style in parts:
        made.append(for_terminal(text), style)
    return made
