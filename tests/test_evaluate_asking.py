"""Asking: every question once, whatever interrupts; no more money than allowed; leaks and models named."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from paper_backend import PaperBackend, write_sums
from test_runs_ledger import a_run

from advisor.dataset import Dataset
from advisor.errors import OverLimit, RunError
from advisor.evaluate.metrics import Answer
from advisor.evaluate.scorecard import frontier
from advisor.runs import Origin, Run
from advisor.runs.evaluation.answers import Answers, ask_all
from advisor.runs.evaluation.bm25 import Nearest
from advisor.runs.evaluation.compare import compare_on, room
from advisor.runs.evaluation.evaluate import Options, evaluate_data, evaluate_run
from advisor.runs.evaluation.forgetting import regressions
from advisor.runs.evaluation.question import Question, Variant
from advisor.runs.evaluation.spend_cap import SpendCap
from advisor.runs.evaluation.variants import questions
from backends import Completion, JobStatus, Json, Message, ProviderUnavailable, QuestionRefused, RateLimited

DAY = date(2026, 11, 22)


@pytest.fixture
def asked(tmp_path: Path) -> list[Question]:
    return questions(Dataset.open(write_sums(tmp_path / "held.jsonl", 40, start=1000)).examples())


def tuned_run(tmp_path: Path) -> Run:
    run = a_run()
    held = write_sums(tmp_path / "held.jsonl", 40, start=1000)
    train = write_sums(tmp_path / "train.jsonl", 60)
    job = replace(run.job, id="job-1", status=JobStatus.SUCCEEDED, tuned_model="paper-x")
    return replace(run, job=job, origin=Origin(held_out=held, train=train))


def ask(backend: PaperBackend, asked: list[Question], path: Path, **options: object) -> int:
    one = Variant("base", backend, "a4")
    with Answers(path) as answers:
        found = ask_all(one, asked, answers, max_tokens=16, pause=lambda seconds: None, **options)  # type: ignore[arg-type]
    return len(found)


def test_every_answer_is_kept_and_nothing_is_asked_twice(tmp_path: Path, asked: list[Question]) -> None:
    backend = PaperBackend(tmp_path / "paper")
    assert ask(backend, asked, tmp_path / "samples.jsonl") == 40
    assert ask(backend, asked, tmp_path / "samples.jsonl") == 40
    assert backend.calls.count("complete") == 40
    rows = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    assert {row["asked"] for row in rows} == {f"what follows {number}" for number in range(1000, 1040)}
    assert rows[0].keys() >= {"option", "model", "reference", "answer", "usd", "latency_ms", "prompt_tokens"}


class Choosy(PaperBackend):
    """Refuses two questions for what they hold, and answers the others."""

    def complete(self, model: str, messages: Sequence[Message], **settings: object) -> Completion:  # type: ignore[override]
        asked = str(messages[-1]["content"])
        if asked.endswith("1003"):
            raise QuestionRefused("The content filter refused this question.", "content_filter")
        if asked.endswith("1004"):
            raise QuestionRefused("This question is too long.", "too_long")
        return super().complete(model, messages, **settings)  # type: ignore[arg-type]


def test_a_question_that_is_refused_is_a_result_shown_and_counted(tmp_path: Path, asked: list[Question]) -> None:
    backend = Choosy(tmp_path / "paper")
    one = Variant("base", backend, "a4", price=lambda answer: Decimal(answer.prompt_tokens or 0))
    card = compare_on(asked, [one], Options(against=()), None, tmp_path / "samples.jsonl")
    (row,) = card.rows
    assert (row.answers, row.refused) == (40, 2)
    assert any("2 of 40 questions got no answer from base" in doubt for doubt in card.warnings)
    rows = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    ends = {row["asked"]: row["finish_reason"] for row in rows if row["finish_reason"] != "stop"}
    assert ends == {"what follows 1003": "content_filter", "what follows 1004": "too_long"}
    assert row.usd == 38 * 10  # what was refused is not billed


@pytest.mark.parametrize("stated", [86_400.0, None])
def test_no_wait_is_longer_than_minutes_and_each_is_said(
    tmp_path: Path, asked: list[Question], stated: float | None
) -> None:
    backend = PaperBackend(tmp_path / "paper", troubles={"complete": [RateLimited("Slow down.", stated)]})
    waits, said = list[float](), list[str]()
    with Answers(tmp_path / "samples.jsonl") as kept:
        ask_all(Variant("base", backend, "a4"), asked[:1], kept, max_tokens=16, pause=waits.append, say=said.append)
    assert waits == [1.0 if stated is None else 300.0]
    assert len(said) == 1 and re.fullmatch(r"base: Slow down\. Asked again at \d\d:\d\d:\d\d\.", said[0])


class Broken(PaperBackend):
    """Breaks off for good after so many answers, as Ctrl-C or a lost machine would."""

    def __init__(self, folder: Path, after: int) -> None:
        super().__init__(folder)
        self.left = after

    def complete(self, *args: object, **settings: object) -> Completion:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().complete(*args, **settings)  # type: ignore[arg-type]


def test_an_interrupted_evaluation_goes_on_without_paying_twice(tmp_path: Path, asked: list[Question]) -> None:
    broken = Broken(tmp_path / "paper", after=13)
    with pytest.raises(KeyboardInterrupt):
        ask(broken, asked, tmp_path / "samples.jsonl", at_once=4)
    path = tmp_path / "samples.jsonl"
    path.write_bytes(path.read_bytes() + b'{"key": "torn')
    backend = PaperBackend(tmp_path / "paper")
    assert ask(backend, asked, path) == 40
    assert broken.calls.count("complete") + backend.calls.count("complete") == 40


class Wordy(PaperBackend):
    """Separates its lines by what splitlines takes for their end, and ends within a character of two halves."""

    def complete(self, *args: object, **settings: object) -> Completion:
        return replace(super().complete(*args, **settings), text="one\u2028two\x85three\ud83d")  # type: ignore[arg-type]


def test_an_answer_of_any_characters_is_kept_and_never_asked_for_again(tmp_path: Path, asked: list[Question]) -> None:
    backend = Wordy(tmp_path / "paper")
    ask(backend, asked[:3], tmp_path / "samples.jsonl")
    ask(backend, asked[:3], tmp_path / "samples.jsonl")
    assert backend.calls.count("complete") == 3


def test_what_was_not_answered_is_asked_again_and_counted_where_it_may_be_billed(
    tmp_path: Path, asked: list[Question]
) -> None:
    troubles = {"complete": [RateLimited("slow", 3.0), ProviderUnavailable("502"), ProviderUnavailable("502")]}
    backend = PaperBackend(tmp_path / "paper", troubles=troubles)
    purse = SpendCap(Decimal(1), worst_usd=Decimal("0.01"), at_once=1)
    assert ask(backend, asked, tmp_path / "samples.jsonl", at_once=1, purse=purse) == 40
    assert backend.calls.count("complete") == 43
    assert purse.spent == Decimal("0.42")  # a refusal for haste is not billed


def test_a_provider_that_stays_away_is_an_error_and_keeps_what_was_answered(
    tmp_path: Path, asked: list[Question]
) -> None:
    backend = PaperBackend(tmp_path / "paper")
    ask(backend, asked[:10], tmp_path / "samples.jsonl")
    backend.troubles["complete"] = [ProviderUnavailable("gone")] * 50
    with pytest.raises(ProviderUnavailable):
        ask(backend, asked, tmp_path / "samples.jsonl", at_once=1)
    assert len((tmp_path / "samples.jsonl").read_text().splitlines()) == 10


def test_the_cap_on_spending_is_never_passed(tmp_path: Path, asked: list[Question]) -> None:
    backend = PaperBackend(tmp_path / "paper")
    cent = Decimal("0.01")
    one = Variant("base", backend, "a4", price=lambda completion: cent)
    purse = SpendCap(Decimal("0.20"), worst_usd=cent, at_once=4)
    with Answers(tmp_path / "samples.jsonl") as answers, pytest.raises(OverLimit, match="going on could exceed"):
        ask_all(one, asked, answers, max_tokens=16, at_once=4, purse=purse)
    assert backend.calls.count("complete") * cent <= Decimal("0.20")
    assert purse.spent > Decimal("0.10")


def test_what_is_kept_counts_against_the_cap_and_the_last_answer_may_reach_it(
    tmp_path: Path, asked: list[Question]
) -> None:
    backend, cent = PaperBackend(tmp_path / "paper"), Decimal("0.01")
    one = Variant("base", backend, "a4", price=lambda completion: cent)

    def spend(cap: str, count: int) -> Decimal:
        purse = SpendCap(Decimal(cap), worst_usd=cent, at_once=4)
        with Answers(tmp_path / "samples.jsonl") as answers:
            ask_all(one, asked[:count], answers, max_tokens=16, at_once=4, purse=purse)
            ask_all(one, asked[:count], answers, max_tokens=16, at_once=4, purse=purse)  # counted once
        return purse.spent

    assert spend("0.10", 10) == Decimal("0.10")
    with pytest.raises(OverLimit, match=r"\$0.10 is spent so far, kept answers included"):
        spend("0.10", 11)
    assert spend("0.11", 11) == Decimal("0.11")
    assert backend.calls.count("complete") == 11


class Thinker(PaperBackend):
    """Thinks aloud before it answers; "endless" thinks alone."""

    def complete(self, model: str, *args: object, **settings: object) -> Completion:  # type: ignore[override]
        said = super().complete("paper-9", *args, **settings)  # type: ignore[arg-type]
        return replace(said, text=f"<think>1 or 2?{'' if model == 'endless' else f'</think>{said.text}'}")


def test_what_is_thought_aloud_is_no_part_of_the_answer(tmp_path: Path) -> None:
    data = write_sums(tmp_path / "test.jsonl", 30)
    options = Options(against=("base", "endless"), metric="exact", max_tokens=9)
    card = evaluate_data((data,), Thinker(tmp_path / "p"), "brief", None, options, today=DAY)
    assert [row.score for row in card.rows] == [1.0, 0.0]
    assert [one for one in card.warnings if "nothing but reasoning" in one] == [
        "30 of 30 answers of endless are nothing but reasoning, cut off at 9 tokens; "
        "--max-tokens 4096 leaves room for an answer."
    ]


def test_an_answer_has_room_in_every_script() -> None:
    assert room([Answer("x" * 300)]) == 200
    assert room([Answer("模" * 300)]) >= 450  # a token and a half each


def test_the_bound_of_a_price_counts_tools_and_letters_of_many_bytes(tmp_path: Path) -> None:
    one = Variant("base", PaperBackend(tmp_path / "p"), "a4", price=lambda said: Decimal(said.prompt_tokens or 0))

    def bound(text: str, tools: tuple[dict[str, Json], ...] = ()) -> Decimal:
        purse = SpendCap(None)
        question = Question("1", ({"role": "user", "content": text},), {"role": "assistant", "content": ""}, tools)
        purse.expect([one], [question], 16)
        return purse.worst_usd

    assert bound("模型" * 100) >= 200  # a token each, with most vocabularies
    assert bound("a", ({"name": "x" * 2000},)) >= 1000


def test_a_cap_refuses_a_model_of_unknown_price_before_it_is_asked(tmp_path: Path) -> None:
    backend = PaperBackend(tmp_path / "paper")
    with pytest.raises(OverLimit, match="price of asking a4 on paper is not known"):
        evaluate_run(tuned_run(tmp_path), backend, None, Options(max_usd=Decimal(0)), today=DAY)
    assert backend.calls == []


def test_the_cap_covers_the_regression_suite(tmp_path: Path, asked: list[Question]) -> None:
    backend, cent = PaperBackend(tmp_path / "paper"), Decimal("0.01")
    base, tuned = (Variant(name, backend, name, price=lambda completion: cent) for name in ("a4", "paper-x"))
    purse = SpendCap(Decimal("0.10"), at_once=2, spent=Decimal("0.05"))
    with pytest.raises(OverLimit, match="is spent"):
        regressions(base, tuned, Options(at_once=2, regression=True), tmp_path, purse)
    assert 0 < backend.calls.count("complete") <= 5
    with pytest.raises(OverLimit, match="price of asking a4 on paper is not known"):
        regressions(replace(base, price=lambda completion: None), tuned, Options(regression=True), tmp_path, purse)


def test_nothing_is_asked_when_the_first_answers_could_pass_the_cap(tmp_path: Path, asked: list[Question]) -> None:
    backend = PaperBackend(tmp_path / "paper")
    with pytest.raises(OverLimit):
        ask(
            backend,
            asked,
            tmp_path / "samples.jsonl",
            purse=SpendCap(Decimal("0.03"), worst_usd=Decimal("0.01"), at_once=4),
        )
    assert backend.calls == []


def test_base_few_shot_and_tuned_are_compared_on_the_same_examples(tmp_path: Path, home: Path) -> None:
    backend = PaperBackend(tmp_path / "paper")
    card = evaluate_run(tuned_run(tmp_path), backend, None, Options(against=("base", "few-shot:3")), today=DAY)
    assert [(row.name, row.score) for row in card.rows] == [("base", 0.0), ("few-shot:3", 0.5), ("tuned", 1.0)]
    assert (card.winner, card.significant, card.metric, card.examples) == ("tuned", True, "number", 40)
    assert card.samples_path is not None and len(card.samples_path.read_text().splitlines()) == 120
    assert card.rows[0].usd is None  # no price is known for paper: unknown, not zero


def test_few_examples_are_named_with_what_they_can_tell(tmp_path: Path) -> None:
    def said(metric: str, limit: int) -> str:
        options = Options(metric=metric, max_examples=limit)
        return evaluate_run(tuned_run(tmp_path), PaperBackend(tmp_path / "paper"), None, options, today=DAY).warnings[0]

    assert said("exact", 12) == "Only 12 held-out examples: a difference under 50 points could be chance."
    assert said("exact", 5) == "Only 5 held-out examples: a difference of any size could be chance."


def test_no_winner_when_the_difference_could_be_chance(tmp_path: Path) -> None:
    backend = PaperBackend(tmp_path / "paper")
    run = tuned_run(tmp_path)
    same = replace(run, job=replace(run.job, tuned_model="a4"))
    card = evaluate_run(same, backend, None, Options(), today=DAY)
    assert (card.winner, card.significant) == (None, False)


def test_training_data_among_the_held_out_examples_is_named(tmp_path: Path) -> None:
    run = tuned_run(tmp_path)
    leaked = replace(run, origin=replace(run.origin, train=write_sums(tmp_path / "leaky.jsonl", 60, start=990)))
    clean = evaluate_run(run, PaperBackend(tmp_path / "paper"), None, Options(), today=DAY)
    card = evaluate_run(leaked, PaperBackend(tmp_path / "paper"), None, Options(), today=DAY)
    assert not any("Leak" in warning for warning in clean.warnings)
    assert any("Leak: 40 of 40 held-out questions (100%)" in warning for warning in card.warnings)


def test_models_can_be_compared_on_a_file_without_any_run(tmp_path: Path) -> None:
    data = write_sums(tmp_path / "test.jsonl", 60)
    backend = PaperBackend(tmp_path / "paper")
    card = evaluate_data((data,), backend, "a4", None, Options(against=("base", "paper-9")), today=DAY)
    assert [(row.name, row.score) for row in card.rows] == [("base", 0.0), ("paper-9", 1.0)]


def test_the_metric_is_that_of_the_file_however_few_of_it_are_asked(tmp_path: Path) -> None:
    rows = (
        {"messages": [{"role": "user", "content": f"q {n}"}, {"role": "assistant", "content": f"topic {n % 20}"}]}
        for n in range(80)
    )
    data = tmp_path / "topics.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    card = evaluate_data((data,), PaperBackend(tmp_path / "p"), "a4", None, Options(max_examples=10), today=DAY)
    assert (card.metric, card.examples) == ("label", 10)


@pytest.mark.parametrize("name", ["few-shot:", "few-shot:0", "few-shot:3:far"])
def test_a_wrong_name_says_how_to_write_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError, match="few-shot:5"):
        evaluate_run(tuned_run(tmp_path), PaperBackend(tmp_path / "p"), None, Options(against=(name,)), today=DAY)


def test_a_run_without_a_model_cannot_be_evaluated(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="has no tuned model"):
        evaluate_run(a_run(), PaperBackend(tmp_path / "p"), None, Options(), today=DAY)


def test_few_shot_examples_come_after_the_system_prompt_and_before_the_question(tmp_path: Path) -> None:
    question = Question(
        "1",
        ({"role": "system", "content": "S"}, {"role": "user", "content": "Q"}),
        {"role": "assistant", "content": "A"},
    )
    shown = ({"role": "user", "content": "q"}, {"role": "assistant", "content": "a"})
    one = Variant("few", PaperBackend(tmp_path / "p"), "m", before=lambda question: shown)  # type: ignore[arg-type,return-value]
    assert [message["content"] for message in one.messages(question)] == ["S", "q", "a", "Q"]


def test_the_nearest_examples_share_the_rarest_words() -> None:
    index = Nearest(["the parcel is late", "the lamp is broken", "the parcel is broken", "thank you"])
    assert index.to("my lamp broke, it is broken", 2) == [2, 1]
    assert index.to("nothing in common", 1) == [0]


def test_the_frontier_leaves_out_what_is_dearer_and_no_better(tmp_path: Path) -> None:
    card = evaluate_run(tuned_run(tmp_path), PaperBackend(tmp_path / "p"), None, Options(), today=DAY)
    prices = {"base": "0.001", "tuned": "0.002", "dear": "0.009"}
    rows = [replace(row, usd_per_request=Decimal(prices[row.name])) for row in card.rows]
    rows.append(replace(rows[-1], name="dear", usd_per_request=Decimal(prices["dear"])))
    assert frontier(rows) == ("base", "tuned")
