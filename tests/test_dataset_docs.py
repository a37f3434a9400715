"""The page about datasets says what the code does."""

from __future__ import annotations

import runpy
from pathlib import Path

from advisor.dataset import CATALOGUE, Format, Level
from advisor.dataset.precision import LEAST, MEASURED
from advisor.dataset.rows import Container

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "concepts" / "datasets.md").read_text()


def test_the_table_is_what_the_command_prints(shared: Path) -> None:
    made = runpy.run_path(str(ROOT / "benchmarks" / "datasets.py"))["table"](shared / "data")
    assert made.strip() in PAGE, "renew it with: python benchmarks/datasets.py ../shared/data"


def test_the_precision_of_findings_is_what_was_measured(shared: Path) -> None:
    made = runpy.run_path(str(ROOT / "benchmarks" / "datasets.py"))
    assert made["precision"](shared / "data") == MEASURED
    assert made["precision_table"](shared / "data") in PAGE


def test_what_is_seldom_right_is_a_note() -> None:
    for code, (right, judged) in MEASURED.items():
        assert CATALOGUE[code].level is Level.INFO or right >= LEAST * judged, code


def test_every_format_is_on_the_page() -> None:
    for format in Format:
        word = {"openai_chat": "chat", "prompt_completion": "prompt and completion"}.get(format.value, format.value)
        assert word in PAGE.lower(), format
    for container in set(Container) - {Container.DOCUMENT}:
        assert container.value.replace("jsonl", "json lines") in PAGE.lower(), container
