"""Shared by all tests: a fresh home, no provider keys, and where the optional real data lies."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A change is judged by the same examples each time; new ones are sought by `make fuzz`, where a find is not somebody
# else's failed build.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("search", derandomize=False, deadline=None, print_blob=True)
settings.load_profile("search" if os.environ.get("TUNEWISE_FUZZ") else "same")

# A shell that starts the tests in the background has Ctrl-C ignored, which the programs under test would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give every test its own TUNEWISE_HOME and keep provider keys and price overrides away from it."""
    for name in list(os.environ):
        if name.startswith(("TUNEWISE_", "OPENAI_", "TOGETHER_", "REPLICATE_", "NEBIUS_", "AZURE_OPENAI_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    folder = tmp_path / "home"
    monkeypatch.setenv("TUNEWISE_HOME", str(folder))
    monkeypatch.setenv("TUNEWISE_TODAY", "2026-11-22")  # availability and the age of prices depend on the day
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))  # and the settings of whoever runs the tests
    monkeypatch.setenv("COLUMNS", "100")
    yield folder


@pytest.fixture
def shared() -> Path:
    """The folder of real datasets and official specs that developers have beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("the real data beside the checkout (../shared) is not there")
    return SHARED
