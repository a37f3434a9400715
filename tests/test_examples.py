"""The shipped examples: sizes, valid answers, labels that follow from the message, workloads that load."""

from __future__ import annotations

import json
import re
import runpy
from collections import Counter
from pathlib import Path

import pytest

from advisor.workload import load_workload

EXAMPLES = Path(__file__).parent.parent / "examples"
SIZES = {"support_tickets": 400, "house_style": 240, "intents_small": 240, "bike_intents": 160}
KINDS = {
    "orlawen": r"orlawen|coffee machine|kaffeemaschine|cafetera|machine [àa] caf[ée]",
    "mossolet": r"mossolet|vacuum|saugroboter|robot\b|aspirateur",
    "drystane": r"drystane|dehumidifier|entfeuchter|d[ée]shumidificateur",
    "kobbin": r"kobbin|fryer|freidora|friteuse",
    "hub": r"\bhub\b",
    "app": r"\bapp\b|aplicaci[oó]n|application",
}


def read(name: str) -> list[tuple[str, str, str]]:
    lines = (EXAMPLES / f"{name}.jsonl").read_bytes().decode("utf-8").splitlines()
    turns = []
    for line in lines:
        row = json.loads(line)
        assert list(row) == ["messages"]
        assert [turn["role"] for turn in row["messages"]] == ["system", "user", "assistant"]
        assert line == json.dumps(row, ensure_ascii=False, separators=(",", ":"))
        system, user, answer = (turn["content"] for turn in row["messages"])
        turns.append((system, user, answer))
    return turns


@pytest.mark.parametrize("name", SIZES)
def test_sizes_and_no_duplicates(name: str) -> None:
    rows = read(name)
    assert len(rows) == SIZES[name]
    assert len({system for system, _, _ in rows}) == 1
    assert len({" ".join(user.casefold().split()) for _, user, _ in rows}) == len(rows)
    assert all(user.strip() and answer == answer.strip() for _, user, answer in rows)


def test_ticket_answers_keep_the_schema() -> None:
    system = read("support_tickets")[0][0]
    categories: Counter[str] = Counter()
    for _, _, answer in read("support_tickets"):
        label = json.loads(answer)
        assert list(label) == ["category", "priority", "product", "order_id", "needs_human"]
        assert label["priority"] in {"low", "normal", "high", "urgent"}
        assert label["product"] in {*KINDS, "none"}
        assert label["category"] in system
        assert label["order_id"] is None or re.fullmatch(r"KL-\d{6}", label["order_id"])
        assert isinstance(label["needs_human"], bool)
        categories[label["category"]] += 1
    assert len(categories) == 12
    assert min(categories.values()) >= 12


def test_ticket_labels_follow_from_the_message() -> None:
    for _, message, answer in read("support_tickets"):
        label = json.loads(answer)
        named = {product for product, words in KINDS.items() if re.search(words, message, re.IGNORECASE)}
        assert (label["product"] in named) if named else label["product"] == "none", message
        orders = re.findall(r"(?<!\w)(?:kl[- ]?|#)?(\d{6})(?!\d)", message, re.IGNORECASE)
        if label["order_id"]:
            assert label["order_id"].removeprefix("KL-") in orders, message
        else:
            assert not orders, message
        if label["priority"] in {"high", "urgent"} or label["category"] == "privacy":
            assert label["needs_human"], message
        if label["category"] in {"how_to", "feedback"}:
            assert label["priority"] == "low", message
        if label["category"] == "app_bug":
            assert label["product"] == "app", message


def test_the_generator_writes_the_shipped_tickets() -> None:
    made = runpy.run_path(str(EXAMPLES / "make_support_tickets.py"))["content"]()
    assert made.encode() == (EXAMPLES / "support_tickets.jsonl").read_bytes()


def test_house_style_answers_keep_the_style() -> None:
    unit = re.compile(r"\d ?(?:miles?|inch(?:es)?|feet|foot|ft|lbs?|pounds?|oz|gallons?|yards?|psi|mph|°F)\b")
    superlative = re.compile(r"\b(?:best|worst|most|ultimate|perfect|\w+(?:ight|mall|arm|afe|oft|ug|ast)est)\b", re.I)
    for _, draft, answer in read("house_style"):
        assert "!" not in answer
        assert not unit.search(answer), answer
        assert not superlative.search(answer), answer
        assert re.search(r"\byou(?:r|rs|rself)?\b", answer, re.I), answer
        sentences = re.split(r"(?<=[.?]) (?=[A-Z])", answer)
        assert 2 <= len(sentences) <= 6, answer
        assert max(len(sentence.split()) for sentence in sentences) <= 20, answer
        assert answer != draft


def test_intents_are_thirty_with_eight_each() -> None:
    rows = read("intents_small")
    labels = Counter(answer for _, _, answer in rows)
    assert set(labels.values()) == {8}
    assert len(labels) == 30
    system = rows[0][0]
    assert set(re.findall(r"\w+", system.split("Labels:")[1])) == set(labels)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_workloads_load(path: Path) -> None:
    workload = load_workload(path)
    assert workload.requests_per_month is not None
    assert workload.quality_target is not None
    assert workload.on_premises == (path.stem == "on_premises")
