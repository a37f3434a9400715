"""Which tokens are trained on: the sequences that ``backends.local.chat`` renders, as ids and a weight per token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

from backends.local.chat import ChatTemplate, Text, chat_template, texts


@dataclass(frozen=True, slots=True)
class Encoded:
    """One sequence to train on. ``weights[i]`` is the weight of predicting ``ids[i]``; 0 means: only context."""

    ids: tuple[int, ...]
    weights: tuple[float, ...]
    line: int  # in its file, for messages
    rule: str  # marks | prefix | split | all

    @property
    def supervised(self) -> int:
        return sum(weight > 0 for weight in self.weights)


def encode(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]] = (),
    *,
    loss_on: str = "assistant",
    line: int = 0,
    template: ChatTemplate | None = None,
) -> list[Encoded]:
    """Turn one conversation into sequences; more than one where its template rewrites history. Raises MaskRefused.

    ``template`` is ``template_of(tokenizer)``, where that was read before.
    """
    found = texts(template or template_of(tokenizer), messages, tools, loss_on=loss_on)
    return [tokenise(tokenizer, text, line) for text in found]


def template_of(tokenizer: PreTrainedTokenizerBase) -> ChatTemplate:
    """Return the chat template of a loaded tokenizer, as ``template_in`` reads it from its files."""
    sources, bare = tokenizer.chat_template, tokenizer("a")["input_ids"]
    tokens = {key: text for key, text in tokenizer.special_tokens_map.items() if isinstance(text, str)}
    return chat_template(
        tuple(sorted(sources.items())) if isinstance(sources, dict) else sources,
        tuple(sorted(tokens.items())),
        adds_bos=bool(bare) and bare[0] == tokenizer.bos_token_id,
        specials=frozenset(
            [*(one.content for one in tokenizer.added_tokens_decoder.values() if one.special), *tokens.values()]
        ),
    )


def tokenise(tokenizer: PreTrainedTokenizerBase, text: Text, line: int) -> Encoded:
    """Give every token the weight of the span it lies in entirely."""
    encoded = tokenizer(text.text, add_special_tokens=False, return_offsets_mapping=True)
    weights = [0.0] * len(encoded["input_ids"])
    place, spans = 0, text.spans
    for position, (start, end) in enumerate(encoded["offset_mapping"]):
        while place < len(spans) and start >= spans[place][1]:
            place += 1
        if place < len(spans) and position > 0 and start >= spans[place][0] and start < end <= spans[place][1]:
            weights[position] = spans[place][2]
    return Encoded(tuple(encoded["input_ids"]), tuple(weights), line, text.rule)
