"""A headless Chromium for the tests of the page: the DevTools protocol over two pipes, no package needed."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

AXE, CHROMIUM_FOLDER = "axe.min.js", "chromium"
_FETCHED = Path(sys.prefix) / "browser"  # where `make test` has tests/browser_setup.py put both
_START = 'exec "$0" "$@" 3<&"$READ" 4>&"$WRITE"'


def installed_chromium() -> str:
    """Return the browser on the PATH, or nothing."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((found for name in names if (found := shutil.which(name))), "")


def chromium() -> str:
    """Return the browser to test with: the installed one, else the fetched one, else nothing."""
    fetched = _FETCHED / CHROMIUM_FOLDER / "chromium"
    return installed_chromium() or (str(fetched) if fetched.is_file() else "")


CHROMIUM = chromium()
NO_CHROMIUM = "no chromium on the PATH, and none in .venv/browser: make test fetches one where npm is"
NO_AXE = "axe-core is not in .venv/browser: make test fetches it where npm is, or name axe.min.js in AXE_CORE"


def axe() -> Path | None:
    """Return axe.min.js: named by AXE_CORE, or fetched by the set-up of the tests."""
    found = Path(os.environ.get("AXE_CORE", _FETCHED / AXE))
    return found if found.is_file() else None


class Browser:
    """One tab. ``requests`` and ``complaints`` hold what the page asked for and what went wrong in it."""

    def __init__(self, read: int, write: int) -> None:
        self._read, self._write, self._rest, self._count, self._session = read, write, b"", 0, ""
        self.requests: list[str] = []
        self.complaints: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call("Page.bringToFront")
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)

    def call(self, method: str, **given: object) -> dict:
        self._count += 1
        asked = {"id": self._count, "method": method, "params": given}
        if self._session:
            asked["sessionId"] = self._session
        os.write(self._write, json.dumps(asked).encode() + b"\0")
        while True:
            said = self._next()
            if said.get("id") == asked["id"]:
                assert "error" not in said, said
                return said["result"]

    def open(self, page: Path, *, width: int = 1280, dark: bool = False, script: bool = True) -> None:
        self.visit(page.absolute().as_uri(), width=width, dark=dark, script=script)

    def visit(self, address: str, *, width: int = 1280, dark: bool = False, script: bool = True) -> None:
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        self.call("Emulation.setScriptExecutionDisabled", value=not script)
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500
        )
        self.requests.clear()
        self.complaints.clear()
        self.call("Page.navigate", url=address)
        until = time.monotonic() + 30
        while self.run("document.readyState") != "complete":
            assert time.monotonic() < until, "the page never finished loading"

    def violations(self) -> list[list[str]]:
        """Return what axe-core finds on the page with all that folds laid open: [rule, impact] each."""
        found = axe()
        assert found is not None
        self.run("document.querySelectorAll('details').forEach((one) => (one.open = true)); 0")
        self.run(found.read_text(encoding="utf-8") + "; 0")
        asked = "axe.run().then((found) => JSON.stringify(found.violations.map((one) => [one.id, one.impact])))"
        return json.loads(str(self.run(asked)))

    def run(self, script: str) -> object:
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def key(self, name: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name)

    def picture(self, place: Path, *, whole: bool = True) -> None:
        taken = self.call("Page.captureScreenshot", captureBeyondViewport=whole, clip=self._page() if whole else None)
        place.write_bytes(base64.b64decode(taken["data"]))

    def _page(self) -> dict:
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        return {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}

    def _next(self) -> dict:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], 60)
            assert ready, "Chromium does not answer"
            got = os.read(self._read, 1 << 20)
            assert got, "Chromium has gone"
            self._rest += got
        line, _, self._rest = self._rest.partition(b"\0")
        said = json.loads(line)
        given = said.get("params", {})
        if said.get("method") == "Network.requestWillBeSent":
            self.requests.append(given["request"]["url"])
        elif said.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(given["exceptionDetails"]))
        elif said.get("method") == "Runtime.consoleAPICalled":
            self.complaints.append(str(given["args"]))
        elif said.get("method") == "Log.entryAdded":
            self.complaints.append(given["entry"]["text"])
        return said


def _environment() -> dict[str, str]:
    """Return the environment, in which a fetched Chromium finds the libraries and fonts that came with it."""
    fetched = _FETCHED / CHROMIUM_FOLDER
    if not Path(CHROMIUM).is_relative_to(fetched):
        return dict(os.environ)
    libraries = f"{fetched / 'lib'}:{os.environ.get('LD_LIBRARY_PATH', '')}".rstrip(":")
    return {**os.environ, "LD_LIBRARY_PATH": libraries, "FONTCONFIG_PATH": str(fetched)}


@contextmanager
def browser() -> Iterator[Browser]:
    """Start Chromium with a profile of its own and end it, whatever happens."""
    ours_read, theirs_write = os.pipe()
    theirs_read, ours_write = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe"]
        process = subprocess.Popen(
            ["bash", "-c", _START, CHROMIUM, *options, "--disable-dev-shm-usage", f"--user-data-dir={profile}"],
            env=_environment() | {"READ": str(theirs_read), "WRITE": str(theirs_write)},
            pass_fds=(theirs_read, theirs_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_read)
        os.close(theirs_write)
        try:
            yield Browser(ours_read, ours_write)
        finally:
            process.terminate()
            process.wait(20)
            os.close(ours_read)
            os.close(ours_write)
