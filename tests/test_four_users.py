"""Four users and the whole page each of them gets: advice that can be carried out today, with its dates and sums."""

from __future__ import annotations

import json
import os
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from advisor.cli import tunewise
from advisor.cli.wizard.answers import Answers, workload_of
from advisor.cli.wizard.questions import questions

USERS = Path(__file__).parent / "data" / "users"
GOLDEN = Path(__file__).parent / "golden" / "users"
RENEW = bool(os.environ.get("TUNEWISE_RENEW_GOLDEN"))
NAMES = ("support_team", "hospital", "manager", "researcher")


# What each of them types at the wizard, question by question.
INTERVIEWS: dict[str, tuple[str, ...]] = {
    "support_team": (
        *("3000 x 370+30", "classification 12", "2000000", "any"),
        *("gpt-6.1-sol examples 5000", "0.86", "unknown"),
    ),
    "hospital": (*("1500 x 520+80", "extraction", "20k", "on_premises rtx-4090", "Qwen/Qwen3-8B", "0.74", "unknown"),),
    "manager": ("0 x 300", "classification 8", "20000", "any", "none", "500"),
    "researcher": (
        *("2000 x 290+10", "classification 5", "50000", "any", "gpt-4o-mini-2024-07-18 tuned", "84%", "unknown"),
    ),
}


def document(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(tunewise, [*arguments, "--today", "2026-12-01", "--json"])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def page(name: str, monkeypatch: pytest.MonkeyPatch, *parts: str) -> str:
    monkeypatch.chdir(USERS)
    monkeypatch.setenv("COLUMNS", "80")
    result = CliRunner().invoke(tunewise, ["plan", "--workload", f"{name}.yaml", "--today", "2026-12-01", *parts])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("name", NAMES)
def test_the_page_of_each_user_is_the_golden_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown, golden = page(name, monkeypatch, "--why", "--all", "--chart"), GOLDEN / f"{name}.txt"
    if RENEW:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8"), "renew with TUNEWISE_RENEW_GOLDEN=1 and read the diff"


def test_a_dear_prompt_is_tried_on_cheaper_models_before_anything_is_tuned(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(page("support_team", monkeypatch).replace("\\\n", "").split())
    assert text.startswith("DON'T FINE-TUNE YET. Prompt gpt-6-luna: ")
    then, now = (float(usd.replace(",", "")) for usd in re.findall(r"\$([\d,]+) a month against \$([\d,]+)", text)[0])
    assert then < now / 15
    assert re.search(r"evaluate DATA --backend openai --model gpt-6-luna --against base,\S+,gpt-6.1-sol", text)
    assert re.search(r"--max-examples 200 --max-cost \d", text)
    assert f"Prompt gpt-6-luna: ${then:,.0f} a month." in text  # one question, one sum


def test_who_tuned_at_openai_gets_what_to_do_by_when(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(page("researcher", monkeypatch, "--why").split())
    head, steps = text.partition("By when:")[0], text.partition("By when:")[2]
    assert "2027-01-14, 44 days from now" in head and "and scores 84%; measure" in head
    for part in ("2027-01-06: ", "do not tune there", "2027-01-14: ", "keep the test set", "train an open"):
        assert part in steps
    assert "84% right" not in text  # the score is of their own model and is lent to no other


def test_the_hospital_tunes_on_its_own_card(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(page("hospital", monkeypatch).split())
    assert text.startswith("FINE-TUNE Qwen3-8B on your rtx-4090: $0 a month")
    assert "tunewise launch plan.yaml" in text


@pytest.mark.parametrize("name", NAMES)
def test_an_interview_ends_in_the_advice_of_the_flags(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = list(INTERVIEWS[name])
    monkeypatch.setattr("advisor.cli.wizard.prompt.read_line", lambda *_, **__: typed.pop(0))
    answers, asked = Answers(), 0
    while asked < len(steps := questions(answers)):
        answers, asked = steps[asked](answers), asked + 1
    assert typed == []
    said = tmp_path / "said.yaml"
    said.write_text(yaml.safe_dump(workload_of(answers)), encoding="utf-8")
    interview, flags = (document("plan", "--workload", str(file)) for file in (said, USERS / f"{name}.yaml"))
    for key in ("recommendation", "reason", "confidence", "odds", "deadlines"):
        assert interview[key] == flags[key], key


def test_no_path_has_more_than_seven_questions() -> None:
    counts = {
        (data, today, score, target): len(
            questions(Answers(data=data, today=today, score=score, quality_target=target))
        )
        for data in ((), ("train.jsonl",))
        for today in ("", "other", "gpt-6-luna")
        for score in (None, 0.8)
        for target in (None, 0.7, 0.9)
    }
    assert set(counts.values()) == {6, 7}
    assert counts[(), "gpt-6-luna", 0.8, 0.7] == 6  # a prompt that does is kept, whatever an error costs


@pytest.mark.parametrize("name", NAMES)
def test_every_sum_on_the_page_is_another_commands(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = USERS / f"{name}.yaml"
    workload = yaml.safe_load(file.read_text(encoding="utf-8"))
    chosen = document("plan", "--workload", str(file))["recommendation"]
    cost = chosen["estimate"]
    once, month, total, each, fixed = (
        Decimal(cost[part]["mid"])
        for part in ("one_off_usd", "monthly_usd", "total_usd", "marginal_usd", "fixed_monthly_usd")
    )
    requests, months = workload["requests_per_month"], int(cost["months"])
    assert each * requests + fixed == month and month * months + once == total
    for period, said in (("month", month), ("once", once)):
        lines = [line for line in cost["lines"] if line["period"] == period]
        assert sum(Decimal(line["usd"]) for line in lines) == said
        for line in lines:
            assert Decimal(line["quantity"]) * Decimal(line["unit_usd"]) == Decimal(line["usd"])

    (bought,) = (one for one in _budget(file, workload)["options"] if one["id"] == chosen["id"])
    assert Decimal(bought["buys"]["total_usd"]) == total
    assert bought["buys"]["monthly_usd"] == cost["monthly_usd"]
    assert bought["buys"]["one_off_usd"] == cost["one_off_usd"]
    assert Decimal(bought["buys"]["spend"][-1]["so_far_usd"]) == total

    text = " ".join(page(name, monkeypatch, "--why").split())
    if not total:  # on its own machines
        assert "What it costs: - No bill over 12 months" in text
        return
    shown = r"What it costs: - \$([\d,.]+) a month at ([\d,]+) requests, \$([\d,.]+)"
    (said,) = re.findall(shown, text)
    for figure, exact in zip(said, (month, requests, total), strict=True):
        assert abs(Decimal(figure.replace(",", "")) - exact) <= Decimal("0.5")
    prices = json.loads(CliRunner().invoke(tunewise, ["prices", "show", chosen["model"], "--json"]).stdout)["inference"]
    sold = {
        "input": "input_usd_per_mtok",
        "input from the cache": "cached_usd_per_mtok",
        "input written to the cache": "cache_write_usd_per_mtok",
        "output": "output_usd_per_mtok",
    }
    monthly = [line for line in cost["lines"] if line["period"] == "month"]
    assert [line["unit_usd"] for line in monthly] == [prices[sold[line["name"]]] for line in monthly]


def _budget(file: Path, workload: dict[str, Any]) -> dict[str, Any]:
    return document("budget", "--workload", str(file), "--limit", str(workload.get("budget_usd", 1_000_000)))
