"""``tunewise fit``: will it fit on this GPU, how long will it take, what will it cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from advisor.cli import render
from advisor.cli.flags import common, completing
from advisor.cli.flags.command import helped
from advisor.money import parse_count
from advisor.nearest import meant, nearest

if TYPE_CHECKING:
    from advisor.hardware import Architecture

# Asked about when the machine has no GPU and none is named: what is commonly owned and rented, by memory.
COMMON = ("rtx-4090", "l4", "l40s", "a100-40gb", "a100-80gb", "h100-80gb-sxm", "h200")


@click.command(
    "fit",
    cls=helped(
        usual=("model", "method", "gpus", "data", "epochs"),
        groups={
            "What to train": ("model", "params", "method", "rank", "seq", "micro_batch", "checkpointing"),
            "Where": ("gpus",),
            "Time and cost": ("data", "tokens", "epochs"),
            "Measure": ("exact", "calibrate"),
        },
    ),
)
@click.option(
    "--model",
    required=True,
    metavar="ID",
    shell_complete=completing.models,
    help="A model id, or a folder or file with its config.json.",
)
@click.option(
    "--method", type=common.Choice(["lora", "qlora", "full"]), default="lora", show_default=True,
    help="Adapters, adapters on a 4-bit base, or every weight.",
)  # fmt: skip
@click.option("--rank", type=click.IntRange(1), default=16, show_default=True, help="Rank of the adapters.")
@click.option("--seq", type=click.IntRange(1), default=2048, show_default=True, help="Tokens of one sequence.")
@click.option(
    "--micro-batch", type=click.IntRange(1), help="Sequences per forward pass. Default: the fastest that fits."
)
@click.option(
    "--checkpointing/--no-checkpointing",
    default=None,
    help="Recompute activations to save memory. Default: where it pays off.",
)
@click.option(
    "--gpu",
    "gpus",
    type=common.GpuName(),
    multiple=True,
    help="A GPU to train on, or cpu; repeat the flag for each. Default: those of this machine.",
)
@click.option("--params", metavar="N", help="Size of a model we do not know, such as 8b or 350m.")
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="Training data: gives time and cost.")
@click.option("--tokens", type=common.Count(1), help="Tokens of one pass over the data, instead of --data.")
@click.option("--epochs", type=click.IntRange(1), default=1, show_default=True, help="Passes over the data.")
@click.option("--exact", is_flag=True, help="Measure the activations on the real model without weights (needs torch).")
@click.option(
    "--calibrate",
    is_flag=True,
    help="First run two short trainings of this model here, five minutes at most, and learn from them.",
)
@common.everything
@common.as_json
def command(
    model: str,
    method: str,
    rank: int,
    seq: int,
    micro_batch: int | None,
    checkpointing: bool | None,
    gpus: tuple[str, ...],
    params: str | None,
    data: Path | None,
    tokens: int | None,
    epochs: int,
    exact: bool,
    calibrate: bool,
    everything: bool,
    as_json: bool,
) -> None:
    """Say whether a model trains on a GPU, which part of memory is the peak, how fast, and for how much.

    \b
    tunewise fit --model meta-llama/Llama-3.1-8B --method qlora --gpu rtx-4090
    tunewise fit --model Qwen/Qwen3-8B --method lora --data train.jsonl --epochs 3
    tunewise fit --model ./my-model --method full --exact
    """
    from advisor import hardware
    from advisor.cli.render import fit as page
    from advisor.hardware.exact import measure
    from advisor.pricing import PriceBook
    from advisor.runs.calibrate import calibrate_here
    from backends import Method as Methods

    common.made_ready(model)
    arch = _shape(model, params)
    own = tuple(dict.fromkeys(hardware.detect())) if not gpus else ()
    cards = list(own) or [hardware.gpu_named(name) for name in gpus or COMMON]
    chosen = Methods(method)
    saved = measure(model, chosen, rank=rank).saved_per_token if exact else None
    if calibrate:
        measured = calibrate_here(arch, model, chosen, rank, render.note)
        if measured not in {card.name for card in cards}:
            render.note(f"That was measured on {measured}, which is not asked about here: --gpu {measured} uses it.")
    total = tokens * epochs if tokens else _tokens(data, model) * epochs if data else None
    book = PriceBook.load()
    found = []
    for card in cards:
        fit = hardware.fit(
            arch,
            chosen,
            card,
            rank=rank,
            seq=seq,
            micro_batch=micro_batch,
            checkpointing=checkpointing,
            saved_per_token=saved,
        )
        found.append(page.Answer(fit, card, total, None if card in own or card.name == "cpu" else book.gpu(card.name)))
    if as_json:
        render.json_document([page.document(answer) for answer in found])
    else:
        page.show(arch, chosen, seq, rank, found, exact=exact, everything=everything)


def _shape(model: str, params: str | None) -> Architecture:
    from advisor.errors import WorkloadError
    from advisor.hardware.models import architecture, catalogue, like

    arch = architecture(model)
    if arch is not None:
        return arch
    if params is None:
        near = nearest(model, (known.model for known in catalogue().values()))
        hint = f"{meant(model, near)} " if near else ""
        raise WorkloadError(
            f"'{model}' is not in the catalogue. {hint}Give a folder that holds its config.json as --model, or its "
            "size with --params, such as --params 8b."
        )
    try:
        size = parse_count(params)
    except ValueError:
        size = 0
    if not size:
        raise WorkloadError(f"--params {params}: give a number of parameters such as 8b, 350m or 1700000000.")
    return like(size, model)


def _tokens(data: Path, model: str) -> int:
    from advisor.dataset import Dataset
    from advisor.tokens import profile

    found = profile(Dataset.open(data), model=model).tokens
    return found.get(model, found["o200k_base"])
