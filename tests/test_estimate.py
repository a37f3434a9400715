"""What an estimate promises whatever the numbers: lines add up, unknown stays unknown, more never costs less."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from math import ceil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor import hardware
from advisor.dataset import Format
from advisor.errors import PriceError
from advisor.estimate import (
    Candidate,
    Estimate,
    LineItem,
    Range,
    Strategy,
    Terms,
    break_even,
    chance_cheapest,
    estimate,
    flips,
    formulas,
    price_age,
    too_old,
    worth,
)
from advisor.paths import packaged_prices
from advisor.pricing import PriceBook
from advisor.pricing.user_terms import OwnTerms
from advisor.task import TaskType
from advisor.tokens import Percentiles, Profile
from advisor.workload import Volume, Workload
from backends import Hyperparameters, Method

D = Decimal
TODAY = date(2026, 11, 22)
LUNA = Candidate(Strategy.PROMPT, None, "gpt-6-luna", provider="openai")
SHOTS = Candidate(Strategy.FEW_SHOT, None, "claude-haiku-5-5", provider="anthropic", shots=8)
MINI = Candidate(Strategy.HOSTED, "openai", "gpt-4.1-mini-2025-04-14")
NINE = Candidate(Strategy.HOSTED, "together", "Qwen/Qwen3.5-9B", method=Method.LORA, serving="dedicated")
PRIME = Candidate(Strategy.HOSTED, "prime_intellect", "Qwen/Qwen3.5-9B", method=Method.LORA)
AZURE = Candidate(Strategy.HOSTED, "azure", "gpt-4.1-mini")
LOCAL = Candidate(Strategy.LOCAL_LORA, "local", "Qwen/Qwen2.5-7B-Instruct", gpu="rtx-4090", serving="self_hosted")
RENTED = replace(LOCAL, gpu="a100-80gb")
EVERYTHING_USUAL = Terms()
ALL = (LUNA, SHOTS, MINI, NINE, PRIME, AZURE, LOCAL, RENTED)


@cache
def book() -> PriceBook:
    return PriceBook.load(packaged_prices(), overlays=())


def overlaid(folder: Path, text: str) -> PriceBook:
    path = folder / "overlay.yaml"
    path.write_text(text, encoding="utf-8")
    return PriceBook.load(packaged_prices(), overlays=(path,))


def profile_of(tokens: int = 250_000, *, exact: bool = True, system: float = 300) -> Profile:
    return Profile(
        examples=500,
        format=Format.OPENAI_CHAT,
        fingerprint="f" * 64,
        tokens={"o200k_base": tokens},
        billed_tokens_per_epoch={MINI.model: tokens},
        trained_tokens={},
        per_example=Percentiles(300, 450, 500, 600, 450.0),
        system_tokens=system,
        user_tokens=100,
        output_tokens=50,
        longest=600,
        turns=1,
        task_type=TaskType.CLASSIFICATION,
        task_reason="",
        labels=None,
        exact=exact,
    )


def work(**fields: object) -> Workload:
    return Workload.model_validate({"requests_per_month": 100_000, "gpus": ["rtx-4090"], **fields})


def made(
    candidate: Candidate,
    workload: Workload | None = None,
    data: Profile | None = None,
    prices: PriceBook | None = None,
    **terms: object,
) -> Estimate:
    return estimate(
        candidate,
        data or profile_of(),
        workload or work(),
        prices or book(),
        today=TODAY,
        terms=replace(Terms(), **terms),  # type: ignore[arg-type]
    )


def sums(result: Estimate) -> list[Range]:
    amounts = (result.one_off_usd, result.per_request_usd, result.monthly_usd, result.total_usd)
    return [amount for amount in amounts if amount is not None]


candidates = st.sampled_from(ALL)
volumes = (
    st.tuples(*[st.integers(1, 5_000_000)] * 3)
    .map(sorted)
    .map(lambda three: {"low": three[0], "mid": three[1], "high": three[2]})
)


@given(candidates, volumes, st.integers(1, 36), st.integers(1, 3), st.none() | st.integers(1, 6))
@settings(max_examples=150, deadline=None)
def test_lines_add_up_to_the_sums(
    candidate: Candidate, volume: dict[str, int], horizon: int, runs: int, retrain: int | None
) -> None:
    result = made(
        candidate, work(requests_per_month=volume, horizon_months=horizon), runs=runs, retrain_every_months=retrain
    )
    parts = {
        period: sum((line.usd for line in result.lines if line.period == period), D(0))
        for period in ("once", "month", "horizon")
    }
    assert result.one_off_usd is not None and result.one_off_usd.mid == parts["once"]
    assert result.monthly_usd is not None and result.monthly_usd.mid == parts["month"]
    assert result.total_usd is not None
    assert result.total_usd.mid == parts["once"] + result.months * parts["month"] + parts["horizon"]
    for line in result.lines:
        assert line.usd == line.quantity * line.unit_usd and line.source
    for amount in sums(result):
        assert 0 <= amount.low <= amount.mid <= amount.high


@given(candidates, st.integers(1, 10**9), st.integers(0, 10**9))
@settings(max_examples=100, deadline=None)
def test_more_training_tokens_never_cost_less(candidate: Candidate, tokens: int, more: int) -> None:
    small, large = made(candidate, data=profile_of(tokens)), made(candidate, data=profile_of(tokens + more))
    assert small.one_off_usd is not None and large.one_off_usd is not None
    assert small.one_off_usd.low <= large.one_off_usd.low
    assert small.one_off_usd.mid <= large.one_off_usd.mid and small.one_off_usd.high <= large.one_off_usd.high


@given(candidates, st.integers(0, 400_000), st.integers(0, 50_000), st.integers(0, 300_000), st.integers(0, 50_000))
@settings(max_examples=100, deadline=None)
def test_longer_requests_never_cost_less(
    candidate: Candidate, user: int, output: int, more_user: int, more_output: int
) -> None:
    short = made(candidate, work(prompt_tokens={"system": 300, "user": user, "output": output}))
    long = made(
        candidate, work(prompt_tokens={"system": 300, "user": user + more_user, "output": output + more_output})
    )
    for one, other in zip(sums(short), sums(long), strict=True):
        assert one.mid <= other.mid


@given(candidates, st.decimals("0.1", "1", places=3), st.decimals("1", "10", places=3))
@settings(max_examples=80, deadline=None)
def test_cheaper_prices_never_raise_a_total(candidate: Candidate, cheap: Decimal, dear: Decimal) -> None:
    low, high = made(candidate, price_factor=cheap), made(candidate, price_factor=dear)
    for one, other in zip(sums(low), sums(high), strict=True):
        assert one.low <= other.low and one.mid <= other.mid and one.high <= other.high


@given(candidates, st.integers(0, 3_000_000), st.integers(0, 3_000_000))
@settings(max_examples=60, deadline=None)
def test_more_requests_never_lower_the_month(candidate: Candidate, few: int, more: int) -> None:
    quiet = made(candidate, work(requests_per_month=few))
    busy = made(candidate, work(requests_per_month=few + more))
    assert quiet.monthly_usd is not None and busy.monthly_usd is not None
    assert quiet.monthly_usd.mid <= busy.monthly_usd.mid


@pytest.mark.parametrize(
    ("candidate", "known", "says"),
    [
        (replace(LUNA, model="no-such-model"), (), "What asking no-such-model costs by the token is not known."),
        (replace(NINE, serving="tokens"), (), "What asking the tuned Qwen/Qwen3.5-9B costs by the token is not known."),
        (replace(NINE, model="moonshotai/Kimi-K2.6"), ("month",), "charges to train moonshotai/Kimi-K2.6 this way"),
        (replace(NINE, gpu="gb300"), (), "What a dedicated endpoint on gb300 at together costs is not known."),
        (replace(NINE, model="nobody/has-this"), (), "together is not known to train nobody/has-this."),
        (replace(LOCAL, gpu="abacus"), (), "What renting a abacus costs is not known."),
        (replace(LOCAL, model="nobody/has-this"), ("month",), "How long training nobody/has-this on a rtx-4090"),
        (Candidate(Strategy.RETRIEVAL, None, "gpt-6-luna", provider="openai"), ("month",), "building retrieval"),
    ],
)
def test_unknown_never_turns_into_a_number(candidate: Candidate, known: tuple[str, ...], says: str) -> None:
    result = made(candidate)
    assert result.total_usd is None and result.amortised_monthly_usd is None
    assert (result.monthly_usd is not None) == ("month" in known)
    assert any(says in text for text in result.warnings), result.warnings


def test_without_a_volume_the_month_depends_on_usage() -> None:
    result = made(LUNA, work(requests_per_month=None))
    assert result.per_request_usd is not None and result.monthly_usd is None and result.total_usd is None
    assert "The month and the total depend on usage: no volume was given." in result.assumptions
    assert sum(line.usd for line in result.lines if line.period == "request") == result.per_request_usd.mid


def test_without_a_volume_hosting_has_a_month_but_no_price_per_request() -> None:
    result = made(NINE, work(requests_per_month=None))
    assert result.monthly_usd is not None and result.per_request_usd is None and result.total_usd is not None
    assert any("depends on usage" in text for text in result.assumptions)


def test_a_base_that_retires_cuts_the_horizon_short() -> None:
    result = made(MINI)
    assert result.months == D("1.74")  # 53 days / 30.4375
    assert result.total_usd is not None and result.one_off_usd is not None and result.monthly_usd is not None
    assert result.total_usd.mid == result.one_off_usd.mid + D("1.74") * result.monthly_usd.mid
    assert any("shut down on 2027-01-14: the total covers 1.74 of 12 months" in text for text in result.warnings)
    assert "The total ends there: what moving off it costs is not known, and comes on top." in result.warnings
    moved = made(MINI, migration_usd=D(500))
    assert moved.total_usd is not None and moved.total_usd.mid == result.total_usd.mid + 500
    assert made(MINI, work(horizon_months=1)).months == 1


def test_an_owned_gpu_is_free_until_electricity_is_switched_on(tmp_path: Path) -> None:
    free = made(LOCAL)
    assert free.monthly_usd == Range.exact(0)
    assert any("counted as free" in text for text in free.assumptions)
    powered = overlaid(tmp_path, "own: {electricity_usd_per_kwh: 0.30, gpu_watts: 450}\n")
    paid = made(LOCAL, prices=powered)
    assert paid.monthly_usd is not None and paid.monthly_usd.mid == 730 * D("0.30") * 450 / 1000
    unknown = made(LOCAL, prices=overlaid(tmp_path, "own: {electricity_usd_per_kwh: 0.30}\n"))
    assert unknown.monthly_usd is None and any("gpu_watts is not set" in text for text in unknown.warnings)


def test_a_rented_gpu_spans_its_market() -> None:
    result = made(RENTED, work(gpus=[]))
    assert result.monthly_usd == Range(730 * D("1.39"), 730 * D("1.75"), 730 * D("3.4309"))
    assert result.train_minutes is not None and 0 < result.train_minutes.low < result.train_minutes.high
    assert result.gpu_gb is not None and result.gpu_gb > 14  # a 7B in 16 bits alone is 15 GB
    forbidden = made(RENTED, work(gpus=[], may_rent_gpus=False))
    assert any("may not be rented" in text for text in forbidden.warnings)


def test_replicas_follow_the_peak_load() -> None:
    # 500 tokens at 10,000 a second and 100 at 1,000 take 0.15 s: 6.67 requests a second. Of 730 x 3,600 s at 60 %, with
    # a peak of three times the mean, that is 3.504M a month: 10M need 2.85.
    carried = formulas.carried_per_month(1 / D("0.15"), hours_on=D(730), peak_factor=D(3), utilisation=D("0.6"))
    assert round(carried) == 3_504_000 and formulas.whole_replicas(D(10_000_000), carried) == 3
    load = work(requests_per_month=10_000_000, prompt_tokens={"system": 0, "user": 500, "output": 100})
    asked = made(NINE, load, prefill_tokens_per_s=D(10_000), decode_tokens_per_s=D(1_000))
    one = made(NINE)
    assert asked.monthly_usd is not None and one.monthly_usd is not None
    assert asked.monthly_usd.mid == 3 * one.monthly_usd.mid


def test_replicas_follow_the_whole_range_of_the_volume() -> None:
    load = work(requests_per_month={"low": 1_000_000, "mid": 10_000_000, "high": 20_000_000},
                prompt_tokens={"system": 0, "user": 500, "output": 100})  # fmt: skip
    given = made(NINE, load, prefill_tokens_per_s=D(10_000), decode_tokens_per_s=D(1_000))
    line, alone = (
        next(line for line in result.lines if line.name == "dedicated endpoint")
        for result in (given, made(NINE, work(requests_per_month=1)))
    )
    # 1M, 10M and 20M x 0.15 s of work, x 3 at peak, over 730 x 3,600 s at 60 %: 0.29, 2.85 and 5.71
    assert (line.usd_low, line.usd, line.usd_high) == (alone.usd_low, 3 * alone.usd, 6 * alone.usd_high)
    assert any("(1 to 6 over the range of volume and speed)" in said for said in given.assumptions)


def test_a_disputed_batch_price_spans_its_readings_and_is_named() -> None:
    """gpt-4o tuned, in a batch: 2.225 and 12.50 by one reading, 1.875 and 7.50 by the other."""
    four = Candidate(Strategy.HOSTED, "openai", "gpt-4o-2024-08-06")
    asked = work(requests_per_month=1_000_000, prompt_tokens={"user": 1000, "output": 100})
    result = made(four, asked, tier="batch")
    assert result.monthly_usd is not None and result.marginal_usd is not None
    assert result.marginal_usd.mid == D("0.003475") == result.marginal_usd.high  # 1000 x 2.225 + 100 x 12.50
    assert result.marginal_usd.low == D("0.002625")  # 1000 x 1.875 + 100 x 7.50
    assert (result.monthly_usd.low, result.monthly_usd.mid) == (2625, 3475)
    assert any("by the token is given differently" in said for said in result.warnings)


@pytest.mark.parametrize("candidate", ALL)
def test_what_is_shown_multiplies(candidate: Candidate) -> None:
    """Quantity x unit price is the line to the cent even as text of a few digits, and no sum has stray digits."""
    result = made(candidate, work(requests_per_month={"low": 70_000, "mid": 130_001, "high": 333_333}))
    for line in result.lines:
        assert line.usd == line.quantity * line.unit_usd
        assert len(f"{line.quantity:f}".partition(".")[2]) <= 9 and len(f"{line.unit_usd:f}".partition(".")[2]) <= 10
    for amount in (*sums(result), result.amortised_monthly_usd):
        assert amount is None or all(len(f"{usd:f}".rstrip("0").partition(".")[2]) <= 12 for usd in
                                     (amount.low, amount.mid, amount.high)), amount  # fmt: skip


def test_no_single_gpu_carries_what_its_arithmetic_cannot() -> None:
    busy = made(NINE, work(requests_per_month=2_000_000_000))
    calm = made(NINE)
    assert busy.monthly_usd is not None and calm.monthly_usd is not None
    assert busy.monthly_usd.mid > 5 * calm.monthly_usd.mid


def test_replicas_follow_the_speed_of_the_gpu_and_its_range_is_in_the_price() -> None:
    arch, card = hardware.architecture("Qwen/Qwen2.5-7B-Instruct"), hardware.gpu("a100-80gb")
    assert arch is not None and card is not None
    found = hardware.capacity(hardware.Serving(arch, card), 400, 50)
    assert found is not None
    low, mid, high = found.requests_per_s
    # As many requests as 7.5 cards answer in a month; with a peak of three times the mean at 60 % use: 37.5, so 38.
    rented = made(RENTED, work(gpus=[], requests_per_month=int(7.5 * mid * 730 * 3600)))
    fewest, most = ceil(37.5 * mid / high), ceil(37.5 * mid / low)
    assert rented.monthly_usd == Range(fewest * 730 * D("1.39"), 38 * 730 * D("1.75"), most * 730 * D("3.4309"))
    assert any("38 replicas handle a peak of 3x the mean load at 60% use" in text for text in rented.assumptions)
    assert made(RENTED, work(gpus=[])).answer_s == rented.answer_s == found.answer_s


def test_each_turn_of_a_conversation_sends_the_history_again() -> None:
    # 4 answers of 20 tokens, 4 questions of 100: an answer's prompt is 300 system, 100 new, and 180 of earlier turns
    # (0, 120, 240, 360 in the middle of them 180).
    chats = replace(profile_of(), turns=4.0, user_tokens=400.0, output_tokens=80.0, history_tokens=180.0)
    turn = made(LUNA, work(requests_per_month=1_000_000), data=chats)
    whole = made(LUNA, work(requests_per_month=1_000_000, requests_are="conversations"), data=chats)
    assert turn.monthly_usd and whole.monthly_usd
    assert turn.monthly_usd.mid == D("0.10") * 580 + D("0.50") * 20  # US dollars for a million requests
    assert whole.monthly_usd.mid == 4 * turn.monthly_usd.mid
    assert any("4 answers: a request is one of them, and 180 tokens" in text for text in turn.assumptions)
    cached = made(LUNA, work(cache_hit=0.5), data=replace(chats, history_tokens=1000.0))
    line = next(line for line in cached.lines if line.name == "input from the cache")
    assert line.quantity == D("0.1") * 650  # Mtok: half of the system prompt and the history, for 100,000 requests
    machine = made(RENTED, work(gpus=[], requests_per_month=10_000_000, requests_are="conversations"), data=chats)
    alone = made(RENTED, work(gpus=[], requests_per_month=40_000_000), data=chats)
    assert machine.machines and alone.machines and machine.machines.counts == alone.machines.counts


def test_a_shorter_wait_needs_more_machines() -> None:
    load = {"gpus": [], "requests_per_month": 60_000_000}
    slow, fast = (made(RENTED, work(**load, latency_p95_ms=limit)) for limit in (10_000, 1_500))
    assert slow.monthly_usd and fast.monthly_usd and slow.monthly_usd.mid < fast.monthly_usd.mid
    assert slow.answer_s and fast.answer_s and fast.answer_s <= 1.5 < slow.answer_s <= 10


def test_what_16_bits_do_not_fit_is_served_in_four() -> None:
    large = replace(LOCAL, model="Qwen/Qwen3-32B", strategy=Strategy.LOCAL_QLORA, method=Method.QLORA)
    assert any("Qwen3-32B is served in 4 bits on rtx-4090" in text for text in made(large).assumptions)
    assert not any("in 4 bits" in text for text in made(LOCAL).assumptions)


def test_discount_tax_and_region(tmp_path: Path) -> None:
    prices = overlaid(tmp_path, "own: {discounts: {openai: 0.25}, tax_rate: 0.19}\n")
    plain, mine = made(LUNA), made(LUNA, prices=prices)
    assert plain.monthly_usd is not None and mine.monthly_usd is not None and mine.total_usd is not None
    assert mine.monthly_usd.mid == plain.monthly_usd.mid * D("0.75") and plain.tax_usd is None
    assert mine.tax_usd == mine.total_usd.times(D("0.19"))  # beside the total, not in it
    abroad = made(LUNA, work(privacy="region:eu"))
    assert abroad.monthly_usd is not None and abroad.monthly_usd.mid == plain.monthly_usd.mid * D("1.1")
    zone = made(AZURE, work(privacy="region:eu"), evaluation_rows=0)
    assert zone.one_off_usd is not None and zone.one_off_usd.mid == D("0.75") * D("5.5")  # the data zone's own rate
    endpoint = made(replace(NINE, backend="fireworks", model="openai/gpt-oss-20b"), work(privacy="region:eu"))
    assert endpoint.monthly_usd is not None and endpoint.monthly_usd.mid == 730 * 8 * D("1.5")
    for nobody_says in (SHOTS, NINE, PRIME):
        unknown = made(nobody_says, work(privacy="region:eu"))
        assert unknown.monthly_usd is unknown.per_request_usd is unknown.total_usd is unknown.marginal_usd is None
        where = nobody_says.provider or nobody_says.backend
        assert any(f"region costs at {where} is not known" in text for text in unknown.warnings)


def test_terms_can_be_set_in_an_overlay(tmp_path: Path) -> None:
    assert set(OwnTerms.model_fields) <= {field.name for field in fields(Terms)}
    prices = overlaid(tmp_path, "own: {terms: {runs: 3, tier: batch, evaluation_rows: 0, people_hours: 2.5}}\n")
    mine = estimate(PRIME, profile_of(), work(), prices, today=TODAY)
    usual = estimate(PRIME, profile_of(), work(), book(), today=TODAY, terms=Terms(evaluation_rows=0))
    assert mine.one_off_usd and usual.one_off_usd and mine.one_off_usd.mid == 3 * usual.one_off_usd.mid
    assert mine.monthly_usd is None  # no batch price is known there
    with pytest.raises(PriceError, match=r"overlay\.yaml, line 1: own\.terms\.runs"):
        overlaid(tmp_path, "own: {terms: {runs: 0}}\n")


def test_batch_is_half_and_a_misspelt_tier_an_error() -> None:
    full, half = made(LUNA), made(LUNA, tier="batch")
    assert full.monthly_usd is not None and half.monthly_usd == full.monthly_usd.times(D("0.5"))
    with pytest.raises(PriceError, match="no price tier"):
        made(LUNA, tier="halfprice")


def test_a_cliff_is_warned_about() -> None:
    result = made(SHOTS, work(prompt_tokens={"system": 99_000, "user": 5_000, "output": 10}))
    assert any("past a price step of claude-haiku-5-5" in text for text in result.warnings)


def test_evaluation_people_and_retraining_are_lines() -> None:
    result = made(
        PRIME, evaluation_rows=100, judge_usd_per_row=D("0.01"), people_hours=D(3), people_usd_per_hour=D(80),
        data_usd=D(50), retrain_every_months=4,
    )  # fmt: skip
    names = [line.name for line in result.lines]
    assert "evaluation on 100 held-out examples" in names and "people" in names and "making the data" in names
    once_again = next(line for line in result.lines if line.name == "retraining")
    assert result.one_off_usd is not None and once_again.usd == 2 * result.one_off_usd.mid  # months 4 and 8 of 12
    hosted = replace(NINE, serving="self_hosted", gpu="a100-80gb")
    lines = {line.name: line.source for line in made(hosted, work(gpus=[]), retrain_every_months=4).lines}
    assert lines["retraining"] == lines["training, 1 run at the minimum charge"] != lines["serving on a100-80gb"]


def test_an_offer_that_is_not_simply_open_says_so() -> None:
    never = made(MINI, work(standing={"openai": "never_fine_tuned"}))
    active = made(MINI, work(standing={"openai": "active"}))
    assert any(text.startswith("Closed: OpenAI closed fine-tuning") for text in never.warnings)
    assert any(text.startswith("Closing: OpenAI ends fine-tuning") for text in active.warnings)
    assert not any("new jobs" in text.lower() for text in made(PRIME).warnings)


def test_an_adapter_is_stored_by_its_size() -> None:
    tinker = Candidate(Strategy.HOSTED, "tinker", "Qwen/Qwen3-8B", hyperparameters=Hyperparameters(lora_rank=16))
    line = next(line for line in made(tinker).lines if line.name == "storage of the adapter")
    arch = hardware.architecture("Qwen/Qwen3-8B")
    assert arch is not None
    assert line.usd == D(2 * hardware.lora_params(arch, 16)) / 10**9 * D("0.10") and line.period == "month"
    assert D("0.05") < line.quantity < D("0.2")  # some 44 million parameters
    unknown = made(replace(tinker, model="Qwen/Qwen3.5-397B-A17B"))
    assert hardware.architecture("Qwen/Qwen3.5-397B-A17B") is None
    assert unknown.monthly_usd is unknown.per_request_usd is unknown.total_usd is None
    assert any("keeping the adapter costs is not known: 0.10 USD per GB and month" in t for t in unknown.warnings)


def test_old_prices_are_named_and_refused() -> None:
    fresh, stale = made(LUNA), made(NINE)
    assert not any("days ago" in text for text in fresh.warnings)
    assert any(("The price of" in text and "72 days ago" in text) or "61 days ago" in text for text in stale.warnings)
    assert stale.prices_as_of == date(2026, 9, 11) or stale.prices_as_of == date(2026, 9, 22)
    old = made(replace(NINE, model="Qwen/Qwen3.5-4B", hyperparameters=Hyperparameters(epochs=100)))
    assert too_old(fresh.lines, TODAY) is None
    reason = too_old(old.lines, TODAY)
    assert reason is not None and "198 days ago" in reason and "pricing.local.yaml" in reason


@pytest.mark.parametrize(
    ("unit", "days", "warned", "refused"),
    [
        ("Mtok", 45, False, False),
        ("Mtok", 46, True, False),
        ("hour", 14, False, False),
        ("hour", 15, True, False),
        ("Mtok", 120, True, False),
        ("Mtok", 121, True, True),
    ],
)
def test_prices_age_by_the_day(unit: str, days: int, warned: bool, refused: bool) -> None:
    one = D(1)
    line = LineItem("training", one, unit, one, one, one, one, "somewhere", TODAY - timedelta(days=days))
    assert bool(price_age.warnings([line], TODAY)) == warned
    assert (too_old([line], TODAY) is not None) == refused


def test_an_undated_price_is_stale_and_your_own_figure_is_not() -> None:
    def line(source: str, usd: Decimal) -> LineItem:
        return LineItem("training", D(1), "Mtok", usd, usd, usd, usd, source, None)

    undated = line("a forum", D(1))
    assert "'training' (a forum)" in "".join(price_age.warnings([undated], TODAY))
    reason = too_old([undated], TODAY)
    assert reason is not None and "was read is not known (a forum)" in reason and "pricing.local.yaml" in reason
    free = line("your own machine", D(0))
    mine = made(LOCAL, people_hours=D(1), people_usd_per_hour=D(50), data_usd=D(5))
    assert any(line.checked is None and line.usd for line in mine.lines)
    for lines in ([free], mine.lines):
        assert price_age.warnings(lines, TODAY) == () and too_old(lines, TODAY) is None


# What would flip it


def test_the_volume_at_which_training_pays_is_the_break_even() -> None:
    options = {"luna": replace(LUNA, model="gpt-6.1-sol"), "prime": PRIME}
    found = flips(options, "luna", profile_of(), work(requests_per_month=10), book(), today=TODAY)
    flip = next(flip for flip in found if flip.variable == "requests_per_month")
    a, b = made(options["luna"], work(requests_per_month=10)), made(PRIME, work(requests_per_month=10))
    assert a.one_off_usd and b.one_off_usd and a.marginal_usd and b.marginal_usd
    exact = (b.one_off_usd.mid - a.one_off_usd.mid) / 12 / (a.marginal_usd.mid - b.marginal_usd.mid)
    assert flip.to == "prime" and abs(int(flip.flips_at) - exact) <= 1


def test_every_kind_of_flip_is_found() -> None:
    options = {"luna": LUNA, "prime": PRIME, "rented": RENTED, "nine": NINE}
    measured = {"luna": 0.80, "prime": 0.90, "rented": 0.90, "nine": 0.90}
    by_variable = {
        flip.variable: flip
        for flip in flips(
            options, "prime", profile_of(), work(error_cost_usd="0.02", gpus=[]), book(), today=TODAY, quality=measured
        )
    }
    assert {"requests_per_month", "price_factor", "quality", "error_cost_usd"} <= by_variable.keys()
    tie = by_variable["error_cost_usd"]
    prime, luna = made(PRIME), made(LUNA)
    assert prime.amortised_monthly_usd and luna.amortised_monthly_usd
    gap = (prime.amortised_monthly_usd.mid - luna.amortised_monthly_usd.mid) / 100_000
    assert tie.to == "luna" and abs(D(tie.flips_at) - gap / D("0.1")) < D("0.00001")


def flip_of(
    variable: str, options: dict[str, Candidate], chosen: str, workload: Workload, terms: Terms = EVERYTHING_USUAL
) -> tuple[str, Decimal]:
    found = flips(options, chosen, profile_of(), workload, book(), today=TODAY, terms=terms)
    flip = next(flip for flip in found if flip.variable == variable)
    return flip.to, D(flip.flips_at)


def test_a_dearer_hour_flips_a_rented_gpu_to_an_endpoint() -> None:
    to, at = flip_of("price_factor", {"nine": NINE, "rented": RENTED}, "rented", work(gpus=[]))
    assert to == "nine" and 3 < at < 4  # 5.49 against 1.75 an hour


def test_powered_hours_flip_an_endpoint_to_tokens() -> None:
    to, at = flip_of("hours_on", {"nine": NINE, "prime": PRIME}, "nine", work(), Terms(hours_on=D(1), replicas=1))
    # 100,000 requests of 400 + 50 tokens are 11.00 a month by the token; training differs by 4 - 0.45 over 12 months
    assert to == "prime" and D("1.9") < at < D("2.0")


def test_no_month_has_more_than_744_hours() -> None:
    def hours_on(volume: int) -> list[Decimal]:
        found = flips(
            {"nine": NINE, "prime": PRIME}, "nine", profile_of(), work(requests_per_month=volume), book(),
            today=TODAY, terms=Terms(hours_on=D(400), replicas=1),
        )  # fmt: skip
        return [D(flip.flips_at) for flip in found if flip.variable == "hours_on"]

    # 0.00011 a request by the token: 30 million cost what 601 hours do, 60 million what 1,202 would.
    assert len(hours_on(30_000_000)) == 1 and 600 < hours_on(30_000_000)[0] < 602
    assert hours_on(60_000_000) == []


def test_the_cost_of_an_error_names_the_side_on_which_the_other_is_cheaper() -> None:
    """Prime is the dearer and the better one: it needs dear mistakes; luna needs cheap ones."""
    options, measured = {"luna": LUNA, "prime": PRIME}, {"luna": 0.80, "prime": 0.90}

    def tie(chosen: str, **says: object) -> list[str]:
        found = flips(options, chosen, profile_of(), work(**says), book(), today=TODAY, quality=measured)
        return [flip.flips_at for flip in found if flip.variable == "error_cost_usd"]

    (below,), (above,) = tie("prime"), tie("luna")
    usd = D(below.removesuffix(" or less"))
    assert above == f"{usd} or more"
    assert tie("prime", error_cost_usd=usd / 2) == [] and tie("luna", error_cost_usd=usd * 2) == []
    assert tie("prime", error_cost_usd=usd * 2) == tie("luna", error_cost_usd=usd / 2) == [f"{usd}"]


def test_what_is_trained_again_is_earned_back_too() -> None:
    """Twice more within 12 months: three times the sum once, the evaluation of both kept out of it."""
    usd, plain = [], made(replace(LUNA, model="gpt-6.1-sol"), evaluation_rows=0)
    for every in (None, 4):
        requests = break_even(plain, made(PRIME, evaluation_rows=0, retrain_every_months=every), 12)
        assert requests is not None
        usd.append(requests)
    assert 3 * (usd[0] - 1) < usd[1] <= 3 * usd[0]


def test_where_nothing_is_answered_nothing_is_assumed_of_a_request() -> None:
    said = made(replace(NINE, serving="none")).assumptions
    assert "Serving is not counted." in said and not any("request" in text for text in said)


def test_mistakes_of_other_options_alone_flip_nothing() -> None:
    options, plain, priced = {"luna": LUNA, "prime": PRIME}, work(), work(error_cost_usd="0.05")
    for chosen, other in (("luna", "prime"), ("prime", "luna")):
        asked = (options, chosen, profile_of())
        without = flips(*asked, plain, book(), today=TODAY)
        assert flips(*asked, priced, book(), today=TODAY, quality={other: 0.6}) == without


def test_slower_answers_flip_a_rented_gpu() -> None:
    enough = Terms(prefill_tokens_per_s=D(5000), decode_tokens_per_s=D(500))
    busy = work(gpus=[], requests_per_month=1_000_000)
    to, at = flip_of("throughput_factor", {"nine": NINE, "rented": RENTED}, "rented", busy, enough)
    assert to == "nine" and at < 1


def test_a_fuller_cache_flips_to_few_shot() -> None:
    few = replace(LUNA, strategy=Strategy.FEW_SHOT, shots=20)
    to, at = flip_of("cache_hit", {"few": few, "mini": PRIME}, "mini", work(cache_hit=0.1, requests_per_month=10**6))
    assert to == "few" and D("0.1") < at <= 1


def test_a_longer_prompt_flips_a_tuned_model() -> None:
    load, one = work(requests_per_month=10**7), Terms(replicas=1)
    to, at = flip_of("prompt_tokens", {"nine": NINE, "prime": PRIME}, "prime", load, one)
    assert to == "nine" and at > 400  # more tokens to pay for, while the endpoint costs the same


def test_without_a_volume_only_the_volume_can_flip() -> None:
    options = {"prime": PRIME, "sol": replace(LUNA, model="gpt-6.1-sol")}
    found = flips(options, "sol", profile_of(), work(requests_per_month=None), book(), today=TODAY)
    assert [flip.variable for flip in found] in ([], ["requests_per_month"])
    assert all(flip.current is None for flip in found)


def test_chance_is_seeded_and_sums_to_one() -> None:
    results = {"luna": made(LUNA), "prime": made(PRIME), "unknown": made(replace(LUNA, model="no-such-model"))}
    volume = Volume(low=10_000, mid=50_000, high=200_000)
    first, again = chance_cheapest(results, volume, seed=7), chance_cheapest(results, volume, seed=7)
    assert first == again and first["unknown"] is None
    assert sum(share for share in first.values() if share is not None) == pytest.approx(1)
    assert first["luna"] is not None and 0 < first["luna"] < 1  # reasoning tokens may make it the dearer one
    same = chance_cheapest({"own": made(LOCAL), "his": made(LOCAL)}, volume)
    assert same == {"own": 0.5, "his": 0.5}  # both cost nothing: neither is cheaper than the other
    assert chance_cheapest(results, None) == {"luna": None, "prime": None, "unknown": None}


def test_mistakes_are_priced_only_where_the_score_was_measured() -> None:
    results = {"luna": made(LUNA), "prime": made(PRIME)}
    price = results["prime"].per_request_usd
    rows = worth(results, {"prime": 0.9}, D("0.02"))
    assert [(row.option, row.with_mistakes_usd is None) for row in rows] == [("prime", False), ("luna", True)]
    assert price is not None and rows[0].with_mistakes_usd == price.mid + D("0.1") * D("0.02")


def test_a_cache_that_costs_more_than_it_saves_is_named() -> None:
    few = replace(LUNA, strategy=Strategy.FEW_SHOT, shots=20)
    rarely, often = made(few, work(cache_hit=0.1)), made(few, work(cache_hit=0.9))
    # 0.1 x 0.01 + 0.9 x 0.125 = 0.1135 a million tokens, against 0.10 without a cache
    assert any("it pays from 1.28 requests a write" in text for text in rarely.warnings)
    assert not any("cache costs more" in text for text in often.warnings)


def test_tools_are_part_of_what_any_provider_trains_on() -> None:
    """500 examples of 450 tokens with their tools: 225,000 an epoch, three epochs 0.675 Mtok; the texts have 50,000."""
    three = replace(NINE, hyperparameters=Hyperparameters(epochs=3))
    found = made(three, data=replace(profile_of(50_000), has_tools=True))
    assert any("225,000 tokens an epoch" in text for text in found.assumptions)
    assert any("50,000 tokens an epoch" in text for text in made(three, data=profile_of(50_000)).assumptions)


def test_a_short_prefix_is_not_cached_where_no_least_length_is_stated() -> None:
    haiku = Candidate(Strategy.PROMPT, "anthropic", "claude-haiku-5-5", provider="anthropic")
    short, cached = made(haiku, work(cache_hit=0.9)), made(haiku, work(cache_hit=0.9), data=profile_of(system=2000))
    assert any("none of it is cached" in text for text in short.assumptions)
    assert not any("none of it is cached" in text for text in cached.assumptions)
    assert any("cache" in line.name for line in cached.lines)
    assert not any("cache" in line.name for line in short.lines)


def test_a_prompt_is_charged_for_naming_the_labels_that_a_tuned_model_knows() -> None:
    """77 labels of 4 tokens and one between: 385 tokens of prefix, for the prompt alone."""
    banking = replace(profile_of(system=0), labels={f"label_{n}": 130 for n in range(77)}, output_tokens=4.0)
    prompted = made(Candidate(Strategy.PROMPT, "openai", "gpt-6-luna", provider="openai"), data=banking)
    assert any("name the 77 labels" in text and "385 tokens" in text for text in prompted.assumptions)
    assert not any("name the" in text for text in made(NINE, data=banking).assumptions)
