"""Which machine a run rents, how long it is held at most, and what a limit in dollars makes of that."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_UP, Decimal
from pathlib import Path

import pytest
from backend_cases import write_rows
from conftest import ROOT

from advisor.dataset import Dataset
from advisor.errors import RunError
from advisor.estimate.values import Strategy
from advisor.hardware import architecture
from advisor.pricing import PriceBook
from advisor.recommend.rented import on_rented_machines
from advisor.runs import Order
from advisor.runs.launch.machine import fitting, with_machine
from advisor.runs.launch.submit import stage
from advisor.runs.run import Run
from advisor.tokens import Profile, profile
from advisor.workload import Workload
from backends import Json, Method, get

BOOK = PriceBook.load(ROOT / "pricing.yaml", overlays=())


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEWISE_HOME", str(tmp_path / "home"))


def staged(folder: Path, model: str, method: Method = Method.LORA, **options: Json) -> tuple[Run, Profile]:
    data = write_rows(folder / "data.jsonl", 400)
    order = Order((str(data),), "huggingface", model, method, options=options)
    run, _ = stage(order, now=datetime.now(UTC))
    return run, profile(Dataset.open(str(data)), backend="huggingface", model=model)


def chosen(folder: Path, model: str, cap_usd: str | None = None, method: Method = Method.LORA, **options: Json) -> Run:
    run, described = staged(folder, model, method, **options)
    return with_machine(run, get("huggingface"), described, BOOK, None if cap_usd is None else Decimal(cap_usd))


def test_a_small_model_takes_a_small_machine_and_a_large_one_a_large_one(tmp_path: Path) -> None:
    assert chosen(tmp_path, "Qwen/Qwen3-0.6B").spec.options["machine"] == "t4-small"
    large = chosen(tmp_path, "Qwen/Qwen3-32B")
    assert large.spec.options["machine"] in ("a100-large", "rtx-pro-6000", "h200")
    assert large.quote.gpu_gb is not None and large.quote.gpu_gb > 60


def test_the_cheapest_run_decides_not_the_cheapest_hour(tmp_path: Path) -> None:
    run, described = staged(tmp_path, "Qwen/Qwen3-8B")
    shape = architecture("Qwen/Qwen3-8B")
    assert shape is not None
    found = fitting(run.spec, get("huggingface"), shape, described, BOOK)
    prices = [one.usd_for(one.minutes.mid + 15) for one in found if one.minutes is not None]
    assert prices == sorted(prices) and len(prices) > 3
    assert "t4-small" not in [one.name for one in found]  # which does not hold it


def test_price_times_limit_is_the_high_end_and_the_cap(tmp_path: Path) -> None:
    run = chosen(tmp_path, "Qwen/Qwen3-0.6B")
    minutes = run.spec.options["max_minutes"]
    assert isinstance(minutes, int) and minutes > 15
    most = (Decimal("0.40") * minutes / 60).quantize(Decimal("0.01"), ROUND_UP)
    assert run.quote.high_usd == run.quote.cap_usd == run.reserves == most
    assert run.quote.usd is not None and run.quote.usd <= most
    assert any(f"after {minutes} minutes" in said for said in run.quote.assumptions)


def test_a_limit_in_dollars_shortens_the_time_where_it_pays_for_the_likely_one(tmp_path: Path) -> None:
    free = chosen(tmp_path, "Qwen/Qwen3-8B")
    assert free.quote.usd is not None and free.quote.high_usd is not None
    between = (free.quote.usd + free.quote.high_usd) / 2
    held = chosen(tmp_path, "Qwen/Qwen3-8B", cap_usd=str(between))
    assert held.quote.high_usd is not None and held.quote.high_usd <= between.quantize(Decimal("0.01"), ROUND_UP)
    assert chosen(tmp_path, "Qwen/Qwen3-8B", cap_usd="0.01").quote.high_usd == free.quote.high_usd  # the gate refuses


def test_what_somebody_chose_stays(tmp_path: Path) -> None:
    run = chosen(tmp_path, "Qwen/Qwen3-0.6B", machine="h200", max_minutes=60)
    assert run.spec.options == {"machine": "h200", "max_minutes": 60}
    assert run.quote.cap_usd == Decimal("5.00")


def test_what_does_not_fit_or_is_not_known_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="needs a larger one than 't4-small'"):
        chosen(tmp_path, "Qwen/Qwen3-8B", machine="t4-small")
    with pytest.raises(RunError, match="-o machine=NAME and -o max_minutes=N"):
        chosen(tmp_path, "nobody/unknown")


def test_plan_weighs_it_beside_the_others(tmp_path: Path) -> None:
    _, described = staged(tmp_path, "Qwen/Qwen3-8B")
    asked = (described, Workload.model_validate({}), BOOK)
    (found,) = on_rented_machines(*asked, ("huggingface",), ("Qwen/Qwen3-8B",))
    assert (found.candidate.strategy, found.launchable) == (Strategy.LOCAL_LORA, True)
    assert (found.candidate.trained_on, found.candidate.gpu) == ("l4", "rtx-4090")  # trained there, answers elsewhere
    assert found.seller == "huggingface"  # it sees the data
    unasked = list(on_rented_machines(*asked, (), ()))
    assert {one.seller for one in unasked} == {"huggingface"} and len(unasked) == 2
    assert list(on_rented_machines(*asked, ("together",), ())) == []
    rent = BOOK.gpu_at("huggingface", "l4")
    assert rent is not None and rent.typical == Decimal("0.80")
    assert BOOK.gpu_at("together", "l4") is None
