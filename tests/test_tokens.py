"""Token counts and the billing rule, against an independent transcription and against published bills."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from advisor.dataset import Dataset
from advisor.task import TaskType
from advisor.tokens import count, encoding_for, profile, synthetic
from advisor.tokens._vocabulary import VOCABULARIES, encoding
from advisor.workload import DataBlock

ROWS = [
    {
        "messages": [
            {"role": "system", "content": "You are terse."},
            {"role": "user", "content": f"What is {n} plus {n}? Antworte auf Deutsch: 你好 🙂"},
            {"role": "assistant", "content": f"{n + n}"},
        ]
    }
    for n in range(12)
]


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def billed(rows: list[dict[str, object]], name: str) -> int:
    """The rule, transcribed from its statement: one per example, three per message, the role, the content."""
    tokens = encoding(name)
    total = 0
    for row in rows:
        total += 1
        for message in row["messages"]:
            total += 3 + len(tokens.encode(message["role"])) + len(tokens.encode(message["content"]))
    return total


def test_the_vocabularies_are_tiktokens() -> None:
    from tiktoken_ext import openai_public

    for name, words in VOCABULARIES.items():
        wanted = {}
        source = openai_public.ENCODING_CONSTRUCTORS[name]
        original = openai_public.load_tiktoken_bpe
        openai_public.load_tiktoken_bpe = lambda *args, seen=wanted, **kwargs: seen.update(kwargs) or {}
        try:
            recipe = source()
        finally:
            openai_public.load_tiktoken_bpe = original
        assert words.sha256 == wanted["expected_hash"]
        assert words.pattern == recipe["pat_str"]
        assert dict(words.special) == recipe["special_tokens"]


def test_known_encodings() -> None:
    assert encoding("o200k_base").encode("tiktoken is great!") == [83, 8251, 2488, 382, 2212, 0]
    assert encoding("cl100k_base").encode("hello world") == [15339, 1917]
    assert encoding("o200k_base").n_vocab == 200_019
    assert count("<|endoftext|> is counted as text") > 5


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4.1-2025-04-14", "o200k_base"),
        ("ft:gpt-4.1-mini-2025-04-14:org::abc", "o200k_base"),
        ("gpt-4o-mini-2024-07-18", "o200k_base"),
        ("gpt-3.5-turbo-0125", "cl100k_base"),
        ("ft:gpt-3.5-turbo-0125:org::abc", "cl100k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-6-luna", "o200k_base"),
        ("o4-mini-2025-04-16", "o200k_base"),
    ],
)
def test_encoding_for(model: str, name: str) -> None:
    assert encoding_for(model) == name


def test_text_is_billed_by_the_rule_exactly(tmp_path: Path) -> None:
    found = profile(Dataset.open(write(tmp_path / "a.jsonl", ROWS)), old_models=True)
    assert found.billed_tokens_per_epoch["gpt-4.1-2025-04-14"] == billed(ROWS, "o200k_base")
    assert found.billed_tokens_per_epoch["gpt-3.5-turbo-0125"] == billed(ROWS, "cl100k_base")
    assert found.exact
    assert found.examples == 12
    contents = [len(encoding("o200k_base").encode(m["content"])) for row in ROWS for m in row["messages"]]
    assert found.tokens["o200k_base"] == sum(contents)
    assert found.trained_tokens["o200k_base"] == sum(contents[2::3])
    assert found.system_tokens == contents[0]
    assert found.user_tokens == pytest.approx(sum(contents[1::3]) / 12)
    assert found.output_tokens == pytest.approx(sum(contents[2::3]) / 12)


def test_the_published_drone_job(shared: Path) -> None:
    found = profile(Dataset.open(shared / "data/openai/drone_training.jsonl"), old_models=True)
    assert found.billed_tokens_per_epoch["gpt-3.5-turbo-0125"] == pytest.approx(145_983 / 3, rel=0.01)
    assert found.task_type is TaskType.TOOL_USE
    assert found.has_tools


def test_synthetic_adds_up() -> None:
    made = synthetic(DataBlock(examples=2000, tokens_per_example=480, output_tokens=40, labels=12), None)
    assert made.tokens == {"o200k_base": 960_000}
    assert made.task_type is TaskType.CLASSIFICATION
    assert sum(made.labels.values()) == 2000
    assert made.user_tokens + made.output_tokens == 480
    assert not made.exact


def test_the_history_of_a_conversation_is_counted_turn_by_turn(tmp_path: Path) -> None:
    rows, sent, answers = [], 0, 0
    for turns in (1, 2, 5):
        said = [{"role": "system", "content": "You are terse."}]
        before = 0
        for n in range(turns):
            talk = [("user", f"Question {n}: " + "why " * (n + turns)), ("assistant", "because " * (turns - n))]
            said += [{"role": role, "content": text} for role, text in talk]
            sent, answers = sent + before, answers + 1
            before += sum(len(encoding("o200k_base").encode(text)) for _, text in talk)
        rows.append({"messages": said})
    found = profile(Dataset.open(write(tmp_path / "chats.jsonl", rows)))
    assert found.turns == pytest.approx(8 / 3)
    assert found.history_tokens == pytest.approx(sent / answers)
    assert profile(Dataset.open(write(tmp_path / "plain.jsonl", ROWS))).history_tokens == 0


def test_functions_of_older_rows_are_billed_as_tools(tmp_path: Path) -> None:
    function = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
    messages = [{"role": "user", "content": "Rain?"}, {"role": "assistant", "content": "No."}]
    older, newer = tmp_path / "older.jsonl", tmp_path / "newer.jsonl"
    older.write_text(json.dumps({"messages": messages, "functions": [function]}) + "\n")
    newer.write_text(json.dumps({"messages": messages, "tools": [{"type": "function", "function": function}]}) + "\n")
    billed = [profile(Dataset.open(path)).billed_tokens_per_epoch["gpt-4o-2024-08-06"] for path in (older, newer)]
    assert billed[0] == billed[1] > 15


def test_equal_rows_are_equal_whatever_they_leave_empty(tmp_path: Path) -> None:
    asked = {"role": "user", "content": "Where is the parcel that I sent to Oslo last week?"}
    answers = [
        {"role": "assistant", "content": "It left the depot this morning and arrives tomorrow."},
        {"role": "assistant", "content": "It left the depot this morning and arrives tomorrow.", "tool_calls": None},
    ]
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps({"messages": [asked, answer]}) + "\n" for answer in answers))
    codes = [problem.code for problem in profile(Dataset.open(path)).problems]
    assert "exact_duplicate" in codes
    assert "conflicting_answers" not in codes
    tools = [{"type": "function", "function": {"name": "track", "parameters": {"type": "object", "properties": {}}}}]
    rows = [{"messages": [asked, answers[0]]}, {"messages": [asked, answers[0]], "tools": tools}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "exact_duplicate" not in [problem.code for problem in profile(Dataset.open(path)).problems]


def test_a_key_in_reasoning_is_found(tmp_path: Path) -> None:
    answer = {"role": "assistant", "content": "Done.", "reasoning_content": "I use sk-proj-" + "a1B2" * 12}
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps({"messages": [{"role": "user", "content": "Go"}, answer]}) + "\n")
    assert "secret" in [problem.code for problem in profile(Dataset.open(path)).problems]


def test_findings_of_several_files_name_them_as_they_are_called_now(tmp_path: Path) -> None:
    row = json.dumps(
        {"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello you"}]}
    )
    first, second, third = (tmp_path / f"{name}.jsonl" for name in ("first", "second", "third"))
    first.write_text(f"{row}\n")
    second.write_text(f"{row}\n")
    profile(Dataset.open(first, second))
    first.rename(third)
    found = next(p for p in profile(Dataset.open(third, second)).problems if p.code == "exact_duplicate")
    assert "third.jsonl" in found.message + str(found.file)
    assert "first.jsonl" not in found.message
