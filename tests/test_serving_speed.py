"""How fast a GPU serves: the parts of the sum, what limits it, and the back-test on published runs."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from advisor import hardware
from advisor.hardware import Architecture, Gpu, Serving, capacity, placed

ROOT = Path(__file__).parent.parent


def shape(model: str) -> Architecture:
    found = hardware.architecture(model)
    assert found is not None
    return found


def card(name: str) -> Gpu:
    found = hardware.gpu(name)
    assert found is not None
    return found


EIGHT = Serving(shape("meta-llama/Llama-3.1-8B"), card("rtx-4090"))


def test_one_request_alone_waits_for_the_weights() -> None:
    # 8.03B less the 128,256 x 4,096 of the embedding table = 15.0 GB of 16 bits, at 0.85 of 1,008 GB/s: 17.5 ms, and
    # 2.7 ms of the host: 20 ms a token, so about 49 a second.
    assert 1 / EIGHT.token_seconds(1, 10, 1000) == pytest.approx(49, rel=0.02)


def test_memory_limits_how_many_are_answered_at_once() -> None:
    # 0.9 of 25.76 GB less 1.8 and the weights' 16.06: 5.3 GB, and a token's keys and values take 128 KiB.
    assert EIGHT.at_once(250, 350) == int(5.32e9 / (425 * 131072)) == 95
    assert replace(EIGHT, precision="int4").at_once(250, 350) == 256  # as many as vLLM takes
    assert EIGHT.at_once(60_000, 10) == 0


def test_a_request_more_is_never_slower_for_all_and_never_faster_for_one() -> None:
    found = [(EIGHT.requests_per_s(n, 300, 100), EIGHT.token_seconds(n, 300, 100)) for n in range(1, 90)]
    assert found == sorted(found)


def test_only_called_experts_are_read() -> None:
    experts = Serving(shape("Qwen/Qwen3-30B-A3B"), card("h100"))
    alone, many = experts.token_seconds(1, 10, 1000), experts.token_seconds(64, 10, 1000)
    assert alone < 0.007 < 0.02 < many  # 3B of 30B parameters for one, nearly all for sixty-four


def test_the_latency_decides_how_many_are_in_work() -> None:
    free, tight = capacity(EIGHT, 200, 30), capacity(EIGHT, 200, 30, answer_s=1.2)
    assert free and tight
    assert EIGHT.token_seconds(free.at_once, 200, 30) <= 0.05 < EIGHT.token_seconds(free.at_once + 1, 200, 30)
    assert tight.answer_s <= 1.2 and tight.at_once < free.at_once
    impossible = capacity(EIGHT, 200, 300, answer_s=1.0)
    assert impossible and impossible.at_once == 1 and impossible.answer_s > 1.0
    assert free.requests_per_s.low < free.requests_per_s.mid < free.requests_per_s.high


def test_a_speed_that_is_not_known_is_not_made_up() -> None:
    assert capacity(Serving(shape("Qwen/Qwen3-0.6B"), card("cpu")), 100, 10) is None
    assert capacity(Serving(shape("Qwen/Qwen3-32B"), card("rtx-4090")), 100, 10) is None


def test_four_bits_are_for_cards_that_do_not_hold_sixteen() -> None:
    large, small = shape("Qwen/Qwen3-32B"), shape("Qwen/Qwen3-8B")
    mine = placed(large, card("rtx-4090"), 500, owned=1)
    assert mine and (mine.precision, mine.cards) == ("int4", 1)
    both = placed(large, card("rtx-4090"), 500, owned=4)
    assert both and (both.precision, both.cards) == ("bf16", 4)
    rented = placed(large, card("a100-40gb"), 500)
    assert rented and (rented.precision, rented.cards) == ("bf16", 2)
    assert placed(small, card("rtx-4090"), 500, owned=1) == Serving(small, card("rtx-4090"))
    assert placed(shape("meta-llama/Llama-3.1-70B"), card("rtx-4090"), 500, owned=1) is None


def test_the_benchmark_meets_its_bar(shared: Path) -> None:
    rows = shared / "data" / "serving" / "throughput.csv"
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "serving.py", rows], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["n"] > 600 and found["median_factor"] <= 1.3 and found["within_2x_pct"] >= 85
    assert found["rule_of_thumb"]["within_2x_pct"] < 50
    assert set(found["by_source"]["argonne"]) >= {"n", "median_factor", "within_2x_pct"}
