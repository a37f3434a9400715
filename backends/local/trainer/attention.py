"""Attention over packed sequences that never see each other, registered through transformers' public interface."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from transformers import AttentionInterface

if TYPE_CHECKING:
    from torch import Tensor

NAME = "tunewise_varlen"


def varlen(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    cu_seq_lens_q: Tensor | None = None,
    max_length_q: int = 0,
    **kwargs: object,
) -> tuple[Tensor, None]:
    """Attend causally within each sequence of one packed row, and return [1, tokens, heads, size].

    ``query`` is [1, heads, tokens, size], ``key`` and ``value`` [1, key-value heads, tokens, size]; sequence n is at
    the tokens from ``cu_seq_lens_q[n]`` to the next of these [sequences + 1].
    """
    if softcap is not None or s_aux is not None or dropout or cu_seq_lens_q is None or query.shape[0] != 1:
        raise NotImplementedError("this model's attention needs more than packed causal attention offers")
    if query.is_cuda:
        from torch.nn.attention.varlen import varlen_attn

        out = varlen_attn(
            query[0].transpose(0, 1),
            key[0].transpose(0, 1),
            value[0].transpose(0, 1),
            cu_seq_lens_q,
            cu_seq_lens_q,
            max_length_q,
            max_length_q,
            scale=scaling,
            window_size=(sliding_window - 1 if sliding_window else -1, 0),
            enable_gqa=key.shape[1] != query.shape[1],
        )
        return out.unsqueeze(0), None
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    edges = cu_seq_lens_q.tolist()
    parts = []
    for start, end in pairwise(edges):
        here = slice(start, end)
        mask = _window(end - start, sliding_window, query.device)
        parts.append(
            F.scaled_dot_product_attention(
                query[:, :, here],
                key[:, :, here],
                value[:, :, here],
                attn_mask=mask,
                is_causal=mask is None,
                scale=scaling,
            )
        )
    return torch.cat(parts, dim=2).transpose(1, 2), None


def _window(length: int, window: int | None, device: torch.device) -> Tensor | None:
    """Return the mask [length, length] of a sliding window; None where the window covers the whole sequence."""
    if window is None or length <= window:
        return None
    distance = torch.arange(length, device=device)[:, None] - torch.arange(length, device=device)[None, :]
    return (distance >= 0) & (distance < window)


AttentionInterface.register(NAME, varlen)
