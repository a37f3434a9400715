"""The model made on the spot: a real architecture with seeded random weights, a tokenizer trained on the data.

It knows nothing, so what it learns is only what the data teach: good for trying the whole path without a download,
not for judging whether fine-tuning a real model pays.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    Gemma3TextConfig,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    Qwen3Config,
)
from transformers.models.auto import AutoModelForCausalLM

from backends.local.trainer.data import read_rows

MARK = "made_on_the_spot"  # set in config.json: such a model has no knowledge to keep, so it is trained faster
_VOCABULARY = 2048

CHAT_TEMPLATE = """\
{%- if tools %}{{ '<|im_start|>tools\\n' + (tools | tojson) + '<|im_end|>\\n' }}{% endif -%}
{%- for message in messages -%}
{{- '<|im_start|>' + message['role'] + '\\n' -}}
{%- if message['role'] == 'assistant' -%}
{%- generation -%}
{{- message['content'] -}}
{%- for call in message['tool_calls'] or [] -%}
{{- '<tool_call>' + ({'name': call['function']['name'], 'arguments': call['function']['arguments']} | tojson) -}}
{{- '</tool_call>' -}}
{%- endfor -%}
{{- '<|im_end|>' -}}
{%- endgeneration -%}
{{- '\\n' -}}
{%- else -%}
{{- message['content'] + '<|im_end|>\\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif -%}
"""


def make(folder: Path, train_file: Path, seed: int) -> None:
    """Write the model into ``folder`` unless it is there already; the folder's name begins with its architecture."""
    if (folder / "config.json").is_file():
        return
    aside = folder.with_name(f".{folder.name}.{os.getpid()}")
    aside.mkdir(parents=True)
    tokenizer = _tokenizer(train_file)
    tokenizer.save_pretrained(aside)
    torch.manual_seed(seed)
    config = _config(folder.name.rpartition("-")[0], tokenizer)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(aside)
    try:
        aside.rename(folder)
    except OSError:  # another trainer was first; both made the same
        shutil.rmtree(aside)


def _tokenizer(train_file: Path) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE on the conversations: any text can be written with it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        special_tokens=["<|pad|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(train_file), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|pad|>",
        eos_token="<|im_end|>",
        chat_template=CHAT_TEMPLATE,
        model_max_length=2048,
    )


def _texts(train_file: Path) -> Iterator[str]:
    """Yield every text in the file's rows, wherever it stands."""
    for _, row in read_rows(train_file):
        stack: list[Any] = [row]
        while stack:
            value = stack.pop()
            if isinstance(value, dict):
                stack += reversed(list(value.values()))
            elif isinstance(value, list):
                stack += reversed(value)
            elif isinstance(value, str):
                yield value


def _config(kind: str, tokenizer: PreTrainedTokenizerFast) -> PreTrainedConfig:
    sizes: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 128,
        "intermediate_size": 384,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": False,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": None,
        MARK: True,
    }
    if kind == "tiny-qwen":
        return Qwen3Config(**sizes)
    if kind == "tiny-gemma":
        return Gemma3TextConfig(**sizes, query_pre_attn_scalar=32)
    return LlamaConfig(**sizes)
