"""The evidence files: every claim, case and setting resolves to a source, and the counts are those of the cases."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as drawn
from hypothesis import strategies as st

from advisor import hardware
from advisor.evidence import (
    PublishedCase,
    Situation,
    catalogue,
    claims,
    is_source,
    nearest,
    odds_of,
    packaged,
    published,
    settings,
    source,
    sources,
    strength,
)
from advisor.pricing import PriceBook
from advisor.task import TaskType


def test_every_claim_and_case_and_class_has_a_source_that_resolves() -> None:
    named = [claim.source for claim in claims().values()]
    named += [case.source for case in published()] + [packaged().source]
    assert len(named) > 90
    assert [id for id in named if not is_source(id)] == []


def test_every_literature_source_says_its_year_tier_and_whether_the_number_was_seen() -> None:
    own = {"your-data", "your-workload", "your-pilot", "price-book", "memory-model", "arithmetic"}
    for id, found in sources().items():
        assert found.title and found.tier in "ABC" and found.read in ("number", "summary")
        assert (found.year is None) == (id in own), id
    assert source("gekhman").citation.endswith("2024 [tier A, summary only]")


def test_a_claim_that_counts_cases_prints_a_number() -> None:
    counted = [claim for claim in claims().values() if claim.n_cases is not None]
    assert len(counted) > 25
    assert [claim.text for claim in counted if claim.n_cases > 20 and not any(map(str.isdigit, claim.text))] == []


def test_doubtful_cases_are_never_learned_from() -> None:
    assert {case.tier for case in published()} == {"A", "B"}
    assert all(0 <= case.prompt_points <= 100 and 0 <= case.tuned_points <= 100 for case in published())


def asked(**known: Any) -> Situation:
    return Situation(**({"task": TaskType.EXTRACTION, "prompt_score": 0.7, "examples": 2000, "gap": 4.0} | known))


scores, gaps = st.floats(0, 1), st.floats(-2, 12)
MANY = drawn(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
situations = st.builds(
    Situation,
    task=st.sampled_from(TaskType),
    examples=st.none() | st.integers(0, 100_000),
    labels=st.none() | st.integers(1, 200),
    prompt_score=st.none() | scores,
    gap=st.none() | gaps,
    year=st.none() | st.floats(2021, 2027),
    few_shot=st.none() | st.booleans(),
    test_items=st.none() | st.integers(20, 5000),
)


@MANY
@given(situations, scores, scores)
def test_a_higher_prompt_score_never_raises_the_odds(situation: Situation, one: float, other: float) -> None:
    low, high = (odds_of(replace(situation, prompt_score=score)) for score in sorted((one, other)))
    assert high.p <= low.p + 1e-9 and high.level <= low.level + 1e-9


@MANY
@given(situations, st.integers(0, 100_000), st.integers(0, 100_000))
def test_more_rows_never_lower_the_odds(situation: Situation, one: int, other: int) -> None:
    few, many = (odds_of(replace(situation, examples=examples)) for examples in sorted((one, other)))
    assert many.p >= few.p - 1e-9


@MANY
@given(situations, gaps, gaps)
def test_a_stronger_prompted_model_never_raises_the_odds(situation: Situation, one: float, other: float) -> None:
    near, far = (odds_of(replace(situation, gap=gap)) for gap in sorted((one, other)))
    assert far.p <= near.p + 1e-9


@MANY
@given(situations)
def test_the_odds_lie_within_their_range(situation: Situation) -> None:
    found = odds_of(situation)
    assert 0 < found.low <= found.high < 1 and 0 < found.p < 1 and found.p <= found.level <= 1


def test_the_odds_have_no_cliffs() -> None:
    """One row, one point of score or one label more moves P by little, everywhere."""
    rows = [odds_of(asked(examples=examples)).p for examples in range(5, 400)]
    assert max(abs(a - b) for a, b in pairwise(rows)) < 0.03
    for task in TaskType:
        by_score = [odds_of(asked(task=task, prompt_score=percent / 100)).p for percent in range(96)]
        assert max(abs(a - b) for a, b in pairwise(by_score)) < 0.06, task
    labels = [odds_of(asked(task=TaskType.CLASSIFICATION, labels=number)).p for number in range(3, 60)]
    assert max(abs(a - b) for a, b in pairwise(labels)) < 0.09


def test_without_a_score_the_range_is_wide_and_what_is_not_known_widens_it() -> None:
    known, unmeasured = odds_of(asked()), odds_of(asked(prompt_score=None))
    assert unmeasured.high - unmeasured.low > known.high - known.low
    unknown = odds_of(Situation(task=TaskType.OTHER))
    assert unknown.high - unknown.low > 0.5


def test_where_nothing_is_left_to_win_tuning_does_not_win() -> None:
    assert odds_of(asked(prompt_score=1.0)).p < 0.2
    assert odds_of(asked(prompt_score=0.97, test_items=100)).p < odds_of(asked(prompt_score=0.97, test_items=5000)).p


@pytest.mark.parametrize(("weaker", "stronger"), [
    ("Qwen/Qwen3-0.6B", "Qwen/Qwen3-8B"), ("Llama-2-7b", "Qwen3-8B"), ("gpt-4o-mini-2024-07-18", "gpt-4.1-2025-04-14"),
    ("gpt-6-luna", "gpt-6.1-sol"), ("claude-haiku-5-5", "claude-sonnet-5-5"), ("xlm-roberta-large", "Llama-3.1-8B"),
    ("gemini-2.5-flash-lite", "gemini-2.5-flash"), ("FunctionGemma 270M", "gemma-3-1b"),
])  # fmt: skip
def test_the_table_of_strength_orders_models_as_everybody_would(weaker: str, stronger: str) -> None:
    low, high = strength(weaker), strength(stronger)
    assert low and high and low.index < high.index


def test_every_model_the_price_book_prompts_or_tunes_has_a_strength() -> None:
    book = PriceBook.load()
    named = {item.model for item in book.prompt_models} | {name for all in catalogue().hosted.values() for name in all}
    named |= {item.model for item in catalogue().local}
    assert {name for name in named if strength(name) is None} == {"bring-your-own-trainer"}
    assert strength("some-model") is None


def test_the_claims_count_the_table_of_cases() -> None:
    """Whoever writes the table anew has to write these sentences anew."""
    bands = {"below-40": (0, 40), "40-70": (40, 70), "70-85": (70, 85), "85-95": (85, 95), "95": (95, 101)}
    kinds = {f"task-{task}": [case for case in published() if case.task_type is task] for task in TaskType}
    parts = {
        f"band-{name}": [case for case in published() if low <= case.prompt_points < high]
        for name, (low, high) in bands.items()
    }
    for id, cases in (parts | kinds).items():
        if id in claims():
            later = [case for case in cases if (case.year or 0) >= 2024]
            earlier = [case for case in cases if case not in later]
            found = re.findall(r"(\d+) of (\d+)", claims()[id].text)
            assert [(int(won), int(of)) for won, of in found] == [tally(later), tally(earlier)], id
            assert claims()[id].n_cases == len(cases)


def tally(cases: list[PublishedCase]) -> tuple[int, int]:
    """Return how many benchmarks tuning won, one that went both ways in part, and of how many."""
    by_name: dict[str, list[bool]] = {}
    for case in cases:
        by_name.setdefault(case.task, []).append(case.won)
    return round(sum(sum(won) / len(won) for won in by_name.values())), len(by_name)


def test_the_nearest_cases_are_of_the_same_kind_and_show_both_sides_and_both_times() -> None:
    near = nearest(asked(task=TaskType.CLASSIFICATION, examples=500, prompt_score=0.8, labels=77))
    assert len({case.task for case in near}) == 4 and {case.task_type for case in near} == {TaskType.CLASSIFICATION}
    assert {case.won for case in near} == {False, True}
    assert {(case.year or 0) < 2024 for case in near} == {False, True}
    assert "banking77" in {case.task for case in near}
    assert nearest(asked(task=TaskType.SUMMARISATION))[0].task_type is TaskType.STYLE
    assert len(nearest(asked(task=TaskType.OTHER))) == 4


def test_every_model_worth_considering_has_a_shape_a_licence_and_a_context() -> None:
    for item in catalogue().local:
        arch = hardware.architecture(item.model)
        assert arch and arch.licence and arch.context and arch.params > 5e8, item.model
    assert is_source(catalogue().source)


def test_every_hosted_model_worth_considering_is_in_the_price_book_and_every_rented_gpu_has_a_rent() -> None:
    book = PriceBook.load()
    for provider, models in catalogue().hosted.items():
        assert all(book.offer(provider, model) for model in models), provider
    for name in catalogue().rented:
        assert book.gpu(name) and hardware.gpu(name), name


def test_every_setting_has_a_source() -> None:
    assert len(settings()) >= 12
    assert all(is_source(setting.source) and setting.text for setting in settings().values())


def test_nothing_in_the_evidence_is_without_use() -> None:
    """Every claim can be printed, every source stands behind something, every claim the code names exists."""
    recommend = Path(__file__).parent.parent / "advisor" / "recommend"
    code = "".join(path.read_text() for path in recommend.glob("*.py"))
    named = set(re.findall(r'"([a-z][a-z0-9_]*-[a-z0-9_-]+|forgetting|collapse|safety|traffic|pilot)"', code))
    named |= {f"task-{task}" for task in TaskType}
    assert set(claims()) <= named
    behind = {found.source for found in (*claims().values(), *published(), *settings().values())}
    behind |= {packaged().source, catalogue().source}
    assert {id for id in sources() if id not in behind and f'"{id}"' not in code} == set()
