"""The example notebook runs from its first cell to its last, as Jupyter would run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nbclient", reason="nbclient is not installed: .[test]")
pytest.importorskip("ipykernel", reason="ipykernel is not installed: .[test]")

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "examples" / "support_tickets.ipynb"
RUN = """
import json, sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
json.dump([[dict(output) for output in cell.get("outputs", ())] for cell in notebook.cells], sys.stdout)
"""


def test_every_cell_runs_and_what_it_shows_is_the_advice(tmp_path: Path) -> None:
    (tmp_path / "support_tickets.jsonl").symlink_to(ROOT / "examples" / "support_tickets.jsonl")
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(NOTEBOOK)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "JUPYTER_PLATFORM_DIRS": "1"},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shown = [output for outputs in json.loads(done.stdout) for output in outputs]
    pages = [output["data"]["text/html"] for output in shown if "text/html" in output.get("data", {})]
    assert len(pages) == 2 and "400" in pages[0] and "<table" in pages[1]
    said = "".join(output["text"] for output in shown if output["output_type"] == "stream")
    assert "requests_per_month: now 200,000, at " in said and "US dollars, prices of" in said and "tunewise " in said


def test_it_is_kept_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert all(cell.get("outputs", []) == [] and cell.get("execution_count") is None for cell in cells)
