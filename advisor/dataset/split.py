"""A held-out part that is fair: no prompt on both sides, labels in the same shares, the same for the same seed."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from pathlib import Path

import orjson

from advisor.dataset.dataset import Dataset
from advisor.dataset.labels import LabelCount
from advisor.dataset.types import Example, Format
from advisor.dataset.write import atomic, canonical, text_of
from advisor.errors import DataError


def split(dataset: Dataset, out_dir: Path, *, held_out: float | int, seed: int = 0) -> tuple[Path, Path]:
    """Write train.jsonl and held_out.jsonl in OpenAI's format, in the order of the data; return their paths.

    ``held_out`` is a share (below 1) or a number of examples. Examples with the same prompt stay together. Where the
    answers are labels, each label keeps its share on both sides. Raises DataError when there is too little to divide.
    """
    sides = Sides()
    for example in dataset.examples():
        sides.add(example, dataset.format)
    chosen = sides.held_out(dataset.sources[0].name, held_out, seed)
    train, held = out_dir / "train.jsonl", out_dir / "held_out.jsonl"
    with atomic(train) as left, atomic(held) as right:
        for index, example in enumerate(dataset.examples()):
            (right if index in chosen else left).write(orjson.dumps(canonical(example, dataset.format)) + b"\n")
    return train, held


def prompt_key(example: Example, format: Format) -> bytes:
    """Return 16 bytes that are equal for equal prompts, whatever their case and spacing."""
    if format is Format.TEXT:
        asked = text_of(example.messages[0])
    else:
        last = max((i for i, m in enumerate(example.messages) if m.get("role") == "assistant"), default=None)
        before = example.messages if example.preferred or last is None else example.messages[:last]
        asked = "\x1e".join(text_of(message) for message in before if message.get("role") != "system")
        if not asked.strip():  # an answer to nothing is told from others by itself
            asked = "\x1e".join(text_of(message) for message in example.messages)
    return hashlib.blake2b(" ".join(asked.casefold().split()).encode(errors="replace"), digest_size=16).digest()


def answer_of(example: Example) -> str:
    """Return the text of the last assistant answer, the preferred one of a pair."""
    if example.preferred:
        return text_of(example.preferred)
    return next((text_of(m) for m in reversed(example.messages) if m.get("role") == "assistant"), "")


def choose(keys: list[bytes], labels: list[str] | None, *, held_out: float | int, seed: int) -> set[int]:
    """Return the indices to hold out; whole groups of equal keys, and of each label its share."""
    groups: dict[bytes, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        groups[key].append(index)
    wanted = held_out if isinstance(held_out, int) and held_out >= 1 else max(1, round(float(held_out) * len(keys)))
    share = min(wanted / max(1, len(keys)), 0.5)
    label_of = labels or [""] * len(keys)
    room = _quotas(Counter(label_of), share)
    order = sorted(groups, key=lambda key: hashlib.blake2b(key, key=str(seed).encode(), digest_size=8).digest())
    chosen: set[int] = set()
    for key in order:
        members = groups[key]
        label = label_of[members[0]]
        if len(members) <= room[label]:
            room[label] -= len(members)
            chosen.update(members)
    if not chosen and len(groups) > 1:
        chosen.update(groups[min(order, key=lambda key: len(groups[key]))])
    return chosen


def _quotas(counts: Counter[str], share: float) -> dict[str, int]:
    """Divide round(share x n) among the labels by largest remainder, leaving every label at least one on this side."""
    exact = {label: share * count for label, count in counts.items()}
    quota = {label: min(int(value), counts[label] - 1) for label, value in exact.items()}
    left = round(share * counts.total()) - sum(quota.values())
    for label in sorted(exact, key=lambda name: (quota[name] - exact[name], name)):
        if left > 0 and quota[label] < counts[label] - 1:
            quota[label] += 1
            left -= 1
    return quota


class Sides:
    """Collects of each example what decides on which side it goes."""

    def __init__(self) -> None:
        self._keys: list[bytes] = []
        self._answers: list[str] = []
        self._count = LabelCount()

    def add(self, example: Example, format: Format) -> None:
        answer = answer_of(example).strip()
        self._keys.append(prompt_key(example, format))
        self._answers.append(answer if len(answer) <= LabelCount.LONGEST else "")
        self._count.add(answer)

    def held_out(self, name: str, held_out: float | int, seed: int) -> set[int]:
        """Return the indices to hold out. Raises DataError when there is too little to divide."""
        labels = self._answers if self._count.labels() else None
        chosen = choose(self._keys, labels, held_out=held_out, seed=seed)
        if not 0 < len(chosen) < len(self._keys):
            prompts = len(set(self._keys))
            raise DataError(
                f"{name}: {len(self._keys)} example{'s' * (len(self._keys) != 1)} with {prompts} different"
                f" prompt{'s' * (prompts != 1)} cannot be divided; add examples, or give a separate validation file."
            )
        return chosen
