"""Kills the launch at every step and loses every reply once, then counts the jobs that were paid for.

    python benchmarks/faults.py [--backend NAME]... [--quick]

Each case launches one run against a provider's emulator, which runs as a process of its own. The launching process is
killed with SIGKILL before and after every write to the ledger and in the middle of every request, or a request or its
reply is spoiled once, or half of an upload gets lost on its way. Then the launch is resumed, as a person would. A case
is survived when the emulator counts exactly one paid job, which trains on the whole file, and the ledger holds its id.
A local run has no provider: there the launch is killed around every write, and exactly one trainer must take every step
once. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from backend_cases import CASES, HOSTED, Case, write_rows  # noqa: E402
from emulator_base import KEY  # noqa: E402

import backends  # noqa: E402
from advisor.errors import RunError  # noqa: E402
from advisor.runs import Ledger, Order, record, send, stage  # noqa: E402

SPOILED = ("drop", "lost", "truncate", "garble", "close", "status 500", "status 429")
PATIENCE_S = 60.0


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


@dataclass
class Tally:
    """What came of the cases."""

    cases: int = 0
    survived: int = 0
    paid_jobs: int = 0
    lost: list[str] = field(default_factory=list)

    def add(self, name: str, paid: int, agrees: bool, whole: bool) -> None:
        self.cases += 1
        self.paid_jobs += paid
        if paid == 1 and agrees and whole:
            self.survived += 1
        else:
            ledger, file = "agrees" if agrees else "disagrees", "whole" if whole else "cut"
            self.lost.append(f"{name}: {paid} paid jobs, ledger {ledger}, file {file}")


def matrix(emulated: Emulated, folder: Path, tally: Tally, *, quick: bool = False) -> None:
    """Run every fault over one backend."""
    name = emulated.case.name
    requests, writes = _clean(emulated, folder, tally)
    step = 3 if quick else 1
    for at in range(1, writes + 1, 2 if quick else 1):
        for after in (False, True):
            _case(emulated, folder, tally, f"{name}: killed {'after' if after else 'before'} write {at}",
                  deadly=Deadly(at, after))  # fmt: skip
    for place in range(0, len(requests), step):
        _case(emulated, folder, tally, f"{name}: killed in {requests[place]}", stall=place)
    for place, request in enumerate(requests):
        if quick and not request.startswith("POST"):
            continue
        for kind in (*SPOILED, *(["cut"] if request == emulated.case.upload else [])):
            word, _, status = kind.partition(" ")
            fault = {
                "where": "*",
                "kind": word,
                "details": {"skip": place, **({"status": int(status)} if status else {})},
            }
            _case(emulated, folder, tally, f"{name}: {kind} at {request}", fault=fault)


def _clean(emulated: Emulated, folder: Path, tally: Tally) -> tuple[list[str], int]:
    """Launch without a fault; return the requests it made and how often it wrote to the ledger."""
    _case(emulated, folder, tally, f"{emulated.case.name}: nothing wrong")
    found = emulated.tell("state")
    writes = _HOME / "writes"
    return [line.rsplit(" ", 1)[0] for line in found["requests"]], int(writes.read_text())


_HOME = Path(tempfile.gettempdir()) / f"tunewise-faults-{os.getpid()}"


def _case(
    emulated: Emulated,
    folder: Path,
    tally: Tally,
    name: str,
    *,
    deadly: Deadly | None = None,
    stall: int | None = None,
    fault: dict[str, Any] | None = None,
) -> None:
    shutil.rmtree(_HOME, ignore_errors=True)
    os.environ["TUNEWISE_HOME"] = str(_HOME)
    emulated.tell("reset")
    if stall is not None:
        fault = {"where": "*", "kind": "stall", "details": {"skip": stall}}
    if fault is not None:
        emulated.tell("fault", **fault)
    run = _stage(emulated.case, folder)
    child = _fork(lambda: _launch(emulated.case, run, deadly))
    if stall is not None:
        _kill_when(child, lambda: len(emulated.tell("state")["requests"]) > stall)
    else:
        os.waitpid(child, 0)
    for _ in range(4):
        if _job_id(run.id) is not None:
            break
        os.waitpid(_fork(lambda: _launch(emulated.case, run, None)), 0)
    state = emulated.tell("state")
    paid = [str(item) for item in state["paid"]]
    job = _job_id(run.id)
    agrees = job is not None and any(job in item or item in job for item in paid)
    tally.add(name, len(paid), agrees, state["trained_bytes"] == [run.spec.train_file.stat().st_size])


def _stage(case: Case, folder: Path) -> Any:
    order = Order(
        data=(str(folder / "train.jsonl"),),
        backend=case.name,
        model=case.model,
        hyperparameters=case.hyperparameters,
        options=case.options,
        held_out=0,
    )
    return stage(order, now=datetime.now(UTC))[0]


def _launch(case: Case, run: Any, deadly: Deadly | None) -> None:
    """Do what the command does: keep the run, reserve, send; or go on with it when it is kept already."""
    backend = backends.get(case.name)
    ledger = Ledger.open()
    (deadly or Deadly(0, False)).arm(ledger)
    try:
        ledger.get(run.id)
    except RunError:
        record(ledger, run, monthly_limit=None, now=datetime.now(UTC))
    with contextlib.suppress(backends.BackendError):
        send(ledger, run.id, backend, pause=lambda seconds: time.sleep(min(seconds, 0.02)), settle_s=0.05)
    (_HOME / "writes").write_text(str(Deadly.count))


def _fork(work: Callable[[], None]) -> int:
    """Run ``work`` in a copy of this process, which has everything imported already."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def _job_id(run: str) -> str | None:
    try:
        return Ledger.open().get(run).job.id
    except RunError:
        return None


def _kill_when(child: int, condition: Callable[[], bool]) -> None:
    """Kill ``child`` once the condition holds; one that ends before has made fewer requests than the first did."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if os.waitpid(child, os.WNOHANG)[0]:
            return
        if time.monotonic() > end:
            raise SystemExit("the request that was to be interrupted was never made")
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def local_matrix(folder: Path, tally: Tally) -> None:
    """Kill the launch of a local run around every write; survived is one trainer that took every step once."""
    case, at, killed = CASES["local"], 1, True
    while killed:
        for after in (False, True):
            shutil.rmtree(_HOME, ignore_errors=True)
            os.environ["TUNEWISE_HOME"] = str(_HOME)
            run, deadly = _stage(case, folder), Deadly(at, after)
            _, status = os.waitpid(_fork(lambda run=run, deadly=deadly: _launch(case, run, deadly)), 0)
            killed = os.WIFSIGNALED(status)
            if killed:
                os.waitpid(_fork(lambda run=run: _launch(case, run, None)), 0)
            ledger, backend = Ledger.open(), backends.get("local")
            job, end = ledger.get(run.id).job, time.monotonic() + PATIENCE_S
            while job.id is not None and not job.status.finished and time.monotonic() < end:
                time.sleep(0.2)
                job = backend.refresh(job)
            steps = [event.step for event in backend.events(job) if "train_loss" in event.metrics] if job.id else []
            once = steps == sorted(set(steps)) and job.status is backends.JobStatus.SUCCEEDED
            tally.add(f"local: killed {'after' if after else 'before'} write {at}", int(once), job.id is not None, True)
        at += 1


def measure(names: tuple[str, ...] = (), *, quick: bool = False) -> dict[str, Any]:
    """Run the matrix and return the benchmark's document."""
    tally = Tally()
    each: dict[str, dict[str, int]] = {}
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        write_rows(Path(folder) / "train.jsonl", 12)
        for case in HOSTED:
            if names and case.name not in names:
                continue
            before = (tally.cases, tally.survived)
            with Emulated.start(case) as emulated:
                os.environ.update(case.environment(SimpleNamespace(key=KEY, base_url=emulated.url)))  # type: ignore[arg-type]
                matrix(emulated, Path(folder), tally, quick=quick)
            print(f"{case.name}: {tally.survived} of {tally.cases} survived so far", file=sys.stderr)
            each[case.name] = {"cases": tally.cases - before[0], "survived": tally.survived - before[1]}
        if not names or "local" in names:
            before = (tally.cases, tally.survived)
            local_matrix(Path(folder), tally)
            each["local"] = {"cases": tally.cases - before[0], "survived": tally.survived - before[1]}
    shutil.rmtree(_HOME, ignore_errors=True)
    return {
        "cases": tally.cases,
        "survived": tally.survived,
        "paid_jobs": tally.paid_jobs,
        "expected_paid_jobs": tally.cases,
        "by_backend": each,
        "not_survived": tally.lost,
        "seconds": round(time.perf_counter() - started, 1),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", action="append", default=[])
    parser.add_argument("--quick", action="store_true", help="a third of the cases")
    chosen = parser.parse_args()
    print(json.dumps(measure(tuple(chosen.backend), quick=chosen.quick), indent=2))
