"""Packages of ours have plain names; one of the same name elsewhere is noticed and named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from advisor.cli import import_names as names
from advisor.cli.import_names import import_names

ROOT = Path(__file__).parent.parent


def test_here_they_are_ours(tmp_path: Path) -> None:
    assert import_names(tmp_path).status == "ok"
    assert import_names(ROOT).status == "ok", "our own folder hides nothing"


def test_another_distribution_of_the_name_is_named_with_what_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As importlib.metadata reads it from a real folder of installed packages."""
    site = tmp_path / "site"
    (site / "financial_advisor-2.0.dist-info").mkdir(parents=True)
    (site / "financial_advisor-2.0.dist-info" / "METADATA").write_text("Name: financial-advisor\nVersion: 2.0\n")
    (site / "financial_advisor-2.0.dist-info" / "RECORD").write_text("advisor/__init__.py,,\n")
    (site / "advisor").mkdir()
    (site / "advisor" / "__init__.py").write_text("")  # the backport of importlib.metadata, once imported, looks for it
    monkeypatch.syspath_prepend(str(site))
    found = import_names(tmp_path)
    assert found.status == "broken"
    assert "advisor is also a part of financial-advisor" in found.detail and "last has overwritten" in found.detail
    assert found.fix.startswith("pip uninstall financial-advisor; pip install --force-reinstall")


@pytest.mark.parametrize("hiding", ["advisor/__init__.py", "backends.py"])
def test_a_folder_that_hides_ours_is_named(hiding: str, tmp_path: Path) -> None:
    (tmp_path / hiding).parent.mkdir(exist_ok=True)
    (tmp_path / hiding).write_text("")
    (tmp_path / "tunewise").mkdir()  # without modules it hides nothing
    found = import_names(tmp_path)
    assert (found.status, found.detail.split(" ")[0]) == ("warning", hiding.split("/")[0])
    assert names.NAMES == ("advisor", "backends", "tunewise")


def test_the_command_says_whose_advisor_it_met(tmp_path: Path) -> None:
    (tmp_path / "advisor").mkdir()
    (tmp_path / "advisor" / "__init__.py").write_text("")
    done = subprocess.run(
        [sys.executable, "-c", "from tunewise.__main__ import main; main()"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"finds {tmp_path}/advisor/__init__.py, which is no part of tunewise" in done.stderr
    assert "uv tool install tunewise" in done.stderr
