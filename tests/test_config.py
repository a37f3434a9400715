"""tunewise.yaml: flag over variable over this folder's file over the user's, and nothing that agrees by itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from advisor.cli.settings import ConfigError, in_force

ROOT = Path(__file__).parent.parent
DATA = str(ROOT / "examples" / "intents_small.jsonl")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return work


def users_file(folder: Path) -> Path:
    path = folder.parent / "config" / "tunewise" / "tunewise.yaml"
    path.parent.mkdir(parents=True)
    return path


def tunewise(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "advisor", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        check=False,
    )


def test_variable_over_project_over_user_over_default(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users_file(folder).write_text("monthly_limit: 20\nmax_cost: 5\nmodel: theirs\n", encoding="utf-8")
    (folder / "tunewise.yaml").write_text("# ours\nmonthly-limit: $1,000\nmodel: ours\n", encoding="utf-8")
    monkeypatch.setenv("TUNEWISE_MODEL", "named")
    found = in_force()
    assert found["model"].value == "named"
    assert found["model"].source == "TUNEWISE_MODEL"
    assert (found["monthly_limit"].value, found["monthly_limit"].line) == ("1000", 2)
    assert found["max_cost"].source == str(folder.parent / "config" / "tunewise" / "tunewise.yaml")
    assert "method" not in found


def test_a_flag_is_stronger_than_the_file_and_a_backend_named_drops_its_model(folder: Path) -> None:
    (folder / "tunewise.yaml").write_text("backend: local\nmodel: tiny\nmax_cost: 0\n", encoding="utf-8")
    done = tunewise("launch", DATA, "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["backend"] == "local"
    other = tunewise("launch", DATA, "--backend", "together", "--dry-run")
    assert other.returncode == 2
    assert "--model" in other.stderr


def test_a_plan_file_keeps_its_own_backend_and_model(folder: Path) -> None:
    (folder / "tunewise.yaml").write_text("backend: local\nmodel: tiny\n", encoding="utf-8")
    data = str(ROOT / "examples" / "support_tickets.jsonl")
    worth = ("--measured", "prompt=0.5", "--requests-per-month", "50k", "--error-cost-usd", "1")  # so that tuning wins
    tunewise("plan", data, *worth, "--backend", "together", "--out", "plan.yaml")
    done = tunewise("launch", "plan.yaml", "--dry-run", "--json", TOGETHER_API_KEY="none")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["backend"] == "together"


def test_limits_of_the_file_hold_a_launch_back(folder: Path) -> None:
    (folder / "tunewise.yaml").write_text("max_cost: 0.01\n", encoding="utf-8")
    place = ("--backend", "together", "--model", "Qwen/Qwen3.5-9B")
    done = tunewise("launch", DATA, *place, "--yes", TOGETHER_API_KEY="none")
    assert done.returncode == 4
    assert "over --max-cost $0.01" in done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model: tiny\n\nmodle: x\n", "line 3: There is no key 'modle'. Did you mean 'model'?"),
        ("yes: true\n", "line 1: 'yes' cannot be set in a file"),
        ("accept-stale-prices: true\n", "cannot be set in a file"),
        ("max_cost: lots\n", "line 1: 'max_cost': 'lots' is not an amount of US dollars"),
        ("max_cost: -1\n", "is not an amount of US dollars"),
        ("max_cost: nan\n", "is not an amount of US dollars"),
        ("color: blue\n", "'color' is true or false"),
        ("method: sft\n", "lora, qlora or full"),
        ("model: [a, b]\n", "takes one value"),
        ("- model\n", "key: value"),
        ("model: [\n", "not YAML"),
        ("model:\n", "has no value"),
        ("model: null\n", "has no value"),
    ],
)
def test_a_mistake_names_file_line_and_remedy(folder: Path, text: str, words: str) -> None:
    path = folder / "tunewise.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"tunewise\.yaml, line \d") as caught:
        in_force()
    assert words in str(caught.value)


def test_a_broken_file_stops_commands_but_neither_help_nor_doctor(folder: Path) -> None:
    (folder / "tunewise.yaml").write_text("modle: x\n", encoding="utf-8")
    assert tunewise("jobs").returncode == 1
    assert tunewise("jobs", "--help").returncode == 0
    doctor = tunewise("doctor", "--json", "--offline")
    assert doctor.returncode == 1
    (check,) = [check for check in json.loads(doctor.stdout)["checks"] if check["name"] == "settings"]
    assert check["status"] == "broken"
    assert "Did you mean 'model'" in check["detail"]


def test_config_says_what_is_in_force_and_from_where(folder: Path) -> None:
    (folder / "tunewise.yaml").write_text("home: ../kept\npricing: mine.yaml\n", encoding="utf-8")
    found = json.loads(tunewise("config", "--json").stdout)
    assert [file["read"] for file in found["files"]] == [True, False]
    settings = {setting["key"]: setting for setting in found["settings"]}
    assert settings["pricing"]["value"] == str(folder / "mine.yaml")
    assert settings["home"]["source"] == "TUNEWISE_HOME"  # the variable is stronger than line 1 of the file
    assert settings["color"] == {"key": "color", "value": None, "source": "default", "line": None}
    assert "tunewise.yaml:2" in tunewise("config").stdout
    (folder / "tunewise.yaml").write_text("model: '[/old]'\nquiet: yes\n", encoding="utf-8")
    page = tunewise("config")
    assert "[/old]" in page.stdout and re.search(r"quiet +true ", page.stdout), page.stderr


def test_prices_that_a_project_brings_are_named(folder: Path) -> None:
    (folder / "mine.yaml").write_bytes((ROOT / "pricing.yaml").read_bytes())
    (folder / "tunewise.yaml").write_text("pricing: mine.yaml\n", encoding="utf-8")
    done = tunewise("jobs", "--json")
    assert done.returncode == 0
    assert "prices come from" in done.stderr
