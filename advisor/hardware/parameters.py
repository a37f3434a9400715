"""How many parameters a configuration makes: by transformers itself where it is installed, once for each."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Mapping

from advisor.atomic import write_whole
from advisor.paths import home

# Kinds whose parameters our own sum gives within 1 %: tests/test_hardware_parameters.py holds it to transformers.
SUMMED = frozenset(
    (
        "apertus", "arcee", "bitnet", "cohere", "cohere2", "cwm", "ernie4_5", "exaone", "exaone4", "gemma",
        "gemma2", "gemma3", "gemma3_text", "glm", "glm4", "gpt2", "gpt_neox", "gpt_oss", "granite", "granitemoe",
        "helium", "internlm3", "llama", "ministral3", "mistral", "mixtral", "mpt", "olmo", "olmo2", "olmo3",
        "olmoe", "phi", "phi3", "phimoe", "qwen2", "qwen3", "qwen3_moe", "seed_oss", "smollm3", "stablelm",
        "starcoder2", "vaultgemma",
    )
)  # fmt: skip

# Where one of these is set, some layers are not like the others.
_IRREGULAR = ("mlp_only_layers", "first_k_dense_replace", "moe_layer_freq", "interleave_moe_layer_step")
_TIMEOUT_S = 120


def is_summed(content: Mapping[str, object]) -> bool:
    """Tell whether our own sum is known to be right for this configuration."""
    return content.get("model_type") in SUMMED and not any(content.get(key) for key in _IRREGULAR)


def counted(content: Mapping[str, object]) -> int | None:
    """Return the parameters of the model with this configuration; None where our own sum is right, or nobody can say.

    A child process builds the model without weights (seconds); what it says is kept under the state folder.
    """
    if is_summed(content) or not content.get("model_type"):
        return None
    if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers")):
        return None
    asked = json.dumps(content, sort_keys=True)
    kept = home() / "cache" / f"params-{hashlib.sha256(asked.encode()).hexdigest()[:24]}.json"
    if kept.is_file():
        return _whole(kept.read_text(encoding="ascii"))
    found = _whole(_built(asked))
    if found is not None:
        with contextlib.suppress(OSError):  # a full disk or a read-only home costs speed, not the answer
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_whole(kept, str(found).encode())
    return found


def _built(asked: str) -> str:
    try:
        return subprocess.run(
            [sys.executable, "-m", "advisor.hardware.param_probe"],
            input=asked, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True,
        ).stdout  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""


def _whole(text: str) -> int | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, int) else None
