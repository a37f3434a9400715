"""What the local page shows: all runs, plans, scorecards and receipts on one page, and a page for each run and plan."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

from advisor.cli import stories
from advisor.cli.render.report import Told, page
from advisor.cli.render.report.markup import Html, bullets, join, section, table, tag, tiles, usd
from advisor.cli.render.report.outer import contents, document, embedded
from advisor.cli.render.report.run import verdict
from advisor.recommend import Plan, read_plan
from advisor.recommend import wording as words
from advisor.recommend.select import total
from advisor.runs import Ledger, Run, events_file

_SPARK = (128, 32)  # drawing units of a small curve
_NEWEST = 50  # runs shown on the first page


@dataclass(slots=True)
class Pages:
    """The pages by their path below the secret: '' all, ``run/ID``, ``plan/NUMBER``; ``plans`` are plan files."""

    ledger: Ledger
    plans: Sequence[Path]
    today: date
    _plans: dict[Path, tuple[int, Plan]] = field(default_factory=dict)  # with when the file was changed
    _pages: dict[Path, tuple[Plan, str]] = field(default_factory=dict)
    _told: dict[str, tuple[Run, int, Told]] = field(default_factory=dict)  # of finished runs

    def __call__(self, path: str) -> str | None:
        """Return a page as it is now, or None where there is none."""
        kind, _, name = path.partition("/")
        if not path:
            return self._overview()
        if kind == "run" and self.ledger.knows(name):
            story = stories.of_run_alone(self.ledger, as_it_is(self.ledger.get(name)), self.today)
            return page(story, above=_back(), live=True)
        if kind == "plan" and name in {str(number) for number in range(1, len(self.plans) + 1)}:
            return self._plan(self.plans[int(name) - 1])
        return None

    def _plan(self, path: Path) -> str:
        """Return a plan's page, made anew only when its file has changed."""
        plan, kept = self._read(path), self._pages.get(path)
        if kept is None or kept[0] is not plan:
            kept = self._pages[path] = plan, page(stories.of_plan(plan, self.today), above=_back(), live=True)
        return kept[1]

    def _read(self, path: Path) -> Plan:
        """Return a plan, read anew only when its file has changed. Raises PlanError."""
        changed, kept = _changed(path), self._plans.get(path)
        if kept is None or kept[0] != changed:
            kept = self._plans[path] = changed, read_plan(path)
        return kept[1]

    def _tell(self, run: Run) -> Told:
        """Return what is told of a run; of a finished one anew only when it, or what its curves are in, has changed."""
        if not run.job.status.finished:
            return stories.told(self.ledger, run)
        changed, kept = _changed(run.job.metrics_path or events_file(run.id)), self._told.get(run.id)
        if kept is None or kept[:2] != (run, changed):
            kept = self._told[run.id] = run, changed, stories.told(self.ledger, run)
        return kept[2]

    def _overview(self) -> str:
        runs = [as_it_is(run) for run in self.ledger.runs()[:_NEWEST]]
        told = [self._tell(run) for run in runs]
        parts = [
            ("runs", "Runs", _runs(told)),
            ("scorecards", "Scorecards", _scorecards(told)),
            ("receipts", "Receipts", _receipts(told)),
            ("plans", "Plans", self._plan_list()),
        ]
        damaged = [f"{one}." for one in self.ledger.damaged() if not one.set_aside]
        found = [part for part in parts if part[2]]
        content = (_head(told), bullets(damaged, "warnings"), contents(found), *(html for _, _, html in found))
        footer = ["This page is served from this machine and changes nothing. Ctrl-C where it was started ends it."]
        return document("Runs", [one for one in content if one], footer, embedded({"charts": {}}), live=True)

    def _plan_list(self) -> Html:
        rows = []
        for number, path in enumerate(self.plans, 1):
            plan = self._read(path)
            link = tag("a", words.headline(plan.option, plan.advice.confidence), href=f"plan/{number}")
            rows.append([link, path.name, usd(total(plan.option)), words.day(plan.created)])
        return section("plans", "Plans", table("All plans", ["Plan", "file", "total", "made"], rows, numbers=(2,)))


def _changed(path: Path) -> int:
    """Return when a file was changed, in nanoseconds; 0: there is none."""
    return path.stat().st_mtime_ns if path.is_file() else 0


def as_it_is(run: Run) -> Run:
    """Return a run of this machine as it is now, writing nothing; of any other what the ledger last heard."""
    import backends

    if run.job.id is None or run.job.status.finished or not run.is_here:
        return run
    try:
        with closing(backends.get(run.spec.backend)) as backend:
            return replace(run, job=backend.refresh(run.job))
    except backends.BackendError:
        return run


def _head(told: Sequence[Told]) -> Html:
    going = sum(not one.view.status.finished for one in told)
    counted = [(name, str(sum(one.view.status == name for one in told))) for name in ("succeeded", "failed")]
    known = [one.view.billed_usd for one in told if one.view.billed_usd is not None]
    figures = [("In progress", str(going)), *((name.capitalize(), count) for name, count in counted)]
    figures.append(("Billed, as far as known", usd(sum(known, Decimal(0))) if known else usd(None)))
    title = "No runs yet" if not told else f"{going} {'run' if going == 1 else 'runs'} in progress"
    lede = tag("p", "Start one with ", tag("code", "tunewise launch"), ".", class_="lede") if not told else ""
    return tag("header", tag("h1", title), lede, tiles(figures), id="answer", tabindex="-1")


def _runs(told: Sequence[Told]) -> Html:
    rows = [
        [
            _link(one),
            words.title(one.view.backend) if one.view.backend != "local" else "this machine",
            one.view.status.value,
            _progress(one),
            _spark(one),
            _when(one.view.created),
        ]
        for one in told
    ]
    return section("runs", "Runs", table("All runs", ["Run", "where", "status", "steps", "loss", "started"], rows))


def _scorecards(told: Sequence[Told]) -> Html:
    rows = [[_link(one), str(one.scorecard.get("metric")), verdict(one.scorecard)] for one in told if one.scorecard]
    return section(
        "scorecards", "Scorecards", table("All scorecards", ["Run", "metric", "result"], rows) if rows else ""
    )


def _receipts(told: Sequence[Told]) -> Html:
    rows = [
        [
            _link(one),
            usd(one.receipt.quote_usd),
            usd(one.receipt.billed_usd),
            "" if one.receipt.error_pct is None else f"{one.receipt.error_pct:+.1f}%",
            one.receipt.basis,
        ]
        for one in told
        if one.view.status.finished
    ]
    head = ["Run", "quoted", "billed", "difference", "source"]
    return section("receipts", "Receipts", table("All receipts", head, rows, numbers=(1, 2, 3)) if rows else "")


def _link(one: Told) -> Html:
    run = one.view
    named = tag("a", run.name or run.run, href=f"run/{quote(run.run)}")
    about = ", ".join(part for part in (run.run if run.name else "", run.model) if part)
    return join((named, tag("small", about, class_="range")), " ")


def _progress(one: Told) -> str:
    done, total = one.view.steps_done, one.view.steps_total
    return "–" if done is None else f"{done:,} of {total:,}" if total else f"{done:,}"


def _when(moment: datetime) -> str:
    local = moment.astimezone()
    return f"{words.day(local.date())}, {local:%H:%M}"


def _spark(one: Told) -> Html:
    """Draw the training loss small, with its last value; the run's own page has it with axes."""
    points = one.losses.get("training") or one.losses.get("validation") or ()
    if not points:
        return Html("–")
    wide, high = _SPARK
    (first, _), (last, value) = points[0], points[-1]
    top = max(loss for _, loss in points) or 1.0
    every = max(1, len(points) // 60)
    shown = [*points[::every], points[-1]]
    places = [(wide * (step - first) / max(last - first, 1), high - (high - 2) * loss / top) for step, loss in shown]
    line = "L".join(f"{across:.1f} {down:.1f}" for across, down in places)
    drawing = (
        f'<svg class="spark" viewBox="0 0 {wide} {high}" aria-hidden="true" focusable="false"><path d="M{line}"/></svg>'
    )
    return join((f"{value:.4g}", Html(drawing)), " ")


def _back() -> Html:
    return tag("p", tag("a", "All runs", href="../"), class_="back")
