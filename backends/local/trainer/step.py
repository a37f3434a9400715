"""One optimiser step: forward passes under a token budget, gradients summed, norm checked, weights moved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from backends import Objective
from backends.local.trainer import memory
from backends.local.trainer import model as models
from backends.local.trainer.data import Item
from backends.local.trainer.loss import dpo_loss, sft_loss
from backends.local.trainer.microbatch import pass_of, passes_of, prepare
from backends.local.trainer.optimizer import Masters
from backends.local.trainer.sharding import is_split, scale_down, total_norm
from backends.local.trainer.state import NotFinite, Pass, Progress, Run

if TYPE_CHECKING:
    from torch import Tensor


def take(run: Run, masters: Masters, progress: Progress, rate: float) -> dict[str, float]:
    """Take the step that comes next and return what is worth noting.

    The loss is the sum over supervised tokens divided by the step's own count of them, whatever the forward passes
    and ranks it was computed in. Raises NotFinite before the weights are touched.
    """
    # Dropout draws from a seed of this very step and rank, so a resumed run needs no state of the generator.
    torch.manual_seed((run.settings.seed * 1_000_003 + progress.step) * run.world.size + run.world.rank)
    places = run.plan.batch(progress.step)
    items = [run.train[place] for place in places]
    total = sum(item.weight for item in items)
    loss, margin = gradients_in_memory(run, masters, progress, places, total)
    gradients = masters.gather()
    run.world.sum([*(gradient for gradient in gradients if not is_split(gradient)), loss, margin])
    norm = total_norm(gradients)
    if progress.step + 1 < run.plan.steps:
        prepare(run, run.plan.batch(progress.step + 1), progress.capacity)
    value, size, gained = torch.stack([loss / total, norm, margin / len(items)]).tolist()  # the step's one wait
    if not (math.isfinite(value) and math.isfinite(size)):
        raise NotFinite(_blame(run, progress, items, value, size))
    scale_down(gradients, norm, run.options.max_grad_norm)
    masters.step(rate)
    values = {"train_loss": value, "grad_norm": size}
    return values | ({"reward_margin": gained} if run.spec.objective is Objective.DPO else {})


def loss_of(run: Run, one: Pass) -> tuple[Tensor, Tensor]:
    """Return the loss sum of one pass and the sum of DPO's reward margins, scalars; zeros where it does not count."""
    model = models.causal(run.model)
    margins = torch.zeros((), device=run.device)
    if one.reference is None:
        loss = sft_loss(model, one.batch)
    else:
        loss, each = dpo_loss(model, one.batch, one.reference, run.settings.dpo_beta or 0.1)
        margins = each.sum()
    return (loss, margins) if one.counts else (loss * 0, margins * 0)


def gradients_in_memory(
    run: Run, masters: Masters, progress: Progress, places: Sequence[int], total: float
) -> tuple[Tensor, Tensor]:
    """Compute the gradients; on running out of memory, on any rank, make the passes smaller and compute them again."""
    while True:
        try:
            sums = _gradients(run, passes_of(run, places, progress.capacity), total)
            full = False
        except RuntimeError as error:
            if not models.out_of_memory(error):
                raise
            full = True
        # Outside the handler, which would keep the failed pass and its tensors alive.
        if not run.world.any(full, run.device):
            return sums
        masters.drop_gradients()
        _make_smaller(run, progress, max(run.train[place].length for place in places))


def _gradients(run: Run, passes: Sequence[Pass], total: float) -> tuple[Tensor, Tensor]:
    """Run this rank's share of the step forward and backward; return the loss sum and the sum of margins."""
    loss_sum, margin_sum = torch.zeros((), device=run.device), torch.zeros((), device=run.device)
    for one in passes:
        if run.device.type == "cpu":
            memory.give_back()
        loss, margin = loss_of(run, one)
        (loss / total).backward()
        loss_sum += loss.detach()
        margin_sum += margin
    return loss_sum, margin_sum


def _make_smaller(run: Run, progress: Progress, longest: int) -> None:
    """Halve the forward pass; below the longest example, recompute activations; then give up."""
    if run.device.type == "cuda":
        torch.cuda.empty_cache()
    if progress.capacity > longest:
        progress.capacity = max(longest, progress.capacity // 2)
        run.record.event(f"Out of memory: forward passes of {progress.capacity} tokens from here.", level="warning")
    elif not progress.recomputes:
        progress.recomputes = True
        models.recompute_activations(models.causal(run.model))
        run.record.event("Out of memory: activations are recomputed from here on (slower).", level="warning")
    else:
        raise models.ModelRefused(
            f"One example of {longest} tokens does not fit in memory, even with recomputed activations. "
            "Lower max_seq_length, use qlora or a smaller model."
        )


def _blame(run: Run, progress: Progress, items: Sequence[Item], loss: float, norm: float) -> str:
    """Say which examples of the batch are not finite by themselves."""
    with torch.no_grad():
        bad = [item.line for item in items if not math.isfinite(float(loss_of(run, pass_of(run, [item]))[0]))]
    lines = sorted({item.line for item in items})
    where = f"on their own, lines {bad} already give it" if bad else "no single line gives it"
    return (
        f"Step {progress.step + 1} is not finite: loss {loss}, gradient norm {norm}. Its batch is lines {lines} of "
        f"{run.spec.train_file}; {where}. The weights were not touched and nothing was saved as good. Look at those "
        "lines, lower the learning rate, or train in fp32."
    )
