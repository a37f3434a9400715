"""What a pilot concludes: what more data would bring, what it would cost, and the decision that supports."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from advisor.cli import tunewise
from advisor.cli.commands import pilot as command
from advisor.cli.render import to_json
from advisor.runs.evaluation import pilot, pilot_runs
from advisor.runs.evaluation.measurements import of_pilot
from advisor.runs.evaluation.pilot import Design, Paid, Pilot, conclude, measured

PLAN = Design("pilot-1", Path("test.jsonl"), ((100, Path("a")), (200, Path("b")), (400, Path("c"))), 400)


def concluded(scores: tuple[float, ...], *, usd: Decimal | None = Decimal(2), target: float | None = None) -> Pilot:
    points = [
        Paid(100 * 2**place, score, score - 0.02, score + 0.02, usd, f"tw-{place}", minutes=3.0)
        for place, score in enumerate(scores)
    ]
    return conclude(measured(PLAN, "label", 400, points), PLAN.available, target=target)


def test_a_rising_curve_says_what_four_times_the_data_brings_and_costs() -> None:
    found = concluded((0.6, 0.7, 0.775))
    assert found.prediction is not None and found.prediction.examples == 1600
    # The error falls by a quarter a doubling: 0.4, 0.3, 0.225, so 0.127 two doublings on.
    assert found.prediction.score == pytest.approx(1 - 0.225 * 0.75**2)
    assert found.prediction.low < found.prediction.score < found.prediction.high
    assert found.advice.startswith("With 4x the data (1,600 examples) expect 0.873 (")
    assert "Training on them takes about 12.0 minutes and costs about $8.00. More data helps." in found.advice


@pytest.mark.parametrize(
    ("usd", "said"), [(Decimal(0), "minutes and costs nothing."), (None, "minutes and costs an unknown amount.")]
)
def test_what_is_free_and_what_is_unknown_are_told_apart(usd: Decimal | None, said: str) -> None:
    assert said in concluded((0.6, 0.7, 0.775), usd=usd).advice


@pytest.mark.parametrize(
    ("scores", "target", "said"),
    [
        ((0.6, 0.61, 0.61), None, "More data of this kind buys little"),
        ((0.6, 0.7, 0.775), 0.74, "The target of 0.74 is reached already."),
        ((0.6, 0.7, 0.775), 0.78, "That reaches the target of 0.78: collect more."),
        ((0.6, 0.7, 0.775), 0.99, "out of reach that way"),
        ((0.6, 0.7, 0.775), 0.87, "is open. The curve reaches it at about 1,5"),
    ],
)
def test_the_decision_follows_the_band(scores: tuple[float, ...], target: float | None, said: str) -> None:
    assert said in concluded(scores, target=target).advice


def test_a_pilot_on_all_the_data_counts_as_measured_and_is_not_read_beyond_it(tmp_path: Path) -> None:
    path = tmp_path / "pilot.json"
    path.write_text(json.dumps(to_json(concluded((0.6, 0.7, 0.775)))))
    found = of_pilot(path, 500)  # 400 are left of them after the test part
    assert (found.score, found.basis) == (0.775, "pilot pilot-1, measured with 400 examples")
    assert of_pilot(path, 900).basis == "pilot pilot-1, its curve read at 800 examples"


@pytest.mark.parametrize("target", [None, 0.99])
def test_a_flat_pilot_of_few_examples_closes_nothing(target: float | None) -> None:
    points = [Paid(size, 0.1, 0.08, 0.12, Decimal(0), f"tw-{size}") for size in (16, 32, 48)]
    assert conclude(measured(PLAN, "label", 400, points), PLAN.available, target=target).advice.endswith(
        "Where it is flat, a pilot this small proves nothing: take parts of 64 examples and more."
    )


def test_a_target_that_a_flat_curve_never_reaches_is_told_as_open() -> None:
    points = [
        Paid(size, score, score - 0.07, score + 0.07, Decimal(2), f"tw-{size}")
        for size, score in ((100, 0.70), (200, 0.65), (400, 0.70))
    ]
    found = conclude(measured(PLAN, "label", 40, points), PLAN.available, target=0.75)
    assert found.advice.endswith("Whether that reaches the target of 0.75 is open.")


def test_what_was_paid_for_is_kept_whatever_its_computing_comes_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> Pilot:
        raise OverflowError("math range error")

    points = [Paid(100, 0.7, 0.6, 0.8, Decimal(2), "tw-1")]
    monkeypatch.setattr(command, "_train", lambda *_: None)
    got = pilot_runs.Measured("label", 40, tuple(points), Decimal("0.5"), ())
    monkeypatch.setattr(pilot_runs, "measure", lambda *_: got)
    monkeypatch.setattr(pilot, "conclude", broken)
    monkeypatch.setattr(pilot, "design", lambda *_, **__: replace(PLAN, test=tmp_path / "test.jsonl"))
    result = CliRunner().invoke(tunewise, ["pilot", "train.jsonl", "--model", "tiny"])
    assert isinstance(result.exception, OverflowError)
    kept = json.loads((tmp_path / "pilot.json").read_text(encoding="utf-8"))
    assert (kept["points"][0]["run"], kept["answers_usd"]) == ("tw-1", "0.5")


def test_one_size_makes_no_curve() -> None:
    found = concluded((0.6,))
    assert found.warnings == ()  # one point neither rises nor falls
    assert (found.curve, found.prediction, found.advice) == (None, None, "Take at least two sizes.")
