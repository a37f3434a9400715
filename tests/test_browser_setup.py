"""The set-up of the browser tests: only the pinned package is unpacked, and what cannot be had is said, not raised."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from pathlib import Path

import browser_setup
import pytest


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An npm that hands out one package with axe.min.js in it; returns the hash of that package."""
    archive = tmp_path / "axe-core-4.14.1.tgz"
    with tarfile.open(archive, "w:gz") as packed:
        member = tarfile.TarInfo("package/axe.min.js")
        member.size = 6
        packed.addfile(member, io.BytesIO(b"axe = 1"[:6]))
    program = tmp_path / "bin" / "npm"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n/bin/cp "{archive}" "$4"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return f"sha512-{base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()}"


def test_the_pinned_package_is_unpacked(npm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser_setup, "AXE_CORE", ("axe-core@4.14.1", npm))
    assert browser_setup._axe(tmp_path) == "axe-core@4.14.1"
    assert (tmp_path / "axe.min.js").read_bytes() == b"axe = "


def test_another_package_of_that_name_is_refused(npm: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="not the package whose hash is pinned"):
        browser_setup._axe(tmp_path)
    assert not (tmp_path / "axe.min.js").exists()


def test_without_npm_both_are_said_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    browser_setup.main(tmp_path / "browser")
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2 and all("not here, so tests that need it skip" in line for line in said)
