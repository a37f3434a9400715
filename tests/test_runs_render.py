"""How runs look at three widths: every word whole, every curve that a provider gives."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from paper_backend import NOON
from test_runs_ledger import a_run

from advisor.cli.render.harmless_console import HarmlessConsole
from advisor.cli.render.loss_plot import loss_plot
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
    said = re.search(r"Left out in \d+ columns: (.*);", " ".join(shown.split()))
    left_out = said[1].split(", ") if said else []
    words = {word.strip(",") for word in shown.split()}
    for run in runs():
        assert {run.id, "running", f"{run.job.steps_done}/2400"} <= words
        there = {
            "created": f"{run.created:%Y-%m-%d %H:%M}" in shown,
            "backend": run.spec.backend in words,
            "quoted": "$7.50" in words,
        }
        assert [column for column, is_there in there.items() if not is_there] == [
            column for column in left_out if column != "model"
        ]
    names = {model.rsplit("/", 1)[-1] if left_out else model for model in (*MODELS[:2], "me/trainer:0123456789ab")}
    assert ("model" in left_out) is not (names <= words)
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


def watched(count: int) -> Progress:
    progress = Progress(talk=True)
    for number, run in enumerate(runs()[:count]):
        events = [
            JobEvent(
                f"{number}-{step}",
                NOON + timedelta(seconds=2 * step),
                "info",
                "",
                step,
                {"train_loss": 3 - step / 10, "valid_loss": 3.1 - step / 10, "tokens": 500 * step},
            )
            for step in range(20)
        ]
        if number == 0:
            events = [replace(event, metrics={**event.metrics, "train_accuracy": event.step / 20}) for event in events]
        said = JobEvent("said", NOON, "warning", "rows were\x1b[2J left out")
        trouble = "slow down, said it" if number == 1 else None
        progress.show(run, Update(run.job, (*events, said), trouble=trouble), Standing())
    return progress


def drawn(progress: Progress, width: int, height: int = 24, *, last: bool = False) -> list[str]:
    screen = io.StringIO()
    HarmlessConsole(file=screen, width=width, height=height).print(progress.screen(last=last))
    return screen.getvalue().splitlines()


@pytest.mark.parametrize("width", WIDTHS)
def test_several_watched_runs_show_how_far_each_is_and_break_no_word(width: int) -> None:
    lines = drawn(watched(3), width)
    assert all(len(line) <= width for line in lines) and len(lines) <= 24
    words = " ".join(lines).split()
    for run in runs():
        assert {run.id, "running", f"{run.job.steps_done}/2400"} <= set(words)
    assert words.count("1.100") == words.count("1.200") == 3  # the last losses, train and validation
    assert words.count("█▇▆▄▃▂▁") == 6
    shown = "\n".join(lines)
    assert "slow down, said it" in shown and "…" not in shown and "Ctrl-C leaves" in shown


@pytest.mark.parametrize("size", [(60, 24), (80, 24), (120, 40), (40, 10), (80, 6)])
def test_the_screen_of_one_run_fits_any_terminal(size: tuple[int, int]) -> None:
    lines = drawn(watched(1), *size)
    assert all(len(line) <= size[0] for line in lines) and len(lines) <= size[1]
    shown = "\n".join(lines)
    assert "tw-1122-00000000" in lines[0] and "running" in shown and "\x1b" not in shown
    if size[1] < 24:
        return
    assert "1,200/2,400 steps  50%" in shown and "left" in shown
    assert "2 s a step" in shown and "250 tokens/s" in shown
    assert "spent $3.75 of $7.50 quoted" in shown
    assert "loss 1.100" in shown and "validation (o) 1.200" in shown and "tokens right: training 95%" in shown
    assert "   3.1 │" in shown and "   1.1 │" in shown and "2.4k steps" in shown
    assert r"rows were\x1b[2J left out" in shown


def test_what_stays_at_the_end_says_no_more_of_leaving() -> None:
    shown = "\n".join(drawn(watched(1), 80, last=True))
    assert "Ctrl-C" not in shown and "loss 1.100" in shown


def test_a_curve_without_two_points_or_room_is_not_drawn() -> None:
    assert loss_plot([(1, 2.0)], [], 10, 80, 8) == loss_plot([(1, 2.0), (2, 1.0)], [], 10, 15, 8) == []
    drawn = [
        "".join(text for text, _ in line) for line in loss_plot([(0, 2.0), (9, 1.0)], [(9, 1.5)], 9, 20, 3, ascii=True)
    ]
    assert drawn == [
        "      2 |*****      ",
        "    1.5 |     *****o",
        "      1 |          *",
        "        +-----------",
        "         0   9 steps",
    ]
