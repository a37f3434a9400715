"""How a scorecard looks to a person, and how an evaluation says how far it is."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from advisor.cli import render
from advisor.evaluate.statistics import written

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID
    from rich.table import Table

    from advisor.evaluate import Regression, Scorecard
    from advisor.evaluate.judge import Judgement
    from advisor.evaluate.recited import Recited
    from advisor.runs.evaluation.pilot import Pilot

_BAR, _SHORT_BAR = 24, 10  # characters of the score's bar; in a narrow terminal
_SILENT_S = 15.0  # without a terminal: between two lines on how far it is
_WIDE, _NARROW = 100, 76  # columns from which a long bar has room; a short one
_WARNINGS = 6  # unless all are asked for


class Counter:
    """Counts answers on stderr: a bar in a terminal, elsewhere a line now and then."""

    def __init__(self) -> None:
        self._said = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Counter:
        if render.draws(stderr=True):
            from rich.progress import Progress

            self._bar = Progress(console=render.console(stderr=True), transient=True)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, done: int, total: int) -> None:
        if self._bar is None:
            if time.monotonic() - self._said > _SILENT_S:
                self._said = time.monotonic()
                render.note(f"answers: {done} of {total}")
            return
        if self._task is None:
            self._task = self._bar.add_task("answers", total=total)
        self._bar.update(self._task, completed=done, total=total)


def show(found: Scorecard, of: str, *, everything: bool = False) -> None:
    """Print the scorecard of what is called ``of``, the verdict last; ``everything``: each measure and note too."""
    from rich.markup import escape

    from advisor.cli.render.evaluate_chart import chart

    console = render.console()
    console.print(f"{escape(of)}: {found.examples} held-out examples, metric {found.metric} (95% intervals)\n")
    console.print(_rows(found, console.width))
    console.print()
    for one in found.comparisons:
        certain = "beyond chance" if one.significant else "could be chance"
        p = "" if one.p is None else f", McNemar {_p(one.p)}"
        console.print(
            f"{escape(one.second)} minus {escape(one.first)}: {one.change:+.3f} "
            f"({written(one.low, one.high, '+.3f')}{p}): {certain}"
        )
    for line in _judgement(found.judge, everything=everything) if found.judge is not None else ():
        console.print(line)
    if found.loss is not None:
        loss = found.loss
        verdict = "better" if loss.better else ("worse" if loss.low > 0 else "no certain difference")
        console.print(
            f"Loss on the held-out answers: base {loss.base:.3f}, tuned {loss.tuned:.3f}, change {loss.change:+.3f} "
            f"({written(loss.low, loss.high, '+.3f')}) nats a token: {verdict}"
        )
    for regression in found.suites:
        console.print(_regression(regression))
    if found.recited is not None and (everything or found.recited.by_heart):
        console.print(_recited(found.recited))
    for line in chart(found.rows, found.frontier, console.width, trade_off=not everything):
        console.print(escape(line))
    if everything:
        for line in _details(found):
            console.print(line)
    shown = found.warnings if everything else found.warnings[:_WARNINGS]
    for warning in shown:
        console.print(f"[magenta]{escape(warning)}[/]")
    if everything and found.samples_path is not None:
        console.print(f"[dim]Every answer: {escape(str(found.samples_path))}[/]", soft_wrap=True)
    if not everything:
        more = len(found.warnings) - len(shown)
        console.print(f"[dim]{f'{more} more warnings' if more else 'Further measures'} and notes: --all[/]")
    console.print(f"[bold]{_verdict(found)}[/]")


def _rows(found: Scorecard, width: int) -> Table:
    """Return one row an option; a narrow terminal gets no bars and only the median time."""
    from rich.markup import escape
    from rich.table import Table

    bar = _BAR if width >= _WIDE else _SHORT_BAR if width >= _NARROW else 0
    grid = Table(box=None, pad_edge=False, header_style="dim")
    names = ["", "score", *([""] if bar else []), "interval", "a request", "p50", *(["p95"] if bar else [])]
    for place, name in enumerate(names):
        grid.add_column(name, justify="left" if place == 0 or not name else "right")
    for row in found.rows:
        filled = round(max(0.0, min(1.0, row.score)) * bar)
        mark = "[green]" if row.name == found.winner else ""
        times = (row.latency_ms_p50, *([row.latency_ms_p95] if bar else []))
        grid.add_row(
            f"{mark}{escape(row.name)}",
            f"{row.score:.3f}",
            *(["█" * filled + "[dim]" + "░" * (bar - filled) + "[/]"] if bar else []),
            written(row.low, row.high),
            render.usd(row.usd_per_request),
            *("" if time is None else f"{time:,.0f} ms" for time in times),
        )
    return grid


def _verdict(found: Scorecard) -> str:
    from rich.markup import escape

    if found.winner:
        row = next(row for row in found.rows if row.name == found.winner)
        return f"Verdict: [green]{escape(row.name)}[/] wins with {row.score:.3f}."
    if len(found.rows) > 1:
        needed = f"; about {found.examples_needed:,} examples would show it" if found.examples_needed else ""
        return f"Verdict: no winner. The difference could be chance{needed}."
    row = found.rows[0]
    return f"Score: {row.score:.3f} ({written(row.low, row.high)})."


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p {value:.3f}"


def _recited(heard: Recited) -> str:
    certain = ": [red]memorised[/]" if heard.by_heart else ""
    return (
        f"Repeated word for word: {heard.trained} of {heard.of_trained} training answers, "
        f"{heard.held_out} of {heard.of_held_out} unseen ones ({_p(heard.p)}){certain}"
    )


def _details(found: Scorecard) -> Iterator[str]:
    """Yield the further measures, which options are worth their price, what was mixed up, and the notes."""
    from rich.markup import escape

    for row in found.rows:
        yield f"[dim]{escape(row.name)}: {', '.join(_measures(row.more))}[/]"
    if found.frontier and len(found.rows) > 1 and any(row.score for row in found.rows):
        yield f"Worth their price, cheapest first: {escape(', then '.join(found.frontier))}"
    for right, given, count in found.confusion[:5]:
        yield f"[dim]{count} x {escape(right)} answered as {escape(given[:60])}[/]"
    for note in found.notes:
        yield f"[dim]{escape(note)}[/]"


def pilot(found: Pilot) -> None:
    """Print the points, the curve and what it supports."""
    from rich.markup import escape
    from rich.table import Table

    console = render.console()
    console.print(
        f"{found.id}: {found.metric} on {found.test_examples} test examples (95% intervals of what was measured)"
    )
    bar = _BAR if console.width >= _WIDE else _SHORT_BAR
    grid = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("examples", "score", "", "interval", "cost"):
        grid.add_column(name)
    rows = [(one.examples, one.score, one.low, one.high, render.usd(one.usd), "") for one in found.points]
    rows += [(one.examples, one.score, one.low, one.high, "", "[dim]") for one in found.predictions]
    for examples, score, low, high, cost, style in rows:
        filled = round(max(0.0, min(1.0, score)) * bar)
        word = "expected" if style else cost
        grid.add_row(
            f"{style}{examples:,}",
            f"{style}{score:.3f}",
            f"{style}" + "█" * filled,
            f"{style}{written(low, high)}",
            word,
        )
    console.print(grid)
    if found.answers_usd != 0:
        console.print(f"[dim]Answers to the test questions: {render.usd(found.answers_usd)}[/]")
    for warning in found.warnings:
        console.print(f"[magenta]{escape(warning)}[/]")
    if found.predictions:
        console.print(f"[dim]{found.band}[/]")
    console.print(escape(found.advice))


def _measures(more: Mapping[str, float]) -> Iterator[str]:
    """Word the further measures of a row; the ends of an interval stand behind the measure they belong to."""
    ends = {f"{name}_{end}" for name in more for end in ("low", "high")}
    for name, value in more.items():
        low, high = more.get(f"{name}_low"), more.get(f"{name}_high")
        if name not in ends:
            yield _measure(name, value) + ("" if low is None or high is None else f" ({low:.3f} to {high:.3f})")


def _measure(name: str, value: float) -> str:
    """Word a further measure: a mean count of words, else a share or an F1."""
    if name == "words":
        return f"{value:,.0f} word{'' if round(value) == 1 else 's'} an answer"
    return f"{'macro-F1' if name == 'macro_f1' else name} {value:.3f}"


def _judgement(found: Judgement, *, everything: bool) -> list[str]:
    from rich.markup import escape

    lines = [f"Judge {escape(found.judge)}, {found.verdicts} verdicts, {render.usd(found.usd)}:"]
    for pair in found.pairs:
        certain = "beyond chance" if pair.significant else "could be chance"
        same = "" if pair.agreement is None else f"; the same in both orders on {pair.agreement:.0%}"
        lines.append(
            f"  {escape(pair.second)} preferred to {escape(pair.first)}: {pair.preferred:.0%} "
            f"({pair.low:.0%} to {pair.high:.0%}), won {pair.second_wins}, tied {pair.ties}, lost {pair.first_wins}"
            f"{same}: {certain}"
        )
    return [*lines, *(f"[dim]  {escape(limit)}[/]" for limit in found.limits if everything)]


def _regression(one: Regression) -> str:
    from rich.markup import escape

    colour = {"fine": "green", "warn": "magenta", "block": "red"}[one.verdict]
    return (
        f"{escape(one.suite)}: base {one.base:.3f}, tuned {one.tuned:.3f}, change {one.change:+.3f} "
        f"({written(one.low, one.high, '+.3f')}): [{colour}]{one.verdict}[/]"
    )
