"""What must hold of the advice whatever the workload: privacy, scores, what was not chosen, money, sources."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import cache
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from advisor.estimate import Strategy, estimate
from advisor.pricing import PriceBook
from advisor.recommend import Option, Recommendation, recommend
from advisor.recommend.candidates import prospects
from advisor.recommend.choose import choose
from advisor.recommend.measurements import sharpened
from advisor.recommend.options import options
from advisor.task import TaskType
from advisor.tokens import Profile, synthetic
from advisor.workload import Workload, parse_workload

TODAY = date(2026, 11, 22)
PRIVACY = ("any", "no_training_use", "region:eu", "on_premises")  # each allows less than the one before
FEW = settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))

workloads = st.fixed_dictionaries(
    {
        "task": st.sampled_from([task.value for task in TaskType]),
        "data": st.fixed_dictionaries(
            {
                "examples": st.sampled_from([5, 60, 300, 1500, 8000, 100_000]),
                "tokens_per_example": st.sampled_from([90, 500, 6000]),
                "output_tokens": st.just(80),
                "labels": st.sampled_from([None, None, 3, 30]),
            }
        ),
        "privacy": st.sampled_from(PRIVACY),
        "gpus": st.sampled_from([[], ["rtx-4090"], ["t4"], ["a100-80gb"]]),
        "may_rent_gpus": st.booleans(),
        "standing": st.sampled_from([{}, {"openai": "active"}]),
        "horizon_months": st.sampled_from([1, 12]),
        "knowledge_changes": st.sampled_from(["never", "never", "monthly", "daily"]),
    },
    optional={
        "requests_per_month": st.sampled_from([1000, 50_000, 5_000_000]),
        "measured": st.fixed_dictionaries(
            {"prompt": st.integers(0, 100).map(lambda percent: percent / 100)},
            optional={"few_shot": st.sampled_from([0.4, 0.8, 0.9]), "hosted": st.sampled_from([0.5, 0.9])},
        ),
        "quality_target": st.sampled_from([0.8, 0.95]),
        "error_cost_usd": st.sampled_from(["0.001", "0.1", "5"]),
        "budget_usd": st.sampled_from(["5", "500"]),
    },
)


@cache
def book() -> PriceBook:
    return PriceBook.load()


def read(content: dict[str, Any]) -> tuple[Profile, Workload]:
    workload = parse_workload(content, where="a drawn workload")
    assert workload.data
    return synthetic(workload.data, workload.task), workload


def ask(content: dict[str, Any]) -> Recommendation:
    profile, workload = read(content)
    return recommend(profile, workload, book(), today=TODAY)


@FEW
@given(workloads, st.sampled_from([0, 300, 2000]))
def test_an_option_costs_what_its_candidate_costs_in_the_same_workload(content: dict[str, Any], system: int) -> None:
    said = {**content, "prompt_tokens": {"system": system, "user": 200, "output": 100}}
    profile, workload = read(said)
    for option in recommend(profile, workload, book(), today=TODAY).options:
        if option.estimate is not None:
            again = estimate(option.candidate, profile, workload, book(), today=TODAY)
            assert again.lines == option.estimate.lines, option.id


def test_the_score_of_the_untuned_model_is_nobody_elses() -> None:
    content = {"task": "classification", "data": {"examples": 2000, "tokens_per_example": 480}}
    found = ask({**content, "measured": {"base": 0.4}})
    assert {option.id: option.quality for option in found.options if option.quality is not None} == {}
    assert all("40" not in reason.text for reason in found.reasons)


def standing(found: Recommendation) -> set[str]:
    return {option.id for option in found.options if option.ruled_out_by is None}


@FEW
@given(workloads)
def test_more_privacy_never_adds_an_option(content: dict[str, Any]) -> None:
    allowed = [standing(ask({**content, "privacy": privacy})) for privacy in PRIVACY]
    for looser, stricter in pairwise(allowed):
        assert stricter <= looser


@FEW
@given(workloads, st.integers(0, 100), st.integers(0, 100))
def test_a_higher_prompt_score_never_moves_the_advice_towards_fine_tuning(
    content: dict[str, Any], one: int, other: int
) -> None:
    low, high = sorted((one / 100, other / 100))
    measured = {name: score for name, score in content.get("measured", {}).items() if name == "hosted"}
    answers = [ask({**content, "measured": {**measured, "prompt": score}}).recommendation for score in (low, high)]
    tunes = [option is not None and option.strategy.tunes for option in answers]
    assert tunes != [False, True]


@FEW
@given(workloads, st.randoms(use_true_random=False))
def test_removing_an_option_that_was_not_chosen_changes_nothing(content: dict[str, Any], draw: Any) -> None:
    profile, workload = read(content)
    workload = sharpened(workload, ())
    weighed = options(prospects(profile, workload, book(), (), ()), profile, workload, book(), TODAY)
    chosen = choose(weighed, profile, workload).option
    others = [option for option in weighed if chosen is None or option.id != chosen.id]
    for gone in draw.sample(others, min(12, len(others))):
        left = [option for option in weighed if option.id != gone.id]
        again = choose(left, profile, workload).option
        assert (again.id if again else None) == (chosen.id if chosen else None), gone.id


@FEW
@given(workloads)
def test_what_is_advised_stands_and_what_fell_says_why(content: dict[str, Any]) -> None:
    found = ask(content)
    chosen = found.recommendation
    assert found.reason.endswith(".") and found.reasons and found.next_step.startswith("tunewise ")
    if chosen is None:
        assert not any(
            option.ruled_out_by is None and option.strategy is not Strategy.RETRIEVAL for option in found.options
        )
        return
    assert chosen.ruled_out_by is None and chosen.availability in ("open", "closing")
    assert found.options[0] == chosen
    assert len({option.id for option in found.options}) == len(found.options)
    if "measured" not in content:
        assert found.confidence == "low" or chosen.strategy is Strategy.RETRIEVAL
        assert all(option.quality is None for option in found.options)


@FEW
@given(workloads)
def test_what_is_advised_keeps_the_budget(content: dict[str, Any]) -> None:
    found = ask({**content, "budget_usd": "20"})
    estimate = found.recommendation.estimate if found.recommendation else None
    if estimate and estimate.one_off_usd:
        month = estimate.monthly_usd.mid if estimate.monthly_usd else Decimal(0)
        assert estimate.one_off_usd.mid + month <= 20


@settings(FEW, max_examples=25)
@given(workloads)
def test_no_flip_leads_to_what_is_chosen_or_names_what_is_passed(content: dict[str, Any]) -> None:
    found = ask(content)
    by_id = {option.id: option for option in found.options}
    chosen = found.recommendation
    for flip in found.flips:
        to = by_id.get(flip.to)
        assert chosen is None or flip.to not in (chosen.id, str(chosen.strategy)), flip
        assert flip.current != flip.flips_at
        if chosen is not None and to is not None and not flip.variable.startswith("standing."):
            assert _kind(to) != _kind(chosen), flip
        if flip.flips_at.endswith("or more (on cost alone)") and flip.current != "not said":
            assert int(flip.current.replace(",", "")) < int(flip.flips_at.split()[0].replace(",", "")), flip
        if flip.variable == "measured.prompt":
            side, limit = flip.flips_at.startswith("below"), float(flip.flips_at.removeprefix("below ").split()[0])
            assert flip.current == "not measured" or (float(flip.current) < limit) != side, flip
            measured = {"prompt": round(limit - 0.01 if side else limit, 2)}
            measured |= {name: score for name, score in content.get("measured", {}).items() if name == "hosted"}
            then = ask({**content, "measured": measured}).recommendation
            assert then is not None and then.id == flip.to, flip


def _kind(option: Option) -> str:
    return "tuned" if option.strategy.tunes else "retrieval" if option.strategy is Strategy.RETRIEVAL else "prompt"


@FEW
@given(workloads)
def test_the_same_question_has_the_same_answer(content: dict[str, Any]) -> None:
    assert ask(content) == ask(content)


def test_a_wrong_price_of_what_was_not_chosen_does_not_matter() -> None:
    content = {
        "task": "extraction",
        "data": {"examples": 5000, "tokens_per_example": 500},
        "measured": {"prompt": 0.62},
        "requests_per_month": 1000,
    }
    profile, workload = read(content)
    weighed = options(prospects(profile, workload, book(), (), ()), profile, workload, book(), TODAY)
    chosen = choose(weighed, profile, workload).option
    assert chosen
    unpriced = [
        replace(option, estimate=None) if option.id == "prompt:openai/gpt-6.1-sol" else option for option in weighed
    ]
    assert choose(unpriced, profile, workload).option == chosen
