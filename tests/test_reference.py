"""docs/reference says what the code does: it is written anew and compared."""

from __future__ import annotations

import os
import pkgutil
import re
import runpy
from importlib.metadata import version
from pathlib import Path

import pytest

RENEW = bool(os.environ.get("TUNEWISE_RENEW_GOLDEN"))
FOLDER = Path(__file__).parent.parent / "docs" / "reference"


@pytest.mark.skipif(version("click").startswith("8.4."), reason="click 8.4 writes a usage line otherwise")
def test_golden_reference_pages_are_those_the_code_writes() -> None:
    pages = runpy.run_path(str(FOLDER / "make.py"))["pages"]()
    for name, text in pages.items():
        path = FOLDER / name
        if RENEW:
            path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
        assert path.read_text(encoding="utf-8") == text.rstrip("\n") + "\n", (
            f"{path} is not what the code says: renew it with 'python docs/reference/make.py' and read the diff"
        )
    assert {path.name for path in FOLDER.iterdir() if path.suffix in (".md", ".json")} == set(pages)


def test_every_name_of_the_library_page_and_of_the_errors_is_there() -> None:
    text = "".join((FOLDER / page).read_text(encoding="utf-8") for page in ("library.md", "exit-codes.md"))
    names = re.findall(r"`((?:advisor|backends)\.[\w.]+)", text)
    assert len(names) > 40
    for name in names:
        pkgutil.resolve_name(name)
