"""The forward pass and its loss: sums over supervised tokens, the output head computed only where it is needed.

Shapes: B rows of a pass and T tokens of each, padding included (packed: one row of all tokens), N sequences in it, S
supervised tokens, H hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from backends.local.trainer.loss_mask import Encoded
from backends.local.training_memory import LOGITS_AT_ONCE

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedConfig, PreTrainedModel

# Models that scale what their head gives, and their configuration's name for the factor (transformers 5.23).
_TIMES = {
    "cohere": "logit_scale",
    "falcon_h1": "lm_head_multiplier",
    "hyperclovax": "logits_scaling",
    "muse_": "output_multiplier",
}
_DIVIDED = ("granite", "minicpm3")  # by logits_scaling


@dataclass(frozen=True, slots=True)
class Batch:
    """One forward pass. ``places`` index the flattened positions [B * T] whose next token is supervised."""

    inputs: dict[str, Any]  # input_ids [B, T], and what keeps sequences apart
    places: Tensor  # [S]
    targets: Tensor  # [S]
    weights: Tensor  # [S], fp32
    sequence: Tensor  # [S]: which sequence each supervised token belongs to
    sequences: int
    tokens: int  # real ones, padding not counted
    calls: int = 1  # of the output head at least: ranks that share a split head must all call it as often


def pack_batch(sequences: Sequence[Encoded], device: torch.device) -> Batch:
    """Lay sequences one behind the other in one row [1, T]; positions [1, T] start anew in each, edges are [N + 1]."""
    lengths = torch.tensor([len(sequence.ids) for sequence in sequences], dtype=torch.int32)
    edges = F.pad(lengths.cumsum(0, dtype=torch.int32), (1, 0))
    inputs = {
        "input_ids": to_device(torch.tensor([[token for sequence in sequences for token in sequence.ids]]), device),
        "position_ids": to_device(torch.cat([torch.arange(int(length)) for length in lengths])[None], device),
        "cu_seq_lens_q": to_device(edges, device),
        "cu_seq_lens_k": to_device(edges, device),
        "max_length_q": int(lengths.max()),
        "max_length_k": int(lengths.max()),
    }
    return _batch(sequences, edges[:-1].tolist(), inputs, device)


def pad_batch(sequences: Sequence[Encoded], pad: int, device: torch.device) -> Batch:
    """Lay sequences one below the other [N, T], padded on the right to the longest; the mask is [N, T]."""
    longest = max(len(sequence.ids) for sequence in sequences)
    ids = torch.full((len(sequences), longest), pad)
    mask = torch.zeros((len(sequences), longest), dtype=torch.long)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence.ids)] = torch.tensor(sequence.ids)
        mask[row, : len(sequence.ids)] = 1
    inputs = {"input_ids": to_device(ids, device), "attention_mask": to_device(mask, device)}
    return _batch(sequences, [row * longest for row in range(len(sequences))], inputs, device)


def _batch(sequences: Sequence[Encoded], starts: Sequence[int], inputs: dict[str, Any], device: torch.device) -> Batch:
    found = [
        (start + place - 1, sequence.ids[place], sequence.weights[place], number)
        for number, (start, sequence) in enumerate(zip(starts, sequences, strict=True))
        for place in range(1, len(sequence.ids))
        if sequence.weights[place] > 0
    ]
    places, targets, weights, owners = zip(*found, strict=True) if found else ((), (), (), ())
    return Batch(
        inputs=inputs,
        places=to_device(torch.tensor(places, dtype=torch.long), device),
        targets=to_device(torch.tensor(targets, dtype=torch.long), device),
        weights=to_device(torch.tensor(weights, dtype=torch.float32), device),
        sequence=to_device(torch.tensor(owners, dtype=torch.long), device),
        sequences=len(sequences),
        tokens=sum(len(sequence.ids) for sequence in sequences),
    )


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy to the device; to a GPU from pinned memory, so that the host goes on at once."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def token_losses(model: PreTrainedModel, batch: Batch) -> Tensor:
    """Return the negative log-likelihood [S], in nats, of each supervised token; ``model`` is the causal one."""
    hidden = model.base_model(**batch.inputs, use_cache=False).last_hidden_state  # [B, T, H]
    hidden = hidden.reshape(-1, hidden.shape[-1])[batch.places]  # [S, H]
    config, head = model.config.get_text_config(), model.get_output_embeddings()
    known = head, scale_of(config), getattr(config, "final_logit_softcapping", None)
    calls = max(batch.calls, head_calls(model, hidden.shape[0]))
    if calls == 1:
        return _nll(hidden, batch.targets, *known)
    parts = zip(hidden.tensor_split(calls), batch.targets.tensor_split(calls), strict=True)
    return torch.cat([checkpoint(_nll, *part, *known, use_reentrant=False) for part in parts])


def head_calls(model: PreTrainedModel, supervised: int) -> int:
    """Return in how many parts the output head is computed for so many tokens: no part makes too many logits."""
    rows = max(64, LOGITS_AT_ONCE // int(model.config.get_text_config().vocab_size))
    return max(1, -(-supervised // rows))


def scale_of(config: PreTrainedConfig) -> float:
    """Return the factor that a model's own code puts between its output head and its logits."""
    for kind, name in _TIMES.items():
        if config.model_type.startswith(kind):
            return float(getattr(config, name))
    return 1 / config.logits_scaling if config.model_type.startswith(_DIVIDED) else 1.0


def _nll(hidden: Tensor, targets: Tensor, head: torch.nn.Module, scale: float, cap: float | None) -> Tensor:
    """Return the losses [S] of hidden states [S, H] by their targets [S]."""
    logits = head(hidden).float()  # [S, V]
    if scale != 1:
        logits = logits * scale
    if cap is not None:
        logits = torch.tanh(logits / cap) * cap
    return F.cross_entropy(logits, targets, reduction="none")


def sft_loss(model: PreTrainedModel, batch: Batch) -> Tensor:
    """Return the weighted sum of token losses, a scalar; the caller divides by the step's global count."""
    return (token_losses(model, batch) * batch.weights).sum()


def sequence_logprobs(model: PreTrainedModel, batch: Batch) -> Tensor:
    """Return the log-probability [N] of each sequence's answer."""
    sums = torch.zeros(batch.sequences, device=batch.weights.device)
    return sums.index_add(0, batch.sequence, -token_losses(model, batch))


def dpo_loss(model: PreTrainedModel, batch: Batch, reference: Tensor, beta: float) -> tuple[Tensor, Tensor]:
    """Return the sum over pairs of -log sigmoid(beta * margin), a scalar, and the margins [N / 2].

    Sequences alternate preferred, other. ``reference`` [N] holds the log-probability of each sequence under the
    untrained model (Rafailov et al. 2023, eq. 7).
    """
    gained = sequence_logprobs(model, batch) - reference
    margins = beta * (gained[0::2] - gained[1::2])
    return -F.logsigmoid(margins).sum(), margins.detach()
