"""Answers known by heart: told from templates, from answers that stand in the question, and from the only right one."""

from __future__ import annotations

import random
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from paper_backend import PaperBackend, write_sums
from test_evaluate_asking import DAY, tuned_run

from advisor.evaluate.metrics import Answer
from advisor.evaluate.recited import PASSAGE, Probed, Recited, fisher, recited
from advisor.evaluate.scorecard import TokenLosses
from advisor.evaluate.statistics import permutation
from advisor.runs.evaluation.contamination import near_copies, overfitted
from advisor.runs.evaluation.evaluate import Options, evaluate_run
from advisor.runs.evaluation.question import Question
from backends import Completion

WORDS = ["amber", "birch", "cedar", "dune", "ember", "fjord", "grove", "heath", "islet", "jetty", "knoll", "ledge"]


def passage(seed: int, length: int = 70) -> str:
    picks = random.Random(seed)
    return " ".join(picks.choice(WORDS) for _ in range(length))


def found(
    trained: list[tuple[str, str, str]], held_out: list[tuple[str, str, str]], more: tuple[tuple[str, str], ...] = ()
) -> Recited:
    """Each row is (prompt, answer given, answer in the data)."""
    ours, theirs = (
        [Probed(f"{place}", asked, Answer(given), Answer(right)) for place, (asked, given, right) in enumerate(rows)]
        for rows in (trained, held_out)
    )
    known = [(asked, Answer(right)) for asked, _, right in trained] + [(asked, Answer(right)) for asked, right in more]
    return recited(ours, theirs, known)


def test_whole_answers_and_long_passages_that_come_back_are_memorised() -> None:
    trained = [(f"story {n}", f"Well: {passage(n)[20:]}", passage(n)) for n in range(4)]
    trained += [(f"code {n}", f"k{n * 7919}", f"k{n * 7919}") for n in range(4)]
    unseen = [(f"story {n}", passage(n + 500), passage(n)) for n in range(50, 58)]
    card = found(trained, unseen)
    assert (card.trained, card.of_trained, card.held_out, card.of_held_out, card.passages) == (8, 8, 0, 8, 4)
    assert card.by_heart and card.p < 0.001
    assert card.examples[0].pieces > PASSAGE


def test_a_short_passage_inside_another_answer_is_no_memory() -> None:
    trained = [(f"story {n}", passage(n, 40) + " and so on", passage(n)) for n in range(8)]
    assert found(trained, trained).trained == 0


def test_a_template_is_no_memory() -> None:
    text = passage(1)
    trained = [(f"ask {n}", f"Dear customer {n}, {text}", f"Dear customer {n}, {text}") for n in range(8)]
    plain = [(f"ask {n}", text, text) for n in range(8)]
    assert found(plain, plain).trained == 0  # the same words answer other questions too
    # With a number of its own each answer is unique, but those never seen come back as well.
    unseen = [(f"ask {n}", f"Dear customer {n}, {text}", f"Dear customer {n}, {text}") for n in range(50, 58)]
    card = found(trained, unseen)
    assert (card.trained, card.held_out, card.by_heart) == (8, 8, False)


def test_labels_and_words_of_the_question_are_no_memory() -> None:
    labels = [(f"ask {n}", "billing", "billing") for n in range(8)]
    echoes = [(f"repeat {passage(n)}", passage(n), passage(n)) for n in range(8)]
    assert found(labels, []).trained == 0
    assert found(echoes, []).trained == 0


def test_an_example_that_is_repeated_in_the_data_is_still_a_memory() -> None:
    rows = [(f"story {n}", passage(n), passage(n)) for n in range(8)]
    twice = tuple((asked, right) for asked, _, right in rows)
    assert found(rows, [(f"x {n}", "no", passage(n + 99)) for n in range(8)], twice).by_heart


def test_a_few_lucky_answers_are_not_called_memory() -> None:
    trained = [(f"code {n}", f"k{n}" if n < 2 else "?", f"k{n}") for n in range(20)]
    unseen = [(f"code {n}", "?", f"k{n}") for n in range(50, 70)]
    card = found(trained, unseen)
    assert (card.trained, card.held_out, card.by_heart) == (2, 0, False)


@pytest.mark.parametrize(
    ("table", "p"),
    # The first is Fisher's own lady tasting tea (The Design of Experiments, 1935); the rest are counted out by hand.
    [((3, 4, 1, 4), 17 / 70), ((4, 4, 0, 4), 1 / 70), ((2, 2, 0, 3), 1 / 10), ((0, 5, 0, 5), 1.0)],
)
def test_the_test_is_fishers(table: tuple[int, int, int, int], p: float) -> None:
    assert fisher(*table) == pytest.approx(p)


@dataclass
class Parrot(PaperBackend):
    """Knows the answers below 1000, which it was trained on, and guesses the rest."""

    folder: Path

    def __post_init__(self) -> None:
        super().__init__(self.folder)

    def complete(self, model: str, messages: object, **settings: object) -> Completion:  # type: ignore[override]
        said = super().complete(model, messages, **settings)  # type: ignore[arg-type]
        return (
            said if said.text.isdigit() and int(said.text) < 1000 else Completion("no idea", (), 10, 0, 2, 5.0, "stop")
        )


def test_evaluate_asks_training_questions_too_and_names_what_is_known_by_heart(tmp_path: Path) -> None:
    backend = Parrot(tmp_path / "p")
    with closing(backend):
        card = evaluate_run(tuned_run(tmp_path), backend, None, Options(), today=DAY)
        assert card.recited is not None
        assert (card.recited.trained, card.recited.of_trained, card.recited.held_out) == (30, 30, 0)
        assert any(said.startswith("Memorised: 30 of 30 training answers come back") for said in card.warnings)
        assert backend.calls.count("complete") == 40 + 40 + 30
        again = evaluate_run(tuned_run(tmp_path), backend, None, Options(), today=DAY)
        assert (again, backend.calls.count("complete")) == (card, 110)
        assert evaluate_run(tuned_run(tmp_path), backend, None, Options(probe=0), today=DAY).recited is None


def test_right_answers_to_new_questions_are_no_memory(tmp_path: Path) -> None:
    card = evaluate_run(tuned_run(tmp_path), PaperBackend(tmp_path / "p"), None, Options(), today=DAY)
    assert card.recited is not None
    assert (card.recited.trained, card.recited.held_out, card.recited.by_heart) == (30, 40, False)


def test_leaked_questions_do_not_count_as_never_seen(tmp_path: Path) -> None:
    from dataclasses import replace

    run = tuned_run(tmp_path)
    leaky = write_sums(tmp_path / "leaky.jsonl", 60, start=1010)
    card = evaluate_run(
        replace(run, origin=replace(run.origin, train=leaky)), PaperBackend(tmp_path / "p"), None, Options(), today=DAY
    )
    assert card.recited is not None and card.recited.of_held_out == 10


def test_the_scorecard_says_what_a_tuned_model_was_made_from(tmp_path: Path) -> None:
    run = tuned_run(tmp_path)
    card = evaluate_run(run, PaperBackend(tmp_path / "p"), None, Options(against=("base", "few-shot:2")), today=DAY)
    assert [(row.name, row.tuned_from) for row in card.rows] == [
        ("base", None), ("few-shot:2", None), ("tuned", run.spec.model),
    ]  # fmt: skip


def asked(*rows: tuple[str, str]) -> list[Question]:
    return [
        Question(f"q{place}", ({"role": "user", "content": text},), {"role": "assistant", "content": answer})
        for place, (text, answer) in enumerate(rows)
    ]


def test_near_copies_with_the_same_answer_are_named() -> None:
    train = asked(
        ("Why has my card not arrived yet by post?", "card_arrival"),
        ("What is the exchange rate for euros into dollars?", "exchange_rate"),
        ("My top up failed and the money is gone", "top_up_failed"),
    )
    copies = asked(
        ("Why has my card still not arrived yet by post?", "card_arrival"),
        ("What is the exchange rate for euros into pounds?", "exchange_rate"),
    )
    (said,) = near_copies(copies, train)
    assert (
        said.startswith("Near copies: 2 of 2 held-out questions differ in few words") and "(first: q0 and q0)" in said
    )
    others = asked(
        ("Why has my card still not arrived yet by post?", "another_answer"),
        ("Can I get a card sent to an address abroad?", "card_arrival"),
        ("card not here", "card_arrival"),
    )
    assert near_copies(others, train) == []
    assert near_copies(train, train) == []  # that is a leak, which is named by itself
    assert near_copies(copies[:1] + others, train) == []  # one among many moves no score


def test_overfitting_is_told_from_the_likelihood_of_short_answers_too() -> None:
    """Thirty rows, twenty epochs: labels can always come back, so only their likelihood tells."""
    seen = TokenLosses(tuple(0.004 for _ in range(30)), (4,) * 30)
    unseen = TokenLosses(tuple(0.2 + 0.1 * (place % 8) for place in range(20)), (4,) * 20)
    (said,) = overfitted(seen, unseen, 0)
    assert said.startswith("Overfitting: the loss is 0.001 on training examples and 0.128 on held-out ones")
    assert overfitted(unseen, unseen, 0) == [] and overfitted(None, unseen, 0) == []
    three_passes = TokenLosses(tuple(0.4 + 0.1 * (place % 5) for place in range(30)), (4,) * 30)
    assert overfitted(three_passes, TokenLosses((0.9,) * 20, (4,) * 20), 0) == []  # 0.150 and 0.225: as it should be
    lucky = TokenLosses((*(0.001,) * 19, 8.0), (4,) * 20)  # one row alone carries the gap
    assert overfitted(TokenLosses((0.001,) * 20, (4,) * 20), lucky, 0) == []


def test_a_permutation_test_finds_a_gap_and_finds_none_in_chance() -> None:
    assert permutation([1.0, 1.1, 0.9, 1.0, 1.05], [2.0, 2.1, 1.9, 2.2, 2.0]) < 0.01
    assert permutation([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]) > 0.3
