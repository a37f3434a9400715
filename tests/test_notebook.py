"""What people look at in a notebook shows itself, harmless and short."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from advisor import check, plan
from advisor.runs.receipt import Receipt
from backends import JobStatus

ROOT = Path(__file__).parent.parent
DATA = ROOT / "examples" / "intents_small.jsonl"


def test_advice_shows_itself_and_its_repr_is_a_few_lines() -> None:
    advice = plan(DATA, workload={"requests_per_month": 50_000})
    page = advice._repr_html_()
    assert advice.reason.split(".")[0][:40] in page.replace("&#x27;", "'") and advice.next_step.split()[0] in page
    assert page.count("<table") >= 1 and "<script" not in page
    assert len(repr(advice)) < 1000 and len(repr(advice).splitlines()) <= 4


def test_data_shows_itself_and_no_text_of_it_becomes_markup(tmp_path: Path) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    rows = [{"messages": [{"role": "user", "content": hostile}, {"role": hostile, "content": "x"}]}] * 3
    path = tmp_path / "odd.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = check(path)
    assert "<img" not in found._repr_html_() and "Profile: 0 examples" in repr(found)


def test_a_receipt_shows_itself() -> None:
    found = Receipt(
        run="tw-1", backend="local", model="<b>m</b>", status=JobStatus.SUCCEEDED, lines=(), quote_usd=Decimal("1.50"),
        billed_usd=Decimal("1.40"), error_pct=-6.7, basis="billed by the provider", quote_lines=(),
    )  # fmt: skip
    page = replace(found)._repr_html_()
    assert "<table" in page and "<b>m</b>" not in page
