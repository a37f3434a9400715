"""The converting process: reads a GGUF file and writes it as a model folder, weights de-quantised."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoTokenizer
from transformers.models.auto import AutoModelForCausalLM
from transformers.utils.logging import disable_progress_bar

from backends.local.inference.chat_template import aloud
from backends.local.trainer.model import ModelRefused, first_line

_WHOLE = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}  # not quantised


def convert(file: Path, out: Path) -> dict[str, Any]:
    """Write the model of ``file`` into ``out``; return the kinds of its rounded weights and the bytes written.

    16-bit weights keep their precision, quantised ones become bf16, which is finer than any of them.
    """
    from gguf import GGUFReader

    disable_progress_bar()
    try:
        kinds = {tensor.tensor_type.name: tensor.tensor_type for tensor in GGUFReader(file).tensors}
        where = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
        tokenizer = AutoTokenizer.from_pretrained(**where)
        loaded = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    except (OSError, ValueError, KeyError, ImportError, NotImplementedError) as error:
        raise ModelRefused(f"{file} cannot be read as a model: {first_line(error)}") from error
    rounded = sorted(set(kinds) - set(_WHOLE))
    matrices = set(kinds) - {"F32"} or {"F32"}  # norms are always F32
    dtype = _WHOLE[matrices.pop()] if len(matrices) == 1 and not rounded else torch.bfloat16
    # What was loaded refuses to be saved, as "quantized with gguf": a fresh model takes its weights.
    settings = {**loaded.config.to_dict(), "dtype": dtype}
    for key in ("quantization_config", "_name_or_path", "_model_name_or_path"):
        settings.pop(key, None)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**settings), dtype=dtype)
    model.load_state_dict(loaded.state_dict())
    model.generation_config = loaded.generation_config
    if not 0 < tokenizer.model_max_length < 1 << 30:
        tokenizer.model_max_length = model.config.max_position_embeddings
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    written = sum(path.stat().st_size for path in out.glob("*.safetensors"))
    return {"kinds": rounded, "bytes_after": written}


if __name__ == "__main__":
    aloud(lambda: convert(Path(sys.argv[1]), Path(sys.argv[2])))
