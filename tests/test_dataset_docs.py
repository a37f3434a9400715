"""The page about datasets says what the code does."""

from __future__ import annotations

import runpy
from pathlib import Path

from advisor.dataset import Format
from advisor.dataset._rows import Container

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "datasets.md").read_text()


def test_the_table_is_what_the_command_prints(shared: Path) -> None:
    made = runpy.run_path(str(ROOT / "benchmarks" / "datasets.py"))["table"](shared / "data")
    assert made.strip() in PAGE, "renew it with: python benchmarks/datasets.py ../shared/data"


def test_every_format_is_on_the_page() -> None:
    for format in Format:
        word = {"openai_chat": "chat", "prompt_completion": "prompt and completion"}.get(format.value, format.value)
        assert word in PAGE.lower(), format
    for container in set(Container) - {Container.DOCUMENT}:
        assert container.value.replace("jsonl", "json lines") in PAGE.lower(), container
