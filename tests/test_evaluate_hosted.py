"""From launch to scorecard at every hosted provider, through its real SDK and its emulator."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from backend_cases import HOSTED, Case, write_rows
from emulator_base import Emulator

import backends
from advisor.pricing import PriceBook
from advisor.runs import Ledger, Order, Watch, record, send, stage
from advisor.runs.evaluation.evaluate import Options, evaluate_run
from backends import JobStatus

AT_ONCE = 2


def asked(emulator: Emulator) -> int:
    question = re.compile(r"POST \S*/(chat/completions|predictions|converse)\b")
    return sum(question.match(line) is not None for line in emulator.requests)


def kill_while_it_asks(run: str, against: str, emulator: Emulator, folder: Path) -> int:
    """Start the evaluation in a process of its own, kill it with some questions asked; return the answers it kept."""
    line = [sys.executable, "-m", "advisor", "evaluate", run, "--against", against, "--metric", "exact"]
    process = subprocess.Popen(
        [*line, "--at-once", str(AT_ONCE)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(os.environ)
    )
    while asked(emulator) < 5:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.002)
    process.kill()
    process.communicate()
    return len((folder / "evaluation" / "samples.jsonl").read_text().splitlines())


# What Hugging Face trains answers here, once it is trained for real: tests/test_launch_several.py.
@pytest.mark.parametrize("case", [case for case in HOSTED if case.name != "huggingface"], ids=lambda case: case.name)
def test_base_and_tuned_are_compared_at_every_provider_whatever_kills_the_evaluation(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert case.emulator is not None
    data = write_rows(tmp_path / "numbers.jsonl", 50)
    with case.emulator() as emulator:
        for name, value in case.environment(emulator).items():
            monkeypatch.setenv(name, value)
        for name, value in case.knobs.items():
            setattr(emulator, name, value)
        order = Order(
            (str(data),),
            case.name,
            case.model,
            hyperparameters=case.hyperparameters,
            options=case.options,
            held_out=0.2,
        )
        run, _ = stage(order, now=datetime.now(UTC))
        ledger = Ledger.open()
        record(ledger, run, monthly_limit=None, now=datetime.now(UTC))
        with closing(backends.get(case.name)) as backend:
            send(ledger, run.id, backend, settle_s=0)
            for _ in Watch(ledger, (run.id,), lambda name: backend, shortest_s=0.01, per_second=200).updates():
                pass
            done = ledger.get(run.id)
            assert done.job.status is JobStatus.SUCCEEDED, done.job
            against = () if case.name == "replicate" else ("base",)  # its bases are not asked where they are trained
            kept = kill_while_it_asks(run.id, ",".join(against), emulator, done.folder)
            card = evaluate_run(
                done, backend, PriceBook.load(), Options(against=against, metric="exact"), today=date(2026, 11, 22)
            )
        assert card.examples == 10
        assert [row.name for row in card.rows] == [*against, "tuned"]
        assert all(row.answers == 10 for row in card.rows)
        assert card.recited is not None and card.recited.of_trained == 10
        needed = 10 * len(card.rows) + 10  # and the training questions
        assert kept > 0
        assert needed <= asked(emulator) <= needed + AT_ONCE  # what was on its way when the process died is lost
        assert emulator.paid_jobs == 1
        assert emulator.violations == []
