"""A launch beyond one process: what its flags ask for, what workers by the hour cost, where a limit stops them."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from paper_backend import write_sums

from advisor.cli import main
from advisor.errors import OverLimit
from advisor.hardware import gpu
from advisor.runs import Ledger
from advisor.runs.launch.worker_terms import WorkerTerms, with_worker_terms
from advisor.runs.receipt import bill
from advisor.runs.run import Origin, Quote, Run
from advisor.runs.run_view import view
from backends import Job, JobSpec, JobStatus, Json

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def launch(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *words: str | Path, code: int = 0
) -> str:
    """Run ``tunewise launch`` in this process; return what it printed, errors behind results."""
    monkeypatch.setattr(sys, "argv", ["tunewise", "launch", *map(str, words)])
    with pytest.raises(SystemExit) as left:
        main()
    out, err = capfd.readouterr()
    assert left.value.code == code, out + err
    return out if code == 0 else out + err


def a_run(options: dict[str, Json], quote: Quote) -> Run:
    spec = JobSpec("tw-1", "local", "tiny", Path("train.jsonl"), options=options)
    return Run("tw-1", NOW, spec, quote, Origin(), Job("tw-1", "local", "tiny"))


def test_flags_become_options_of_the_local_backend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    data = write_sums(tmp_path / "sums.jsonl", 60)
    flags = ("--workers", "2", "--shard", "fsdp", "--threads", "1", "--loss-on", "last")
    found = json.loads(
        launch(monkeypatch, capfd, data, "--backend", "local", "--model", "tiny", *flags, "--dry-run", "--json")
    )
    [request] = found["requests"]
    assert request["body"]["options"] == {"workers": 2, "shard": "fsdp", "threads": 1, "loss_on": "last"}
    hosted = ("--backend", "openai", "--model", "gpt-4.1-mini-2025-04-14", "--dry-run")
    assert "--backend local" in launch(monkeypatch, capfd, data, *hosted, "--workers", "2", code=2)
    assert "'slurm' is not one of" in launch(monkeypatch, capfd, data, "--engine", "slurm", "--model", "tiny", code=2)


def test_why_a_run_takes_several_gpus_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    card = gpu("rtx-4090")
    assert card is not None
    monkeypatch.setattr("advisor.runs.launch.hyperparameters.detect", lambda: (card, card))
    data = write_sums(tmp_path / "sums.jsonl", 60)
    local = (data, "--backend", "local", "--model", "Qwen/Qwen3-0.6B", "--dry-run", "--json")
    chosen = json.loads(launch(monkeypatch, capfd, *local))
    assert chosen["requests"][0]["body"]["options"] == {"workers": 2, "shard": "ddp"}
    assert any("each of 2 GPUs" in sentence for sentence in chosen["quote"]["assumptions"])
    monkeypatch.setattr("advisor.hardware.detect", lambda: (card, card))
    two = json.loads(launch(monkeypatch, capfd, *local, "--workers", "2"))["quote"]
    asked = json.loads(launch(monkeypatch, capfd, *local, "--workers", "1"))
    assert asked["requests"][0]["body"]["options"] == {"workers": 1}
    assert two["train_minutes"] == pytest.approx(asked["quote"]["train_minutes"] / 2)
    assert "2 workers share the work without loss." in two["assumptions"]


def test_a_dry_run_shows_what_a_cluster_is_asked_for_and_what_it_may_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    data = write_sums(tmp_path / "sums.jsonl", 60)
    ray = (data, "--engine", "ray", "--model", "tiny", "--workers", "2", "--dry-run", "--json")
    at_home: Any = json.loads(launch(monkeypatch, capfd, *ray))
    assert (at_home["quote"]["usd"], at_home["quote"]["usd_per_hour"]) == ("0", None)
    away: Any = json.loads(
        launch(monkeypatch, capfd, *ray, "--address", "head:6379", "--worker-usd-per-hour", "1.20", "--max-cost", "6")
    )
    run, asked = away["requests"]
    assert run["body"]["options"]["max_hours"] == 2.5
    assert (asked["method"], asked["url"], asked["body"]["scaling_config"]["num_workers"]) == (
        "RAY",
        "head:6379",
        [1, 2],
    )
    quote = away["quote"]
    assert (quote["usd"], quote["usd_per_hour"], quote["cap_usd"]) == (None, "2.4", "6")
    assert quote["high_usd"] == "6"


def test_unattended_a_cluster_of_unknown_price_is_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    data = write_sums(tmp_path / "sums.jsonl", 60)
    ray = (data, "--engine", "ray", "--model", "tiny", "--address", "head:6379", "--yes")
    assert "without --max-cost" in launch(monkeypatch, capfd, *ray, code=1)
    assert "is unknown" in launch(monkeypatch, capfd, *ray, "--max-cost", "5", code=4)


ONE_HOUR = Quote(usd=Decimal(3), train_minutes=60.0)  # of one worker, at another price


@pytest.mark.parametrize(
    ("options", "terms", "timed", "usd", "high", "hourly", "max_hours"),
    [
        # 2 workers do one worker's hour in half of one: 0.5 h x $2.40
        ({"workers": 2}, WorkerTerms(Decimal("1.2")), True, "1.20", "1.20", "2.4", None),
        # the time is not known: only the cap bounds the price, and $6 / $2.40 an hour last 2.5 hours
        ({"workers": 2}, WorkerTerms(Decimal("1.2"), Decimal(6)), False, None, "6", "2.4", 2.5),
        # a quote above the cap shows as such, so that the limit refuses it
        ({"workers": 2}, WorkerTerms(Decimal("1.2"), Decimal(1)), True, "1.20", "1.20", "2.4", 1 / 2.4),
        ({"workers": 2}, WorkerTerms(Decimal(0), Decimal(6)), False, "0", "0", "0", None),
        # a lower limit of one's own stays
        ({"workers": 2, "max_hours": 1}, WorkerTerms(Decimal("1.2"), Decimal(6)), False, None, "6", "2.4", 1),
        ({"workers": 2, "address": "auto"}, WorkerTerms(), False, None, None, None, None),
        ({"workers": 2}, WorkerTerms(), False, "3", None, None, None),
    ],
)
def test_workers_by_the_hour_are_priced_and_limited(
    options: dict[str, Json],
    terms: WorkerTerms,
    timed: bool,
    usd: str | None,
    high: str | None,
    hourly: str | None,
    max_hours: float | None,
) -> None:
    run = with_worker_terms(a_run(options, ONE_HOUR), terms, timed=timed)
    amounts = (run.quote.usd, run.quote.high_usd, run.quote.usd_per_hour)
    assert amounts == tuple(None if text is None else Decimal(text) for text in (usd, high, hourly))
    assert run.spec.options.get("max_hours") == (pytest.approx(max_hours) if max_hours else None)
    assert any(f"after {max_hours or 0:.1f} hours" in said for said in run.quote.warnings) is bool(max_hours)
    assert sum(line.usd for line in run.quote.lines) == (run.quote.usd if run.quote.lines else 0)


def test_runs_launched_together_share_the_cap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of $10, three runs may cost $3.3333 each, which $2 an hour makes 1.67 hours."""
    data = write_sums(tmp_path / "sums.jsonl", 60)
    three = (data, "--backend", "local", "--model", "tiny", "--model", "tiny-llama", "--model", "tiny-qwen")
    terms = ("--worker-usd-per-hour", "2", "--max-cost", "10", "--dry-run", "--json")
    for run in json.loads(launch(monkeypatch, capfd, *three, *terms, code=0))["runs"]:
        assert run["quote"]["cap_usd"] == "3.3333"
        assert run["requests"][0]["body"]["options"]["max_hours"] == pytest.approx(1.66665)


def test_a_cap_of_nothing_is_a_money_limit() -> None:
    with pytest.raises(OverLimit, match=r"cost \$2.40 an hour, so --max-cost 0 starts none"):
        with_worker_terms(a_run({"workers": 2}, ONE_HOUR), WorkerTerms(Decimal("1.2"), Decimal(0)), timed=False)
    free = with_worker_terms(a_run({"workers": 2}, ONE_HOUR), WorkerTerms(Decimal(0), Decimal(0)), timed=False)
    assert free.quote.usd == 0 and "max_hours" not in free.spec.options


def test_price_by_the_hour_and_cap_are_in_the_ledger_and_become_the_bill(home: Path) -> None:
    run = with_worker_terms(a_run({"workers": 2}, ONE_HOUR), WorkerTerms(Decimal("1.2"), Decimal(6)), timed=False)
    ledger = Ledger.open()
    ledger.add(run)
    held = replace(run.job, id="tw-1", status=JobStatus.RUNNING, extra={"held_seconds": "2700.0"})
    ledger.save(held)
    shown = view(ledger.get("tw-1"))
    # 45 minutes x $2.40 an hour
    assert (shown.usd_per_hour, shown.cap_usd, shown.spent_usd) == (Decimal("2.4"), Decimal(6), Decimal("1.8"))
    assert bill(ledger.get("tw-1"))[0] is None
    ledger.save(replace(held, status=JobStatus.SUCCEEDED, extra={"held_seconds": "5400.0"}))
    assert bill(ledger.get("tw-1"))[0] == Decimal("3.6")
