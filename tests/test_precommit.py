"""The hook, run by pre-commit itself on a repository of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytest.importorskip("pre_commit", reason="pre-commit is not installed: .[dev]")

ROOT = Path(__file__).parent.parent
GOOD = json.dumps({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})


def test_the_hook_passes_good_files_and_names_the_line_of_a_bad_one(tmp_path: Path) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert hook["language"] == "python" and hook["entry"].startswith("tunewise ")
    # The tests' own environment stands in for the one that pre-commit would make, which needs the network.
    local = {**hook, "language": "system", "entry": hook["entry"].replace("tunewise", f"{sys.executable} -m advisor")}
    config = {"repos": [{"repo": "local", "hooks": [local]}]}
    (tmp_path / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (tmp_path / "good.jsonl").write_text(f"{GOOD}\n" * 60, encoding="utf-8")
    (tmp_path / "package.json").write_text("{}", encoding="utf-8")  # none of the hook's business
    run = _in(tmp_path, "git", "init", "-q") and _committing(tmp_path)
    assert "Passed" in run.stdout, run.stdout
    (tmp_path / "bad.jsonl").write_text(f"{GOOD}\n{{oops\n", encoding="utf-8")
    run = _committing(tmp_path)
    assert "Failed" in run.stdout and "line 2" in run.stdout and "invalid_json" in run.stdout


def _committing(folder: Path) -> subprocess.CompletedProcess[str]:
    _in(folder, "git", "add", "-A")
    return _in(folder, sys.executable, "-m", "pre_commit", "run", "--all-files")


def _in(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "PRE_COMMIT_HOME": str(folder / ".cache"), "COLUMNS": "100",
        "HOME": str(folder), "GIT_CONFIG_GLOBAL": os.devnull,
    }  # fmt: skip
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300)
