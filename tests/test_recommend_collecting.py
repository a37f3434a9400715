"""Should data be collected, and how much: what more rows bring, what labels cost, and where to stop."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from advisor.pricing import PriceBook
from advisor.recommend import Recommendation, recommend
from advisor.recommend.collecting import sentences
from advisor.tokens import synthetic
from advisor.workload import parse_workload


def asked(**says: object) -> Recommendation:
    content = {"task": "extraction", "data": {"examples": 100, "tokens_per_example": 400, "output_tokens": 40}}
    workload = parse_workload({**content, "requests_per_month": 20_000, **says}, where="a test")
    assert workload.data
    return recommend(synthetic(workload.data, None), workload, PriceBook.load(), today=date(2026, 12, 1))


def test_more_rows_never_lower_the_odds_or_the_gain_and_labels_are_counted() -> None:
    found = asked(label_usd="0.50").collecting
    assert found and found.test_items == 200 and found.test_usd == 100
    assert [(one.rows, one.label_usd) for one in found.sizes] == [(100, 50), (300, 150), (1000, 500), (3000, 1500)]
    for less, more in zip(found.sizes, found.sizes[1:], strict=False):
        assert less.odds.p <= more.odds.p and less.gain <= more.gain
    assert next(iter(sentences(found))).startswith("First label 200 test items, $100.00, and measure a prompt")


def test_where_labels_cost_more_than_the_gain_is_worth_the_test_items_are_enough() -> None:
    dear = asked(label_usd=5, error_cost_usd="0.001", measured={"prompt": 0.9}).collecting
    cheap = asked(label_usd="0.01", error_cost_usd="0.5", measured={"prompt": 0.7}).collecting
    assert dear and dear.enough == 0 and list(sentences(dear))[-1].startswith("Stop at the test items")
    assert cheap and cheap.enough == 3000
    one = cheap.sizes[0]
    assert one.worth_usd == pytest.approx(Decimal(str(round(one.gain, 4))) * 20_000 * 12 * Decimal("0.5"))
    assert asked().collecting and asked().collecting.sizes[0].label_usd is None  # type: ignore[union-attr]
