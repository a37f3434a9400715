"""``tunewise evaluate`` as it is typed: prompts, few-shot examples and a judge at a provider, through its real SDK."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from backend_cases import CASES
from click.testing import CliRunner, Result
from emulator_base import Emulator
from test_export import local_run

from advisor.cli import tunewise
from advisor.runs import Ledger

MODEL = "gpt-4.1-mini-2025-04-14"


@pytest.fixture
def openai(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """OpenAI's emulator, whose models answer better the more solved examples they are shown."""

    def answer(messages: list[dict[str, str]]) -> str:
        asked = messages[-1]["content"]
        if "<<< answer A >>>" in asked:
            texts = dict(re.findall(r"<<< (.+?) >>>\n(.*?)\n<<< end of", asked, re.DOTALL))
            right = [side for side in "AB" if texts[f"answer {side}"] == texts["reference answer"]]
            return f"As the reference has it.\nVerdict: {right[0] if len(right) == 1 else 'tie'}"
        number = int(asked.split()[-1])
        knows = "count" in messages[0]["content"] or (len(messages) > 3 and number % 2)
        return f"label {number % 3}" if knows else "no idea"

    case = CASES["openai"]
    assert case.emulator is not None
    monkeypatch.setattr("emulator_openai.untrained_answer", answer)
    with case.emulator() as emulator:
        for name, value in case.environment(emulator).items():
            monkeypatch.setenv(name, value)
        yield emulator


def data(tmp_path: Path) -> Path:
    rows = (
        {"messages": [{"role": "user", "content": f"item {n}"}, {"role": "assistant", "content": f"label {n % 3}"}]}
        for n in range(80)
    )
    path = tmp_path / "items.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def typed(*words: str | Path) -> Result:
    return CliRunner().invoke(tunewise, ["evaluate", *map(str, words)], standalone_mode=True)


def test_prompts_examples_and_a_judge_in_one_command(
    openai: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = tmp_path / "counting.txt"
    prompt.write_text("Label the item: count to three again and again.")
    words = (data(tmp_path), "--backend", "openai", "--model", MODEL, "--against", "base,few-shot", "--prompt", prompt)
    words = (*words, "--judge", f"openai/{MODEL}", "--max-cost", "1")
    card = json.loads(typed(*words, "--json").stdout)
    scores = {row["name"]: row["score"] for row in card["rows"]}
    assert list(scores) == ["base", "few-shot:6", "prompt:counting"]
    assert (scores["base"], scores["prompt:counting"], card["winner"]) == (0.0, 1.0, "prompt:counting")
    assert 0.3 < scores["few-shot:6"] < 0.7
    assert card["metric"] == "label" and card["frontier"][-1] == "prompt:counting"
    assert any("2 of each of 3 labels" in note for note in card["notes"])
    first, second = card["judge"]["pairs"]
    assert (first["second"], first["second_wins"], second["first"]) == ("prompt:counting", 40, "few-shot:6")
    assert 0 < float(card["judge"]["usd"]) < 1
    asked = len(openai.requests)
    for width in ("60", "80", "120"):
        monkeypatch.setenv("COLUMNS", width)
        shown = typed(*words).stdout
        lines = [line for line in shown.splitlines() if not line.startswith("Every answer: ")]
        assert max(map(len, lines)) <= int(width), max(lines, key=len)
        assert "●C" in shown and "logarithmic" not in shown and "prompt:counting preferred to base" in shown
    assert len(openai.requests) == asked  # nothing was asked, or paid for, again
    assert openai.violations == []


def test_a_cap_that_the_judge_would_pass_ends_with_four(openai: Emulator, tmp_path: Path) -> None:
    words = (data(tmp_path), "--backend", "openai", "--model", MODEL, "--against", "base,few-shot:3")
    ended = typed(*words, "--judge", f"openai/{MODEL}", "--max-cost", "0.0001", "--json")
    assert getattr(ended.exception, "exit_code", None) == 4
    assert not any("chat/completions" in line for line in openai.requests)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--judge", "gpt-4.1"), "write BACKEND/MODEL, with one of:"),
        (("--judge", "nowhere/gpt-4.1"), "write BACKEND/MODEL, with one of:"),
        (("--regression",), "compare a RUN with its base"),
        (("--lm-eval", "hellaswag"), "compare a RUN with its base"),
        (("--schema", "absent.json"), "does not exist"),
        (("--test-data", "items.jsonl"), "replaces the examples a RUN held out"),
    ],
)
def test_flags_that_cannot_be_meant_are_refused(tmp_path: Path, flags: tuple[str, ...], said: str) -> None:
    ended = typed(data(tmp_path), "--backend", "openai", "--model", MODEL, *flags)
    assert ended.exit_code == 2 and said in " ".join(ended.stderr.split())


def test_what_a_run_knows_itself_is_not_said_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--against MODEL asks another model" in " ".join(typed("last", "--model", MODEL).stderr.split())
    assert "absent.jsonl: there is no such file" in str(typed("absent.jsonl", "--backend", "openai").exception)
    monkeypatch.setenv("TUNEWISE_BACKEND", "openai")  # a default for DATA, which a run passes over
    assert "No runs yet" in str(typed("last").exception)
    one = local_run(tmp_path)
    Ledger.open().add(one)
    assert "cannot be compared with itself" in " ".join(typed(one.id, "--against", "base,last").stderr.split())


def test_chat_says_where_the_model_goes() -> None:
    said = CliRunner().invoke(tunewise, ["chat", "--model", MODEL, "hello"]).stderr
    assert f"tunewise chat {MODEL} --backend BACKEND" in said and "Did you mean" not in said


def test_two_prompts_of_one_name_are_refused(openai: Emulator, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "p.txt").write_text(folder)
    words = (data(tmp_path), "--backend", "openai", "--model", MODEL)
    ended = typed(*words, "--prompt", tmp_path / "a" / "p.txt", "--prompt", tmp_path / "b" / "p.txt")
    assert "prompt:p is named twice" in str(ended.exception)
