"""A small model that knows some prose: trained in this process on the passages it is given, in a few seconds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random


def train_prose(folder: Path, passages: Sequence[str], *, epochs: int = 8, seed: int = 0) -> Path:
    """Write a model of the shape made on the spot into ``folder``, after a few passes over ``passages``."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from backends.local.trainer.tiny import make

    rows = [
        {"messages": [{"role": "user", "content": "Write a paragraph."}, {"role": "assistant", "content": passage}]}
        for passage in passages
    ]
    source = folder.with_suffix(".jsonl")
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    make(folder, source, seed)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    texts = [tokenizer.apply_chat_template(row["messages"], tokenize=True, return_dict=False) for row in rows]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    random = Random(seed)
    for _ in range(epochs):
        random.shuffle(texts)
        for start in range(0, len(texts), 4):
            some = texts[start : start + 4]
            width = max(map(len, some))
            ids = torch.tensor([text + [0] * (width - len(text)) for text in some])
            inside = torch.arange(width) < torch.tensor([[len(text)] for text in some])
            model(input_ids=ids, labels=torch.where(inside, ids, -100)).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    torch.set_num_threads(threads)
    model.save_pretrained(folder)
    return folder
