"""What several sequences begin with is read once: its keys and values, copied for all of them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer
from transformers.modeling_outputs import BaseModelOutputWithPast

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from backends.local.trainer.loss import Batch

# What transformers calls keys and values that are handed in and out: it was renamed within 5.24.
CACHE = "cache" if "cache" in BaseModelOutputWithPast.__dataclass_fields__ else "past_key_values"
_WORTH = 32  # tokens that the others are spared, together; below it the copies cost more than they save


@dataclass(frozen=True, slots=True)
class Prefix:
    """The first ``ids`` of every sequence, and what the model keeps of having read them (batch of one)."""

    ids: list[int]
    cache: DynamicCache

    def copies(self, count: int) -> DynamicCache:
        """Return the cache for a batch of ``count``; a model writes on into what it is given, so each gets its own."""
        cache = copy.deepcopy(self.cache)
        cache.batch_repeat_interleave(count)
        return cache


def read_prefix(
    model: PreTrainedModel, sequences: Sequence[Sequence[int]], *, most: int | None = None
) -> Prefix | None:
    """Read what all ``sequences`` begin with, at most ``most`` tokens and never the whole of one; ``model`` is causal.

    None where it is not worth it, or where a layer of the model keeps more, or less, than all keys and values.
    """
    first, last = min(map(tuple, sequences)), max(map(tuple, sequences))  # what these two share, all share
    room = min(len(first), len(last), *(len(one) for one in sequences)) - 1
    room = room if most is None else min(room, most)
    shared = next((place for place in range(room) if first[place] != last[place]), max(0, room))
    if shared * (len(sequences) - 1) < _WORTH:
        return None
    ids = list(first[:shared])
    with torch.no_grad():
        # The decoder alone: the output head would make logits of every token.
        decoder: Any = model.base_model
        kept = decoder(input_ids=torch.tensor([ids], device=model.device), use_cache=True)[CACHE]
    whole = isinstance(kept, DynamicCache) and all(type(layer) is DynamicLayer for layer in kept.layers)
    return Prefix(ids, kept) if whole else None


def behind(prefix: Prefix, batch: Batch) -> Batch:
    """Return a padded batch of what stands behind the prefix, as one to be read on from it."""
    mask = batch.inputs["attention_mask"]
    count = mask.shape[0]
    seen = mask.new_ones((count, len(prefix.ids)))
    more = {"attention_mask": torch.cat([seen, mask], dim=1), CACHE: prefix.copies(count)}
    return replace(batch, inputs={**batch.inputs, **more})
