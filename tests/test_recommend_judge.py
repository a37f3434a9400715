"""The judgement of quality, and its back-test on published comparisons."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import json
import random
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from advisor.evidence import Situation, packaged
from advisor.recommend import Facts, Verdict, Way, judge
from advisor.task import TaskType

BENCHMARK = Path(__file__).parent.parent / "benchmarks" / "advice.py"
ALL = frozenset(Way)


def facts(task: str = "extraction", offered: frozenset[Way] = ALL, **known: Any) -> Facts:
    known = {"examples": 5000, "prompt_score": 0.62, "gap": 4.0, "year": 2026.5} | known
    return Facts(Situation(task=TaskType(task), **known), offered)


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    return load("advice")


def load(name: str) -> ModuleType:
    """Load a script of the benchmarks, which find one another in their own folder."""
    path = BENCHMARK.with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"{name}_benchmark", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    before = list(sys.path)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path[:] = before
    return module


@pytest.fixture
def rows(shared: Path) -> list[dict[str, str]]:
    return read(shared, "dev")


def read(shared: Path, name: str) -> list[dict[str, str]]:
    with (shared / "data" / "evidence" / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_the_likelier_way_is_taken_from_what_is_offered() -> None:
    assert judge(facts()).way is Way.HOSTED
    assert judge(facts(offered=frozenset({Way.PROMPT, Way.LOCAL}))).way is Way.LOCAL
    assert judge(facts(offered=frozenset({Way.PROMPT}))).way is Way.PROMPT
    assert judge(facts("knowledge", prompt_score=0.8)).way is Way.PROMPT
    assert judge(facts("knowledge", prompt_score=0.8, offered=frozenset({Way.FULL}))).way is Way.FULL
    assert judge(facts("classification", prompt_score=None, labels=8)).way is Way.PROMPT


def test_clear_odds_are_called_clear() -> None:
    assert judge(facts()).verdict is Verdict.CLEAR
    assert judge(facts("code", prompt_score=0.9)).verdict is Verdict.CLEAR
    assert judge(facts("classification", labels=5, prompt_score=0.7)).verdict is Verdict.CONFLICTING


def test_the_nearest_cases_are_counted_for_and_against() -> None:
    found = judge(facts()).odds
    assert found.cases_for > found.cases_against > 0
    assert found.cases_for + found.cases_against <= 22


def test_the_judgement_cannot_know_which_case_it_is() -> None:
    assert {item.name for item in fields(Facts)} == {"situation", "offered"}
    assert {item.name for item in fields(Situation)} == {
        *("task", "examples", "labels", "prompt_score", "gap", "year", "few_shot", "test_items")
    }


def test_the_six_baselines_are_the_published_ones(benchmark: ModuleType, rows: list[dict[str, str]]) -> None:
    expected = {
        False: [(11.2, 0.37, 0.50), (3.9, 0.59, 0.46), (3.5, 0.61, 0.48), (3.4, 0.63, 0.50), (2.4, 0.67, 0.61),
                (1.8, 0.68, 0.66)],
        True: [(22.7, 0.14, 0.50), (1.8, 0.86, 0.50), (1.2, 0.89, 0.58), (0.4, 0.92, 0.71), (5.7, 0.73, 0.60),
               (2.6, 0.83, 0.85)],
    }  # fmt: skip
    for private, table in expected.items():
        cases = benchmark.cases_of(rows, private=private)
        for rule, (regret, strict, balanced) in zip(benchmark.BASELINES.values(), table, strict=True):
            found = benchmark.score(cases, rule)
            assert found["regret"] == pytest.approx(regret, abs=0.051)
            assert found["strict"] == pytest.approx(strict, abs=0.0051)
            assert found["balanced"] == pytest.approx(balanced, abs=0.0054)


@pytest.mark.parametrize("name", ["dev", "dev_b", "dev_2026"])
def test_the_odds_are_better_than_the_base_rate_on_groups_they_never_saw(shared: Path, name: str) -> None:
    """The figures kept with the packaged odds are of task groups left out of the fit."""
    for scenario in packaged().cross_validated[f"{name}.csv"].values():
        assert scenario["brier"] < scenario["brier_of_base_rate"]
        assert scenario["auc"] > 0.75


def test_the_advice_is_right_more_often_than_always_one_way(benchmark: ModuleType, shared: Path) -> None:
    rows = benchmark.one_view(read(shared, "dev_2026"))
    for private in (False, True):
        cases = benchmark.cases_of(rows, private=private)
        ours = benchmark.score(cases, benchmark.advice)
        others = [benchmark.score(cases, rule) for rule in benchmark.BASELINES.values()]
        assert ours["balanced"] >= 0.75 and ours["brier"] < 0.15
        assert ours["balanced"] > max(other["balanced"] for other in others)


def test_the_packaged_odds_are_those_of_the_cases(shared: Path) -> None:
    pytest.importorskip("numpy", reason="the benchmarks of the odds need numpy")
    names = ("dev", "dev_b", "dev_2026")
    for name in names:
        raw = (shared / "data" / "evidence" / f"{name}.csv").read_bytes()
        assert packaged().data[f"{name}.csv"] == hashlib.sha256(raw).hexdigest()[:16]
    fit_odds = load("fit_odds")
    files = [fit_odds.scenarios_of(read(shared, name)) for name in names]
    found = fit_odds.fit([cases for scenarios in files for cases in scenarios.values()])
    assert found.constant == pytest.approx(packaged().constant, abs=0.001)
    for name, weight in packaged().features.items():
        assert found.features[name].weight == pytest.approx(weight.weight, abs=0.001), name
        assert found.features[name].level == pytest.approx(weight.level, abs=0.001), name


def test_shuffling_ids_names_and_sources_changes_nothing(benchmark: ModuleType, rows: list[dict[str, str]]) -> None:
    """Only the assignment to groups may matter to the score, so groups keep their members under new names."""
    draw = random.Random(7)
    ids = sorted({row["case_id"] for row in rows})
    groups = sorted({row["group"] for row in rows})
    new_id = dict(zip(ids, draw.sample(ids, len(ids)), strict=True))
    new_group = dict(zip(groups, draw.sample(groups, len(groups)), strict=True))
    texts = [row["source"] for row in rows]
    draw.shuffle(texts)
    shuffled = [
        {**row, "case_id": new_id[row["case_id"]], "group": new_group[row["group"]], "task": text, "source": text,
         "note": text}
        for row, text in zip(rows, texts, strict=True)
    ]  # fmt: skip
    for private in (False, True):
        plain, other = (benchmark.cases_of(table, private=private) for table in (rows, shuffled))
        assert [judge(case.facts) for case in plain] == [judge(case.facts) for case in other]
        assert benchmark.score(plain, benchmark.advice) == benchmark.score(other, benchmark.advice)


def test_tuned_scores_cannot_reach_the_judgement(benchmark: ModuleType, rows: list[dict[str, str]]) -> None:
    way_of = load("advice_cases").way_of
    changed = [
        row if way_of(row) is Way.PROMPT or not row["score_pts"] else {**row, "score_pts": "1.0"} for row in rows
    ]
    for private in (False, True):
        plain, other = (benchmark.cases_of(table, private=private) for table in (rows, changed))
        assert [judge(case.facts) for case in plain] == [judge(case.facts) for case in other]


def test_the_command_reads_cases_it_has_never_seen_with_fields_missing(tmp_path: Path) -> None:
    pytest.importorskip("numpy", reason="the benchmarks of the odds need numpy")
    path = tmp_path / "cases.csv"
    path.write_text(
        "case_id,task_type,n_train,method,score,score_pts,local_ok,n_test,tier,group\n"
        "a,classification,5000,zero,0.61,61,0,<=1000 items,A,one\n"
        "a,classification,5000,lora,0.80,80,1,<=1000 items,A,one\n"
        "b,new-kind,,few-k,,95,1,,B,two\n"
        "b,new-kind,,something,,95.5,1,,B,two\n"
        "c,extraction,,zero,0.5,,1,,,three\n"
        "c,extraction,,qlora,0.9,,1,,,three\n"
        "d,extraction,900,zero,,,0,,A,four\n"
        "e,extraction,900,zero,,70,0,,C,five\n"
        "e,extraction,900,lora,,90,1,,C,five\n"
    )
    done = subprocess.run([sys.executable, str(BENCHMARK), str(path)], capture_output=True, text=True, check=True)
    document = json.loads(done.stdout)
    assert set(document) == {"open", "private"}
    assert document["open"]["cases"] == 2 and document["private"]["cases"] == 1
    for scenario in document.values():
        wanted = "cases groups regret strict balanced brier over under baselines calibration"
        assert set(wanted.split()) <= set(scenario)
        assert len(scenario["baselines"]) == 6
    assert document["open"]["regret"] == 0


def test_a_wrong_call_is_a_usage_error(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), str(tmp_path / "none.csv")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "usage" in done.stderr


def test_the_back_test_and_the_plan_call_the_same_function(benchmark: ModuleType) -> None:
    from advisor.recommend import choose

    assert benchmark.judge is choose.judge is judge
