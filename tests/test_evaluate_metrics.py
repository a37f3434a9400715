"""Metrics and statistics: equal to their reference libraries, right on hand-worked cases, covering as they promise."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.evaluate.curve import BAND, Point, doubts, expected_error, fit, predict
from advisor.evaluate.metrics import METRICS, Answer, Reference, confusions, label_of, macro_f1, metric_for
from advisor.evaluate.scorecard import Answered, Comparison, needed
from advisor.evaluate.statistics import (
    examples_needed,
    mcnemar,
    mean_interval,
    paired_difference,
    ratio_difference,
    ratio_interval,
    student_quantile,
)
from advisor.runs.evaluation.compare import _off_form
from advisor.task import TaskType
from backends import ToolCall

REFERENCE: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "reference_metrics.json").read_text())


def score(metric: str, answer: str, reference: str) -> float:
    return METRICS[metric](Answer(answer), Reference(reference))


def call(name: str, arguments: str) -> ToolCall:
    return {"id": "1", "type": "function", "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize(("answer", "reference", "expected"), REFERENCE["rouge_l"])
def test_rouge_l_equals_rouge_score(answer: str, reference: str, expected: float) -> None:
    assert score("rouge_l", answer, reference) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("got", "wanted", "expected"), REFERENCE["macro_f1"])
def test_macro_f1_equals_scikit_learn(got: list[str], wanted: list[str], expected: float) -> None:
    assert macro_f1(got, wanted) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("first", "second", "expected"), REFERENCE["mcnemar"])
def test_mcnemar_equals_the_exact_binomial_test_of_scipy(first: int, second: int, expected: float) -> None:
    assert mcnemar(first, second) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("yes", "total", "low", "high"), REFERENCE["wilson"])
def test_yes_no_intervals_equal_wilsons_in_scipy(yes: int, total: int, low: float, high: float) -> None:
    found = mean_interval([1.0] * yes + [0.0] * (total - yes))
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)


@pytest.mark.parametrize(("share", "freedom", "expected"), REFERENCE["student"])
def test_student_quantiles_are_near_scipys(share: float, freedom: int, expected: float) -> None:
    assert student_quantile(share, freedom) == pytest.approx(expected, rel=0.02 if freedom < 5 else 0.002)


@pytest.mark.parametrize(
    ("metric", "answer", "reference", "expected"),
    [
        ("exact", " Late  Parcel\n", "late parcel", 1),
        ("exact", "late parcel.", "late parcel", 0),
        ("label", '"Card_Lost".', "card_lost", 1),
        ("label", "Label: card_lost\nbecause it says so", "card_lost", 1),
        ("label", "card_stolen", "card_lost", 0),
        ("label", "", "card_lost", 0),
        ("json_valid", '{"a": 1}', '{"b": 2}', 1),
        ("json_valid", '```json\n{"a": 1}\n```', '{"b": 2}', 1),
        ("json_valid", "[1]", '{"b": 2}', 0),
        ("json_valid", '{"a": 1', '{"b": 2}', 0),
        ("json_fields", '{"a": 1, "b": "X"}', '{"b": "x", "a": 1.0}', 1),
        ("json_fields", '{"a": 1, "b": 2}', '{"a": 1, "b": 3}', 0.5),
        ("json_fields", '{"a": [1, 2, 3]}', '{"a": [3, 2]}', 0.8),
        ("json_fields", '[{"a": 3, "b": 4}, {"a": 1, "b": 2}]', '[{"a": 1, "b": 2}, {"a": 3, "b": 4}]', 1),
        ("json_fields", '[{"a": 1, "b": 4}, {"a": 3, "b": 2}]', '[{"a": 1, "b": 2}, {"a": 3, "b": 4}]', 0.5),
        ("json_fields", '{"a": [1, 1], "b": []}', '{"a": [1, 2], "b": []}', 2 / 3),
        ("json_fields", '{"a": {}}', '{"a": []}', 0),
        ("json_fields", '{"a": {"b": true}}', '{"a": {"b": 1}}', 0),
        ("json_fields", '{"a": "1", "b": "true"}', '{"a": 1, "b": true}', 0),
        ("json_fields", '{"a": 9007199254740993}', '{"a": 9007199254740992}', 0),
        ("json_fields", f'{{"a": {"1" * 400}}}', '{"a": 1}', 0),
        ("json_fields", "[" * 900 + "]" * 900, '{"a": 1}', 0),
        ("json_fields", "sorry", '{"a": 1}', 0),
        ("token_f1", "The cat sat.", "a cat sat down", 0.8),
        ("token_f1", "", "word", 0),
        ("number", "3 + 4 = 7, so the answer is 7.", "#### 7", 1),
        ("number", "It costs $1,234.50", "1234.5", 1),
        ("number", "no idea", "#### 7", 0),
        ("number", "#### -3 because 5", "#### -3", 1),
        ("number", "x = \u22123", "-3", 1),
        ("number", "5000001", "5000000", 0),
        ("number", "0.30000000000000004", "0.3", 1),
        ("rouge_l", "", "word", 0),
        ("rouge_l", "Посылка пришла поздно", "посылка пришла", 0.8),
        ("rouge_l", "die große Lampe", "die grosse Lampe", 2 / 3),
        ("rouge_l", "包裹迟到了", "包裹到了", 8 / 9),
        ("token_f1", "包裹迟到了", "包裹到了", 8 / 9),
    ],
)
def test_metrics_by_hand(metric: str, answer: str, reference: str, expected: float) -> None:
    assert score(metric, answer, reference) == pytest.approx(expected)


def test_json_nested_too_deep_to_be_meant_is_scored_without_an_error() -> None:
    deep = "[" * 900 + "1" + "]" * 900
    assert score("json_fields", deep, deep) in (0, 1)  # by how deep this Python may go


def test_tool_calls_match_by_name_and_by_the_meaning_of_their_arguments() -> None:
    wanted = Reference("", (call("fly", '{"height": 3, "fast": true}'), call("land", "{}")))
    same = Answer("", (call("land", ""), call("fly", '{"fast":true,"height":3}')))
    other = Answer("", (call("fly", '{"height": 4, "fast": true}'), call("land", "{}")))
    assert [METRICS["tools"](one, wanted) for one in (same, other, Answer("fly"))] == [1, 0, 0]
    assert METRICS["tool_name"](other, wanted) == 1
    assert METRICS["tools"](Answer("", (call("fly", "[" * 3000),)), wanted) == 0
    assert METRICS["tools"](Answer("no tool needed"), Reference("No tool needed")) == 1
    assert METRICS["tools"](same, Reference("No tool needed")) == 0


@pytest.mark.parametrize("metric", METRICS)
@given(text=st.text(max_size=60))
def test_an_answer_equal_to_its_reference_is_right_and_scores_stay_in_range(metric: str, text: str) -> None:
    own = score(metric, text, text)
    assert 0 <= own <= 1
    if metric in ("exact", "label", "token_f1", "tools", "tool_name"):
        assert own == 1
    assert 0 <= score(metric, text, '{"a": [1, 2]}') <= 1
    assert 0 <= score(metric, '{"a": [1, 2]}', text) <= 1


@pytest.mark.parametrize(
    ("task", "references", "expected"),
    [
        (TaskType.CLASSIFICATION, ["a", "b"], "label"),
        (TaskType.CLASSIFICATION, ['{"label": "a"}'] * 3, "json_fields"),
        (TaskType.REASONING, ["it is 7", "#### 3"], "number"),
        (TaskType.REASONING, ["because", "#### 3"], "token_f1"),
        (TaskType.STRUCTURED, ["plain", "text"], "token_f1"),
        (None, ["a", "b", "a", "b", "a", "b"], "label"),
        (None, ["one thing", "another thing"], "rouge_l"),
        (None, ["3 + 4 = 7\n#### 7", "So\n#### 1,234.5"], "number"),
        (None, ["12", "-7.5", "$3"], "number"),
        (None, ["12", "in 1999"], "rouge_l"),
        (None, ["1", "2", "1", "2", "1", "2"], "label"),
    ],
)
def test_the_metric_follows_the_task_and_the_answers(
    task: TaskType | None, references: list[str], expected: str
) -> None:
    assert metric_for(task, [Reference(reference) for reference in references]) == expected


def test_the_commonest_confusions_come_first() -> None:
    assert confusions(["a", "b", "b", "c"], ["a", "a", "a", "b"]) == (("a", "b", 2), ("b", "c", 1))
    assert label_of("  `Refund` ") == "refund"


def test_a_paired_difference_sees_what_two_separate_intervals_do_not() -> None:
    random = Random(1)
    first = [random.random() for _ in range(100)]
    second = [score + 0.05 + random.gauss(0, 0.02) for score in first]
    found = paired_difference(first, second)
    assert found.significant and 0.04 < found.low < found.value < found.high < 0.06
    assert mean_interval(first).high > mean_interval(second).low


def test_yes_no_differences_need_mcnemars_consent_too() -> None:
    first = [0.0] * 5 + [1.0] * 35
    second = [1.0] * 40
    found = paired_difference(first, second)
    assert found.low > 0 and found.p == pytest.approx(0.0625) and not found.significant


def test_yes_no_differences_have_the_interval_of_bonett_and_price() -> None:
    """Airway hyper-responsiveness in Fagerland, Lydersen and Laake 2014, table V: 1 and 7 of 21 pairs differ."""
    before, after = [1.0] * 7 + [0.0] * 14, [0.0] * 7 + [1.0] + [0.0] * 13
    found = paired_difference(before, after)
    # (2 - 8)/23 +- 1.96 x sqrt((10/23 - (6/23)^2)/23)
    assert (found.low, found.high) == pytest.approx((-0.5084, -0.0134), abs=1e-4)
    same = paired_difference([1.0] * 20, [1.0] * 20)
    assert same.value == 0 and same.low == pytest.approx(-same.high) and same.high > 0.1
    assert paired_difference([0.0], [1.0]).low < 0


def test_further_comparisons_need_more_examples() -> None:
    first, second = [0.1, 0.5, 0.3, 0.2, 0.9], [0.2, 0.6, 0.3, 0.4, 0.8]
    one, five = (paired_difference(first, second, confidence=1 - 0.05 / pairs).needed for pairs in (1, 5))
    assert one is not None and five is not None and five > 1.3 * one


def test_the_examples_that_would_settle_it_are_those_of_what_is_open() -> None:
    near = Comparison("a", "best", 0.02, 0.01, 0.03, None, significant=True, examples_needed=20)
    far = Comparison("b", "best", 0.1, -0.1, 0.3, None, significant=False, examples_needed=400)
    assert needed((near, far)) == 400
    assert needed((near,)) is None
    assert needed((far, replace(far, change=0.0, examples_needed=None))) is None


def test_a_loss_is_weighted_by_tokens_not_by_examples() -> None:
    assert ratio_interval([10.0, 1.0], [10, 1]).value == 1.0
    assert ratio_interval([30.0, 1.0], [10, 1]).value == pytest.approx(31 / 11)
    found = ratio_difference([30.0, 1.0, 8.0], [20.0, 0.5, 6.0], [10, 1, 4])
    assert found.value == pytest.approx(-12.5 / 15)
    assert found.high > 0  # three examples prove nothing
    assert ratio_difference([30.0, 1.0, 8.0] * 5, [20.0, 0.5, 6.0] * 5, [10, 1, 4] * 5).high < 0


def test_the_examples_needed_follow_the_textbook() -> None:
    # (1.96 + 0.8416)^2 x (0.5 / 0.1)^2 = 196.2
    assert examples_needed(0.1, 0.5) == 197
    assert examples_needed(0.0, 0.5) is None


def test_the_same_seed_gives_the_same_interval() -> None:
    scores = [Random(2).random() for _ in range(40)]
    assert mean_interval(scores, seed=5) == mean_interval(scores, seed=5)


def coverage(draw: Any, truth: float, trials: int, interval: Any) -> float:
    held = 0
    for trial in range(trials):
        low, high = interval(draw(Random(trial)), trial)
        held += low <= truth <= high
    return held / trials


def test_intervals_hold_the_truth_as_often_as_they_promise() -> None:
    """200 simulated evaluations each; the standard error of a coverage of 95 % is then 1.5 points."""
    skewed = coverage(
        lambda random: [random.random() ** 3 for _ in range(40)],
        0.25,
        200,
        lambda scores, seed: (lambda found: (found.low, found.high))(mean_interval(scores, seed=seed)),
    )
    paired = coverage(
        lambda random: [(random.gauss(0.5, 0.2), random.gauss(0.55, 0.2)) for _ in range(25)],
        0.05,
        200,
        lambda pairs, seed: (lambda found: (found.low, found.high))(
            paired_difference([a for a, _ in pairs], [b for _, b in pairs], seed=seed)
        ),
    )
    yes_no = coverage(
        lambda random: [float(random.random() < 0.9) for _ in range(50)],
        0.9,
        200,
        lambda scores, seed: (lambda found: (found.low, found.high))(mean_interval(scores, seed=seed)),
    )
    few = coverage(
        lambda random: [(0.0, random.gauss(0.05, 0.2)) for _ in range(4)],
        0.05,
        200,
        lambda pairs, seed: (lambda found: (found.low, found.high))(
            paired_difference([a for a, _ in pairs], [b for _, b in pairs], seed=seed)
        ),
    )
    alike = coverage(
        lambda random: [(1.0, float(random.random() < 0.98)) for _ in range(40)],
        -0.02,
        200,
        lambda pairs, seed: (lambda found: (found.low, found.high))(
            paired_difference([a for a, _ in pairs], [b for _, b in pairs], seed=seed)
        ),
    )
    assert 0.91 <= few <= 0.99
    assert alike >= 0.91
    assert 0.91 <= skewed <= 0.99
    assert 0.91 <= paired <= 0.99
    assert 0.91 <= yes_no <= 0.99


def test_a_power_law_is_found_and_continued() -> None:
    points = [(size, 1 - 3 * size**-0.5) for size in (100, 200, 400)]
    curve = fit(points)
    assert (math.exp(curve.intercept), curve.slope) == pytest.approx((3, -0.5))
    found = predict(curve, 1600, test_examples=400)
    assert found.score == pytest.approx(1 - 3 / 40)
    assert found.low < found.score < found.high


def test_only_the_last_three_sizes_are_fitted() -> None:
    assert fit([(10, 0.1), (100, 0.7), (200, 0.78), (400, 0.85)]) == fit([(100, 0.7), (200, 0.78), (400, 0.85)])


def test_a_falling_curve_is_not_continued_downwards() -> None:
    assert fit([(100, 0.8), (200, 0.78), (400, 0.75)]).at(6400) == 0.75


def test_the_band_grows_with_the_distance_and_shrinks_with_the_test_set() -> None:
    curve = fit([(100, 0.7), (200, 0.78), (400, 0.85)])
    ahead = [predict(curve, 400 * times, 400) for times in (2, 4, 16)]
    widths = [found.score - found.low for found in ahead]
    assert widths == sorted(widths)
    assert expected_error(1) == 0 < expected_error(2) < expected_error(16) < expected_error(64)
    narrow, wide = predict(curve, 800, 1000), predict(curve, 800, 50)
    assert narrow.high - narrow.low < wide.high - wide.low


def test_a_tiny_or_flat_pilot_is_doubted() -> None:
    def points(*scores: float, start: int = 64) -> list[Point]:
        return [Point(start * 2**place, value, value - 0.02, value + 0.02) for place, value in enumerate(scores)]

    assert doubts(points(0.5, 0.6, 0.7)) == ()
    assert "below about 64" in doubts(points(0.5, 0.6, 0.7, start=20))[0]
    assert "did not rise" in doubts(points(0.5, 0.5, 0.5))[0]
    assert "within the uncertainty" in doubts(points(0.50, 0.51, 0.52))[0]
    assert "make a line" in doubts(points(0.5, 0.6))[0]


def test_published_curves_are_extrapolated_as_well_as_we_say(shared: Path) -> None:
    import importlib.util

    source = Path(__file__).parent.parent / "benchmarks" / "pilot.py"
    spec = importlib.util.spec_from_file_location("pilot_benchmark", source)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = module.measure(module.CURVES)
    ours = [found["bertsch: fine-tuned and retrieved"][f"{times}x"]["mean_error"] for times in (2, 4, 8, 16)]
    assert ours == pytest.approx([2.5, 3.5, 3.8, 4.8], abs=1.0)
    assert [found["setfit: encoders"][f"{times}x"]["mean_error"] for times in (2, 4, 8)] == [4.0, 8.1, 11.6]
    own = found["bertsch: fine-tuned"]
    left_out = [f"{100 * share:.0f}" for share in own.pop("band_held_left_out").values()]
    assert 0.75 <= fmean(part["band_held"] for part in own.values()) <= 0.88
    encoders = [f"{100 * part['band_held']:.0f}" for part in found["setfit: encoders"].values()]
    said = BAND.partition("held")[2].replace("16 times ahead", "")
    assert re.findall(r"\b\d\d\b", said) == [*left_out, *encoders]


def test_answers_that_are_no_label_are_said_to_fail_on_form() -> None:
    references = [Reference("refund"), Reference("delivery")] * 3
    said = ["I think this is about delivery.", "refund?! Let me explain: it is a delivery"] * 3
    plainly = [Answered(Answer("refund"), 1.0)] * 6
    (told,) = _off_form({"base": [Answered(Answer(text), 1.0) for text in said], "tuned": plainly}, references)
    assert (
        told
        == "base fails on form: 6 of its 6 answers are none of the 2 labels (3 hold the right one among other words)."
    )
