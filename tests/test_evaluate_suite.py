"""Suites of questions: the user's own beside the built-in one, with every fault named by file and line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from paper_backend import PaperBackend
from test_evaluate_asking import tuned_run

from advisor.errors import DataError
from advisor.evaluate.metrics import Answer
from advisor.evaluate.suite import suite
from advisor.runs.evaluation.evaluate import Options, evaluate_run
from advisor.runs.evaluation.forgetting import regressions
from advisor.runs.evaluation.question import Variant
from advisor.runs.evaluation.spend_cap import SpendCap
from backends import Completion


def written(path: Path, *lines: object) -> Path:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def test_a_suite_of_the_users_is_read_in_the_documented_form(tmp_path: Path) -> None:
    path = written(
        tmp_path / "mine.jsonl",
        {"ask": "Our opening hours?", "any": ["9 to 17", "9-17"], "most_words": 20},
        "",
        {"kind": "tone", "ask": "Say\u2028hello", "matches": "Hello[.!]?", "case": True},
        {"ask": "{}?", "json": {}},
    )
    hours, hello, empty = suite(path)
    assert [one.id for one in (hours, hello, empty)] == ["own-001", "tone-003", "own-004"]
    assert hours.right(Answer("From 9 to 17.")) and not hours.right(Answer("From 9 to 17." + " x" * 20))
    assert hello.right(Answer("Hello.")) and not hello.right(Answer("hello."))
    assert empty.right(Answer("{}")) and not empty.right(Answer("[]"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"ask": "x", ', "this is not JSON"),
        ("[1]", "this is not an object"),
        ({"any": ["x"]}, "'ask' must hold the question"),
        ({"ask": " ", "any": ["x"]}, "'ask' must hold the question"),
        ({"ask": "x", "kind": 3, "any": ["x"]}, "'kind' must be a word"),
        ({"ask": "x", "anny": ["x"]}, "There is no check 'anny'. Did you mean 'any'"),
        ({"ask": "x", "any": "x"}, "'any' must be a list of words"),
        ({"ask": "x", "any": []}, "'any' must be a list of words"),
        ({"ask": "x", "number": "4"}, "'number' must be a number"),
        ({"ask": "x", "number": True}, "'number' must be a number"),
        ({"ask": "x", "matches": "("}, "'matches' must be a regular expression"),
        ({"ask": "x", "most_words": 0}, "'most_words' must be a whole number"),
        ({"ask": "x", "refuse": "yes"}, "'refuse' must be true or false"),
        ({"ask": "x"}, "there is no check of the answer"),
        ({"ask": "x", "most_words": 3}, "there is no check of the answer"),
    ],
)
def test_a_fault_is_named_by_file_and_line(tmp_path: Path, line: object, message: str) -> None:
    path = written(tmp_path / "mine.jsonl", {"ask": "2 + 2?", "number": 4}, "", line)
    with pytest.raises(DataError) as refused:
        suite(path)
    assert str(refused.value).startswith(f"{path}:3: ")
    assert message in str(refused.value)


def test_many_faults_are_counted_and_an_empty_suite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"mine\.jsonl:5: .*\n\.\.\. and 3 more\.$"):
        suite(written(tmp_path / "mine.jsonl", *["x"] * 8))
    with pytest.raises(DataError, match="there are no items"):
        suite(written(tmp_path / "mine.jsonl", ""))
    with pytest.raises(DataError, match="cannot be read as a suite"):
        suite(tmp_path / "absent.jsonl")


class Clerk(PaperBackend):
    """Knows the opening hours, but for its tuned model, which has forgotten them for all cities but one."""

    def complete(self, model: str, messages: object, **settings: object) -> Completion:  # type: ignore[override]
        self.calls.append("complete")
        asked = str(messages[-1]["content"])  # type: ignore[index]
        known = model == "base" or asked.endswith("city 0?")
        return Completion("9 to 17" if known else "Who knows?", (), 10, 0, 4, 5.0, "stop")


def both(tmp_path: Path) -> tuple[Clerk, Variant, Variant]:
    backend = Clerk(tmp_path / "p")
    cent = Decimal("0.01")
    base, tuned = (Variant(name, backend, name, price=lambda completion: cent) for name in ("base", "tuned"))
    return backend, base, tuned


def test_forgetting_shows_in_the_users_suite_alone_and_is_paid_for_once(tmp_path: Path) -> None:
    hours = ({"ask": f"Opening hours in city {number}?", "any": ["9 to 17"]} for number in range(12))
    path = written(tmp_path / "hours.jsonl", *hours)
    backend, base, tuned = both(tmp_path)
    purse = SpendCap(Decimal("1"))
    (found,), notes = regressions(base, tuned, Options(suites=(path,)), tmp_path, purse)
    assert (found.suite, found.items, found.verdict, notes) == ("hours.jsonl", 12, "block", [])
    assert (found.base, found.tuned) == (1.0, pytest.approx(1 / 12))
    assert purse.spent == Decimal("0.24")
    again, _ = regressions(base, tuned, Options(suites=(path,)), tmp_path, SpendCap(Decimal(0)))
    assert again == (found,) and backend.calls.count("complete") == 24


def test_the_built_in_suite_says_when_it_is_left_out(tmp_path: Path) -> None:
    path = written(tmp_path / "hours.jsonl", {"ask": "Opening hours in city 0?", "any": ["9 to 17"]})
    _, base, tuned = both(tmp_path)
    found, notes = regressions(base, tuned, Options(regression=True, suites=(path,)), tmp_path, SpendCap(None))
    assert [one.suite for one in found] == ["hours.jsonl"] and found[0].verdict == "fine"
    assert len(notes) == 1 and "The built-in suite was left out: the base answers 0 of the first" in notes[0]


def test_a_fault_in_a_suite_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    backend = PaperBackend(tmp_path / "p")
    options = Options(regression=True, suites=(written(tmp_path / "bad.jsonl", "{}"),))
    with pytest.raises(DataError, match=r"bad\.jsonl:1"):
        evaluate_run(tuned_run(tmp_path), backend, None, options, today=date(2026, 11, 22))
    assert backend.calls == []


def test_general_text_is_left_out_for_a_base_that_knows_none_of_it(tmp_path: Path) -> None:
    class Random(Clerk):
        """Scores as a model whose weights were never trained: every token one of two thousand."""

        def score(self, model: str, examples: list[object]) -> list[Loss]:
            return [Loss(76.0 if model == "base" else 120.0, 10) for _ in examples]

    backend = Random(tmp_path / "p")
    base, tuned = Variant("base", backend, "base"), Variant("tuned", backend, "tuned")
    found, notes = regressions(base, tuned, Options(regression=True), tmp_path, SpendCap(None))
    assert found == () and "(7.6 nats a token)" in notes[0]


@dataclass
class Loss:
    nll_sum: float
    tokens: int
