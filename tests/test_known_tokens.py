"""Tokens that the model has no row for, or never learned, are refused before the first step: token, line, remedy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from chat_templates import write_tokenizer
from transformers import LlamaConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.models.auto import AutoModelForCausalLM

from advisor.dataset import Dataset
from advisor.errors import DataError
from advisor.tokens import profile
from backends import Objective
from backends.local.options import Options
from backends.local.trainer import model as models
from backends.local.trainer.data import DataRefused, Item, load
from backends.local.trainer.known_tokens import check_known

Made = tuple[PreTrainedModel, PreTrainedTokenizerBase, list[Item], Path]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Return a model of two layers whose tokenizer was given a token more, data that holds it, and its file."""
    torch.manual_seed(0)
    tokenizer = models.load_tokenizer(str(write_tokenizer(tmp_path / "model", "marks")), Options())
    sizes: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    config = LlamaConfig(**sizes, num_attention_heads=2, vocab_size=len(tokenizer), initializer_range=0.1)
    model = AutoModelForCausalLM.from_config(config)
    tokenizer.add_tokens(["<obj_a>"])
    rows = [("Where?", "In hall 1."), ("And it?", "It is <obj_a>.")]
    file = tmp_path / "train.jsonl"
    file.write_text(
        "".join(
            json.dumps({"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]}) + "\n"
            for q, a in rows
        )
    )
    items, _, _ = load(file, tokenizer, objective=Objective.SFT, loss_on="assistant", longest=512)
    return model, tokenizer, items, file


def test_a_token_beyond_the_embedding_is_refused_by_name_line_and_remedy(made: Made) -> None:
    model, tokenizer, items, file = made
    with pytest.raises(DataRefused, match=r"train.jsonl, line 2: the token '<obj_a>' .* beyond the \d+ rows .*Use the"):
        check_known(model, tokenizer, items, file, embeds=False)
    tokenizer.save_pretrained(file.parent / "saved")
    model.config.save_pretrained(file.parent / "saved")
    with pytest.raises(DataError, match="line 2: the token '<obj_a>'"):
        profile(Dataset.open(file), model=str(file.parent / "saved"))


@pytest.mark.parametrize("made_as", ["mean", "zero", "drawn"])
def test_a_token_that_was_never_learned_is_refused_under_adapters_alone(made: Made, made_as: str) -> None:
    model, tokenizer, items, file = made
    if made_as == "drawn":
        model.get_input_embeddings().weight.data *= 4  # as if learned: no longer as they were drawn
    model.resize_token_embeddings(len(tokenizer), mean_resizing=made_as == "mean")
    if made_as == "zero":
        model.get_input_embeddings().weight.data[-1] = 0
    with pytest.raises(DataRefused, match=r"line 2: the token '<obj_a>' .* never learned .* method full"):
        check_known(model, tokenizer, items, file, embeds=False)
    check_known(model, tokenizer, items, file, embeds=True)


def test_a_learned_token_is_known(made: Made) -> None:
    model, tokenizer, items, file = made
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    check_known(model, tokenizer, items, file, embeds=False)
