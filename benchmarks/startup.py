"""How much CPU the commands take to start, beside a bare interpreter: python benchmarks/startup.py

Prints one JSON document. CPU seconds (user + system) of the whole process, the median of several runs after a warm-up;
the home folder is fresh for each run of ``check`` and ``plan``, so nothing is cached there. Modules are compiled
once, by the warm-up, as an installer does it. ``check --json`` counts in a second vocabulary, that of gpt-3.5.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def cpu_seconds(arguments: list[str], home: Path, compiled: Path) -> float:
    """Run a process to its end and return its user and system time; a failing command is an error."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "TUNEWISE_HOME": str(home), "PYTHONPYCACHEPREFIX": str(compiled)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(arguments, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"{' '.join(arguments)} failed:\n{done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def median(arguments: list[str], runs: int, compiled: Path) -> float:
    times = []
    for _ in range(runs + 1):
        with tempfile.TemporaryDirectory() as home:
            times.append(cpu_seconds(arguments, Path(home), compiled))
    return statistics.median(times[1:])


def five_hundred_rows(target: Path) -> None:
    """Write 500 distinct rows made from the shipped examples."""
    rows = (ROOT / "examples" / "support_tickets.jsonl").read_text(encoding="utf-8").splitlines()
    again = [row.replace('"role":"user","content":"', '"role":"user","content":"Once more: ', 1) for row in rows]
    target.write_text("\n".join([*rows, *again][:500]) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    tunewise = [sys.executable, "-m", "advisor"]
    with tempfile.TemporaryDirectory() as folder:
        data, compiled = Path(folder) / "rows.jsonl", Path(folder) / "compiled"
        five_hundred_rows(data)
        commands = {
            "python": [sys.executable, "-c", "pass"],
            "help": [*tunewise, "--help"],
            "check_500": [*tunewise, "check", str(data)],
            "check_500_json": [*tunewise, "check", str(data), "--json"],
            "plan_500": [*tunewise, "plan", str(data), "--today", "2026-11-22", "--json"],
        }
        found = {f"{name}_cpu_s": median(words, runs, compiled) for name, words in commands.items()}
    bare = found["python_cpu_s"]
    ratios = {name.removesuffix("_cpu_s"): round(value / bare, 1) for name, value in found.items() if value is not bare}
    print(json.dumps({**{name: round(value, 3) for name, value in found.items()}, "ratio_to_python": ratios}, indent=2))


if __name__ == "__main__":
    main()
