"""What real jobs cost where new customers are taken, and from where on a tune that idles for nothing pays."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from test_estimate import profile_of

from advisor.estimate import Candidate, Strategy, Terms, break_even, estimate
from advisor.paths import packaged_prices
from advisor.pricing import PriceBook
from advisor.pricing.serving_terms import serving_terms
from advisor.workload import Workload
from backends import Hyperparameters, Method, Objective

D = Decimal
TODAY = date(2026, 12, 1)
NOVA = "amazon.nova-2-lite-v1:0"


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook.load(packaged_prices(), overlays=())


def rate(book: PriceBook, provider: str, model: str, method: Method | None, objective: Objective = Objective.SFT) -> D:
    offer = book.offer(provider, model)
    assert offer is not None
    found = offer.rate(method, objective)
    assert found is not None and found.unit == "mtok"
    return found.price.mid


def test_fireworks_of_2026_09(book: PriceBook) -> None:
    """5,081 rows, 2 epochs, 13.53M tokens of a 30B with LoRA were billed at $40.59."""
    assert D("13.53") * rate(book, "fireworks", "openai/gpt-oss-20b", Method.LORA) == D("40.59")  # 16.1 to 80B: 3.00
    assert rate(book, "fireworks", "Qwen/Qwen3-8B", Method.LORA) == D("0.50")
    assert rate(book, "fireworks", "Qwen/Qwen3-8B", Method.LORA, Objective.DPO) == D("1.00")  # twice
    assert rate(book, "fireworks", "Qwen/Qwen3-8B", Method.FULL) == D("1.00")


def test_nebius_of_2026_09_24(book: PriceBook) -> None:
    """53,110 tokens were billed at $0.10622; the user had counted 52,877, 0.44 % fewer."""
    assert D("0.05311") * rate(book, "nebius", "unsloth/gpt-oss-20b-BF16", Method.LORA) == D("0.10622")
    assert round(53_110 / 52_877 - 1, 4) == 0.0044


def test_nebius_serves_on_machines_only(book: PriceBook) -> None:
    offer = book.offer("nebius", "unsloth/gpt-oss-20b-BF16")
    assert offer is not None and offer.serving == ("dedicated", "self_hosted")
    assert "from $2.00 a GPU-hour (l40s)" in serving_terms(offer)


def test_azure_prices_dated_ids_and_says_their_end(book: PriceBook) -> None:
    dated, plain = book.offer("azure", "gpt-4.1-mini-2025-04-14"), book.offer("azure", "gpt-4.1-mini")
    assert dated is not None and dated == plain
    assert dated.retires == date(2027, 4, 14)


def test_bedrock_serves_by_the_token_and_keeps_the_model_by_the_month(book: PriceBook) -> None:
    assert serving_terms(book.offer("bedrock", NOVA)) == (
        "Served by the token: $0.30 in and $2.50 out per million tokens, nothing while idle. Keeping it costs $1.95 a "
        "month until it is deleted."
    )
    micro = book.offer("bedrock", "amazon.nova-micro-v1:0")
    assert "at a price that is not known" in serving_terms(micro)  # it was not read
    llama = book.offer("bedrock", "meta.llama3-3-70b-instruct-v1:0")
    assert llama is not None and llama.rates == () and llama.retires == date(2027, 3, 30)


@pytest.mark.parametrize(
    ("provider", "model", "parts"),
    [
        ("openai", "gpt-4.1-mini-2025-04-14", ("Served by the token: $0.80 in and $3.20 out", "nothing while idle")),
        ("azure", "gpt-4.1-mini", ("and $1.70 an hour while it is deployed, asked or not",)),
        (
            "together",
            "Qwen/Qwen3.5-9B",
            ("a machine of its own, from $5.49 a GPU-hour", "its weights can be downloaded"),
        ),
        ("fireworks", "Qwen/Qwen3-8B", ("from $8.00 a GPU-hour", "scales to zero", "its weights can be downloaded")),
        ("replicate", "bring-your-own-trainer", ("a machine of its own",)),
        ("nowhere", "nothing", ("is not known",)),
    ],
)
def test_how_a_tune_is_served_is_one_sentence_everywhere(
    book: PriceBook, provider: str, model: str, parts: tuple[str, ...]
) -> None:
    said = serving_terms(book.offer(provider, model))
    assert all(part in said for part in parts), said


def test_break_even_of_a_tune_that_idles_for_nothing(book: PriceBook) -> None:
    """Against a dear prompt a tune by the token pays from some thousand requests on, a machine from millions."""
    sent = {"system": 700, "user": 300, "output": 100}
    work = Workload.model_validate({"prompt_tokens": sent, "horizon_months": 12})
    once = Terms(evaluation_rows=0)
    profile = profile_of(1_000_000, system=700)
    prompt = Candidate(Strategy.PROMPT, None, "claude-sonnet-5-5", provider="anthropic")
    tuned = Candidate(
        Strategy.HOSTED,
        "bedrock",
        NOVA,
        objective=Objective.SFT,
        hyperparameters=Hyperparameters(epochs=2),
        serving="tokens",
    )
    a = estimate(prompt, profile, work, book, today=TODAY, terms=once)
    b = estimate(tuned, profile, work, book, today=TODAY, terms=once)
    # Training: 1M tokens x 2 epochs x $3.78. A month: $1.95 for keeping the model.
    assert b.one_off_usd is not None and b.one_off_usd.mid == 2 * D("3.78") == D("7.56")
    assert b.fixed_monthly_usd is not None and b.fixed_monthly_usd.mid == D("1.95")
    # A request: 1,000 tokens in at $0.30 and 100 out at $2.50 a million = 0.0003 + 0.00025.
    assert b.marginal_usd is not None and b.marginal_usd.mid == D("0.00055")
    # The prompt: 1,000 in at $2 and 100 out at $10 a million = 0.002 + 0.001. So $7.56 + 12 x $1.95 = $30.96 are saved
    # at $0.00245 a request: 12,636.7 of them.
    assert a.marginal_usd is not None and a.marginal_usd.mid == D("0.003")
    assert break_even(a, b, 12) == 12_637
    # The same tune on one H100 of its own at Fireworks: $8 an hour, 730 hours a month.
    machine = Candidate(
        Strategy.HOSTED,
        "fireworks",
        "Qwen/Qwen3-8B",
        Method.LORA,
        Objective.SFT,
        Hyperparameters(epochs=2),
        serving="dedicated",
    )
    c = estimate(machine, profile, work, book, today=TODAY, terms=once)
    assert c.fixed_monthly_usd is not None and c.fixed_monthly_usd.mid == 730 * 8
    by_token, by_machine = break_even(a, b, 12), break_even(a, c, 12)
    assert by_token is not None and by_machine is not None
    assert 10_000 < by_token < 50_000 < 10_000_000 < by_machine
