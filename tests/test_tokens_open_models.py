"""Open models: exact with a tokenizer folder or a hub cache at hand, an estimate with its error otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from advisor.dataset import Dataset
from advisor.errors import DataError
from advisor.runs.launch.data_warnings import too_long
from advisor.runs.launch.quote import tokens_of_own
from advisor.tokens import profile
from advisor.tokens._open_models import model_folder

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no tools') }}{% endif %}"
    "<|{{ m['role'] }}|> {{ m['content'] }} "
    "{% for c in m.tool_calls %}{{ c.function.name + ' ' + c.function.arguments | tojson }} {% endfor %}"
    "{% generation %}{{ eos_token }}{% endgeneration %}{% endfor %}"
)
CHAT = [[{"role": "user", "content": "one two"}, {"role": "assistant", "content": "three four five"}]] * 3


def tokenizer(folder: Path, template: str | None = TEMPLATE) -> Path:
    """A whitespace tokenizer: what it counts can be counted by hand."""
    tokenizers = pytest.importorskip("tokenizers")
    folder.mkdir(parents=True)
    words = ["[UNK]", "<s>", "</s>", "<|user|>", "<|assistant|>", "one", "two", "three", "four", "five", "Rome"]
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({w: n for n, w in enumerate(words)}, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    made.add_special_tokens(["<s>", "</s>"])
    made.save(str(folder / "tokenizer.json"))
    config = {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "model_max_length": 10}
    (folder / "tokenizer_config.json").write_text(
        json.dumps({**config, "chat_template": template} if template else config)
    )
    return folder


def data(path: Path, chats: list[list[dict[str, object]]], **more: object) -> Dataset:
    path.write_text("".join(json.dumps({"messages": chat, **more}) + "\n" for chat in chats))
    return Dataset.open(path)


def test_a_folder_gives_the_exact_count(tmp_path: Path) -> None:
    model = str(tokenizer(tmp_path / "model"))
    made = profile(data(tmp_path / "a.jsonl", CHAT), model=model)
    assert made.tokens[model] == 3 * (1 + (1 + 2 + 1) + (1 + 3 + 1))
    assert made.exact
    assert not [problem for problem in made.problems if problem.code == "over_token_limit"]
    long = [*CHAT, [CHAT[0][0], {"role": "assistant", "content": "one " * 30}]]
    over = [p for p in profile(data(tmp_path / "b.jsonl", long), model=model).problems if p.code == "over_token_limit"]
    assert "1 over the 10 tokens" in over[0].message
    launched = profile(data(tmp_path / "c.jsonl", long), model=model)
    (note,) = too_long(launched, model)
    assert note.startswith(f"1 row longer than the 10 tokens of {model} is left out of training")
    assert tokens_of_own(launched) == (3 * 10, 10)  # of what is trained on: one pass, and the longest


def test_the_hubs_cache_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    place = tmp_path / "models--org--name"
    folder = tokenizer(place / "snapshots" / "abc")
    assert model_folder("org/name") == folder
    newer = tokenizer(place / "snapshots" / "def")
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("def")
    assert model_folder("org/name") == newer
    assert model_folder("org/other") is None


def test_without_a_tokenizer_the_error_is_stated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    made = profile(data(tmp_path / "a.jsonl", CHAT), model="org/none")
    facts = made.quality["model_tokens"]
    assert not made.exact
    assert not facts["exact"]
    assert facts["low"] == made.billed_tokens_per_epoch["gpt-4.1-2025-04-14"]
    assert facts["low"] < facts["tokens"] == made.tokens["org/none"] < facts["high"]
    assert "not on this machine" in facts["basis"]


def test_arguments_reach_the_template_as_objects(tmp_path: Path) -> None:
    model = str(tokenizer(tmp_path / "model"))
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"city": "Rome"}'}}
    chat = [CHAT[0][0], {"role": "assistant", "tool_calls": [call]}]
    made = profile(data(tmp_path / "a.jsonl", [chat]), model=model)
    assert made.tokens[model] == 1 + 4 + 5  # <s>; <|user|> one two </s>; <|assistant|> f {"city": "Rome"} </s>


def test_a_template_that_refuses_names_the_line(tmp_path: Path) -> None:
    model = str(tokenizer(tmp_path / "model"))
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    answer = {"role": "tool", "tool_call_id": "c", "content": "x"}
    chat = [CHAT[0][0], {"role": "assistant", "tool_calls": [call]}, answer, CHAT[0][1]]
    with pytest.raises(DataError, match=r"line 1: the model's chat template does not accept it.*no tools"):
        profile(data(tmp_path / "a.jsonl", [chat]), model=model)


def test_without_a_template_the_trainers_plain_one_is_counted(tmp_path: Path) -> None:
    model = str(tokenizer(tmp_path / "model", None))
    made = profile(data(tmp_path / "a.jsonl", CHAT), model=model)
    assert made.tokens[model] == 3 * (4 + 6)  # ### user: one two; ### assistant: three four five </s>
    assert made.exact
    assert made.quality["model_tokens"]["basis"] == "its own tokenizer and the plain template"
