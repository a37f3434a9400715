"""Every form that is read, at every backend that takes it: checked, written, and trained on, row for row."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import backends
from advisor.dataset import Dataset, Level, write_for
from advisor.errors import DataError
from advisor.tokens import profile
from backends import Hyperparameters, JobSpec, Objective

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

N = 12


def say(role: str, content: object, **more: object) -> dict[str, object]:
    return {"role": role, "content": content, **more}


def rows(make: object) -> str:
    return "".join(json.dumps(make(n)) + "\n" for n in range(N))  # type: ignore[operator]


TOOLS = [{"type": "function", "function": {"name": "rate", "parameters": {"type": "object", "properties": {}}}}]
CALL = {"id": "c1", "type": "function", "function": {"name": "rate", "arguments": "{}"}}
FORMS = {
    "chat": rows(lambda n: {"messages": [say("system", "s"), say("user", f"q{n}"), say("assistant", f"a{n}")]}),
    "chat without a system prompt": rows(lambda n: {"messages": [say("user", f"q{n}"), say("assistant", f"a{n}")]}),
    "the assistant first": rows(lambda n: {"messages": [
        say("assistant", "Hello."), say("user", f"q{n}"), say("assistant", f"a{n}")]}),
    "several turns": rows(lambda n: {"messages": [
        say("user", "q"), say("assistant", "a", weight=0), say("user", f"q{n}"), say("assistant", f"a{n}")]}),
    "text in parts": rows(lambda n: {"messages": [
        say("user", [{"type": "text", "text": f"q{n}"}]), say("assistant", [{"type": "text", "text": f"a{n}"}])]}),
    "tools": rows(lambda n: {"tools": TOOLS, "messages": [
        say("user", f"q{n}"), say("assistant", None, tool_calls=[CALL]), say("tool", "2", tool_call_id="c1"),
        say("assistant", f"a{n}")]}),
    "a tool's answer in parts": rows(lambda n: {"tools": TOOLS, "messages": [
        say("user", f"q{n}"), say("assistant", None, tool_calls=[CALL]),
        say("tool", [{"type": "text", "text": "2"}], tool_call_id="c1"), say("assistant", f"a{n}")]}),
    "reasoning": rows(lambda n: {"messages": [say("user", f"q{n}"), say("assistant", f"a{n}", reasoning_content="t")]}),
    "prompt and completion": rows(lambda n: {"prompt": f"q{n}", "completion": f"a{n}"}),
    "several labels": rows(lambda n: {"text": f"q{n}", "labels": ["x", "y"][: n % 3]}),
    "instruction with history": rows(lambda n: {"instruction": f"q{n}", "output": f"a{n}", "history": [["h", "i"]]}),
    "ShareGPT": rows(lambda n: {"conversations": [
        {"from": "human", "value": f"q{n}"}, {"from": "gpt", "value": f"a{n}"}]}),
    "pairs of input and output": rows(lambda n: {"conversation": [{"input": f"q{n}", "output": f"a{n}"}]}),
    "Gemini": rows(lambda n: {"contents": [
        {"role": "user", "parts": [{"text": f"q{n}"}]}, {"role": "model", "parts": [{"text": f"a{n}"}]}]}),
    "Anthropic": rows(lambda n: {"system": "s", "messages": [
        say("user", [{"type": "text", "text": f"q{n}"}]), say("assistant", [{"type": "text", "text": f"a{n}"}])]}),
    "Bedrock": rows(lambda n: {"schemaVersion": "bedrock-conversation-2024", "system": [{"text": "s"}], "messages": [
        say("user", [{"text": f"q{n}"}]), say("assistant", [{"text": f"a{n}"}])]}),
    "preference pairs": rows(lambda n: {
        "input": {"messages": [say("user", f"q{n}")]}, "preferred_output": [say("assistant", f"a{n}")],
        "non_preferred_output": [say("assistant", "no")]}),
    "ShareGPT pairs": rows(lambda n: {"conversations": [{"from": "human", "value": f"q{n}"}],
                                      "chosen": {"from": "gpt", "value": f"a{n}"},
                                      "rejected": {"from": "gpt", "value": "no"}}),
    "plain text": rows(lambda n: {"text": f"The harbour of town {n} was built in {1800 + n}."}),
    "columns": json.dumps({"prompt": [f"q{n}" for n in range(N)], "completion": [f"a{n}" for n in range(N)]}),
}  # fmt: skip
# What a backend's form has no place for; the check says so of the same file.
NOT_THERE = {
    ("tools", "replicate"), ("a tool's answer in parts", "replicate"), ("several turns", "replicate"),
    ("text in parts", "replicate"), ("Anthropic", "replicate"),
    ("the assistant first", "bedrock"), ("tools", "bedrock"), ("a tool's answer in parts", "bedrock"),
    ("plain text", "bedrock"),
}  # fmt: skip


THINKING = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.reasoning_content %}<think>\n{{ m.reasoning_content }}\n"
    "</think>\n\n{% endif %}{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerBase:
    pytest.importorskip("transformers")
    from transformers import AutoTokenizer

    from backends.local.trainer import tiny

    folder = tmp_path_factory.mktemp("tiny")
    words = folder / "words.jsonl"
    words.write_text(FORMS["tools"] + FORMS["plain text"])
    tiny.make(folder / "tiny-llama-0", words, 0)
    made: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder / "tiny-llama-0")
    return made


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("backend", backends.names())
def test_a_form_that_is_read_is_trained_on_row_for_row(
    tmp_path: Path, form: str, backend: str, tokenizer: PreTrainedTokenizerBase
) -> None:
    path, out = tmp_path / "a.jsonl", tmp_path / "out.jsonl"
    path.write_text(FORMS[form])
    data = Dataset.open(path)
    found = profile(data, backend=backend)
    assert found.examples == N
    paired = found.is_preference
    for objective in (Objective.SFT, Objective.DPO) if paired else (Objective.SFT,):
        refused = [p for p in profile(data, backend=backend, objective=objective).problems if p.level is Level.ERROR]
        if refused:
            assert {p.code for p in refused} <= {"not_trained_there", "consecutive_roles"}, refused
            continue
        try:
            lost = write_for(data, backend, objective, out)
        except DataError:
            assert (form, backend) in NOT_THERE
            continue
        written = out.read_text().splitlines()
        assert len(written) == N, lost
        assert all(f"q{n}" in row or form == "plain text" for n, row in enumerate(written))
        trained(backend, out, objective, tokenizer)


def trained(backend: str, out: Path, objective: Objective, tokenizer: PreTrainedTokenizerBase) -> None:
    """Take the file as the trainer does: the local one masks every row and takes a step, the others are rehearsed."""
    if backend == "local":
        from backends.local.trainer.data import load

        taught, base = copy.copy(tokenizer), "tiny"
        if "reasoning_content" in out.read_text():
            taught.chat_template = THINKING
            base = str(shutil.copytree(tokenizer.name_or_path, out.parent / "base"))
            taught.save_pretrained(base)
        items, *_ = load(out, taught, objective=objective, loss_on="answers", longest=4096)
        assert sorted({item.line for item in items}) == list(range(1, N + 1))
        takes_a_step(out, objective, base)
        return
    spec = JobSpec("run-1", backend, "m", out, objective=objective, options={"stands_for": backend})
    job = backends.get("rehearsal").submit(spec)
    assert job.steps_total == -(-N // 8)


def takes_a_step(file: Path, objective: Objective, base: str) -> None:
    """Train a toy on the whole file at once, in this process."""
    from backends.local.folder import RunFolder, read_json
    from backends.local.trainer.distributed import World
    from backends.local.trainer.train import live

    folder = RunFolder(file.parent / f"run-{objective}")
    folder.path.mkdir()
    spec = JobSpec(
        "run-1",
        "local",
        base,
        file,
        objective=objective,
        hyperparameters=Hyperparameters(epochs=1, batch_size=N, max_seq_length=1024, lora_rank=2),
        options={"device": "cpu", "threads": 1, "max_steps": 1, "folder": str(folder.path)},
    )
    folder.config.write_text(json.dumps(backends.get("local").requests(spec)[0].body))
    code, status = live(folder, World(0, 1)), read_json(folder.status)
    assert code == 0, status["error"]
    assert status["steps_done"] == 1
