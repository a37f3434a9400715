"""What --verbose tells on stderr while a command runs: files, requests, processes, with times and without secrets."""

from __future__ import annotations

import logging
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from advisor.cli.render.safe_text import for_terminal

_LOG = logging.getLogger("tunewise")
# httpx says method, address and status of each request on its own logger, the SDKs their retries on theirs.
_LOGGERS = ("tunewise", "httpx", "advisor", "backends")
_SECRET = re.compile(r"(?i)bearer\s+\S+|\b(?:sk|r8|tgp|hf)[-_][\w-]{8,}")
_QUERY = re.compile(r"(https?://[^\s\"'?]+)\?[^\s\"']+")  # of an upload, it is the signature that allows it
_LIBRARY = (sys.prefix, sys.base_prefix, "/proc", "/sys", "/dev", "/etc", "/usr")
_ours = str(Path(__file__).parents[2])
_seen: set[str] = set()


class Told(logging.Formatter):
    """Writes '0.123 s  words', with what could be a secret replaced."""

    def __init__(self, started: float) -> None:
        super().__init__()
        self.started = started

    def format(self, record: logging.LogRecord) -> str:
        return f"{time.monotonic() - self.started:7.3f} s  {for_terminal(hidden(record.getMessage()))}"


def tell() -> Callable[[int], None]:
    """Begin to tell; return the function that tells the end, to be called with the exit code."""
    started = time.monotonic()
    to_stderr = logging.StreamHandler(sys.stderr)
    to_stderr.setFormatter(Told(started))
    for name in (*_LOGGERS, *_sdks()):
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.addHandler(to_stderr)
        logger.propagate = False
    sys.addaudithook(_overhear)

    def ended(code: int) -> None:
        spent = os.times()
        _LOG.info(
            "exit code %d after %.2f s; %.2f s of CPU, %.2f s in processes it waited for",
            *(code, time.monotonic() - started, spent.user + spent.system, spent.children_user + spent.children_system),
        )

    return ended


def hidden(text: str) -> str:
    """Return ``text`` without keys: those of the environment, what looks like one, and the query of an address."""
    for name, value in os.environ.items():
        if len(value) >= 8 and re.search(r"KEY|TOKEN|SECRET|PASSWORD", name):
            text = text.replace(value, f"<{name}>")
    return _QUERY.sub(r"\1?<hidden>", _SECRET.sub("<secret>", text))


def _overhear(event: str, arguments: tuple[object, ...]) -> None:
    """Take note of what the interpreter itself reports; it must neither fail nor open anything."""
    if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        _opened(os.fsdecode(arguments[0]), arguments[2])
    elif event == "urllib.Request":
        address = urlsplit(str(arguments[0]))
        _LOG.info("asks %s://%s%s", address.scheme, address.netloc.rpartition("@")[2], address.path)
    elif event == "sqlite3.connect":
        _opened(os.fsdecode(arguments[0]) if isinstance(arguments[0], str | bytes) else str(arguments[0]), os.O_RDWR)
    elif event == "subprocess.Popen":
        words = arguments[1]
        _LOG.info("starts %s", " ".join(map(str, words)) if isinstance(words, list | tuple) else words)


def _opened(path: str, flags: object) -> None:
    how = flags if isinstance(flags, int) else 0
    if how & getattr(os, "O_DIRECTORY", 0):
        return
    writes = bool(how & (os.O_WRONLY | os.O_RDWR))
    key = f"{writes}{path}"
    code = path.endswith((".py", ".pyc", ".so", ".pth", "METADATA", "entry_points.txt"))
    if code or key in _seen or (path.startswith(_LIBRARY) and not path.startswith(_ours)):
        return
    _seen.add(key)
    if not writes or "/." not in path:  # a file that is written aside is named when it takes its place
        _LOG.info("%s %s", "writes" if writes else "reads", path)


def _sdks() -> set[str]:
    """Return the loggers of the vendors' SDKs, which are called like what they are imported as."""
    import backends

    found = (backends.get(name).provider for name in backends.names())
    return {provider.package.partition("-")[0] for provider in found if provider is not None}
