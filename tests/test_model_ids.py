"""A model is sent by the id its provider has for it, priced by it, and refused with a suggestion when it is a slip."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from paper_backend import write_sums

from advisor.errors import UsageError
from advisor.pricing import PriceBook
from advisor.runs import Order
from advisor.runs.launch.orders import resolved
from advisor.runs.launch.proposal import discard, propose


@pytest.mark.parametrize(
    ("backend", "typed", "sent"),
    [
        ("together", "Qwen3.5-9B", "Qwen/Qwen3.5-9B"),
        ("together", "qwen/qwen3.5-9b", "Qwen/Qwen3.5-9B"),
        ("openai", "gpt-4.1-mini", "gpt-4.1-mini-2025-04-14"),
        ("openai", "gpt-4.1-mini-2025-04-14", "gpt-4.1-mini-2025-04-14"),
        ("azure", "gpt-4.1-mini", "gpt-4.1-mini"),
        ("azure", "gpt-4.1-mini-2025-04-14", "gpt-4.1-mini-2025-04-14"),
        ("nebius", "Meta-Llama-3.1-8B-Instruct", "meta-llama/Meta-Llama-3.1-8B-Instruct"),
        ("replicate", "owner/trainer:version", "owner/trainer:version"),
        ("openai", "something-of-tomorrow", "something-of-tomorrow"),
    ],
)
def test_the_id_that_is_sent(backend: str, typed: str, sent: str) -> None:
    order, notes = resolved(Order(("data.jsonl",), backend, typed))
    assert order.model == sent
    assert bool(notes) is (typed != sent)
    assert all(f"'{typed}' is sent as {sent}" in note for note in notes)


def test_another_date_is_another_model() -> None:
    assert PriceBook.load().offer("openai", "gpt-4.1-mini-2030-01-01") is None


@pytest.mark.parametrize("backend", ["together", "openai", "azure", "nebius", "fireworks", "bedrock"])
def test_every_id_is_found_with_and_without_what_may_be_left_out(backend: str) -> None:
    book = PriceBook.load()
    for offer in book.offers(backend):
        for typed in (offer.model, offer.model.upper(), offer.model.lower()):
            found = book.offer(backend, typed)
            assert found is not None and found.model == offer.model


def test_a_slip_is_refused_with_the_suggestion() -> None:
    with pytest.raises(UsageError, match=r"Did you mean 'Qwen/Qwen3\.5-9B'"):
        resolved(Order(("data.jsonl",), "together", "Qwen/Qwen3.5-9"))


@pytest.mark.parametrize(("backend", "typed"), [("openai", "gpt-4.1-mini"), ("azure", "gpt-4.1-mini-2025-04-14")])
def test_what_is_proposed_has_a_price_and_the_id(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, backend: str, typed: str
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://name.example")
    data = write_sums(tmp_path / "sums.jsonl", 40)
    found = propose(Order((str(data),), backend, typed), today=date(2026, 12, 1))
    try:
        assert found.run.quote.usd is not None and found.run.quote.usd > 0
        assert found.backend.requests(found.run.spec)[-1].body["model"] == "gpt-4.1-mini-2025-04-14"
    finally:
        discard([found])
