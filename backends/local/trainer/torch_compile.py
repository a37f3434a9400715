"""Compiling the decoder layers: only where the run is long enough to earn it back, and only if the losses stay."""

from __future__ import annotations

import time

import torch

from backends import Method
from backends.local.trainer import model as models
from backends.local.trainer.microbatch import pass_of
from backends.local.trainer.state import Pass, Run
from backends.local.trainer.step import loss_of

# Compiling cost 47 s on one core here and made a step 1.15 times as fast (5M parameters, steps of 0.5 s): earned back
# after about 700 steps. On a GPU neither was measured: this is a guess, and said to be one.
_PAYS_AFTER = 1000
_APART = 1e-2  # of the loss: rounding of a 16-bit model; an fp32 one differs by a ten-thousandth of that
_BACKEND = "inductor"


def settle(run: Run) -> str | None:
    """Compile where it was asked for or pays; say so, or why not. None: nobody asked, and nothing was done."""
    asked = run.options.compile
    if asked is None:
        long = run.device.type == "cuda" and run.plan.steps >= _PAYS_AFTER
        asked = long and run.spec.method is not Method.QLORA and not run.options.split
    if not asked:
        return None
    # Three lengths, so that a fourth is no surprise, all short: they must fit in memory wherever the run does. In the
    # mode of training, unless dropout would make losses differ.
    short = sorted(run.train[:64], key=lambda item: item.length)[:3]
    probes = [pass_of(run, short[:count]) for count in (1, 2, 3)]
    run.model.train()
    if run.settings.lora_dropout:
        models.rest(run.model)
    began = time.monotonic()
    torch.compiler.set_stance("default")
    try:
        plain = [_loss(run, one) for one in probes]
        for layer in models.decoder_of(models.causal(run.model)).layers:
            layer.compile(dynamic=True, backend=_BACKEND)
        fast = [_loss(run, one) for one in probes]
        apart = max(abs(one - other) / max(abs(one), 1e-6) for one, other in zip(plain, fast, strict=True))
        why = f"its losses differ by {apart:.1%}" if apart > _APART else None
    except Exception as error:  # noqa: BLE001  a compiler may fail in any way, and the run needs none
        cause = getattr(error, "inner_exception", error)  # torch's own names the compiler and no more
        why = f"{type(cause).__name__}: {models.first_line(cause)}"
    for parameter in models.trained(run.model).values():  # whatever came of it, the first step begins without
        parameter.grad = None
    if why is not None:
        torch.compiler.set_stance("force_eager")  # the layers run as they are written
        return f"Not compiled: {why}."
    said = f"Decoder layers are compiled, {time.monotonic() - began:.0f} s (the same losses, checked)."
    if run.options.compile is None:
        said += f" That a run of {_PAYS_AFTER:,} steps earns it back is a guess; option compile=false leaves it out."
    return said


def _loss(run: Run, one: Pass) -> float:
    """Go forward and backward once, as training does."""
    loss, _ = loss_of(run, one)
    loss.backward()
    return float(loss.detach())
