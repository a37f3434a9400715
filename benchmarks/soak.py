"""Watches many runs at once against an emulator in bad weather, and counts what was lost and how hard it asked.

    python benchmarks/soak.py [--backend openai] [--runs 200] [--seconds 60] [--rate 0.05] [--per-second 20]

All runs are live for the whole time; then they end, and the watch goes on, in the same weather, until it has seen every
end. Of all reads, ``rate`` fail: with 429, with 500, or by a reply that never comes, which the client gives up after
``timeout`` seconds. Prints one JSON document; a run is complete when the ledger has its end, its bill and every event.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from bisect import bisect_left
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from backend_cases import CASES  # noqa: E402
from emulator_base import Emulator  # noqa: E402

import backends  # noqa: E402
from advisor.estimate import LineItem  # noqa: E402
from advisor.runs import Ledger, Origin, Quote, Run, Watch, read_events  # noqa: E402
from backends import JobStatus  # noqa: E402

WEATHER = ("429", "500", "stall")
MTOK = LineItem("training", Decimal(1), "million tokens", *[Decimal(5)] * 4, "the benchmark", None)


def measure(name: str, runs: int, seconds: float, rate: float, per_second: float, timeout_s: float) -> dict[str, Any]:
    """Submit ``runs`` jobs to the backend called ``name``, watch them all for ``seconds``, then to their end."""
    case = CASES[name]
    assert case.emulator is not None
    with tempfile.TemporaryDirectory() as folder, case.emulator(specs=None) as emulator:
        os.environ.update(case.environment(emulator), TUNEWISE_HOME=f"{folder}/home")
        backend: Any = type(backends.get(name))(timeout_s=timeout_s)  # type: ignore[call-arg]
        ledger = Ledger.open()
        names = [f"tw-soak-{number:04}" for number in range(runs)]
        for run in names:
            spec = replace(case.spec(Path(folder)), run=run)
            job = backend.submit(spec)
            quote = Quote(usd=Decimal(5), lines=(MTOK,))
            ledger.add(Run(run, datetime.now(UTC), spec, quote, Origin(), job))
            ledger.save(job)
        emulator.advance_on_poll = False
        emulator.storm(rate, kinds=WEATHER)
        before = len(emulator.requests)
        ticking = threading.Thread(target=_tick, args=(emulator, seconds), daemon=True)
        started = time.monotonic()
        ticking.start()
        watch = Watch(ledger, names, lambda name: backend, per_second=per_second)
        troubles = sum(update.trouble is not None for update in watch.updates())
        took = time.monotonic() - started
        ticking.join()
        arrivals = emulator.arrivals[before:]
        asked = emulator.requests[before:]
        emulator.storm(0.0)
        complete = [run for run in names if _complete(ledger, run, backend)]
        backend.close()
        return {
            "backend": name,
            "runs": runs,
            "complete": len(complete),
            "lost": sorted(set(names) - set(complete)),
            "seconds_all_live": round(seconds, 1),
            "seconds_until_every_end_was_seen": round(took, 1),
            "requests": len(asked),
            "failed": dict(Counter(_how(line) for line in asked if _how(line))),
            "troubles_waited_out": troubles,
            "most_requests_in_any_second": max(bisect_left(arrivals, at + 1) - i for i, at in enumerate(arrivals)),
            "looks_per_second_allowed": per_second,
            "timeout_s": timeout_s,
        }


def _tick(emulator: Emulator, seconds: float) -> None:
    """Move all jobs through their stages, the last of which they reach when the time is over."""
    steps = len(sys.modules[type(emulator).__module__].STAGES) - 1
    for _ in range(steps):
        time.sleep(seconds / steps)
        emulator.tick()


def _complete(ledger: Ledger, run: str, backend: Any) -> bool:
    """Tell whether the ledger has a run's end, its bill where one is stated, and every event the provider has."""
    job = ledger.get(run).job
    kept = {event.id for event in read_events(run)}
    unstated = job.billed_usd is None and job.trained_tokens is None
    return (
        job.status is JobStatus.SUCCEEDED
        and kept >= {event.id for event in backend.events(job)}
        and (unstated or ledger.settled(run) is not None)
    )


def _how(line: str) -> str:
    """Return how a request failed, as the emulator noted it: "GET /path 429 status", "GET /path 200 stall"."""
    _, _, status, *spoiled = line.split(" ")
    return "" if not spoiled else ("timeout" if spoiled == ["stall"] else status)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", default="openai", choices=[name for name, case in CASES.items() if case.emulator])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long all runs are live")
    parser.add_argument("--rate", type=float, default=0.05, help="share of reads that fail at random")
    parser.add_argument("--per-second", type=float, default=20.0, help="looks that may start in a second")
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds after which a read is given up")
    chosen = parser.parse_args()
    found = measure(chosen.backend, chosen.runs, chosen.seconds, chosen.rate, chosen.per_second, chosen.timeout)
    print(json.dumps(found, indent=2))
