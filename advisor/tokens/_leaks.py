"""Validation examples that the training data gives away: their prompt, as a split compares it, or nearly their text."""

from __future__ import annotations

from collections import Counter

from advisor.dataset import Dataset
from advisor.dataset.split import prompt_key
from advisor.tokens._minhash import Marks
from advisor.tokens._quality import near
from advisor.tokens._tally import FAULTS_KEPT, Finding
from backends import Json


def leaks(train: Dataset, validation: Dataset, marks: Marks, others: Marks) -> tuple[list[Finding], dict[str, Json]]:
    """Name the first of each kind, and count all; ``marks`` are ``train``'s, ``others`` ``validation``'s.

    A prompt in other case or spacing, or under another system prompt, is the same prompt. Both are read once more.
    """
    wanted = {prompt_key(example, validation.format) for example in validation.examples()}
    seen: dict[bytes, str] = {}
    for example in train.examples():
        key = prompt_key(example, train.format)
        if key in wanted:
            seen.setdefault(key, f"{example.unit} {example.line} of {example.file}")
    alike = _alike(train, marks, others)
    files = {source.name: number for number, source in enumerate(validation.sources)}
    counts: Counter[str] = Counter()
    found: list[Finding] = []
    for example in validation.examples():
        file, key = files[example.file], prompt_key(example, validation.format)
        where = seen.get(key) or alike.get((file, example.line))
        if where is not None:
            code = "leak" if key in seen else "near_leak"
            counts[code] += 1
            if counts[code] <= FAULTS_KEPT:
                found.append((example.line, file, code, where))
    return found, {f"{code}s": count for code, count in counts.items()}


def _alike(train: Dataset, marks: Marks, others: Marks) -> dict[tuple[int, int], str]:
    """Return (file, line) of the validation examples that are nearly in the training data, with the place there."""
    joined = Marks()
    joined.merge(marks, 0)
    joined.merge(others, 0)
    size = len(marks)
    return {
        (others.files[at - size], others.lines[at - size]): (
            f"{(source := train.sources[marks.files[other]]).unit} {marks.lines[other]} of {source.name}"
        )
        for at, other in near(joined)
        if at >= size > other
    }
