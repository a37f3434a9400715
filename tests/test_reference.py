"""docs/reference says what the code does: it is written anew and compared."""

from __future__ import annotations

import os
import runpy
from pathlib import Path

RENEW = bool(os.environ.get("TUNEWISE_RENEW_GOLDEN"))
FOLDER = Path(__file__).parent.parent / "docs" / "reference"


def test_golden_reference_pages_are_those_the_code_writes() -> None:
    pages = runpy.run_path(str(FOLDER / "make.py"))["pages"]()
    for name, text in pages.items():
        path = FOLDER / name
        if RENEW:
            path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
        assert path.read_text(encoding="utf-8") == text.rstrip("\n") + "\n", (
            f"{path} is not what the code says: renew it with 'python docs/reference/make.py' and read the diff"
        )
    assert {path.name for path in FOLDER.glob("*.md")} == set(pages)
