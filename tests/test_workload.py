"""The workload file: what its guide shows can be loaded, and what cannot be used is refused with a remedy."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from advisor.errors import WorkloadError
from advisor.pricing import PriceBook
from advisor.recommend import recommend
from advisor.tokens import synthetic
from advisor.workload import Workload, load_workload, parse_workload

GUIDE = (Path(__file__).parent.parent / "docs" / "concepts" / "workload.md").read_text(encoding="utf-8")


def test_the_guide_shows_every_key_and_nothing_else() -> None:
    shown: set[str] = set()
    for block in re.findall(r"```yaml\n(.*?)```", GUIDE, flags=re.DOTALL):
        content = yaml.safe_load(block)
        shown |= set(parse_workload(content, where="the guide").model_fields_set)
    assert shown == set(Workload.model_fields)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("reqests_per_month: 5", "reqests_per_month: unknown key. Did you mean 'requests_per_month'?"),
        (
            "data: {exmples: 3, examples: 3, tokens_per_example: 9}",
            "data.exmples: unknown key. Did you mean 'examples'",
        ),
        ("colour: red", "colour: unknown key. Choose one of: task, data,"),
        ("requests_per_month: 5.5", "requests_per_month: '5.5' is not a whole number"),
        ("requests_per_month: {low: 3, mid: 2, high: 9}", "low <= mid <= high"),
        ("privacy: eu", "privacy: must be any, no_training_use, region:NAME or on_premises."),
        ("measured: {prompt: 71}", "measured.prompt: "),
        (
            "measured: {hosted: {score: 84, model: m}}",
            "measured.hosted.score: '84' is not a share from 0 to 1 such as 0.78 or 78%: write 0.84 or 84%.",
        ),
        ("measured: {hosted: {score: .8}}", "measured.hosted.model: Field required."),
        ("current: {modle: x, model: x}", "current.modle: unknown key. Did you mean 'model'?"),
        ("current: {score: 0.8}", "current.model: Field required."),
        ("current: {model: x, strategy: magic}", "current.strategy: Input should be 'prompt', 'few_shot'"),
        ("a: [", "line 1: this is not valid YAML"),
        ("- 1", "is a mapping such as"),
        ("measured: {prompt: 0.5}\nmeasured: {few_shot: 0.9}", "line 2: the key 'measured' appears twice"),
        ("data:\n  examples: 3\n  examples: 30", "line 3: the key 'examples' appears twice"),
    ],
)
def test_what_cannot_be_used_is_named_with_a_remedy(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "work.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(WorkloadError, match=re.escape(said)) as refused:
        load_workload(file)
    assert str(refused.value).startswith(str(file))


def test_a_score_may_name_its_model() -> None:
    said = {"measured": {"prompt": 0.7, "hosted": {"score": 0.84, "model": "gpt-4o-mini-2024-07-18"}}}
    found = parse_workload(said, where="here")
    assert found.scores == {"prompt": 0.7, "hosted": 0.84}
    assert (found.scored_with("hosted"), found.scored_with("prompt")) == ("gpt-4o-mini-2024-07-18", None)
    assert parse_workload(found.model_dump(exclude_unset=True), where="again") == found


@pytest.mark.parametrize(("paid", "change"), [("640", "less"), ("0.01", "more")])
def test_the_advice_is_set_against_the_bill_of_today(paid: str, change: str) -> None:
    data = {"examples": 100, "tokens_per_example": 400, "output_tokens": 40}
    current = {"model": "gpt-6-luna", "usd_per_month": paid}
    content = {"task": "extraction", "data": data, "requests_per_month": 200_000, "current": current}
    workload = parse_workload(content, where="a test")
    assert workload.data is not None
    found = recommend(synthetic(workload.data, None), workload, PriceBook.load(), today=date(2026, 12, 1))
    assert found.recommendation is not None and found.recommendation.estimate is not None
    month = found.recommendation.estimate.amortised_monthly_usd
    assert month is not None
    apart = f"${abs(Decimal(paid) - month.mid):,.0f} {change}"
    said = f"what answers today costs you ${Decimal(paid):,.0f} a month; this would come to {apart}"
    assert said in [one.text for one in found.reasons]


@pytest.mark.parametrize(
    ("task", "taken"), [("translation", "style tasks"), ("question_answering", "all kinds"), ("style", None)]
)
def test_evidence_of_another_task_is_called_that(task: str, taken: str | None) -> None:
    data = {"examples": 800, "tokens_per_example": 400, "output_tokens": 40}
    workload = parse_workload({"task": task, "data": data, "measured": {"prompt": 0.6}}, where="a test")
    assert workload.data is not None
    found = recommend(synthetic(workload.data, None), workload, PriceBook.load(), today=date(2026, 12, 1))
    said = [one for one in found.unknowns if "no published case is of it" in one]
    assert [f"so those of {taken} count" in one for one in said] == ([True] if taken else [])
