"""The merging process: adds a run's adapter to its base and writes a whole model that any server can load."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig

from backends.local.folder import RunFolder, read_json
from backends.local.inference.chat_template import aloud, ready_to_serve
from backends.local.options import Options, read_options, spec_from_json
from backends.local.trainer import model as models


def merge(run: RunFolder, out: Path) -> dict[str, str]:
    """Write base and adapter of ``run`` into ``out`` as one model, in the precision the base is published in."""
    from peft import PeftModel

    options = read_options(spec_from_json(read_json(run.config)).options)
    base = json.loads((run.tuned / "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"]
    config = AutoConfig.from_pretrained(base, trust_remote_code=options.trust_remote_code, revision=options.revision)
    model = models.load_base(base, config.dtype or torch.float32, torch.device("cpu"), options)
    with models.peft_asks_by_an_old_name():
        tuned = PeftModel.from_pretrained(model, str(run.tuned))
    merged: Any = tuned.merge_and_unload()
    tokenizer = models.load_tokenizer(str(run.tuned), Options())
    ready_to_serve(merged, tokenizer)
    models.save(merged, tokenizer, out)
    return {"merged": str(out)}


if __name__ == "__main__":
    aloud(lambda: merge(RunFolder(Path(sys.argv[1])), Path(sys.argv[2])))
