"""The screens beside `plan`, at three widths, as they were last read: nothing cut, the verdict or the total last."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from paper_backend import NOON
from test_evaluate_chart import ROWS
from test_runs_ledger import a_run

from advisor.cli import tunewise
from advisor.cli.render import budget, evaluate
from advisor.cli.render.runs import receipt_table, table
from advisor.evaluate.scorecard import Comparison, LossComparison, Scorecard, frontier
from advisor.runs import Ledger, Run, receipt, view
from backends import Job, JobStatus

ROOT = Path(__file__).parent.parent
GOLDEN = Path(__file__).parent / "golden" / "screens"
RENEW = bool(os.environ.get("TUNEWISE_RENEW_GOLDEN"))
WIDTHS = (60, 80, 120)
HIGHEST = 30  # lines of a terminal that most people have open

Screens = Callable[[str, Callable[[], None], str], None]


@pytest.fixture
def screens(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Screens:
    """Return what compares a screen, drawn at each width, with the one that was read; ``last`` begins its last line."""

    def compare(name: str, draw: Callable[[], None], last: str) -> None:
        for width in WIDTHS:
            monkeypatch.setenv("COLUMNS", str(width))
            draw()
            shown = "".join(f"{line.rstrip()}\n" for line in capsys.readouterr().out.splitlines())
            lines = shown.splitlines()
            assert max(map(len, lines)) <= width, max(lines, key=len)
            assert width < 80 or len(lines) <= HIGHEST
            assert any(line.startswith(last) for line in lines[-2:]), lines[-2:]
            golden = GOLDEN / f"{name}-{width}.txt"
            if RENEW:
                golden.parent.mkdir(exist_ok=True)
                golden.write_text(shown, encoding="utf-8")
            assert shown == golden.read_text(encoding="utf-8"), "renew with TUNEWISE_RENEW_GOLDEN=1 and read the diff"

    return compare


def typed(*words: str) -> None:
    found = CliRunner().invoke(tunewise, list(words))
    assert found.exit_code in (0, 1), found.output
    print(found.stdout, end="")


@pytest.mark.parametrize("name", ["support_tickets", "house_style"])
def test_check(name: str, screens: Screens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "examples")
    screens(f"check-{name}", lambda: typed("check", f"{name}.jsonl"), "Ready")


def test_check_of_what_cannot_be_trained_on(screens: Screens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    good = '{"prompt": "Where is parcel %d?", "completion": "It is in depot %d."}'
    rows = [good % (n, n * 7 % 31) for n in range(60)]
    Path("parcels.jsonl").write_text("\n".join([*rows, "{oops", rows[3], '{"prompt": "?"}']))
    screens("check-broken", lambda: typed("check", "parcels.jsonl", "--for", "openai"), "Not ready")


def test_budget(screens: Screens, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Any] = []
    with monkeypatch.context() as patched:  # what is weighed once is drawn at every width
        patched.setattr(budget, "page", lambda found, **_: kept.append(found))
        patched.chdir(ROOT / "examples")
        typed("budget", "support_tickets.jsonl", "--workload", "support_tickets.yaml", "--limit", "50")
    screens("budget", lambda: budget.page(kept[0]), "Total: ")


def test_fit(screens: Screens) -> None:
    cards = [part for name in ("t4", "rtx-4090", "h100-80gb-sxm") for part in ("--gpu", name)]
    words = ("fit", "--model", "Qwen/Qwen3-8B", *cards)
    screens("fit", lambda: typed(*words), "")
    screens("fit-timed", lambda: typed(*words, "--method", "qlora", "--tokens", "1000000"), "")


def a_scorecard() -> Scorecard:
    base, few, near, tuned, unpriced = ROWS
    rows = tuple(
        replace(row, low=row.score - 0.08, high=row.score + 0.06, latency_ms_p95=260.0)
        for row in (base, few, near, tuned, unpriced)
    )
    better = Comparison("base", "tuned", 0.31, 0.22, 0.4, 0.0004, True, None)
    unsure = Comparison("few-shot:77", "tuned", 0.07, -0.01, 0.15, 0.21, False, 310)
    loss = LossComparison(1.204, 1.1, 1.3, 0.388, 0.33, 0.44, -0.816, -0.91, -0.72, True, 3200)
    warning = "Only 40 held-out examples: a difference under 15 points could be chance."
    return Scorecard(
        *(40, "label", rows, "tuned", True, None, Path("/home/me/samples.jsonl")),
        comparisons=(better, unsure), loss=loss, frontier=frontier(rows), warnings=(warning,),
    )  # fmt: skip


def test_evaluate(screens: Screens) -> None:
    card = a_scorecard()
    screens("evaluate", lambda: evaluate.show(card, "tickets"), "Verdict: tuned wins")
    alone = replace(card, rows=card.rows[:1], comparisons=(), winner=None, frontier=(), loss=None)
    screens("evaluate-alone", lambda: evaluate.show(alone, "test.jsonl"), "Score: 0.620")


def launched(id: str, name: str | None, status: JobStatus, **job: Any) -> Run:
    run = a_run(id)
    spec = replace(run.spec, backend="together", model="Qwen/Qwen3.5-9B")
    end = NOON + timedelta(minutes=34) if status.finished else None
    begun = Job(id, "together", "Qwen/Qwen3.5-9B", id=f"ft-{id[-4:]}", status=status, created=NOON, started=NOON)
    return replace(run, name=name, spec=spec, job=replace(begun, finished=end, **job))


def kept(run: Run) -> Run:
    ledger = Ledger.open()
    ledger.add(run)
    ledger.save(run.job)
    return ledger.get(run.id)


def test_receipt(screens: Screens) -> None:
    quoted = replace(a_run().quote, train_minutes=30.0)
    ended = launched("tw-1122-00000001", "tickets", JobStatus.SUCCEEDED, trained_tokens=2_610_000)
    going = launched("tw-1122-00000002", None, JobStatus.RUNNING, trained_tokens=900_000)
    for run, name, last in ((ended, "receipt", "Total: $7.83, quoted $7.50"), (going, "receipt-running", "It is")):
        found = receipt(Ledger.open(), kept(replace(run, quote=quoted)).id)
        assert all((line.error_pct is None) is (run is going) for line in found.lines if line.actual and line.quoted)
        screens(name, lambda found=found: receipt_table(found), last)


def test_jobs(screens: Screens) -> None:
    views = [
        view(launched("tw-1122-00000001", "tickets", JobStatus.SUCCEEDED, trained_tokens=2_610_000)),
        view(launched("tw-1122-00000002", None, JobStatus.RUNNING, steps_done=120, steps_total=480)),
        view(launched("tw-1122-00000003", "tickets-long", JobStatus.FAILED, error="the file was refused")),
    ]
    screens("jobs", lambda: table(views), "")
