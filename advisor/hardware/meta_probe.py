"""A program of its own: counts what a real model saves for its backward pass, on the meta device, without weights.

``python -m advisor.hardware.meta_probe`` reads one JSON object from stdin and writes one to stdout. It needs torch,
transformers and peft; the command line runs it as a child process and never imports it.
"""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from typing import Any


def main() -> None:
    """Answer {"saved_per_token", "params", "trained"}, or {"error"}: a sentence."""
    asked = json.load(sys.stdin)
    try:
        answer: dict[str, Any] = measure(asked["model"], asked["method"], int(asked["rank"]), int(asked["seq"]))
    except (ImportError, OSError, ValueError, KeyError, RuntimeError) as error:
        answer = {"error": str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__}
    json.dump(answer, sys.stdout)


def measure(model_id: str, method: str, rank: int, seq: int) -> dict[str, float]:
    """Run a forward pass of ``seq`` tokens and one of twice as many on the meta device: what autograd keeps beyond.

    So what it keeps whatever the length (experts with their adapters added in) is not taken for activations. Attention
    counts as a fused kernel does: q, k, v and the output are kept, the scores are not.
    """
    import torch
    from transformers import AttentionInterface, AutoConfig, AutoModelForCausalLM

    class Fused(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(context: Any, query: Any, key: Any, value: Any) -> Any:
            output = torch.empty_like(query)
            context.save_for_backward(query, key, value, output)
            return output

        @staticmethod
        def backward(context: Any, *gradients: Any) -> Any:
            raise RuntimeError("the probe runs no backward pass")

    def attention(module: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> Any:
        return Fused.apply(query, key, value).transpose(1, 2).contiguous(), None

    AttentionInterface.register("tunewise_probe", attention)
    torch.autocast = lambda *_, **__: nullcontext()  # PEFT switches it off around experts; meta has none to switch
    config = AutoConfig.from_pretrained(model_id).get_text_config()
    config.use_cache = False
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16, attn_implementation="tunewise_probe")
        params = sum(parameter.numel() for parameter in model.parameters())
        if method == "full":
            model.requires_grad_(True)
        else:
            from peft import LoraConfig, get_peft_model

            adapter = LoraConfig(r=rank, target_modules="all-linear", task_type="CAUSAL_LM")
            model = get_peft_model(model, adapter, autocast_adapter_dtype=False)
            # With real weights PEFT gives the adapters the precision of their base layer; on meta it leaves fp32.
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.data = parameter.data.to(torch.bfloat16)
        trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
        weights = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
        inner = model if method == "full" else model.get_base_model()

        def saved(length: int) -> int:
            kept: dict[int, tuple[int, Any]] = {}

            def keep(tensor: Any) -> Any:
                storage = tensor.untyped_storage()
                if storage._cdata not in weights:
                    # Holding the storage keeps its address from being used again.
                    kept[storage._cdata] = storage.nbytes(), storage
                return tensor

            tokens = torch.zeros((1, length), dtype=torch.long)
            with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
                inner.base_model(input_ids=tokens, use_cache=False)
            return sum(size for size, _ in kept.values())

        per_token = (saved(2 * seq) - saved(seq)) / seq
    return {"saved_per_token": per_token, "params": params, "trained": trained}


if __name__ == "__main__":
    main()
