"""A program of its own: counts the parameters of a model from its configuration, on the meta device, without weights.

``python -m advisor.hardware.param_probe`` reads the configuration as JSON from stdin and writes the number, or a
sentence. It needs torch and transformers; the command line runs it as a child process and never imports it.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def count(content: dict[str, Any]) -> int:
    """Return the parameters of the part that reads text, as transformers itself builds it. Raises as it does."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    config = AutoConfig.for_model(**content)
    text = config.get_text_config()
    if type(text) in MODEL_FOR_CAUSAL_LM_MAPPING:
        config = text
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    return sum(parameter.numel() for parameter in model.parameters())


def main() -> None:
    try:
        answer: int | str = count(json.load(sys.stdin))
    except Exception as error:  # noqa: BLE001  a configuration is foreign, and so is the code it is given to
        answer = f"{type(error).__name__}: {error}"
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
