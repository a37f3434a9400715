"""The library: its names are pinned, its page's examples run, and it starts nothing that costs money unasked."""

from __future__ import annotations

import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

import advisor
import tunewise
from advisor import budget, check, launch, plan, price
from advisor.errors import OverLimit, RunError, UsageError

ROOT = Path(__file__).parent.parent
DATA = ROOT / "examples" / "intents_small.jsonl"
NAMES = """
Dataset Ledger Options PriceBook Profile Receipt Recommendation Run Scorecard Workload
budget check estimate evaluate fit launch plan price profile receipt recommend watch
"""


def test_the_public_names_are_these_under_both_names() -> None:
    assert advisor.__all__ == NAMES.split() == tunewise.__all__
    for name in advisor.__all__:
        assert getattr(tunewise, name) is getattr(advisor, name)


def test_a_function_stays_one_whatever_was_imported_before() -> None:
    code = "import advisor.evaluate, advisor.runs, advisor; print(callable(advisor.evaluate), callable(advisor.plan))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


@pytest.mark.slow
def test_the_examples_of_the_page_run(tmp_path: Path) -> None:
    (tmp_path / "examples").mkdir()
    rows = DATA.read_text(encoding="utf-8").splitlines()[:24]
    (tmp_path / "examples" / DATA.name).write_text("\n".join(rows) + "\n", encoding="utf-8")
    page = (ROOT / "docs" / "reference" / "library.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert len(blocks) == 2
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(blocks)],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "TUNEWISE_HOME": str(tmp_path / "home")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "JobStatus.SUCCEEDED" in done.stdout or "succeeded" in done.stdout


def test_advice_is_that_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    advice = plan(DATA, workload={"requests_per_month": 50_000})
    assert advice.recommendation is not None and advice.options
    bought = budget(DATA, usd=10_000, workload={"requests_per_month": 50_000})
    assert bought.best is not None and bought.best.option.id == advice.recommendation.id
    with pytest.raises(UsageError):
        plan()


def test_nothing_is_kept_of_a_price_and_nothing_paid_without_a_limit(home: Path) -> None:
    where = {"backends": ["together"], "models": ["Qwen/Qwen3.5-9B"]}
    found = price(DATA, backend="together", model="Qwen/Qwen3.5-9B")
    assert found.costs_money and found.run.quote.usd is not None
    with pytest.raises(RunError, match="--max-cost"):
        launch(DATA, **where)
    with pytest.raises(OverLimit):
        launch(DATA, **where, max_usd=Decimal("0.01"))
    assert not list((home / "runs").glob("*"))
    assert check(DATA).examples
