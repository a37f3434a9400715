"""LoRA fine-tuning read top to bottom: what tunewise's trainer computes, with nothing but torch, transformers and peft.

    python examples/plain_lora.py BASE train.jsonl OUT

BASE is a model folder or hub id with a chat template, train.jsonl holds {"messages": [...]} a line. No packing, no
checkpoints, no second device: one row at a time, so that every tensor is small enough to think about. A test holds its
losses, gradient norms and adapter equal to the trainer's (tests/test_plain_recipe.py).

Shapes: T tokens of one conversation, S of them learned, H hidden size, V vocabulary, r rank.
"""

from __future__ import annotations

import json
import math
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Settings:
    rank: int = 16
    alpha: int = 32
    learning_rate: float = 1e-3  # the peak: below 500M parameters; 3e-4 for large models
    epochs: int = 3
    batch_size: int = 8
    warmup_ratio: float = 0.1
    max_grad_norm: float = 1.0
    seed: int = 0


def encode(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the token ids [T] of a conversation, and whether each is learned [T]: the answers and their ends alone.

    An answer is what rendering one more turn adds behind the prompt that asks for it, up to its end-of-turn token.
    """

    def written(turns: list[dict[str, str]], ask: bool) -> str:
        return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=ask))

    text, spans = written(messages, ask=False), []
    for place, turn in enumerate(messages):
        if turn["role"] == "assistant":
            before, after = written(messages[:place], ask=True), written(messages[: place + 1], ask=False)
            if not (after.startswith(before) and text.startswith(after)):
                raise ValueError("this chat template rewrites history; tunewise trains it answer by answer")
            spans.append((len(before), len(after.rstrip())))
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    learned = [any(a <= start < end <= b for a, b in spans) for start, end in encoded["offset_mapping"]]
    return torch.tensor(encoded["input_ids"]), torch.tensor(learned)  # [T], [T]


def loss_sum(model: PeftModel, ids: torch.Tensor, learned: torch.Tensor) -> torch.Tensor:
    """Return the summed negative log-likelihood (nats, a scalar) of the learned tokens of one conversation."""
    hidden = model.get_base_model().model(input_ids=ids[None]).last_hidden_state[0]  # [T, H]
    # The state at position t predicts token t+1, so the state before each learned token is the one that counts.
    places = learned[1:].nonzero()[:, 0]  # [S]
    logits = model.get_output_embeddings()(hidden[places]).float()  # [S, V]: the head only where it is needed
    return F.cross_entropy(logits, ids[1:][places], reduction="sum")  # targets [S] -> scalar


def batches(count: int, settings: Settings) -> Iterator[list[int]]:
    """Yield the rows of each step: every row once an epoch, in an order that the seed alone decides."""
    for epoch in range(settings.epochs):
        order = list(range(count))
        random.Random(settings.seed * 1_000_003 + epoch).shuffle(order)
        yield from (order[at : at + settings.batch_size] for at in range(0, count, settings.batch_size))


def rate_at(step: int, steps: int, settings: Settings) -> float:
    """Return the learning rate: a linear rise, then a cosine to zero."""
    warmup = math.ceil(steps * settings.warmup_ratio)
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def train(
    base: str, file: Path, settings: Settings
) -> tuple[PeftModel, PreTrainedTokenizerBase, list[dict[str, float]]]:
    """Train an adapter on ``file``; return the model, its tokenizer, and loss and gradient norm of each step."""
    torch.manual_seed(settings.seed)
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    rows = [encode(tokenizer, json.loads(line)["messages"]) for line in file.read_text("utf-8").splitlines()]

    # Each linear W [out, in] of the decoder gets two small matrices, A [r, in] and B [out, r], and computes
    # W x + alpha/r * B A x. B starts at zero, so the model starts as it was; only A and B are trained.
    adapter = LoraConfig(r=settings.rank, lora_alpha=settings.alpha, target_modules="all-linear", task_type="CAUSAL_LM")
    tuned = get_peft_model(model, adapter)
    trained = [parameter for parameter in tuned.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=settings.learning_rate, weight_decay=0.0)

    tuned.train()
    plan, noted = list(batches(len(rows), settings)), []
    for step, places in enumerate(plan):
        # The loss of a step is that of all its learned tokens over their number, whatever rows they came in: a mean
        # of the rows' means would count a token of a short answer for more than one of a long one.
        tokens = sum(int(rows[place][1][1:].sum()) for place in places)
        loss = 0.0
        for place in places:
            part = loss_sum(tuned, *rows[place]) / tokens
            part.backward()  # gradients [r, in] and [out, r] add up over the rows
            loss += part.item()
        norm = torch.nn.utils.clip_grad_norm_(trained, settings.max_grad_norm)  # of all gradients as one vector
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, len(plan), settings)
        optimizer.step()
        optimizer.zero_grad()
        noted.append({"train_loss": loss, "grad_norm": norm.item()})
    return tuned, tokenizer, noted


def main() -> None:
    base, file, out = sys.argv[1:]
    tuned, tokenizer, noted = train(base, Path(file), Settings())
    for step, values in enumerate(noted, 1):
        print(f"step {step}: loss {values['train_loss']:.4f}, gradient norm {values['grad_norm']:.3f}")  # noqa: T201
    tuned.save_pretrained(out)
    tokenizer.save_pretrained(out)


if __name__ == "__main__":
    main()
