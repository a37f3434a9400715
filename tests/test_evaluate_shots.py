"""Few-shot examples and prompts: how many, which, and what is really sent."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from paper_backend import PaperBackend, write_sums

from advisor.dataset import Dataset
from advisor.errors import RunError
from advisor.evidence import ROOM_TOKENS
from advisor.runs.evaluation.compare import Options, judged_by
from advisor.runs.evaluation.few_shot import shots
from advisor.runs.evaluation.question import Question
from advisor.runs.evaluation.variants import contestant, prompted, questions
from backends import ToolCall

DAY = date(2026, 11, 22)


def labelled(labels: int, each: int, words: int = 4) -> list[Question]:
    return [
        Question(
            f"{label}-{number}",
            (
                {"role": "system", "content": "Give the label."},
                {"role": "user", "content": f"case {number} " + f"word{label} " * words},
            ),
            {"role": "assistant", "content": f"label_{label}"},
        )
        for number in range(each)
        for label in range(labels)
    ]


@pytest.mark.parametrize(
    ("shown", "name", "reason"),
    [
        (labelled(6, 10), "few-shot:12", "2 of each of 6 labels"),
        (labelled(77, 9), "few-shot:154", "2 of each of 77 labels"),
        (labelled(77, 9, words=14), "few-shot:77", "1 of each of 77 labels"),
        (labelled(77, 9, words=60), "few-shot:20:near", "one of each of 77 labels would not fit"),
        (labelled(77, 9, words=900), "few-shot:1:near", "would not fit"),
        (labelled(60, 1), "few-shot:5", "the answers are no labels"),
    ],
)
def test_how_many_examples_follows_from_the_labels_and_the_room(shown: list[Question], name: str, reason: str) -> None:
    chosen = shots("few-shot", shown, "gpt-4.1-mini")
    assert chosen.name == name
    assert reason in chosen.note


def test_the_examples_fit_the_room_that_is_named() -> None:
    shown = labelled(77, 9, words=14)
    chosen = shots("few-shot", shown, "gpt-4.1-mini")
    sent = sum(len(str(turn["content"])) for one in shown[: chosen.count] for turn in one.messages[1:])
    assert sent / 4 < ROOM_TOKENS


def test_a_short_context_leaves_less_room(tmp_path: Path) -> None:
    shape = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 100}
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "llama", "intermediate_size": 64, "max_position_embeddings": 1024} | shape)
    )
    assert shots("few-shot", labelled(77, 9), str(tmp_path)).name == "few-shot:20:near"
    assert "about 512 tokens" in shots("few-shot", labelled(77, 9), str(tmp_path)).note


def test_too_few_for_the_labels_is_said() -> None:
    shown = labelled(77, 9)
    assert "few-shot:5 shows 5 of 77 labels" in shots("few-shot:5", shown, "m").note
    assert shots("few-shot:5:near", shown, "m").note == ""
    assert shots("few-shot:near", shown, "m").name == "few-shot:20:near"


def test_fixed_examples_go_round_the_labels(tmp_path: Path) -> None:
    shown = labelled(12, 9)
    one = contestant("few-shot:12", PaperBackend(tmp_path / "p"), "m", shown, 0, None, DAY)
    sent = one.messages(shown[0])
    assert sent[0]["role"] == "system"
    assert len({turn["content"] for turn in sent if turn["role"] == "assistant"}) == 12  # type: ignore[misc]
    again = contestant("few-shot:12", PaperBackend(tmp_path / "p"), "m", shown, 0, None, DAY)
    assert again.messages(shown[5])[1:-1] == sent[1:-1]


def test_retrieved_examples_are_those_that_share_words(tmp_path: Path) -> None:
    shown = labelled(12, 9)
    one = contestant("few-shot:3:near", PaperBackend(tmp_path / "p"), "m", shown, 0, None, DAY)
    answers = [turn["content"] for turn in one.messages(shown[7]) if turn["role"] == "assistant"]
    assert answers == ["label_7"] * 3


def test_a_prompt_of_the_users_takes_the_place_of_the_datas_own(tmp_path: Path) -> None:
    path = tmp_path / "careful.txt"
    path.write_text("Think, then give the label.\n")
    one = prompted(path, PaperBackend(tmp_path / "p"), "m", None, DAY)
    question = labelled(3, 3)[0]
    assert (one.name, one.model) == ("prompt:careful", "m")
    assert one.messages(question) == (
        {"role": "system", "content": "Think, then give the label."},
        *question.messages[1:],
    )
    bare = questions(Dataset.open(write_sums(tmp_path / "bare.jsonl", 8)).examples())[0]
    assert one.messages(bare)[1:] == bare.messages


@pytest.mark.parametrize("content", [b"", b"  \n", b"\xff\xfe\x00"])
def test_a_prompt_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.txt"
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"p\.txt"):
        prompted(path, PaperBackend(tmp_path / "p"), "m", None, DAY)


def test_a_call_that_is_shown_has_a_result_as_chat_endpoints_demand(tmp_path: Path) -> None:
    calls: list[ToolCall] = [
        {"function": {"name": "area", "arguments": "{}"}},
        {"function": {"name": "b", "arguments": ""}},
    ]
    shown = [
        Question(str(n), ({"role": "user", "content": f"q {n}"},), {"role": "assistant", "tool_calls": calls})
        for n in range(12)
    ]
    one = contestant("few-shot", PaperBackend(tmp_path / "p"), "m", shown, 0, None, DAY)
    assert one.name == "few-shot:5" and "no labels" in one.note
    sent = one.messages(shown[0])
    assert [turn["role"] for turn in sent] == ["user", "assistant", "tool", "tool"] * 5 + ["user"]
    assert [call["id"] for call in sent[1]["tool_calls"]] == [sent[2]["tool_call_id"], sent[3]["tool_call_id"]]


def test_without_examples_none_can_be_shown(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="only 0 examples"):
        contestant("few-shot", PaperBackend(tmp_path / "p"), "m", [], 0, None, DAY)


def test_a_few_answers_of_many_labels_are_known_as_labels_by_the_training_answers() -> None:
    shown = labelled(30, 6)
    assert judged_by(shown[:8], (), None, Options())[1] == "rouge_l"
    assert judged_by(shown[:8], shown, None, Options())[1] == "label"
