"""A model as judge: both orders, ties where it changes its mind, paid once, within the cap, honest about its limits."""

from __future__ import annotations

import json
import re
from contextlib import closing
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from backend_cases import CASES
from paper_backend import PaperBackend, write_sums
from test_evaluate_asking import tuned_run

import backends
from advisor.cli.render import to_json
from advisor.errors import DataError, OverLimit, RunError
from advisor.evaluate.judge import Verdict, rubric, settled, tally, verdict
from advisor.evaluate.metrics import Answer
from advisor.pricing import PriceBook
from advisor.runs.evaluation.evaluate import Options, evaluate_data, evaluate_run
from advisor.runs.evaluation.question import Variant
from backends import Completion, Message

DAY = date(2026, 11, 22)
CENT = Decimal("0.01")


def parts(messages: list[Message]) -> dict[str, str]:
    """Take the judge's question apart, as a judge reads it."""
    text = str(messages[-1]["content"])
    return {name: body.strip() for name, body in re.findall(r"<<< (.+?) >>>\n(.*?)\n<<< end of", text, re.DOTALL)}


class Judge(PaperBackend):
    """Prefers the answer that equals the reference; ``bias`` is the side it takes when it sees no difference."""

    def __init__(self, folder: Path, *, bias: str = "tie", sees: bool = True) -> None:
        super().__init__(folder)
        self.bias, self.sees = bias, sees
        self.asked: list[dict[str, str]] = []

    def complete(self, model: str, messages: list[Message], **settings: object) -> Completion:  # type: ignore[override]
        self.calls.append("complete")
        said = parts(messages)
        self.asked.append(said)
        right = [side for side in "AB" if said[f"answer {side}"] == said["reference answer"]]
        chosen = right[0] if self.sees and len(right) == 1 else self.bias
        return Completion(f"It is right.\nVerdict: {chosen}", (), 100, 0, 10, 5.0, "stop")


def evaluated(tmp_path: Path, judge: Judge, cap: Decimal | None = None, **options: object):  # type: ignore[no-untyped-def]
    chosen = Options(
        judge=Variant("judge", judge, "wise", price=lambda completion: CENT),
        max_usd=cap,
        probe=0,
        **options,  # type: ignore[arg-type]
    )
    return evaluate_run(tuned_run(tmp_path), Paper(tmp_path / "paper"), None, chosen, today=DAY)


class Paper(PaperBackend):
    """A paper backend whose answers are free, so that a cap concerns the judge alone."""

    name = "local"
    answers_here = True


def test_the_better_option_wins_in_both_orders(tmp_path: Path) -> None:
    judge = Judge(tmp_path / "judge")
    card = evaluated(tmp_path, judge)
    found = card.judge
    (pair,) = found.pairs
    assert (pair.first, pair.second, pair.second_wins, pair.ties, pair.first_wins) == ("base", "tuned", 40, 0, 0)
    assert pair.significant and pair.preferred == 1.0 and pair.agreement == 1.0 and pair.unread == 0
    assert (found.judge, found.usd, found.verdicts) == ("paper/wise", Decimal("0.80"), 80)
    assert len(judge.asked) == 80
    assert {(one["answer A"] == "I do not know") for one in judge.asked} == {True, False}
    assert len(found.limits) == 3 and any("arXiv" in limit for limit in found.limits)


def test_a_judge_that_always_takes_the_first_proves_nothing(tmp_path: Path) -> None:
    card = evaluated(tmp_path, Judge(tmp_path / "judge", bias="A", sees=False))
    (pair,) = card.judge.pairs
    assert (pair.second_wins, pair.ties, pair.first_wins) == (0, 40, 0)
    assert not pair.significant and pair.agreement == 0.0
    assert any("same verdict in both orders on only 0%" in warning for warning in card.warnings)


def test_equal_answers_are_ties_without_asking(tmp_path: Path) -> None:
    judge = Judge(tmp_path / "judge")
    card = evaluated(tmp_path, judge, against=("base", "few-shot:3"))
    base, shots = card.judge.pairs
    assert (base.equal, shots.equal, shots.ties, shots.second_wins) == (0, 20, 20, 20)
    assert len(judge.asked) == card.judge.verdicts == 80  # the pairs that base and few-shot share are asked once


def test_verdicts_are_kept_beside_the_answers_and_never_paid_for_twice(tmp_path: Path) -> None:
    first, again = Judge(tmp_path / "judge"), Judge(tmp_path / "judge")
    card = evaluated(tmp_path, first)
    rows = [json.loads(line) for line in card.samples_path.read_text().splitlines()]
    kept = [row for row in rows if row["option"] == "judge of base and tuned"]
    assert len(kept) == 80 and kept[0]["answer"].endswith("Verdict: B") and kept[0]["usd"] == "0.01"
    assert "<<< answer A >>>" in kept[0]["asked"] and kept[0]["example"] == "held.jsonl:1 A=base"
    assert evaluated(tmp_path, again).judge == card.judge
    assert again.asked == []


class Interrupted(Judge):
    def complete(self, model: str, messages: list[Message], **settings: object) -> Completion:  # type: ignore[override]
        if len(self.asked) >= 31:
            raise KeyboardInterrupt
        return super().complete(model, messages, **settings)


def test_an_interrupted_judge_goes_on_where_it_was(tmp_path: Path) -> None:
    broken, whole = Interrupted(tmp_path / "judge"), Judge(tmp_path / "judge")
    with pytest.raises(KeyboardInterrupt):
        evaluated(tmp_path, broken, at_once=1)
    assert evaluated(tmp_path, whole).judge.pairs[0].second_wins == 40
    assert len(broken.asked) + len(whole.asked) == 80


def test_the_judge_keeps_within_the_cap(tmp_path: Path) -> None:
    judge = Judge(tmp_path / "judge")
    with pytest.raises(OverLimit, match="going on could exceed"):
        evaluated(tmp_path, judge, cap=Decimal("0.30"), at_once=2)
    assert 0 < len(judge.asked) * CENT <= Decimal("0.30")


def test_a_judge_of_unknown_price_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    paper, judge = Paper(tmp_path / "paper"), Judge(tmp_path / "judge")
    options = Options(judge=Variant("judge", judge, "wise"), max_usd=Decimal(1))
    with pytest.raises(OverLimit, match="price of asking wise on paper is not known"):
        evaluate_run(tuned_run(tmp_path), paper, None, options, today=DAY)
    assert paper.calls == judge.asked == []


def test_one_option_cannot_be_judged(tmp_path: Path) -> None:
    data = write_sums(tmp_path / "test.jsonl", 30)
    options = Options(judge=Variant("judge", Judge(tmp_path / "j"), "wise"))
    with pytest.raises(RunError, match="A judge compares two options"):
        evaluate_data((data,), PaperBackend(tmp_path / "p"), "a4", None, options, today=DAY)


def test_a_judge_of_its_own_answers_is_named(tmp_path: Path) -> None:
    judge = Judge(tmp_path / "judge")
    data = write_sums(tmp_path / "test.jsonl", 30)
    options = Options(against=("base", "paper-9"), judge=Variant("judge", judge, "a4"))
    card = evaluate_data((data,), PaperBackend(tmp_path / "p"), "a4", None, options, today=DAY)
    assert any("it judges its own answers" in warning for warning in card.warnings)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("B is shorter.\nVerdict: A", Verdict.A),
        ("**Verdict:** B", Verdict.B),
        ("Verdict: a tie", Verdict.TIE),
        ("Verdict: [[Tie]]", Verdict.TIE),
        ("Verdict: A\nB was worse", Verdict.A),
        ("My first verdict: A. On reflection, verdict: B", Verdict.B),
        ("Verdict: Answer B", Verdict.B),
        ("b", Verdict.B),
        ("Both are fine", None),
        ("", None),
    ],
)
def test_a_verdict_is_read_however_it_is_put(text: str, expected: Verdict | None) -> None:
    assert verdict(text) is expected


def test_only_two_orders_that_agree_decide() -> None:
    outcomes = {
        (one, other): settled(one, other)
        for one in (Verdict.A, Verdict.B, Verdict.TIE, None)
        for other in (Verdict.A, Verdict.B, Verdict.TIE, None)
    }
    assert outcomes.pop((Verdict.B, Verdict.A)) == 1.0
    assert outcomes.pop((Verdict.A, Verdict.B)) == 0.0
    assert set(outcomes.values()) == {0.5}


def test_a_judge_that_tosses_coins_names_a_winner_as_seldom_as_promised() -> None:
    """80 judged comparisons of equal options: a winner in 5 % of them, give or take 2.4."""
    random, named = Random(9), 0
    answers = [(Answer("one"), Answer("other"))] * 40
    for _ in range(80):
        verdicts = [(random.choice(list(Verdict)), random.choice(list(Verdict))) for _ in answers]
        named += tally("first", "second", answers, verdicts).significant
    assert named / 80 <= 0.1


def test_ties_alone_do_not_prove_that_two_options_are_equal() -> None:
    found = tally("first", "second", [(Answer("a"), Answer("b"))] * 10, [(Verdict.TIE, Verdict.TIE)] * 10)
    assert found.preferred == 0.5 and found.low < 0.4 and found.high > 0.6


def test_length_that_decides_is_named(tmp_path: Path) -> None:
    answers = [(Answer("short"), Answer("a much longer answer"))] * 20
    found = tally("base", "tuned", answers, [(Verdict.B, Verdict.A)] * 15 + [(Verdict.A, Verdict.B)] * 5)
    assert found.longer_won == 0.75


def test_the_rubric_can_be_ones_own(tmp_path: Path) -> None:
    assert "Neither the order of the answers nor their length counts" in rubric()
    path = tmp_path / "mine.txt"
    path.write_text("Only politeness counts.")
    assert rubric(path) == "Only politeness counts."
    path.write_text(" ")
    with pytest.raises(DataError, match="the rubric is empty"):
        rubric(path)


def test_a_hosted_judge_is_asked_through_its_real_sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge sits at OpenAI (its SDK, its emulator, its prices); the answers come from elsewhere."""

    def judging(question: list[Message]) -> str:
        said = parts(question)
        right = [side for side in "AB" if said[f"answer {side}"] == said["reference answer"]]
        return f"Only one is right.\nVerdict: {right[0] if len(right) == 1 else 'tie'}"

    case = CASES["openai"]
    assert case.emulator is not None
    monkeypatch.setattr("emulator_openai.untrained_answer", judging)
    with case.emulator() as emulator:
        for name, value in case.environment(emulator).items():
            monkeypatch.setenv(name, value)
        with closing(backends.get("openai")) as place:
            from advisor.runs.evaluation.variants import contestant

            model = "gpt-4.1-mini-2025-04-14"
            judge = replace(contestant(model, place, model, (), 0, PriceBook.load(), DAY), name="judge")
            options = Options(judge=judge, max_usd=Decimal("0.50"), max_examples=10, probe=0)
            run, paper = tuned_run(tmp_path), Paper(tmp_path / "paper")
            card = evaluate_run(run, paper, None, options, today=DAY)
            assert card.judge is not None and card.judge.pairs[0].second_wins == 10
            asked = [line for line in emulator.requests if "chat/completions" in line]
            assert len(asked) == card.judge.verdicts == 20
            assert card.judge.usd is not None and Decimal(0) < card.judge.usd < Decimal("0.50")
            evaluate_run(run, paper, None, options, today=DAY)
            assert len([line for line in emulator.requests if "chat/completions" in line]) == 20
    saved = to_json(card)
    assert isinstance(saved, dict) and saved["judge"]["judge"] == f"openai/{model}"  # type: ignore[index,call-overload]
