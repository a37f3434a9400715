"""How runs look at three widths: every word whole, every curve that a provider gives."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from paper_backend import NOON
from rich.console import Console
from test_runs_ledger import a_run

from advisor.cli.render.runs import card, table
from advisor.cli.render.watch import Progress
from advisor.runs import Run, Update, view
from advisor.runs.standstill import Standing
from backends import Job, JobEvent, JobStatus

MODELS = (
    "gpt-4.1-mini-2025-04-14",
    "meta-llama/Llama-3.3-70B-Instruct-Reference",
    f"me/trainer:{'0123456789abcdef' * 4}",
)
WIDTHS = (60, 80, 120)


def runs() -> list[Run]:
    found = []
    for number, (model, backend) in enumerate(zip(MODELS, ("openai", "together", "replicate"), strict=True)):
        run = a_run(f"tw-1122-0000000{number}")
        job = Job(run.id, backend, model, id=f"job-{number}", status=JobStatus.RUNNING, steps_done=1200 + number)
        job = replace(job, steps_total=2400, estimated_finish=NOON + timedelta(hours=1), created=NOON)
        found.append(replace(run, spec=replace(run.spec, backend=backend, model=model), job=job))
    return found


@pytest.mark.parametrize("width", WIDTHS)
def test_no_word_of_the_ledgers_table_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    table([view(run) for run in runs()])
    shown = capsys.readouterr().out
    assert all(len(line) <= width for line in shown.splitlines())
    words = shown.split()
    for run in runs():
        assert run.id in words and f"{run.created:%Y-%m-%d %H:%M}" in shown
        assert {run.spec.backend, "running", f"{run.job.steps_done}/2400", "$7.50"} <= {w.strip(",") for w in words}
    assert set(MODELS[:2]) | {"me/trainer:0123456789ab"} <= set(words)
    assert "…" not in shown


def test_a_name_in_brackets_is_shown_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    run = a_run()
    odd = replace(run.origin, data=("/data/[final] rows.jsonl",), held_out=Path("/data/[/dim].jsonl"))
    card(view(replace(run, origin=odd, spec=replace(run.spec, model="./[b]/model"))))
    shown = capsys.readouterr().out
    assert "/data/[final] rows.jsonl" in shown and "/data/[/dim].jsonl" in shown and "./[b]/model" in shown


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_one_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-m", "advisor", "jobs"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr == "error: A disk: No space left on device. Make room; what was done so far is saved.\n"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("count", [1, 3])
def test_watched_runs_show_their_curves_and_break_no_word(width: int, count: int) -> None:
    progress = Progress(talk=True)
    for number, run in enumerate(runs()[:count]):
        events = [
            JobEvent(str(step), NOON, "info", "", step, {"train_loss": 3 - step / 10, "valid_loss": 3.1 - step / 10})
            for step in range(20)
        ]
        if number == 0:
            events = [replace(event, metrics={**event.metrics, "train_accuracy": event.step / 20}) for event in events]
        progress.show(
            run, Update(run.job, tuple(events), trouble="slow down, said it" if number == 1 else None), Standing()
        )
    screen = io.StringIO()
    console = Console(file=screen, width=width)
    console.print(progress._screen(console))
    shown = screen.getvalue()
    assert all(len(line) <= width for line in shown.splitlines())
    words = shown.split()
    for run in runs()[:count]:
        assert {run.id, "running", f"{run.job.steps_done}/2400"} <= set(words)
    assert words.count("1.100") == words.count("1.200") == count  # the last losses, train and validation
    assert words.count("█▇▆▄▃▂▁") == 2 * count and words.count("▁▂▃▅▆▇█") == 1
    assert words.count("0.950") == 1 and "accuracy" in shown
    assert ("slow down, said it" in shown) is (count > 1)
    assert "…" not in shown
