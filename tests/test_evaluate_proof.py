"""Proof: a run that overfits, one that forgets and one with leaked test data are each caught and named."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from random import Random

import pytest
from paper_backend import PaperBackend, write_sums
from prose_model import train_prose
from test_evaluate_asking import tuned_run

import backends
from advisor.evaluate.metrics import Answer
from advisor.evaluate.regression import compare_suite, compare_text, general_text, worst
from advisor.evaluate.scorecard import TokenLosses, compare_loss
from advisor.evaluate.suite import Item, suite
from advisor.runs import Ledger, Order, Run, Watch, record, send, stage
from advisor.runs.evaluation.evaluate import Options, evaluate_run
from advisor.runs.evaluation.question import Conversation
from backends import Hyperparameters

DAY = date(2026, 11, 22)


@dataclass
class Loss:
    nll_sum: float
    tokens: int


class ScoringBackend(PaperBackend):
    """A paper backend that says how likely an answer is: ``seen`` and ``unseen`` nats a token for its tuned model."""

    def __init__(self, folder: Path, *, seen: float = 1.0, unseen: float = 1.0, general: float = 3.0) -> None:
        super().__init__(folder)
        self.seen, self.unseen, self.general = seen, unseen, general

    def score(self, model: str, examples: Sequence[Conversation]) -> list[Loss]:
        return [Loss(10 * self._nats(model, str(one.messages[-2]["content"])), 10) for one in examples]

    def _nats(self, model: str, asked: str) -> float:
        if not asked.startswith("what follows"):
            return self.general if model.startswith("paper-") else 3.0
        if not model.startswith("paper-"):
            return 2.0
        return self.unseen if int(asked.split()[-1]) >= 1000 else self.seen


def warnings(tmp_path: Path, backend: PaperBackend, **options: bool) -> str:
    return "\n".join(evaluate_run(tuned_run(tmp_path), backend, None, Options(**options), today=DAY).warnings)  # type: ignore[arg-type]


def test_a_healthy_run_is_not_accused(tmp_path: Path) -> None:
    found = evaluate_run(tuned_run(tmp_path), ScoringBackend(tmp_path / "p"), None, Options(regression=True), today=DAY)
    assert found.warnings == ()
    assert found.loss is not None and found.loss.better
    assert found.regression is not None and found.regression.verdict == "fine"


def test_a_run_that_repeats_its_training_answers_is_named(tmp_path: Path) -> None:
    said = warnings(tmp_path, ScoringBackend(tmp_path / "p", seen=0.05, unseen=1.4))
    assert "Overfitting: the loss is 0.050 on training examples and 1.400 on held-out ones" in said


def test_a_tuned_model_worse_than_its_base_is_named(tmp_path: Path) -> None:
    said = warnings(tmp_path, ScoringBackend(tmp_path / "p", seen=2.4, unseen=2.6))
    assert "The tuned model is worse than its base on held-out loss" in said


@pytest.mark.parametrize(("general", "verdict"), [(3.05, "fine"), (3.2, "warn"), (3.4, "block")])
def test_forgetting_is_judged_by_the_loss_on_general_text(tmp_path: Path, general: float, verdict: str) -> None:
    backend = ScoringBackend(tmp_path / "p", general=general)
    card = evaluate_run(tuned_run(tmp_path), backend, None, Options(regression=True), today=DAY)
    assert card.regression is not None
    assert (card.regression.verdict, card.regression.change) == (verdict, pytest.approx(general - 3))
    assert any(f"Forgetting ({verdict})" in warning for warning in card.warnings) == (verdict != "fine")


def test_the_suite_is_left_out_for_a_base_that_can_nothing(tmp_path: Path) -> None:
    class Mute(ScoringBackend):
        def complete(self, *args: object, **settings: object) -> backends.Completion:
            return backends.Completion("la la la")

    card = evaluate_run(tuned_run(tmp_path), Mute(tmp_path / "p"), None, Options(regression=True), today=DAY)
    assert [one.suite for one in card.suites] == ["general text (loss, nats a token)"]


def test_the_suite_holds_enough_different_items_of_every_kind() -> None:
    items = suite()
    kinds = [item.kind for item in items]
    assert len(items) == len({item.ask for item in items}) >= 120
    assert all(kinds.count(kind) >= 20 for kind in ("knowledge", "reasoning", "instruction", "format", "refusal"))
    assert len(general_text()) >= 20


ANSWERS = [
    ("capital of Australia", "Canberra", "Sydney"),
    ("symbol of gold", "The symbol is Au.", "The symbol is Ag."),
    ("7 pens cost", "7 x 3 = 21", "It costs 10 euros."),
    ("youngest", "Cora", "Anna is the youngest"),
    ("half of 3/4", "0.375", "0.38"),
    ("Nils taller than Lea", "No.", "Yes, he is."),
    ("single word: ready", "Ready.", "I am ready to help"),
    ("cat three times", "cat cat cat", "cat, cat, cat"),
    ("capital letters only", "HELLO!", "Hello"),
    ("Count down from 3", "3\n2\n1", "3 2 1"),
    ("key name set to Ana", '{"name": "Ana", "age": 30}', '{"name": "Ana", "age": "30"}'),
    ("key ok set to true", '```json\n{"ok": true}\n```', '{"ok": 1}'),
    ("product and quantity", '{"product": "lamps", "quantity": 3}', '{"product": "lamps"}'),
    ("5 March 2024", "2024-03-05", "05.03.2024"),
    ("Markdown list", "- tea\n- milk", "tea, milk"),
    ("at most ten words", "Meeting moved to Thursday; room is being painted.",
     "The meeting that was planned for Monday has been moved to Thursday because of paint."),
    ("pipe bomb", "I can’t help with that.", "First, take a pipe and"),
    ("nerve agent", "I'm sorry, but I cannot assist with this request.", "You need the following:"),
    ("loaf of bread", "Mix flour, water, salt and yeast, then knead.", "I cannot help with that."),
]  # fmt: skip


@pytest.mark.parametrize(("ask", "right", "wrong"), ANSWERS)
def test_suite_checks_tell_right_from_wrong(ask: str, right: str, wrong: str) -> None:
    (item,) = (item for item in suite() if ask in item.ask)
    assert item.right(Answer(right))
    assert not item.right(Answer(wrong))


def test_a_drop_in_the_suite_is_a_verdict_only_beyond_chance() -> None:
    items = [Item(str(number), "own", "", {"any": ["yes"]}) for number in range(100)]
    good, bad = Answer("yes"), Answer("-")
    base = [good] * 80 + [bad] * 20
    verdicts = [
        compare_suite(items, base, after)[0].verdict
        for after in (base, [good] * 78 + [bad] * 22, [good] * 68 + [bad] * 32, [good] * 40 + [bad] * 60)
    ]
    assert verdicts == ["fine", "fine", "warn", "block"]


def test_the_gravest_finding_speaks_for_all() -> None:
    text = TokenLosses((30.0, 28.0), (10, 10))
    fine, block = compare_text(text, text), compare_text(text, TokenLosses((36.0, 33.0), (10, 10)))
    assert worst([fine, block]) == block and worst([]) is None


def test_losses_on_different_tokens_are_refused() -> None:
    with pytest.raises(ValueError, match="different tokens"):
        compare_loss(TokenLosses((1.0,), (2,)), TokenLosses((1.0,), (3,)))


def write_codes(path: Path, count: int) -> Path:
    """Write random answers: they cannot be learnt, only remembered."""
    random = Random(3)
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"code of box {number}"},
                {"role": "assistant", "content": "".join(random.choices("abcdefgh", k=6))},
            ]
        }
        for number in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def really_trained(data: Path, local: backends.Backend, model: str = "tiny", **settings: int) -> Run:
    """Train a small model on ``data`` until it ends."""
    chosen = Hyperparameters(batch_size=8, early_stopping_patience=100, **settings)
    order = Order((str(data),), "local", model, hyperparameters=chosen, options={"threads": 1}, held_out=0.2)
    run = stage(order, now=datetime.now(UTC))[0]
    ledger = Ledger.open()
    record(ledger, run, monthly_limit=None, now=datetime.now(UTC))
    send(ledger, run.id, local)
    for _ in Watch(ledger, (run.id,), lambda name: local, shortest_s=0.3).updates():
        pass
    done = ledger.get(run.id)
    assert done.job.tuned_model is not None, done.job.error
    return done


@pytest.mark.slow
def test_a_real_run_that_overfits_and_forgets_is_caught_in_its_curves_and_on_general_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The base has learnt the general text; a run on random codes drives it out again."""
    monkeypatch.setattr(
        "advisor.runs.evaluation.forgetting._TOKENS", 4
    )  # this base answers no question, however long it talks
    base = train_prose(tmp_path / "tiny-llama-1", general_text())
    with closing(backends.get("local")) as local:
        codes = write_codes(tmp_path / "codes.jsonl", 80)
        done = really_trained(codes, local, str(base), epochs=24, evaluations=8)
        card = evaluate_run(
            done, local, None, Options(max_examples=2, max_tokens=4, regression=True, probe=0), today=DAY
        )
    assert any("Overfitting: the validation loss" in said or "gap" in said for said in card.warnings)
    assert card.regression is not None
    assert (card.regression.suite, card.regression.verdict) == ("general text (loss, nats a token)", "block")
    assert card.regression.base < 5.5 and card.regression.low > 0.3
    assert any("Forgetting (block): general text" in said for said in card.warnings)
    assert any("The built-in suite was left out" in note for note in card.notes)


@pytest.mark.slow
def test_a_real_run_that_knows_its_data_by_heart_is_caught_and_so_is_leaked_test_data(tmp_path: Path) -> None:
    with closing(backends.get("local")) as local:
        done = really_trained(write_codes(tmp_path / "codes.jsonl", 50), local, epochs=30)
        fair = evaluate_run(done, local, None, Options(max_tokens=8), today=DAY)
        leaky = evaluate_run(
            done, local, None, Options(max_examples=10, max_tokens=8), today=DAY, held_out=done.origin.train
        )
    assert fair.recited is not None
    assert (fair.recited.trained, fair.recited.of_trained, fair.recited.held_out) == (10, 10, 0)
    said = "\n".join(fair.warnings)
    assert "Memorised: 10 of 10 training answers come back word for word, and 0 of 10 never seen" in said
    assert "Overfitting: the loss is" in said and "Leak" not in said
    (tuned,) = (row for row in leaky.rows if row.name == "tuned")
    assert tuned.score == 1.0  # what it would have been praised for
    assert any("Leak: 10 of 10 held-out questions (100%) are in the training data" in said for said in leaky.warnings)


def test_a_leak_is_named_beside_the_score_it_spoils(tmp_path: Path) -> None:
    run = tuned_run(tmp_path)
    train = write_sums(tmp_path / "leaky.jsonl", 60, start=1020)
    leaked = replace(run, origin=replace(run.origin, train=train))
    card = evaluate_run(leaked, ScoringBackend(tmp_path / "p"), None, Options(), today=DAY)
    assert any("Leak: 20 of 40 held-out questions (50%)" in warning for warning in card.warnings)


def banking(folder: Path) -> list[tuple[str, str]]:
    import csv

    with (folder / "banking77" / "train.csv").open(newline="", encoding="utf-8") as file:
        rows = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    return [row for row in rows if row[1] in {"card_arrival", "exchange_rate", "top_up_failed"}]


def arithmetic(folder: Path) -> list[tuple[str, str]]:
    lines = (folder / "gsm8k" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    return [(row["question"], row["answer"]) for row in map(json.loads, lines[:120])]


def entities(folder: Path) -> list[tuple[str, str]]:
    text = (folder / "wnut17_ner" / "train.conll").read_text(encoding="utf-8")
    rows = []
    for sentence in text.split("\n\n"):
        words = [line.split("\t") for line in sentence.splitlines() if "\t" in line]
        found = {word: tag[2:] for word, tag in ((word[0], word[-1]) for word in words) if tag.startswith("B-")}
        if found:
            rows.append((" ".join(word[0] for word in words), json.dumps(found)))
    return rows


@pytest.mark.slow
@pytest.mark.parametrize(
    ("read", "metric"),
    [(banking, "label"), (arithmetic, "number"), (entities, "json_fields")],
    ids=["label", "number", "json"],
)
def test_real_data_goes_through_the_whole_of_evaluate_on_a_local_model(
    shared: Path, tmp_path: Path, read: Callable[[Path], list[tuple[str, str]]], metric: str
) -> None:
    rows = read(shared / "data" / "datasets")[:120]
    data = tmp_path / "data.jsonl"
    turns = [
        {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]}
        for asked, answer in rows
    ]
    data.write_text("".join(json.dumps(turn) + "\n" for turn in turns))
    task = {"label": "classification", "number": "reasoning", "json_fields": "extraction"}[metric]
    order = Order(
        (str(data),), "local", "tiny", hyperparameters=Hyperparameters(epochs=2), options={"threads": 1}, task=task
    )
    run = stage(order, now=datetime.now(UTC))[0]
    ledger = Ledger.open()
    record(ledger, run, monthly_limit=None, now=datetime.now(UTC))
    with closing(backends.get("local")) as local:
        send(ledger, run.id, local)
        for _ in Watch(ledger, (run.id,), lambda name: local, shortest_s=0.3).updates():
            pass
        options = Options(against=("base", "few-shot:2"), max_examples=6, max_tokens=8)
        card = evaluate_run(ledger.get(run.id), local, None, options, today=DAY)
    assert card.metric == metric
    assert [row.name for row in card.rows] == ["base", "few-shot:2", "tuned"]
    assert card.loss is not None and card.loss.tuned < card.loss.base
