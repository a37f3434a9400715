"""Twelve kinds of chat templates by eight kinds of data: what is learned of each, written by hand, and counted so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_templates import ADDS_BOS, TEMPLATES, write_tokenizer
from transformers import PreTrainedTokenizerBase

from advisor.dataset import Dataset
from advisor.errors import DataError
from advisor.tokens import profile
from backends import Objective
from backends.local.chat import MaskRefused
from backends.local.options import Options
from backends.local.trainer import model as models
from backends.local.trainer.data import DataRefused, load
from backends.local.trainer.loss_mask import template_of

_CALL = {"id": "call_0", "type": "function", "function": {"name": "quote", "arguments": '{"share": "TK", "on": true}'}}
_TOOL = {
    "type": "function",
    "function": {
        "name": "quote",
        "description": "Price of a share",
        "parameters": {"type": "object", "properties": {"share": {"type": "string"}, "on": {"type": "boolean"}}},
    },
}


def said(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


ASKED, ANSWERED = said("user", "Where is it?"), said("assistant", "In hall 1.")
DATA: dict[str, dict[str, Any]] = {
    "one turn": {"messages": [ASKED, ANSWERED]},
    "developer, parts": {
        "messages": [
            said("developer", "Answer briefly."),
            said("user", [{"type": "text", "text": "Where "}, {"type": "text", "text": "is it?"}]),
            said("assistant", [{"type": "text", "text": "In hall 1."}]),
        ]
    },
    "two turns": {"messages": [ASKED, ANSWERED, said("user", "And now?"), said("assistant", "In yard 2.")]},
    "weighted": {
        "messages": [ASKED, {**ANSWERED, "weight": 0}, said("user", "And now?"), said("assistant", "In yard 2.")]
    },
    "tools": {
        "messages": [
            said("user", "Price?"),
            said("assistant", None, tool_calls=[_CALL]),
            said("tool", "0.5", tool_call_id="call_0"),
            said("assistant", "It is 0.5."),
        ],
        "tools": [_TOOL],
    },
    "thought": {"messages": [said("user", "1 + 1?"), said("assistant", "<think>I add.</think>It is 2.")]},
    "speaks first": {"messages": [said("assistant", "Welcome!"), ASKED, ANSWERED]},
    "text": {"text": "The harbour was built in 1800."},
}

# What is learned, by hand: one text a sequence (answers of one sequence parted by " | "), or why it is refused.
HALL, YARD, LATER = "In hall 1.", "In yard 2.", "It is 0.5."
CALL = '<tool_call>{"name": "quote", "arguments": {"share": "TK", "on": true}}</tool_call>'
THOUGHT = "<think>I add.</think>It is 2."
NO_CALLS, NO_THOUGHT = "leaves out, or rewrites, the tools on offer", "leaves out, or rewrites, the thinking"
PLAIN = "The harbour was built in 1800.</s>"


class Refused(str):
    """The words of a refusal."""


def chatml(**other: Any) -> dict[str, Any]:
    """Return what is learned where each answer ends with <|im_end|>."""
    return {
        "one turn": [f"{HALL}<|im_end|>"],
        "developer, parts": [f"{HALL}<|im_end|>"],
        "two turns": [f"{HALL}<|im_end|> | {YARD}<|im_end|>"],
        "weighted": [f"{YARD}<|im_end|>"],
        "tools": [f"{CALL}<|im_end|> | {LATER}<|im_end|>"],
        "thought": [f"{THOUGHT}<|im_end|>"],
        "speaks first": [f"Welcome!<|im_end|> | {HALL}<|im_end|>"],
        "text": [PLAIN],
        **other,
    }


EXPECTED: dict[str, dict[str, Any]] = {
    "marks": chatml(),
    "early marks": chatml(),
    "default system": chatml(),
    "thinking": {
        "one turn": ["<think>\n\n</think>\n\nIn hall 1.<|im_end|>"],
        "developer, parts": ["<think>\n\n</think>\n\nIn hall 1.<|im_end|>"],
        "two turns": [
            "<think>\n\n</think>\n\nIn hall 1.<|im_end|>",
            "<think>\n\n</think>\n\nIn yard 2.<|im_end|>",
        ],
        "weighted": ["<think>\n\n</think>\n\nIn yard 2.<|im_end|>"],
        "tools": [
            f"<think>\n\n</think>\n\n{CALL}<|im_end|> | <think>\n\n</think>\n\nIt is 0.5.<|im_end|>",
        ],
        "thought": ["<think>\nI add.\n</think>\n\nIt is 2.<|im_end|>"],
        "speaks first": [
            "<think>\n\n</think>\n\nWelcome!<|im_end|>",
            "<think>\n\n</think>\n\nIn hall 1.<|im_end|>",
        ],
        "text": [PLAIN],
    },
    "dated": {
        "one turn": ["In hall 1.<|eot_id|>"],
        "developer, parts": ["In hall 1.<|eot_id|>"],
        "two turns": ["In hall 1.<|eot_id|> | In yard 2.<|eot_id|>"],
        "weighted": ["In yard 2.<|eot_id|>"],
        "tools": ['{"name": "quote", "parameters": {"share": "TK", "on": true}}<|eot_id|> | It is 0.5.<|eot_id|>'],
        "thought": ["<think>I add.</think>It is 2.<|eot_id|>"],
        "speaks first": ["Welcome!<|eot_id|> | In hall 1.<|eot_id|>"],
        "text": [PLAIN],
    },
    "brackets": {
        "one turn": [" In hall 1.</s>"],
        "developer, parts": [" In hall 1.</s>"],
        "two turns": [" In hall 1.</s> |  In yard 2.</s>"],
        "weighted": [" In yard 2.</s>"],
        "tools": [
            '[TOOL_CALLS][{"name": "quote", "arguments": {"share": "TK", "on": true}, "id": "call00001"}]</s>'
            " |  It is 0.5.</s>"
        ],
        "thought": [" <think>I add.</think>It is 2.</s>"],
        "speaks first": Refused("roles must alternate"),
        "text": [PLAIN],
    },
    "folded system": {
        "one turn": ["In hall 1.<end_of_turn>"],
        "developer, parts": ["In hall 1.<end_of_turn>"],
        "two turns": ["In hall 1.<end_of_turn> | In yard 2.<end_of_turn>"],
        "weighted": ["In yard 2.<end_of_turn>"],
        "tools": Refused(NO_CALLS),
        "thought": ["<think>I add.</think>It is 2.<end_of_turn>"],
        "speaks first": ["Welcome!<end_of_turn> | In hall 1.<end_of_turn>"],
        "text": [PLAIN],
    },
    "next role": {
        "one turn": ["\nIn hall 1.<|user|>"],
        "developer, parts": ["\nIn hall 1.<|user|>"],
        "two turns": ["\nIn hall 1.<|user|> | \nIn yard 2.<|user|>"],
        "weighted": ["\nIn yard 2.<|user|>"],
        "tools": ['quote\n{"share": "TK", "on": true}<|observation|> | \nIt is 0.5.<|user|>'],
        "thought": ["\n<think>I add.</think>It is 2.<|user|>"],
        "speaks first": ["\nWelcome!<|user|> | \nIn hall 1.<|user|>"],
        "text": [PLAIN],
    },
    "text arguments": chatml(tools=['quote\n{"share": "TK", "on": true}<|im_end|> | It is 0.5.<|im_end|>']),
    "no tools": chatml(tools=Refused(NO_CALLS)),
    "forgets thoughts": {
        "one turn": ["In hall 1.</s>"],
        "developer, parts": ["In hall 1.</s>"],
        "two turns": ["In hall 1.</s> | In yard 2.</s>"],
        "weighted": ["In yard 2.</s>"],
        "tools": Refused(NO_CALLS),
        "thought": Refused(NO_THOUGHT),
        "speaks first": ["Welcome!</s> | In hall 1.</s>"],
        "text": [PLAIN],
    },
    "none": {
        "one turn": ["In hall 1.</s>"],
        "developer, parts": ["In hall 1.</s>"],
        "two turns": ["In hall 1.</s> | In yard 2.</s>"],
        "weighted": ["In yard 2.</s>"],
        "tools": Refused(NO_CALLS),
        "thought": ["<think>I add.</think>It is 2.</s>"],
        "speaks first": ["Welcome!</s> | In hall 1.</s>"],
        "text": [PLAIN],
    },
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("templates")
    return {kind: write_tokenizer(place / kind.replace(" ", "-"), kind) for kind in TEMPLATES}


@pytest.fixture(scope="module")
def tokenizers(folders: dict[str, Path]) -> dict[str, PreTrainedTokenizerBase]:
    return {kind: models.load_tokenizer(str(folder), Options()) for kind, folder in folders.items()}


def learned(tokenizer: PreTrainedTokenizerBase, ids: tuple[int, ...], weights: tuple[float, ...]) -> str:
    """Return the texts that are learned, those apart from each other parted."""
    parts: list[list[int]] = []
    for place, (token, weight) in enumerate(zip(ids, weights, strict=True)):
        if weight > 0:
            if not place or weights[place - 1] == 0:
                parts.append([])
            parts[-1].append(token)
    return " | ".join(str(tokenizer.decode(part)) for part in parts)


def cases() -> Iterator[Any]:
    for kind, rows in EXPECTED.items():
        for data in DATA:
            yield pytest.param(kind, data, rows[data], id=f"{kind}-{data}")


@pytest.mark.parametrize(("kind", "data", "expected"), list(cases()))
def test_what_is_learned_is_what_stands_here_and_what_was_counted(
    folders: dict[str, Path], tokenizers: dict[str, PreTrainedTokenizerBase], tmp_path: Path,
    kind: str, data: str, expected: list[str] | Refused,
) -> None:  # fmt: skip
    tokenizer, file = tokenizers[kind], tmp_path / "train.jsonl"
    file.write_text(json.dumps(DATA[data]) + "\n", encoding="utf-8")
    model = str(folders[kind])
    if isinstance(expected, Refused):
        with pytest.raises(DataRefused, match=f"line 1: .*{expected}"):
            load(file, tokenizer, objective=Objective.SFT, loss_on="assistant", longest=4096)
        with pytest.raises(DataError, match=f"line 1: .*{expected}"):
            profile(Dataset.open(file), model=model)
        return
    items, _, _ = load(file, tokenizer, objective=Objective.SFT, loss_on="assistant", longest=4096)
    trained = [sequence for item in items for sequence in item.sequences]
    # The first token has nothing before it to be told from.
    first = "" if data != "text" or kind in ADDS_BOS else str(tokenizer.decode(trained[0].ids[:1]))
    assert [first + learned(tokenizer, one.ids, one.weights) for one in trained] == expected
    counted = profile(Dataset.open(file), model=model)
    assert counted.tokens[model] == sum(len(one.ids) for one in trained)
    assert counted.exact or data == "thought"  # reasoning is billed otherwise by providers, which that word is about
    bos = tokenizer.bos_token_id
    assert all((one.ids[0] == bos) == (kind in ADDS_BOS or (kind == "dated" and data != "text")) for one in trained)
    assert all(one.ids.count(bos) <= 1 for one in trained)


def test_every_kind_of_template_and_of_data_has_its_expectation() -> None:
    assert len(TEMPLATES) == 12 and len(DATA) == 8
    assert EXPECTED.keys() == TEMPLATES.keys() and all(rows.keys() == DATA.keys() for rows in EXPECTED.values())


@pytest.mark.parametrize("kind", [kind for kind, template in TEMPLATES.items() if template])
@pytest.mark.parametrize("data", ["two turns", "developer, parts"])
def test_our_rendering_is_that_of_transformers_with_the_template_that_is_saved(
    tokenizers: dict[str, PreTrainedTokenizerBase], kind: str, data: str
) -> None:
    tokenizer = tokenizers[kind]
    template = template_of(tokenizer)
    turns = template.turns(DATA[data]["messages"])
    for prompt in (False, True):
        theirs = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=prompt)
        assert template.render(turns, prompt=prompt) == theirs


def test_a_date_is_the_same_every_day_and_said(tokenizers: dict[str, PreTrainedTokenizerBase]) -> None:
    template = template_of(tokenizers["dated"])
    assert template.dated and not template_of(tokenizers["marks"]).dated
    assert "Today: 26 Jul 2024" in template.prompt([ASKED])


def test_nothing_that_could_end_an_answer_is_refused(tmp_path: Path) -> None:
    folder = write_tokenizer(tmp_path, "next role")
    (folder / "chat_template.jinja").write_text("{% for m in messages %}{{ m['content'] + '\n' }}{% endfor %}")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    with pytest.raises(models.ModelRefused, match="no model would learn to stop"):
        models.load_tokenizer(str(folder), Options())


def test_images_are_refused_by_the_renderer(tokenizers: dict[str, PreTrainedTokenizerBase]) -> None:
    with pytest.raises(MaskRefused, match="images"):
        template_of(tokenizers["marks"]).prompt([said("user", [{"type": "image_url"}])])
