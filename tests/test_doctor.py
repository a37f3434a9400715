"""tunewise doctor: what it looks at, what it sends, and that whatever is not right comes with a remedy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from loopback import answering

from advisor.cli.commands.doctor import satisfies

ROOT = Path(__file__).parent.parent
BASES = ("OPENAI_BASE_URL", "TOGETHER_BASE_URL", "REPLICATE_BASE_URL", "NEBIUS_BASE_URL", "AZURE_OPENAI_ENDPOINT")


class Listening(HTTPServer):
    """A provider that knows nobody: answers 401 and keeps the headers it was sent."""

    def __init__(self) -> None:
        class Refusing(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                heard.append(str(self.headers))
                self.send_response(401)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None: ...

        heard: list[str] = []
        super().__init__(("127.0.0.1", 0), Refusing)
        self.heard = heard
        self.url = f"http://127.0.0.1:{self.server_port}/v1"


@pytest.fixture
def provider() -> Iterator[Listening]:
    with answering(Listening()) as server:
        yield server


def doctor(*arguments: str, **environment: str) -> dict[str, dict[str, str]]:
    done = subprocess.run(
        [sys.executable, "-m", "advisor", "doctor", "--json", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HOME": os.environ["TUNEWISE_HOME"], **environment},
        cwd=ROOT,
        check=False,
    )
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert done.returncode == any(check["status"] == "broken" for check in checks.values()), done.stderr
    return checks


def test_every_provider_is_asked_once_without_its_key(provider: Listening) -> None:
    closed = "http://127.0.0.1:9"  # the discard port: nobody listens
    addresses = dict.fromkeys(BASES, provider.url) | {"TOGETHER_BASE_URL": closed}
    checks = doctor(**addresses, OPENAI_API_KEY="planted-key", TOGETHER_API_KEY="planted-key", no_proxy="127.0.0.1")
    assert checks["openai"]["status"] == "ok"
    assert checks["openai"]["detail"].endswith("key in OPENAI_API_KEY, answers")
    assert checks["nebius"]["status"] == "missing"  # it answers, but there is no key
    assert checks["together"]["status"] == "warning"
    assert "does not answer (Connection refused)" in checks["together"]["detail"]
    assert len(provider.heard) == 4
    sent = "".join(provider.heard)
    assert "planted-key" not in sent
    assert "uthorization" not in sent


def test_offline_asks_nobody_and_says_so(provider: Listening) -> None:
    checks = doctor("--offline", **dict.fromkeys(BASES, provider.url))
    assert provider.heard == []
    assert all("not checked" in checks[name]["detail"] for name in ("openai", "together", "replicate", "azure"))


def test_a_key_with_a_line_break_is_one_and_said(provider: Listening) -> None:
    checks = doctor("--offline", OPENAI_API_KEY="planted-key\n", TOGETHER_API_KEY=" \n")
    assert "key in OPENAI_API_KEY, without the space or line break around it" in checks["openai"]["detail"]
    assert checks["together"]["status"] == "missing"


def test_an_address_that_would_show_the_key_is_named() -> None:
    checks = doctor("--offline", OPENAI_BASE_URL="http://models.example.com/v1", OPENAI_API_KEY="planted-key")
    assert checks["openai"]["status"] == "warning"
    assert "unencrypted" in checks["openai"]["detail"]


def test_whatever_is_not_right_comes_with_a_remedy(tmp_path: Path) -> None:
    checks = doctor("--offline", "--today", "2027-06-01")
    assert {"python", "settings", "state folder", "memory", "token vocabulary", "prices", "gpu"} <= set(checks)
    assert checks["prices"]["status"] == "warning"  # half a year old on that day
    for check in checks.values():
        assert check["status"] == "ok" or check["fix"], check
    mended = tmp_path / "prices.yaml"
    mended.write_text("nonsense: true\n", encoding="utf-8")
    assert doctor("--offline", TUNEWISE_PRICING=str(mended))["prices"]["status"] == "broken"


@pytest.mark.parametrize(
    ("found", "wanted", "fits"),
    [
        ("3.54.0", ">=3.54,<4", True),
        ("3.53.9", ">=3.54,<4", False),
        ("4.0.0", ">=3.54,<4", False),
        ("2.13.0+cpu", ">=2.12,<2.16", True),
        ("0.1.4", "==0.1.4", True),
        ("1.0", "", True),
    ],
)
def test_versions_are_held_against_our_own_metadata(found: str, wanted: str, fits: bool) -> None:
    assert satisfies(found, wanted) is fits
