"""Generating answers from token ids, greedily unless a temperature is given; several at a time where that is greedy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

from backends.local.inference.chat_template import ends_of
from backends.local.inference.prefix import CACHE, Prefix, read_prefix
from backends.local.trainer import model as models
from backends.local.trainer.packing import bucket

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_CAPACITY = 16_384  # tokens in one batch, padding and answers to come counted: 2 GB of keys and values for an 8B model


def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompt: Sequence[int],
    *,
    max_tokens: int,
    temperature: float = 0.0,
    seed: int | None = None,
    heard: Callable[[str], None] | None = None,
) -> tuple[list[int], bool]:
    """Return the new tokens, and whether the model ended its turn by itself; ``heard`` gets the text as it comes."""
    if seed is not None:
        torch.manual_seed(seed)
    parts = None if heard is None else _Parts(tokenizer, heard)
    [answer] = _batch(model, tokenizer, [prompt], max_tokens, temperature, None, parts)
    return answer


class _Parts:
    """Hears new tokens from the model and tells their text, each character once it is whole."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, heard: Callable[[str], None]) -> None:
        self._tokenizer, self._heard = tokenizer, heard
        self._tokens: list[int] | None = None  # None: the prompt, which the model hands on first
        self._told = ""

    def put(self, tokens: torch.Tensor) -> None:
        if self._tokens is None:
            self._tokens = []
            return
        self._tokens += tokens.tolist()
        text = self._tokenizer.decode(self._tokens, skip_special_tokens=True).lstrip()
        if len(text) > len(self._told) and not text.endswith("\ufffd"):
            self._heard(text[len(self._told) :])
            self._told = text

    def end(self) -> None:
        """Nothing is held back but half of a character."""


def generate_all(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    *,
    max_tokens: int,
    capacity: int = _CAPACITY,
) -> list[tuple[list[int], bool]]:
    """Do greedily for each prompt what ``generate`` does, prompts of like length together.

    What all begin with is read once. The rest is padded on the left and positions go on behind the padding, so each
    answer is the one it gets alone, up to rounding of the model's precision. A batch that does not fit in memory is
    halved.
    """
    prefix = read_prefix(models.causal(model), prompts) if len(prompts) > 1 else None
    answers: dict[int, tuple[list[int], bool]] = {}
    groups = bucket([len(prompt) + max_tokens for prompt in prompts], capacity)
    while groups:
        group = groups.pop(0)
        try:
            found = _batch(model, tokenizer, [prompts[place] for place in group], max_tokens, 0.0, prefix)
        except torch.OutOfMemoryError:
            if len(group) == 1:
                raise
            torch.cuda.empty_cache()
            half = len(group) // 2
            groups[:0] = [group[:half], group[half:]]
            continue
        answers.update(zip(group, found, strict=True))
    return [answers[place] for place in range(len(prompts))]


def _batch(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    max_tokens: int,
    temperature: float,
    prefix: Prefix | None,
    parts: _Parts | None = None,
) -> list[tuple[list[int], bool]]:
    """Answer a batch; between the ``prefix`` that was read already and the rest of each prompt stands the padding."""
    read = prefix.ids if prefix is not None else []
    longest, warm, ends = max(len(prompt) for prompt in prompts), temperature > 0, ends_of(model, tokenizer)
    pad = int(tokenizer.pad_token_id or 0)
    ids = torch.full((len(prompts), longest), pad)
    mask = torch.zeros((len(prompts), longest), dtype=torch.long)
    ids[:, : len(read)] = torch.tensor(read)
    mask[:, : len(read)] = 1
    for row, prompt in enumerate(prompts):
        rest = prompt[len(read) :]
        ids[row, longest - len(rest) :] = torch.tensor(list(rest))
        mask[row, longest - len(rest) :] = 1
    with torch.no_grad():
        out = model.generate(
            input_ids=ids.to(model.device),
            attention_mask=mask.to(model.device),
            max_new_tokens=max_tokens,
            do_sample=warm,
            temperature=temperature if warm else None,
            top_p=None,
            top_k=None,
            eos_token_id=ends,
            pad_token_id=pad,
            use_cache=True,
            streamer=parts,
            **({CACHE: prefix.copies(len(prompts))} if prefix is not None else {}),
        )
    return [_cut(row, ends) for row in out[:, longest:].tolist()]


def _cut(tokens: list[int], ends: Sequence[int]) -> tuple[list[int], bool]:
    """Cut behind the first token that ends the turn; what follows it is padding."""
    last = next((place for place, token in enumerate(tokens) if token in ends), None)
    return (tokens, False) if last is None else (tokens[: last + 1], True)
