"""What a stranger installs: metadata, images and scripts agree. benchmarks/dist.sh builds them and tries them."""

from __future__ import annotations

import importlib
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
STAGES = {
    found[2]: found[3] for found in re.finditer(r"^FROM (\S+) AS (\w+)\n(.*?)(?=^FROM|\Z)", DOCKERFILE, re.M | re.S)
}


def test_the_command_is_one_that_can_be_called() -> None:
    module, _, name = PROJECT["scripts"]["tunewise"].partition(":")
    assert callable(getattr(importlib.import_module(module), name))


@pytest.mark.parametrize("target", ["core", "local"])
def test_an_image_runs_as_nobody_special_and_installs_extras_that_there_are(target: str) -> None:
    stage = STAGES[target]
    assert stage.split("USER ")[-1].strip() == "tunewise", "the last word is not root's"
    (extras,) = re.findall(r"\$wheel\[([\w,]+)\]", stage)
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
    assert ("local" in extras.split(",")) == (target == "local")


def test_the_images_keep_state_in_a_volume_and_leave_keys_and_environments_out() -> None:
    base = STAGES["base"]
    assert "VOLUME /state" in base and "TUNEWISE_HOME=/state/" in base and 'ENTRYPOINT ["tunewise"]' in base
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert {".git", ".venv", "keys.env"} <= set(ignored)
    assert "--env-file keys.env" in DOCKERFILE


def test_the_metadata_names_what_is_there_and_the_pythons_that_are_tried() -> None:
    assert PROJECT["readme"] == "README.md" and PROJECT["license-files"] == ["LICENSE"]
    classifiers = {one.rpartition(" :: ")[2] for one in PROJECT["classifiers"] if "Python :: 3" in one}
    script = (ROOT / "benchmarks" / "versions.sh").read_text(encoding="utf-8")
    (tried,) = re.findall(r"\$\{\*:-([\d. ]+)\}", script)
    assert classifiers == set(tried.split()), "the Pythons that are named are those that are tried"


@pytest.mark.parametrize("script", ["dist.sh", "versions.sh"])
def test_the_scripts_are_understood_by_bash(script: str) -> None:
    done = subprocess.run(["bash", "-n", ROOT / "benchmarks" / script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
