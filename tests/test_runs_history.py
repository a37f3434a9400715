"""What past runs teach: from three on they correct a quote, which says so and never corrects a correction."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from advisor.estimate import LineItem
from advisor.runs import Ledger, Origin, Quote, Run, accuracy, receipt
from advisor.runs.quote_accuracy import informed
from advisor.serialization import from_json, to_json
from backends import Job, JobSpec, JobStatus, Json


def test_exact_quotes_count_in_the_median_error(home: Path) -> None:
    quote = after("10", "10", "15")
    assert quote.usd == Decimal(10) and "price" not in quote.corrected
    assert (
        quote.assumptions[-1]
        == "3 earlier runs of this model here cost +0.0% on their quotes (median): that would make $10.00."
    )


def test_two_runs_are_told_of_and_three_correct(home: Path) -> None:
    quote = after("12", "13")
    assert (quote.usd, quote.corrected) == (Decimal(10), {})
    assert quote.assumptions == (
        "2 earlier runs of this model here cost +25.0% on their quotes (median): that would make $12.50.",
    )


def test_the_fourth_quote_is_corrected_by_the_median_of_three_and_says_so(home: Path) -> None:
    quote = after("12", "13", "20")
    assert (quote.usd, quote.low_usd, quote.high_usd) == (Decimal(13), Decimal(9), Decimal("15.6"))
    assert (quote.train_minutes, quote.gpu_gb) == (pytest.approx(60), None)
    assert quote.corrected == {"training tokens": 1.1, "time": 2.0, "price": 1.3}
    assert quote.assumptions == (
        "Training tokens corrected by +10.0%, the median error of 3 earlier runs of this model here.",
        "Time corrected by +100.0%, the median error of 3 earlier runs of this model here; it was 30.0 minutes.",
        "Price corrected by +30.0%, the median error of 3 earlier runs of this model here; the lines come to $10.00.",
    )


def test_a_cheaper_lesson_never_lowers_the_upper_end(home: Path) -> None:
    quote = after("5", "5", "5")
    assert (quote.usd, quote.low_usd, quote.high_usd) == (Decimal(5), Decimal("4.5"), Decimal(12))


def test_what_a_corrected_quote_teaches_is_its_error_before_the_correction(home: Path) -> None:
    ledger = Ledger.open()
    for billed in ("13", "13", "13"):
        end(ledger, priced(ledger), billed)
    fourth = priced(ledger)
    assert fourth.quote.usd == Decimal(13)
    end(ledger, fourth, "13")
    assert priced(ledger).quote.corrected["price"] == 1.3  # not 1.15, the median of 1.3 and of what 13 on 13 is
    lines = {line.name: line for line in receipt(ledger, fourth.id).lines}
    assert (lines["price"].error_pct, lines["price"].corrected) == (0.0, 1.3)
    assert lines["training tokens"].quoted == Decimal(1_100_000)
    overall = {one.quantity: one for one in accuracy(ledger)}
    assert (overall["price"].runs, overall["price"].within_10_pct) == (4, 0.25)


def test_other_models_methods_and_places_teach_nothing(home: Path) -> None:
    ledger = Ledger.open()
    for number, change in enumerate(({"backend": "openai"}, {"model": "other/model"}, {"method": "full"})):
        for again in range(3):
            run = a_run(f"tw-1122-000000{number}{again}")
            end(ledger, replace(run, spec=replace(run.spec, **change)), "99")  # type: ignore[arg-type]
    assert priced(ledger).quote == a_run("x").quote


def test_an_unknown_memory_is_what_earlier_runs_held(home: Path, tmp_path: Path) -> None:
    ledger = Ledger.open()
    for number, peak in enumerate((0.5, 0.7)):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "summary.json").write_text(f'{{"peak_resident_gb": {peak}}}')
        run = a_run(f"tw-1122-0000000{number}")
        end(ledger, replace(run, job=replace(run.job, metrics_path=folder / "metrics.jsonl")), "10")
    quote = priced(ledger).quote
    assert quote.gpu_gb == pytest.approx(0.6) and quote.corrected == {}
    assert "0.60 GB at its peak, the median of 2 earlier runs of this model here." in quote.assumptions


def test_the_correction_is_kept_in_the_ledger(home: Path) -> None:
    quote = after("12", "13", "20")
    assert from_json(Quote, to_json(quote)) == quote


def after(*billed: str) -> Quote:
    ledger = Ledger.open()
    for one in billed:
        end(ledger, a_run(f"tw-1122-0000000{len(ledger.runs())}"), one)
    return priced(ledger).quote


def priced(ledger: Ledger) -> Run:
    run = a_run(f"tw-1122-0000000{len(ledger.runs())}")
    return replace(run, quote=informed(ledger, run))


def end(ledger: Ledger, run: Run, billed: str) -> None:
    """Let a run end that was billed so much, took an hour, and trained on a tenth more tokens than its data has."""
    ledger.add(run)
    done = {"status": JobStatus.SUCCEEDED, "billed_usd": Decimal(billed), "train_seconds": 3600.0}
    ledger.save(replace(run.job, id="ft-1", trained_tokens=1_100_000, **done))  # type: ignore[arg-type]


def a_run(id: str) -> Run:
    spec = JobSpec(id, "together", "Qwen/Qwen3-8B", Path("train.jsonl"))
    ten = Decimal(10)
    line = LineItem("training", Decimal(1), "million tokens", ten, ten, ten, ten, "a page", None)
    quote = Quote(usd=ten, low_usd=Decimal(9), high_usd=Decimal(12), lines=(line,), train_minutes=30.0)
    return Run(id, datetime.now(UTC), spec, quote, Origin(), Job(id, "together", spec.model))


@pytest.mark.parametrize(
    ("there", "here", "teaches"),
    [
        ({"device": "cpu"}, {"device": "cuda"}, False),
        ({"device": "cpu"}, {"device": "cpu"}, True),
        ({"workers": 4}, {}, False),
        ({"workers": 1}, {}, True),
        ({"workers": 2, "shard": "fsdp"}, {"workers": 2}, False),
        ({"address": "ray://one"}, {"address": "ray://other"}, False),
    ],
)
def test_a_quote_learns_only_from_runs_on_the_same_device_and_as_many_workers(
    home: Path, there: dict[str, Json], here: dict[str, Json], teaches: bool
) -> None:
    ledger = Ledger.open()
    for _ in range(3):
        run = priced(ledger)
        end(ledger, replace(run, spec=replace(run.spec, options=there)), "20")
    run = a_run("tw-1122-00000009")
    assert bool(informed(ledger, replace(run, spec=replace(run.spec, options=here))).corrected) is teaches
