"""Kills the launch at every step, spoils every request and reply once, and counts the jobs that were paid for.

    python benchmarks/faults.py [--backend NAME]... [--every N]

Each case checks and launches one run against a provider's emulator, which runs as a process of its own. The launching
process is killed with SIGKILL before and after every write to the ledger and in the middle of every request; a request
or its reply is spoiled once (lost, cut, redirected, reset, of another shape, without an end); or half of an upload gets
lost on its way. Then the launch is resumed, as a person would. A case is survived when the emulator counts exactly one
paid job, which trains on the whole file, and the ledger holds its id. A local run has no provider: there the launch is
killed around every write, and exactly one trainer must take every step once. The backends run beside each other, one a
core. Prints one JSON document.
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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "benchmarks")]

from backend_cases import CASES, HOSTED, Case, write_rows  # noqa: E402
from emulator_base import KEY  # noqa: E402
from fault_trials import Deadly, Emulated, Trial, trials  # noqa: E402

import backends  # noqa: E402
from advisor.errors import AdvisorError, RunError  # noqa: E402
from advisor.runs import Ledger, Order, record, send, stage  # noqa: E402

PATIENCE_S = 60.0
READ_S = 0.5  # for one read: the endless reply is given up after three times as long


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


def matrix(emulated: Emulated, folder: Path, tally: Tally, *, every: int) -> None:
    """Run every ``every``-th fault over one backend."""
    requests, writes = _clean(emulated, folder, tally)
    for trial in list(trials(emulated, requests, writes))[::every]:
        _case(emulated, folder, tally, trial)


def _clean(emulated: Emulated, folder: Path, tally: Tally) -> tuple[list[str], int]:
    """Launch without a fault; return the requests it made and how often it wrote to the ledger."""
    _case(emulated, folder, tally, Trial(f"{emulated.case.name}: nothing wrong"))
    found = emulated.tell("state")
    writes = _HOME / "writes"
    return [line.rsplit(" ", 1)[0] for line in found["requests"]], int(writes.read_text())


_HOME = Path(tempfile.gettempdir()) / f"tunewise-faults-{os.getpid()}"


def _case(emulated: Emulated, folder: Path, tally: Tally, trial: Trial) -> None:
    shutil.rmtree(_HOME, ignore_errors=True)
    os.environ["TUNEWISE_HOME"] = str(_HOME)
    emulated.tell("reset")
    if trial.stall is not None:
        emulated.tell("fault", where="*", kind="stall", details={"skip": trial.stall})
    if trial.fault is not None:
        emulated.tell("fault", **trial.fault)
    run = _stage(emulated.case, folder)
    child = _fork(lambda: _launch(emulated.case, run, trial.deadly))
    if trial.stall is not None:
        stall = trial.stall
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
    tally.add(trial.name, len(paid), agrees, state["trained_bytes"] == [run.spec.train_file.stat().st_size])


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
    """Do what the command does: check, keep the run, reserve, send; or go on with it when it is kept already."""
    kind: Any = type(backends.get(case.name))
    hurry = {"timeout_s": READ_S, "sleep": lambda seconds: time.sleep(min(seconds, 0.02))}
    backend: backends.Backend = kind(**hurry) if case.emulator is not None else kind()
    ledger = Ledger.open()
    (deadly or Deadly(0, False)).arm(ledger)
    with contextlib.suppress(backends.BackendError, AdvisorError):
        try:
            ledger.get(run.id)
        except RunError:
            with contextlib.suppress(backends.ProviderUnavailable, backends.RateLimited):
                backend.preflight(run.spec)
            record(ledger, run, monthly_limit=None, now=datetime.now(UTC))
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


def local_matrix(folder: Path, tally: Tally, *, every: int) -> None:
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
        at += max(1, every // 2)


def measure(names: tuple[str, ...] = (), *, every: int = 1) -> dict[str, Any]:
    """Run every ``every``-th case, each backend in a process of its own, and return the benchmark's document."""
    started = time.perf_counter()

    def alone(name: str) -> tuple[str, dict[str, Any]]:
        command = [sys.executable, __file__, "--alone", name, "--every", str(every)]
        return name, json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)

    chosen = [case.name for case in CASES.values() if not names or case.name in names]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = dict(pool.map(alone, chosen))
    total = {key: sum(one[key] for one in found.values()) for key in ("cases", "survived", "paid_jobs")}
    return {
        **total,
        "expected_paid_jobs": total["cases"],
        "by_backend": {name: {key: one[key] for key in ("cases", "survived")} for name, one in found.items()},
        "not_survived": [line for one in found.values() for line in one["not_survived"]],
        "seconds": round(time.perf_counter() - started, 1),
    }


def measure_alone(name: str, *, every: int) -> dict[str, Any]:
    """Run the cases of one backend in this process."""
    tally = Tally()
    case = CASES[name]
    with tempfile.TemporaryDirectory() as folder:
        write_rows(Path(folder) / "train.jsonl", 12)
        if case in HOSTED:
            with Emulated.start(case) as emulated:
                os.environ.update(case.environment(SimpleNamespace(key=KEY, base_url=emulated.url)))  # type: ignore[arg-type]
                matrix(emulated, Path(folder), tally, every=every)
        else:
            local_matrix(Path(folder), tally, every=every)
    shutil.rmtree(_HOME, ignore_errors=True)
    print(f"{name}: {tally.survived} of {tally.cases} survived", file=sys.stderr)
    counted = {"cases": tally.cases, "survived": tally.survived, "paid_jobs": tally.paid_jobs}
    return {**counted, "not_survived": tally.lost}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", action="append", default=[])
    parser.add_argument("--every", type=int, default=1, help="run every N-th case")
    parser.add_argument("--alone", help=argparse.SUPPRESS)  # one backend, in this process
    chosen = parser.parse_args()
    if chosen.alone:
        found = measure_alone(chosen.alone, every=chosen.every)
    else:
        found = measure(tuple(chosen.backend), every=chosen.every)
    print(json.dumps(found, indent=2))
