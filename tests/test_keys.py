"""Keys go into the system keyring and come back out of it only as a request's header."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
KEY = "planted-0123456789"
# A keyring that keeps its passwords in a file: what the platform's own does, where a test can look.
KEYRING = """
import json, os, pathlib
from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError
FILE = pathlib.Path(os.environ["KEYRING_FILE"])
class Keyring(KeyringBackend):
    priority = 1
    def _all(self): return json.loads(FILE.read_text()) if FILE.exists() else {}
    def get_password(self, service, name): return self._all().get(f"{service}/{name}")
    def set_password(self, service, name, password):
        FILE.write_text(json.dumps({**self._all(), f"{service}/{name}": password}))
    def delete_password(self, service, name):
        kept = self._all()
        if kept.pop(f"{service}/{name}", None) is None: raise PasswordDeleteError("none")
        FILE.write_text(json.dumps(kept))
"""


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "filed_keyring.py").write_text(KEYRING)
    return {
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}",
        "PYTHON_KEYRING_BACKEND": "filed_keyring.Keyring",
        "KEYRING_FILE": str(tmp_path / "keys.json"),
    }


def tunewise(*arguments: str, text: str = "", environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "advisor", *arguments],
        input=text,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def test_a_key_is_kept_used_and_never_printed(keys: dict[str, str]) -> None:
    done = tunewise("keys", "set", "together", "--json", text=KEY + "\n", environment=keys)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"backend": "together", "kept": True}
    assert KEY not in done.stdout + done.stderr
    code = "import backends; print(backends.get('together').key())"
    read = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **keys}, check=True
    )
    assert read.stdout.strip() == KEY
    assert tunewise("keys", "remove", "together", environment=keys).returncode == 0
    assert tunewise("keys", "remove", "together", environment=keys).returncode == 1


def test_no_key_and_an_unknown_backend_are_refused(keys: dict[str, str]) -> None:
    assert tunewise("keys", "set", "together", environment=keys).returncode == 1
    done = tunewise("keys", "set", "nowhere", text=KEY, environment=keys)
    assert done.returncode == 2
    assert "Choose one of" in done.stderr


def test_the_list_says_which_keys_are_set_and_where_but_shows_none(keys: dict[str, str]) -> None:
    tunewise("keys", "set", "together", text=KEY + "\n", environment=keys)
    set_here = {**keys, "OPENAI_API_KEY": "sk-" + KEY}
    found = {row["backend"]: row for row in json.loads(tunewise("keys", "list", "--json", environment=set_here).stdout)}
    assert found["together"] == {
        "backend": "together",
        "variable": "TOGETHER_API_KEY",
        "set": True,
        "place": "key in the keyring",
    }
    assert found["openai"]["place"] == "key in OPENAI_API_KEY" and not found["replicate"]["set"]
    assert "local" not in found
    done = tunewise("keys", "list", environment=set_here)
    assert re.search(r"^openai +OPENAI_API_KEY +key in OPENAI_API_KEY", done.stdout, flags=re.MULTILINE)
    assert re.search(r"^replicate +REPLICATE_API_TOKEN +not set", done.stdout, flags=re.MULTILINE)
    assert KEY[:6] not in done.stdout + done.stderr
