"""After training: taking a tuned model out of its run, serving it, and proving that the server answers alike."""

from __future__ import annotations

from advisor.runs.serving.commands import ENGINES, Serving, likely_names, serving
from advisor.runs.serving.endpoint import Endpoint
from advisor.runs.serving.export import (
    MERGED,
    export_adapter,
    export_card,
    export_merged,
    export_ollama,
    trained_system,
)
from advisor.runs.serving.gguf import export_gguf
from advisor.runs.serving.verify import Verification, verify

__all__ = [
    "ENGINES",
    "MERGED",
    "Endpoint",
    "Serving",
    "Verification",
    "export_adapter",
    "export_card",
    "export_gguf",
    "export_merged",
    "export_ollama",
    "likely_names",
    "serving",
    "trained_system",
    "verify",
]
