"""The cases of benchmarks/faults.py: where a launch is killed, what of its requests and replies is spoiled, and how."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from backend_cases import Case  # noqa: E402

from advisor.runs import Ledger  # noqa: E402

Planned = dict[str, Any]  # a fault, as the emulator is told of it
ELSEWHERE = "http://127.0.0.1:9/v1/elsewhere"  # where nobody listens
SPOILED: dict[str, Planned] = {
    **{kind: {"kind": kind} for kind in ("drop", "lost", "truncate", "garble", "close", "reset", "drip")},
    "status 500": {"kind": "status", "status": 500},
    "status 429": {"kind": "status", "status": 429},
    "a text": {"kind": "lost", "status": 200, "body": "busy"},
    "a list": {"kind": "lost", "status": 200, "body": [None]},
    "another object": {"kind": "lost", "status": 200, "body": {"data": None, "results": 7, "id": 7, "status": []}},
    "a redirect elsewhere": {"kind": "lost", "status": 307, "headers": {"location": ELSEWHERE}},
}
REDIRECTED: dict[str, Planned] = {
    f"a redirect {status} {where} {'after' if kind == 'lost' else 'before'}": {
        "kind": kind, "status": status, "headers": {"location": target}
    }
    for status in (301, 302, 303, 307, 308)
    for where, target in (("to itself", "self"), ("elsewhere", ELSEWHERE))
    for kind in ("status", "lost")
}  # fmt: skip


@dataclass
class Emulated:
    """A provider's emulator in another process."""

    case: Case
    process: subprocess.Popen[str]
    url: str

    @classmethod
    @contextlib.contextmanager
    def start(cls, case: Case) -> Iterator[Emulated]:
        code = (
            f"import sys; sys.path.insert(0, {str(ROOT / 'tests')!r}); "
            "from backend_cases import CASES; from emulator_base import run_standalone; "
            f"run_standalone(CASES[{case.name!r}].emulator)"
        )
        process = subprocess.Popen([sys.executable, "-c", code, "--port", "0"], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            yield cls(case, process, process.stdout.readline().strip())
        finally:
            process.terminate()
            process.wait()
            process.stdout.close()

    def tell(self, what: str, **details: Any) -> dict[str, Any]:
        """Use one of the emulator's knobs and return its state."""
        origin = "/".join(self.url.split("/")[:3])
        body = json.dumps(details).encode() if what != "state" else None
        request = urllib.request.Request(f"{origin}/__emulator__/{what}", data=body)
        with urllib.request.urlopen(request, timeout=10) as reply:
            found: dict[str, Any] = json.load(reply)
        return found


@dataclass
class Deadly:
    """Kills its own process before or after the n-th write to the ledger."""

    at: int
    after: bool
    count: ClassVar[int] = 0

    def around(self, write: Callable[..., None]) -> Callable[..., None]:
        def wrapped(*args: Any, **kwargs: Any) -> None:
            Deadly.count += 1
            mine = Deadly.count == self.at
            if mine and not self.after:
                os.kill(os.getpid(), signal.SIGKILL)
            write(*args, **kwargs)
            if mine:
                os.kill(os.getpid(), signal.SIGKILL)

        return wrapped

    def arm(self, ledger: Ledger) -> None:
        for name in ("add", "append", "save", "reserve"):
            setattr(ledger, name, self.around(getattr(ledger, name)))


@dataclass(frozen=True)
class Trial:
    """One case: where the launch is killed, or what is spoiled."""

    name: str
    deadly: Deadly | None = None
    stall: int | None = None  # the request in whose middle the launch is killed
    fault: Planned | None = None


def trials(emulated: Emulated, requests: list[str], writes: int) -> Iterator[Trial]:
    """Yield every case of a backend whose launch makes these requests and so many writes."""
    name = emulated.case.name
    for at in range(1, writes + 1):
        for after in (False, True):
            yield Trial(f"{name}: killed {'after' if after else 'before'} write {at}", deadly=Deadly(at, after))
    for place, request in enumerate(requests):
        yield Trial(f"{name}: killed in {request}", stall=place)
        kinds = {**SPOILED, **({"half an upload": {"kind": "cut"}} if request == emulated.case.upload else {})}
        for kind, planned in {**kinds, **(REDIRECTED if request == emulated.case.create else {})}.items():
            details = {"skip": place, **{key: value for key, value in planned.items() if key != "kind"}}
            yield Trial(
                f"{name}: {kind} at {request}", fault={"where": "*", "kind": planned["kind"], "details": details}
            )
