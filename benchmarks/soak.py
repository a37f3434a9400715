"""Watches many runs at once against an emulator in bad weather, and counts what was lost and how hard it asked.

    python benchmarks/soak.py [--runs 200] [--seconds 60] [--rate 0.05] [--per-second 20]

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

from backend_cases import CASES, write_rows  # noqa: E402
from emulator_openai import STAGES, OpenAIEmulator  # noqa: E402

from advisor.estimate import LineItem  # noqa: E402
from advisor.runs import Ledger, Origin, Quote, Run, Watch, read_events  # noqa: E402
from backends.openai import OpenAIBackend  # noqa: E402

WEATHER = ("429", "500", "stall")
MTOK = LineItem("training", Decimal(1), "million tokens", *[Decimal(5)] * 4, "the benchmark", None)


def measure(runs: int, seconds: float, rate: float, per_second: float, timeout_s: float) -> dict[str, Any]:
    """Submit ``runs`` jobs, watch them all for ``seconds``, then to their end."""
    case = CASES["openai"]
    with tempfile.TemporaryDirectory() as folder, OpenAIEmulator(specs=None) as emulator:
        os.environ.update(case.environment(emulator), TUNEWISE_HOME=f"{folder}/home")
        write_rows(Path(folder) / "train.jsonl", 12)
        backend = OpenAIBackend(timeout_s=timeout_s)
        ledger = Ledger.open()
        names = [f"tw-soak-{number:04}" for number in range(runs)]
        for name in names:
            spec = replace(case.spec(Path(folder)), run=name)
            job = backend.submit(spec)
            quote = Quote(usd=Decimal(5), lines=(MTOK,))
            ledger.add(Run(name, datetime.now(UTC), spec, quote, Origin(), job))
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
        backend.close()
        jobs = emulator.state["jobs"]
        complete = [name for name in names if _complete(ledger, name, jobs)]
        return {
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


def _tick(emulator: OpenAIEmulator, seconds: float) -> None:
    """Move all jobs through their stages, the last of which they reach when the time is over."""
    steps = len(STAGES) - 1
    for _ in range(steps):
        time.sleep(seconds / steps)
        emulator.tick()


def _complete(ledger: Ledger, name: str, jobs: dict[str, dict[str, Any]]) -> bool:
    job = ledger.get(name).job
    there = jobs[job.id or ""]
    events = [event["id"] for event in there["events"]]
    return (
        job.status == there["status"] == "succeeded"
        and sorted(event.id for event in read_events(name)) == sorted(events)
        and ledger.settled(name) is not None
    )


def _how(line: str) -> str:
    """Return how a request failed, as the emulator noted it: "GET /path 429 status", "GET /path 200 stall"."""
    _, _, status, *spoiled = line.split(" ")
    return "" if not spoiled else ("timeout" if spoiled == ["stall"] else status)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long all runs are live")
    parser.add_argument("--rate", type=float, default=0.05, help="share of reads that fail at random")
    parser.add_argument("--per-second", type=float, default=20.0, help="looks that may start in a second")
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds after which a read is given up")
    chosen = parser.parse_args()
    found = measure(chosen.runs, chosen.seconds, chosen.rate, chosen.per_second, chosen.timeout)
    print(json.dumps(found, indent=2))
