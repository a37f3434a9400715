"""Tokenised data kept between starts of a run, under a fingerprint of all that it depends on."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import PreTrainedTokenizerBase

from backends import Objective
from backends.local.folder import home
from backends.local.trainer.data import Item, Loaded, load
from backends.local.trainer.loss_mask import Encoded

_VERSION = 3  # of the masks: raise it when the same data gives other sequences
_SMALL = 2_000_000  # bytes; a smaller file is tokenised faster than it is worth keeping


def load_cached(
    path: Path,
    tokenizer: PreTrainedTokenizerBase,
    *,
    objective: Objective,
    loss_on: str,
    longest: int,
    small: int = _SMALL,
) -> Loaded:
    """Do what ``data.load`` does, once for the same file, tokenizer, template and settings."""
    if path.stat().st_size < small:
        return load(path, tokenizer, objective=objective, loss_on=loss_on, longest=longest)
    settings = json.dumps([_VERSION, objective.value, loss_on, longest, tokenizer.chat_template])
    digest = hashlib.sha256(settings.encode() + tokenizer.backend_tokenizer.to_str().encode())
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    kept = home() / "cache" / f"tokens-{digest.hexdigest()[:24]}.safetensors"
    if kept.is_file():
        return _read(kept)
    found = load(path, tokenizer, objective=objective, loss_on=loss_on, longest=longest)
    _write(kept, found)
    return found


def _write(kept: Path, found: Loaded) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    parts = [part for item in found.items for part in item.sequences]
    aside = kept.with_name(f".{kept.name}.{os.getpid()}")
    save_file(
        {
            "ids": torch.tensor([token for part in parts for token in part.ids], dtype=torch.int32),
            "weights": torch.tensor([weight for part in parts for weight in part.weights], dtype=torch.float64),
            "lengths": torch.tensor([len(part.ids) for part in parts]),
            "lines": torch.tensor([part.line for part in parts]),
            "sides": torch.tensor([len(item.sequences) for item in found.items]),
        },
        aside,
        metadata={
            "notes": json.dumps([found.notes, found.left_out]),
            "rules": json.dumps([part.rule for part in parts]),
        },
    )
    aside.replace(kept)


def _read(kept: Path) -> Loaded:
    with safe_open(kept, framework="pt") as file:
        about = {key: json.loads(value) for key, value in file.metadata().items()}
        columns = {key: file.get_tensor(key).tolist() for key in file.keys()}  # noqa: SIM118  not a mapping
    parts, start = [], 0
    for length, line, rule in zip(columns["lengths"], columns["lines"], about["rules"], strict=True):
        here = slice(start, start + length)
        parts.append(Encoded(tuple(columns["ids"][here]), tuple(columns["weights"][here]), line, rule))
        start += length
    following = iter(parts)
    items = [Item(tuple(next(following) for _ in range(count))) for count in columns["sides"]]
    return Loaded(items, *about["notes"])
