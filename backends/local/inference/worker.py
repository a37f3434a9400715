"""The answering process: reads one JSON question a line, holds one base model and its adapters, generates or scores."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from backends.local.chat import MaskRefused
from backends.local.inference.generate import generate, generate_all
from backends.local.inference.prefix import behind, read_prefix
from backends.local.model_path import to_load
from backends.local.trainer import model as models
from backends.local.trainer.loss import pad_batch, token_losses
from backends.local.trainer.loss_mask import encode, template_of
from backends.local.trainer.packing import bucket

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_LOOK_S = 1.0  # between two looks whether the asking process still lives
_CAPACITY = 4096  # tokens of one scoring pass
_CALL = re.compile(r"<tool_call>\s*(\{.*?\})\s*</tool_call>", re.DOTALL)


class Asked:
    """The models that were asked so far: one base in memory, its adapters switched by question."""

    def __init__(self) -> None:
        self._base: tuple[str, str | None] = ("", None)  # with its revision
        self._model: PreTrainedModel | PeftModel | None = None
        self._adapters: dict[str, str] = {}  # folder -> name inside the model
        self._tokenizers: dict[str, PreTrainedTokenizerBase] = {}

    def use(self, name: str) -> tuple[PreTrainedModel | PeftModel, PreTrainedTokenizerBase, bool]:
        """Return model and tokenizer for ``name``, and whether its adapter is to be on."""
        base, options = to_load(name)
        adapter = (Path(name) / "adapter_config.json").is_file()
        if self._model is None or self._base != (base, options.revision):
            self._model = None  # free the old one before the new one comes
            device = models.pick_device(None)
            dtype = models.pick_dtype(None, device, models.published_dtype(base, options))
            with contextlib.suppress(models.TooLarge):
                self._model = models.load_base(base, dtype, device, options)
            if self._model is None:  # in 4 bits, as a qlora run trains it; the failed try is freed only out here
                torch.cuda.empty_cache()
                self._model = models.load_base(base, dtype, device, options, quantize=True)
            self._base, self._adapters = (base, options.revision), {}
            if models.is_tiny(self._model):
                torch.set_num_threads(1)  # more would wait for each other longer than they work
        if adapter:
            self._switch(name)
        if name not in self._tokenizers:
            # A tuned folder holds the tokenizer it was trained with; a revision is of its base alone.
            local = replace(options, revision=None)
            self._tokenizers[name] = models.load_tokenizer(*((name, local) if adapter else (base, options)))
        self._model.eval()
        return self._model, self._tokenizers[name], adapter

    def _switch(self, folder: str) -> None:
        from peft import PeftModel

        assert self._model is not None
        if folder not in self._adapters:
            label = f"adapter{len(self._adapters)}"
            if isinstance(self._model, PeftModel):
                self._model.load_adapter(folder, adapter_name=label)
            else:
                with models.peft_asks_by_an_old_name():
                    self._model = PeftModel.from_pretrained(self._model, folder, adapter_name=label)
            self._adapters[folder] = label
        self._model.set_adapter(self._adapters[folder])


def reply(asked: Asked, question: dict[str, Any], heard: Callable[[str], None]) -> dict[str, Any]:
    """Answer what came in one line: a set to score, or questions that share model and limits.

    ``heard`` gets the text of an answer that is to be streamed as it comes.
    """
    model, tokenizer, tuned = asked.use(question["model"])
    with torch.inference_mode(), _adapter(model, tuned):
        if question["do"] == "score":
            return {"losses": _score(models.causal(model), tokenizer, question["examples"])}
        return {"answers": _complete(model, tokenizer, question, heard if question["do"] == "stream" else None)}


def _adapter(model: Any, on: bool) -> Any:
    return contextlib.nullcontext() if on or not hasattr(model, "disable_adapter") else model.disable_adapter()


def _complete(
    model: Any, tokenizer: PreTrainedTokenizerBase, question: dict[str, Any], heard: Callable[[str], None] | None
) -> list[dict[str, Any]]:
    """Answer each question; one that the chat template does not take gets an error of its own."""
    asked: list[dict[str, Any]] = question["asked"]
    replies: list[dict[str, Any]] = [{} for _ in asked]
    prompts: dict[int, list[int]] = {}
    for place, one in enumerate(asked):
        try:
            text = template_of(tokenizer).prompt(one["messages"], one["tools"])
            prompts[place] = tokenizer(text, add_special_tokens=False)["input_ids"]
        except MaskRefused as error:
            replies[place] = {"error": str(error)}
    began, limit, warmth = time.monotonic(), question["max_tokens"], question["temperature"]
    if warmth > 0 or heard is not None:
        found = [
            generate(model, tokenizer, prompt, max_tokens=limit, temperature=warmth, seed=question["seed"], heard=heard)
            for prompt in prompts.values()
        ]
    else:
        found = generate_all(model, tokenizer, list(prompts.values()), max_tokens=limit)
    took_ms = (time.monotonic() - began) * 1000
    for (place, prompt), (new, ended) in zip(prompts.items(), found, strict=True):
        answer = tokenizer.decode(new, skip_special_tokens=True)
        calls = [_call(match) for match in _CALL.findall(answer)] if asked[place]["tools"] else []
        replies[place] = {
            "text": (_CALL.sub("", answer) if calls else answer).strip(),
            "tool_calls": [call for call in calls if call],
            "latency_ms": took_ms,
            "prompt_tokens": len(prompt),
            "completion_tokens": len(new),
            "finish_reason": "tool_calls" if calls else "stop" if ended else "length",
        }
    return replies


def _call(text: str) -> dict[str, str] | None:
    try:
        call = json.loads(text)
        arguments = call["arguments"]
        return {
            "id": f"call_{uuid.uuid4().hex[:12]}",
            "name": str(call["name"]),
            "arguments": arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False),
        }
    except (ValueError, KeyError, TypeError):
        return None


def _score(model: Any, tokenizer: PreTrainedTokenizerBase, examples: list[dict[str, Any]]) -> list[list[float]]:
    """Return [sum of nats, tokens] per example, in padded batches of like length; what all begin with is read once."""
    parts = [
        (owner, sequence)
        for owner, example in enumerate(examples)
        for sequence in encode(tokenizer, example["messages"], example["tools"], line=owner + 1)
    ]
    sums = [0.0] * len(examples)
    counts = [0] * len(examples)
    firsts = [next((place for place, weight in enumerate(one.weights) if weight > 0), len(one.ids)) for _, one in parts]
    # The token before the first answer is read again: it predicts it.
    prefix = read_prefix(model, [one.ids for _, one in parts], most=min(firsts) - 1) if len(parts) > 1 else None
    read = len(prefix.ids) if prefix is not None else 0
    for group in bucket([len(sequence.ids) for _, sequence in parts], _CAPACITY):
        rest = [replace(one, ids=one.ids[read:], weights=one.weights[read:]) for _, one in (parts[at] for at in group)]
        batch = pad_batch(rest, int(tokenizer.pad_token_id or 0), model.device)
        if prefix is not None:
            batch = behind(prefix, batch)
        losses = token_losses(model, batch)
        for place, loss in zip(batch.sequence.tolist(), losses.tolist(), strict=True):
            owner = parts[group[place]][0]
            sums[owner] += loss
            counts[owner] += 1
    return [[total, count] for total, count in zip(sums, counts, strict=True)]


def main() -> None:
    """Answer until the pipe is closed; what libraries print goes to stderr, the pipe is for replies alone."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    threading.Thread(target=_end_with, args=(int(sys.argv[1]),), daemon=True).start()
    asked = Asked()

    def tell(said: dict[str, Any]) -> None:
        out.write(json.dumps(said) + "\n")
        out.flush()

    for line in sys.stdin:
        try:
            answer = reply(asked, json.loads(line), lambda part: tell({"part": part}))
        except (models.ModelRefused, MaskRefused) as error:
            answer = {"error": str(error)}
        except Exception as error:  # noqa: BLE001  the caller gets a sentence, the next question an answer
            answer = {"error": f"{type(error).__name__}: {models.first_line(error)}"}
        tell(answer)


def _end_with(parent: int) -> None:
    """End this process with the one that asks, also in the middle of an answer that nobody waits for any more."""
    while os.getppid() == parent:
        time.sleep(_LOOK_S)
    os._exit(1)


if __name__ == "__main__":
    main()
