"""Whether the model knows each token of the data: one it has no row for, or never learned, is refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from backends.local.trainer.data import DataRefused, Item
from backends.local.vocabulary import beyond

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_SAMPLED = 2048  # rows looked at to tell what a learned one is like
_NEAR = 0.1  # of a learned row's distance from their mean: nearer lie only those that were never moved away from it


def check_known(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, items: Sequence[Item], file: Path, *, embeds: bool
) -> None:
    """Raise DataRefused, with line, token and remedy, where the model lacks a token of ``items``, read from ``file``.

    Where embeddings are not trained (``embeds`` false), a token whose row was added and never learned would stay
    without a meaning.
    """
    table = model.get_input_embeddings().weight.detach()  # [vocabulary, hidden]
    lines: dict[int, int] = {}  # token -> the first line that holds it
    for item in items:
        for sequence in item.sequences:
            for token in set(sequence.ids):
                lines.setdefault(token, sequence.line)
    most = max(lines, default=0)
    if most >= table.shape[0]:
        raise DataRefused(f"{file}, line {lines[most]}: {beyond(_name(tokenizer, most), most, table.shape[0])}")
    added = sorted(set(tokenizer.added_tokens_decoder) & set(lines))
    if embeds or not added:
        return
    for token in _unlearned(table, added, getattr(model.config.get_text_config(), "initializer_range", None)):
        raise DataRefused(
            f"{file}, line {lines[token]}: the token {_name(tokenizer, token)!r} (number {token}) was added to the "
            "tokenizer, but the model never learned what it means, and adapters cannot teach it that. Train with "
            "method full, or take it out of the tokenizer, so that it is read as plain text."
        )


def _name(tokenizer: PreTrainedTokenizerBase, token: int) -> str:
    return str(tokenizer.convert_ids_to_tokens(token))


def _unlearned(table: Tensor, tokens: Sequence[int], drawn: float | None) -> list[int]:
    """Return those of ``tokens`` whose row [hidden] is as it was made.

    That is nothing, all but the mean of the others (as transformers makes it), or drawn with the deviation ``drawn``
    where learned rows have another.
    """
    step = max(1, table.shape[0] // _SAMPLED)
    known = table[::step].float()  # [sampled, hidden]
    mean = known.mean(dim=0)
    usual = (known - mean).norm(dim=1).median()
    deviation = known.std(dim=1).median()
    other = drawn is not None and not 0.75 < float(deviation) / drawn < 1.25
    rows = table[torch.tensor(list(tokens), device=table.device)].float()  # [tokens, hidden]
    near = (rows - mean).norm(dim=1) < _NEAR * usual
    empty = rows.abs().amax(dim=1) < 1e-8
    scatter = 3 / (2 * table.shape[1]) ** 0.5  # of the deviation of so many drawn numbers
    as_drawn = (rows.std(dim=1) / drawn - 1).abs() < scatter if drawn and other else torch.zeros_like(near)
    return [token for token, bad in zip(tokens, (near | empty | as_drawn).tolist(), strict=True) if bad]
