"""The chart of quality against cost: it fits the screen, marks the frontier, and says what it cannot show."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from advisor.cli.render.evaluate_chart import BEST, OTHER, chart
from advisor.evaluate import Row
from advisor.evaluate.scorecard import frontier


def row(name: str, score: float, usd: str | None, p50: float | None = 100.0) -> Row:
    price = None if usd is None else Decimal(usd)
    return Row(name, "m", "b", score, score, score, price, price, p50, p50, answers=40, cut_off=0)


ROWS = [
    row("base", 0.62, "0.0004"),
    row("few-shot:77", 0.86, "0.0031"),
    row("few-shot:5:near", 0.84, "0.0009"),
    row("tuned", 0.93, "0.0012"),
    row("gpt-x", 0.5, None),
]


def at(lines: list[str], mark: str) -> tuple[int, int]:
    (place,) = [(number, line.index(mark)) for number, line in enumerate(lines) if mark in line and "│" in line]
    return place


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_chart_fits_and_orders_both_ways(width: int) -> None:
    lines = chart(ROWS, frontier(ROWS), width)
    assert max(map(len, lines)) <= width
    base, shots, near, tuned = (at(lines, mark) for mark in (f"{BEST}A", f"{OTHER}B", f"{BEST}C", f"{BEST}D"))
    assert base[1] < near[1] < tuned[1] < shots[1]  # dearer to the right
    assert tuned[0] < shots[0] <= near[0] < base[0]  # better higher up
    text = " ".join(lines)
    assert all(part in text for part in ("A base", "D tuned", "Not shown, price unknown: gpt-x", "$0.40", "$3.10"))


def test_names_longer_than_a_line_are_folded() -> None:
    rows = [*ROWS[:2], row("org/" + "a-very-long-model-name-" * 4, 0.7, None)]
    lines = chart(rows, frontier(rows), 60)
    assert max(map(len, lines)) <= 60 and "a-very-long-model-name-" * 4 in "".join(lines).replace(" ", "")


def test_prices_far_apart_are_drawn_logarithmically() -> None:
    rows = [row("a", 0.5, "0.0001"), row("b", 0.6, "0.001"), row("c", 0.7, "0.01")]
    lines = chart(rows, frontier(rows), 80)
    a, b, c = (at(lines, f"{BEST}{letter}")[1] for letter in "ABC")
    assert abs((b - a) - (c - b)) <= 1
    assert "logarithmic" in " ".join(lines)


def test_what_costs_the_same_is_drawn_against_time() -> None:
    rows = [row("base", 0.5, "0", 300), row("tuned", 0.9, "0", 310), row("slow", 0.9, "0", 900)]
    lines = chart(rows, frontier(rows), 60)
    assert "median answer time" in " ".join(lines)
    assert f"{OTHER}C" in "".join(lines) and f"{BEST}B" in "".join(lines)


def test_points_on_one_place_stay_readable() -> None:
    rows = [replace(row(name, 0.5, "0.001"), name=name) for name in "abcdef"] + [row("far", 0.9, "0.002")]
    lines = "\n".join(chart(rows, (), 60))
    assert all(f"{OTHER}{letter}" in lines for letter in "ABCDEFG")


def test_one_point_is_no_chart() -> None:
    assert chart(ROWS[:1], (), 80) == []
    assert chart([row("a", 0.5, None, None), row("b", 0.6, None, None)], (), 80) == []
    assert chart([row("a", 0.5, "0.1"), row("b", 0.6, "0.1")], (), 80) == []
