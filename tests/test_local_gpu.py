"""What only a GPU can show: the CUDA kernel of packed attention, bf16 with fp32 masters, 4-bit layers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from test_local import rows, write

from backends import Hyperparameters, JobSpec, Json, Method
from backends.local.folder import RunFolder, read_json, read_lines, write_json
from backends.local.options import Options, spec_to_json
from backends.local.trainer import model as models
from backends.local.trainer import tiny
from backends.local.trainer import train as trainer

pytestmark = [
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


def run(folder: Path, device: str, method: Method, *, packing: bool = True, merge: bool = False) -> RunFolder:
    folder.mkdir()
    made = RunFolder(folder)
    settings = Hyperparameters(epochs=2, lora_rank=8, packing=packing)
    asked = JobSpec("run", "local", "tiny", write(folder / "train.jsonl", rows(80, 1)), hyperparameters=settings)
    options: dict[str, Json] = {"device": device, "validation_fraction": 0.2, "threads": 1, "merge": merge}
    asked = replace(asked, method=method, options=options)
    write_json(made.config, spec_to_json(asked))
    assert trainer.main([str(folder)]) == 0, read_json(made.status)
    return made


def losses(folder: RunFolder) -> list[float]:
    return [float(str(line["train_loss"])) for _, line in read_lines(folder.metrics) if "train_loss" in line]


@pytest.mark.gpu
@needs_gpu
def test_packed_bf16_on_a_gpu_learns_what_padded_learns(tmp_path: Path) -> None:
    packed = run(tmp_path / "packed", "cuda", Method.LORA)
    padded = run(tmp_path / "padded", "cuda", Method.LORA, packing=False)
    chosen = read_json(packed.chosen)
    assert chosen["packed"] is True, chosen["because"]
    assert losses(packed)[-1] < losses(packed)[0] / 2
    assert losses(packed) == pytest.approx(losses(padded), rel=0.05)
    summary = read_json(packed.summary)
    assert float(str(summary["peak_reserved_gb"])) >= float(str(summary["peak_allocated_gb"])) > 0
    said = [str(line["message"]) for _, line in read_lines(packed.events)]
    assert any(message.startswith("Rehearsed a step of the 8 longest examples") for message in said)


@pytest.mark.gpu
@needs_gpu
def test_qlora_on_a_gpu_trains_and_saves_an_adapter(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="QLoRA needs bitsandbytes: pip install 'tunewise[qlora]'")
    folder = run(tmp_path / "qlora", "cuda", Method.QLORA)
    assert losses(folder)[-1] < losses(folder)[0] / 2
    assert json.loads((folder.tuned / "adapter_config.json").read_text())["r"] == 8


def test_qlora_on_a_cpu_trains_and_saves_an_adapter(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="QLoRA needs bitsandbytes: pip install 'tunewise[qlora]'")
    folder = run(tmp_path / "qlora", "cpu", Method.QLORA, merge=True)
    assert losses(folder)[-1] < losses(folder)[0] / 2
    assert json.loads((folder.tuned / "adapter_config.json").read_text())["r"] == 8
    merged = load_file(folder.path / "merged" / "model.safetensors")
    assert {weight.dtype for weight in merged.values()} == {torch.float32}  # the base as it was, not its 4-bit copy


def test_adapters_over_a_4_bit_base_have_the_precision_it_computes_in(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="QLoRA needs bitsandbytes: pip install 'tunewise[qlora]'")
    write(tmp_path / "train.jsonl", rows(8, 1))
    tiny.make(tmp_path / "tiny-llama-0", tmp_path / "train.jsonl", 0)
    cpu = torch.device("cpu")
    base = models.load_base(str(tmp_path / "tiny-llama-0"), torch.bfloat16, cpu, Options(), quantize=True)
    settings = Hyperparameters(lora_rank=4, lora_alpha=8)
    tuned = models.prepare(base, Method.QLORA, settings, Options(), "owner/name")
    assert {parameter.dtype for parameter in models.trained(tuned).values()} == {torch.bfloat16}
