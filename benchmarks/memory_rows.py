"""Reads published measurements (one CSV row each) as training steps the memory and time model can predict."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

from advisor.hardware import Architecture, Gpu, Setup, architecture, gpu
from advisor.hardware.memory import NF4, NF4_DOUBLE
from advisor.hardware.models import Mlp
from advisor.hardware.training_stacks import STACKS, Stack
from backends import Method
from backends.local.training_memory import ALL_LINEAR

Row = dict[str, str]

# Bytes per weight of other quantisations: codes, and scale and zero of each group of 128.
_BITS = {
    "gptq-int4": 0.5 + 2.5 / 128,
    "gptq-int8": 1 + 2.5 / 128,
    "bnb-int8": 1.0,
    "bnb-nf4 (unsloth dynamic)": 0.65,  # keeps some layers in 16 bits: 0.56 to 0.73 by what its notebooks load
}
_FUSED = ("liger", "cut-cross-entropy", "unsloth fused ce", "linear_ce")
# Tables that name a card by memory or power: its nearest entry.
_CARDS = {"H100-96GB (500W)": "h100-nvl-94gb", "H100 94GB": "h100-nvl-94gb"}


def read_rows(path: Path) -> tuple[list[Row], list[Row]]:
    """Return the measured rows at a length that really occurred, and those that state only an upper bound of it."""
    with path.open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines, restval="") if row["kind"] == "measured"]
    return (
        [row for row in rows if row["seq_kind"] in ("exact", "cap_reached")],
        [row for row in rows if row["seq_kind"] == "cap"],
    )


def shape_of(row: Row) -> Architecture | None:
    """Return the row's own shape where it states one, else the catalogue's; None when neither is known."""
    known = architecture(row["model"])
    hidden, layers, heads, ffn, vocab = (_whole(row, name) for name in ("hidden", "layers", "heads", "ffn", "vocab"))
    if not (hidden and layers and heads and ffn and vocab):
        return known
    experts = _whole(row, "n_experts") or 0
    if experts and (known is None or not known.experts):
        return None
    mlp: Mlp = "2-matmul" if row["mlp"] == "2-matmul" else "gated"
    return Architecture(
        model=row["model"],
        hidden=hidden,
        layers=layers,
        heads=heads,
        kv_heads=_whole(row, "kv_heads") or heads,
        head_dim=_whole(row, "head_dim") or hidden // heads,
        ffn=ffn,
        vocab=vocab,
        tied=row["tied"] == "1",
        mlp=mlp,
        experts=experts,
        experts_per_token=known.experts_per_token if known and experts else 0,
        moe_ffn=known.moe_ffn if known and experts else 0,
        qk_norm=known.qk_norm if known else False,
        norms=known.norms if known else 2,
        params=round((number(row, "params_b") or 0) * 1e9),
    )


def stack_of(row: Row) -> Stack:
    """Return the training program of the row."""
    program, source = row["framework"].lower(), row["source_group"]
    if program.startswith("ms-swift"):
        # PEFT's preparation for k-bit training was for bitsandbytes alone.
        return replace(STACKS["hf-early"], kbit_fp32=row["quant"].startswith("bnb"))
    for start, name in (
        ("unsloth", "unsloth"),
        ("litgpt", "litgpt"),
        ("torchtune", "torchtune"),
        ("torchtitan", "torchtune"),
        ("llm-foundry", "torchtune"),
        ("nemo", "torchtune"),
        ("megatron", "torchtune"),
        ("fsdp_qlora", "fsdp-qlora"),
    ):
        if program.startswith(start):
            return STACKS[name]
    if "ZeRO" in row["sharding"] or (source == "qwen" and row["method"] == "full" and "0.6" in program):
        return STACKS["deepspeed"]
    if source == "qwen":
        # fp16 needs a gradient scaler and with it fp32 adapters; their bf16 runs keep 16-bit ones.
        return replace(STACKS["qwen"], adapter=4.0) if row["precision"] == "fp16" else STACKS["qwen"]
    return STACKS["hf"]


def setup_of(row: Row) -> Setup | None:
    """Return the row's training step; None when its length or batch is not stated."""
    seq, batch = _whole(row, "seq_len"), _whole(row, "micro_batch")
    if not seq or not batch or row["method"] not in list(Method):
        return None
    stack, optimizer, quant = stack_of(row), row["optimizer"], row["quant"]
    if stack.name == "torchtune" and row["method"] == "full" and not optimizer:
        optimizer = "paged_adamw_8bit"  # the default of its single-device recipe
    targets = frozenset(row["target_modules"].split("+")[0].replace("(", ",").replace(" ", "").split(","))
    gpus, sharding = _whole(row, "n_gpu") or 1, row["sharding"]
    shared = ("FSDP" in sharding and "no shard" not in sharding) or "ZeRO-3" in sharding
    loss = row["fused_ce/liger"]
    return Setup(
        Method(row["method"]),
        rank=_whole(row, "rank") or 16,
        seq=seq,
        micro_batch=batch,
        checkpointing=row["grad_ckpt"] != "no",
        targets=targets & ALL_LINEAR or ALL_LINEAR,
        quantised=_BITS.get(quant, NF4_DOUBLE if "dq" in quant else NF4),
        optimizer="paged_adamw_8bit" if "paged" in optimizer else "adamw_8bit" if "8bit" in optimizer else "adamw",
        step_in_backward="in-backward" in optimizer or "optimizer_in" in row["notes"],
        eager=row["attention"] in ("eager", "non-fa (model code)") or _grows_as_eager(row),
        loss="chunked" if loss == "chunked_ce" else "fused" if loss in _FUSED else "whole",
        offload="activations" in row["offload"] or "offloaded" in row["grad_ckpt"],
        train_embeddings="+embed" in row["target_modules"],
        accumulates=row["grad_accum"] != "1",
        shards=gpus if shared else 1,
        stack=stack,
    )


def card_of(row: Row) -> Gpu | None:
    """Return the row's GPU."""
    return gpu(_CARDS.get(row["gpu"], row["gpu"])) if row["gpu"] else None


def single_gpu(row: Row) -> bool:
    """Tell whether one GPU held it all: some tables give the figure of one GPU among several."""
    return row["n_gpu"] in ("", "1") and "sharding per config" not in row["notes"]


def seconds_of(row: Row, setup: Setup) -> tuple[float, float] | None:
    """Return the tokens and the measured seconds of one micro-step of one GPU; None when speed is not stated.

    Tables of several GPUs state all of them together, unless they say otherwise. Where real lengths vary, the
    micro-step's tokens are what speed and step time imply.
    """
    speed, step = number(row, "tokens_per_s"), number(row, "step_s")
    if speed is None:
        return None
    tokens = float(setup.tokens)
    if row["seq_kind"] == "cap_reached":
        if step is None:
            return None
        tokens = speed * step / (_whole(row, "grad_accum") or 1)
    if "per-GPU inferred" not in row["notes"]:
        speed /= _whole(row, "n_gpu") or 1
    return tokens, tokens / speed


def _grows_as_eager(row: Row) -> bool:
    """Tell rows that are listed with flash attention but grow with the square of the length.

    21.4 GB at 2,048 tokens and 56.0 at 8,192, with a vocabulary of 32,000: only score matrices explain it.
    """
    return row["framework"] == "ms-swift" and "Mistral" in row["model"]


def _whole(row: Row, name: str) -> int | None:
    found = number(row, name)
    return None if found is None else int(found)


def number(row: Row, name: str) -> float | None:
    """Return a cell as a positive number; None when it is empty or says something else."""
    try:
        found = float(row[name])
    except ValueError:
        return None
    return found if 0 < found < float("inf") else None
