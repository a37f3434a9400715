"""A budget is kept by what is known alone: an unknown month is no free month."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from advisor.estimate import Candidate, Estimate, Range, Strategy
from advisor.pricing import Availability, PriceBook
from advisor.recommend import recommend
from advisor.recommend.gates import ruled_out
from advisor.recommend.prospect import Prospect
from advisor.tokens import synthetic
from advisor.workload import parse_workload

LUNA = Prospect("prompt:openai/gpt-6-luna", Candidate(Strategy.PROMPT, None, "gpt-6-luna", provider="openai"))
FREE, CENTS, DEAR = Range.exact(0), Range.exact(1), Range.exact(600)


@pytest.mark.parametrize(
    ("volume", "estimate", "says"),
    [
        (1000, Estimate(FREE, None, CENTS, None), None),
        (1000, Estimate(FREE, None, DEAR, None), "12 months of it cost $7,200.00, over your budget of $500.00"),
        (1000, Estimate(FREE, None, CENTS, CENTS.times(4), months=Decimal(4)), None),
        (1000, Estimate(FREE, None, DEAR, DEAR, months=Decimal(1)), "12 months of it cost $7,200.00, over your budget"),
        (1000, Estimate(FREE, None, None, None), "is not known, so your budget of $500.00 may not hold"),
        (1000, Estimate(None, None, CENTS, None), "is not known, so your budget of $500.00 may not hold"),
        # No volume was given: what is paid without a request counts, where the price of a request is known.
        (None, Estimate(FREE, CENTS, None, None, marginal_usd=CENTS, fixed_monthly_usd=FREE), None),
        (None, Estimate(FREE, CENTS, None, None, marginal_usd=CENTS, fixed_monthly_usd=DEAR), "over your budget"),
        (None, Estimate(FREE, None, None, None), "is not known"),
        (None, Estimate(FREE, CENTS, None, None, marginal_usd=CENTS), "is not known"),
    ],
)
def test_what_is_not_known_keeps_no_budget(volume: int | None, estimate: Estimate, says: str | None) -> None:
    content = {"data": {"examples": 500, "tokens_per_example": 500, "output_tokens": 80}, "budget_usd": "500"}
    workload = parse_workload({**content, **({"requests_per_month": volume} if volume else {})}, where="a test")
    assert workload.data
    profile, open_to_all = synthetic(workload.data, None), Availability("open", None, "", "")
    today = date(2026, 11, 22)
    found = ruled_out(LUNA, profile, workload, PriceBook.load(), estimate, open_to_all, today)
    assert (found is None) if says is None else (found is not None and says in found)


def fallen(privacy: str) -> dict[str, str | None]:
    """Why each option fell, by its seller, for 5,000 examples of a good task."""
    content = {"task": "extraction", "data": {"examples": 5000, "tokens_per_example": 500, "output_tokens": 80}}
    workload = parse_workload({**content, "requests_per_month": 50_000, "privacy": privacy}, where="a test")
    assert workload.data
    found = recommend(synthetic(workload.data, None), workload, PriceBook.load(), today=date(2026, 12, 1))
    return {one.id: one.ruled_out_by for one in found.options}


def test_terms_rule_out_by_data_and_unknown_terms_allow_nothing() -> None:
    book = PriceBook.load()
    silent, kept = fallen("no_training_use"), fallen("region:eu")
    for id, why in silent.items():
        seller = book.providers[id.split(":")[1].split("/")[0]] if id.startswith("hosted:") else None
        if seller and seller.data_terms is None:
            assert why == f"Whether {seller.name} trains on what it is sent is not known: no terms of it were read."
    assert silent["prompt:anthropic/claude-haiku-5-5"] is None
    assert kept["prompt:anthropic/claude-haiku-5-5"] == "Anthropic sells no way to keep data in region eu."
    assert kept["prompt:openai/gpt-6-luna"] is None
    assert "Together AI sells no way" in (kept["hosted:together/Qwen/Qwen3.5-9B:self_hosted"] or "")


def test_a_model_that_is_shut_down_is_prompted_no_more() -> None:
    now = fallen("any")
    assert now["prompt:google/gemini-2.5-flash"] == "gemini-2.5-flash was shut down on 2026-12-01."
    assert now["prompt:google/gemini-3.5-flash-lite"] is None and now["prompt:openai/gpt-5.4-nano"] is None


def test_what_one_owns_carries_only_so_much() -> None:
    content = {"task": "extraction", "data": {"examples": 5000, "tokens_per_example": 900, "output_tokens": 200}}

    def gate(requests: int, cards: int) -> str | None:
        says = {"requests_per_month": requests, "gpus": ["rtx-4090"] * cards, "privacy": "on_premises"}
        workload = parse_workload({**content, **says, "measured": {"prompt": 0.5}}, where="a test")
        assert workload.data
        found = recommend(synthetic(workload.data, None), workload, PriceBook.load(), today=date(2026, 11, 22))
        return next(one.ruled_out_by for one in found.options if one.id == "local_lora:Qwen/Qwen3-8B@rtx-4090")

    assert gate(100_000, 1) is None
    few = gate(20_000_000, 1)
    assert few and "requests a month with it at most" in few
    assert gate(20_000_000, 16) is None


def test_what_costs_less_where_we_cannot_launch_is_shown_and_not_ruled_out() -> None:
    content = {"task": "extraction", "data": {"examples": 5000, "tokens_per_example": 500, "output_tokens": 80}}
    says = {"requests_per_month": 50_000, "measured": {"prompt": 0.5}, "error_cost_usd": 1}
    workload = parse_workload({**content, **says}, where="a test")
    assert workload.data
    found = recommend(synthetic(workload.data, None), workload, PriceBook.load(), today=date(2026, 11, 22))
    advised = found.recommendation
    assert advised and advised.strategy.tunes and not advised.by_hand and advised.estimate
    elsewhere = [one for one in found.options if one.by_hand]
    assert {one.backend for one in elsewhere} >= {"tinker"}
    for one in elsewhere:
        assert one.ruled_out_by is None and one.estimate and one.estimate.total_usd and advised.estimate.total_usd
        assert one.estimate.total_usd.mid < advised.estimate.total_usd.mid
