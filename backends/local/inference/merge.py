"""The merging process: adds a run's adapter to its base and writes a whole model that any server can load.

Rounding the sum to 16 bits can lose what was learned, where that is small beside the weights. So the merged model
answers beside the trained one before it is written, and where 16 bits change the answers it is written in fp32.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import torch

from backends.local.folder import RunFolder, read_json
from backends.local.inference.chat_template import aloud, ready_to_serve
from backends.local.inference.proof import Answered, answered, prove, trained_model
from backends.local.options import Options, read_options, spec_from_json
from backends.local.trainer import model as models
from backends.local.trainer.gguf import convert


def merge(run: RunFolder, out: Path, rows: Path | None = None) -> dict[str, Any]:
    """Write base and adapter of ``run`` into ``out`` as one model, in the base's precision or, in need, in fp32.

    ``rows`` is a file of conversations to compare on; else the run's own. Raises ModelRefused where the answers are
    not those of the trained model in either precision.
    """
    published = models.published_dtype(_base(run), _options(run))
    known: Answered | None = None
    said = ""
    for dtype in dict.fromkeys((published, torch.float32)):
        tuned, tokenizer = trained_model(run, dtype)
        known = known or answered(tuned, tokenizer, rows or _own_rows(run))
        merged: Any = tuned.merge_and_unload()
        found = prove(merged, known)
        if found.holds:
            ready_to_serve(merged, tokenizer)
            models.save(merged, tokenizer, out)
            return {"merged": str(out), "said": f"{said}Compared with the adapter, in {_name(dtype)}: {found}."}
        said = f"Merged in {_name(dtype)}, the tuned model is damaged: {found}. So it is written in fp32. "
    raise models.ModelRefused(
        f"Merging changes the answers: {found}. Nothing was written; serve the adapter on its base instead."
    )


def check(run: RunFolder, written: Path, rows: Path | None = None) -> dict[str, Any]:
    """Compare a model that was written of ``run``, a folder or a GGUF file, with what was trained."""
    if (run.tuned / "adapter_config.json").is_file():
        tuned, tokenizer = trained_model(run, models.published_dtype(_base(run), _options(run)))
    else:
        tokenizer = models.load_tokenizer(str(run.tuned), Options())
        tuned = models.load_base(str(run.tuned), torch.float32, torch.device("cpu"), _options(run))
    known = answered(tuned, tokenizer, rows or _own_rows(run))
    del tuned
    folder = written
    if written.suffix == ".gguf":
        folder = written.with_suffix(".read")
        convert(written, folder)
    try:
        dtype = models.published_dtype(str(folder), Options())
        found = prove(models.load_base(str(folder), dtype, torch.device("cpu"), Options()), known)
    finally:
        if folder != written:
            shutil.rmtree(folder, ignore_errors=True)
    return {"holds": found.holds, "said": f"Compared with what was trained: {found}."}


def _base(run: RunFolder) -> str:
    return str(read_json(run.tuned / "adapter_config.json")["base_model_name_or_path"])


def _options(run: RunFolder) -> Options:
    return read_options(spec_from_json(read_json(run.config)).options)


def _own_rows(run: RunFolder) -> Path:
    spec = spec_from_json(read_json(run.config))
    return spec.validation_file or spec.train_file


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.").replace("bfloat", "bf").replace("float", "fp")


if __name__ == "__main__":
    _run, _path = RunFolder(Path(sys.argv[2])), Path(sys.argv[3])
    _rows = Path(sys.argv[4]) if len(sys.argv) > 4 else None
    aloud(lambda: {"merge": merge, "check": check}[sys.argv[1]](_run, _path, _rows))
