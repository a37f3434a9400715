"""What a customer of today can do from the shipped example where new ones are taken: plan, rehearse, launch."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from backend_cases import CASES
from click.testing import CliRunner, Result
from conftest import ROOT

from advisor.cli import tunewise

TICKETS = ROOT / "examples" / "support_tickets.jsonl"
OPEN = ("together", "fireworks", "bedrock")
DAY = ("--today", "2026-11-22")
# So that tuning is advised.
ASKED = ("--measured", "prompt=0.71", "--requests-per-month", "50000", "--error-cost-usd", "1")


def run(*words: object) -> Result:
    return CliRunner().invoke(tunewise, [str(word) for word in words], catch_exceptions=False)


def test_plan_names_a_launchable_priced_option_at_each() -> None:
    found = json.loads(run("plan", TICKETS, "--measured", "prompt=0.6", *DAY, "--json").stdout)
    standing = [one for one in found["options"] if one["strategy"] == "hosted" and one["ruled_out_by"] is None]
    assert set(OPEN) <= {one["backend"] for one in standing if one["estimate"]["one_off_usd"] is not None}
    assert all(one["serving_terms"] for one in standing)
    # Where no machine has to run, nothing is paid while nobody asks.
    by_token = [one for one in standing if one["serving"] == "tokens"]
    assert [one["backend"] for one in by_token] == ["bedrock"]


@pytest.mark.parametrize("name", [*OPEN, "huggingface"])  # which tunes any open model, on a machine of its own
def test_its_next_command_works_as_it_is(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]
    assert case.emulator is not None
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUNEWISE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    with case.emulator() as emulator:
        for variable, value in case.environment(emulator).items():
            monkeypatch.setenv(variable, value)
        planned = run("plan", TICKETS, *ASKED, "--backend", name, *DAY, "--out", "plan.yaml", "--json")
        step = shlex.split(json.loads(planned.stdout)["next_step"])
        assert step == ["tunewise", "launch", "plan.yaml"]
        rehearsed = run(*step[1:], "--rehearse", "--yes", "--max-cost", "10", *DAY)
        assert rehearsed.exit_code == 0, rehearsed.output
        assert emulator.requests == []
        launched = run(*step[1:], "--yes", "--max-cost", "10", *DAY, "--json")
        assert launched.exit_code == 0, launched.output
        assert emulator.paid_jobs == 1 and emulator.violations == []
