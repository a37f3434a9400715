"""Four users and the whole page each of them gets: advice that can be carried out today, with its dates and sums."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from advisor.cli import tunewise

USERS = Path(__file__).parent / "data" / "users"
GOLDEN = Path(__file__).parent / "golden" / "users"
RENEW = bool(os.environ.get("TUNEWISE_RENEW_GOLDEN"))
NAMES = ("support_team", "hospital", "manager", "researcher")


def page(name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(USERS)
    monkeypatch.setenv("COLUMNS", "80")
    result = CliRunner().invoke(tunewise, ["plan", "--workload", f"{name}.yaml", "--today", "2026-12-01"])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("name", NAMES)
def test_the_page_of_each_user_is_the_golden_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown, golden = page(name, monkeypatch), GOLDEN / f"{name}.txt"
    if RENEW:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8"), "renew with TUNEWISE_RENEW_GOLDEN=1 and read the diff"


def test_a_dear_prompt_is_tried_on_cheaper_models_before_anything_is_tuned(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(page("support_team", monkeypatch).replace("\\\n", "").split())
    assert "do not fine-tune" in text.partition("Why:")[0]
    then, now = (float(usd.replace(",", "")) for usd in re.findall(r"\$([\d,]+) a month against \$([\d,]+)", text)[0])
    assert then < now / 15
    assert re.search(r"evaluate DATA --backend openai --model gpt-6-luna --against base,\S+,gpt-6.1-sol", text)
    assert re.search(r"--limit 200 --max-cost \d", text)
    assert f"Cost: ${then:,.0f} a month" in text  # one question, one sum


def test_who_tuned_at_openai_gets_what_to_do_by_when(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(page("researcher", monkeypatch).split())
    head, steps = text.partition("Before these days:")[0], text.partition("Before these days:")[2]
    assert "2027-01-14, 44 days from now" in head and "84% is the score its replacement has to reach" in head
    for part in ("2027-01-06: ", "do not tune there again", "2027-01-14: ", "keep the test set", "train an open"):
        assert part in steps
    assert "84% right" not in text  # the score is of their own model and is lent to no other


def test_the_hospital_tunes_on_its_own_card(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(page("hospital", monkeypatch).split())
    assert text.startswith("Advice: fine-tune Qwen/Qwen3-8B") and "on your rtx-4090" in text
    assert "tunewise launch plan.yaml" in text
