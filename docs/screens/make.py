"""Record what the README shows, as SVG text, the screens and the figure of the report: python docs/screens/make.py

Each command runs in a pseudo-terminal of 80 columns with a fresh home and a fixed date, so that the same code gives
the same picture.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from pathlib import Path

import pexpect
from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
TODAY = "2026-11-22"
DATA = "examples/support_tickets.jsonl"
PLAN = ["plan", DATA, "--workload", "examples/support_tickets.yaml"]
SCREENS = {
    "check": ["check", DATA],
    "plan": PLAN,
}


def run(arguments: list[str]) -> str:
    """Run ``tunewise`` with ``arguments`` and return what it wrote to its terminal."""
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "TUNEWISE_HOME": home, "XDG_CONFIG_HOME": home, "TERM": "xterm-256color"}
        process = pexpect.spawn(
            sys.executable,
            ["-m", "advisor", *arguments],
            cwd=ROOT,
            env={**environment, "COLUMNS": "80", "TUNEWISE_TODAY": TODAY},
            encoding="utf-8",
            dimensions=(200, 80),
            timeout=120,
        )
        process.expect(pexpect.EOF)
        screen = process.before
        process.close(force=True)
    return screen.replace("\r\n", "\n")


def record(arguments: list[str]) -> str:
    """Return the screen of ``tunewise`` with ``arguments`` as SVG."""
    screen = run([*arguments, "--quiet"])  # no progress bars, which are gone when a person reads
    console = Console(record=True, width=80, file=io.StringIO(), force_terminal=True)
    console.print(Text.assemble(("$ ", "bold"), (" ".join(["tunewise", *arguments]), "bold")))
    console.print(Text.from_ansi(screen.rstrip()))
    return console.export_svg(title="tunewise", unique_id="tunewise-" + arguments[0])


def main() -> None:
    for name, arguments in SCREENS.items():
        (HERE / f"{name}.svg").write_text(record(arguments), encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        plan = str(Path(folder) / "plan.yaml")
        run([*PLAN, "--out", plan])
        run(["report", plan, "--svg", str(HERE / "report.svg")])


if __name__ == "__main__":
    main()
