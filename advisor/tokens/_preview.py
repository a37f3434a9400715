"""A first answer on a huge file in a moment: random blocks of lines, and how sure that makes us."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import replace
from typing import cast

from advisor.dataset import Dataset
from advisor.dataset.rows import Container
from advisor.dataset.source import Progress
from advisor.tokens._blocks import SMALL_BYTES, Reading, Worker, aligned
from advisor.tokens._cache import is_remembered
from advisor.tokens._minhash import Marks
from advisor.tokens._profile import Profile, Sampled, assemble, profile
from advisor.tokens._tally import COUNTERS, SUMS, Tally

_BLOCKS = 32
_TRIES = 20 * _BLOCKS  # where lines are long, no line begins in most blocks
_BLOCK_BYTES = 128 << 10
_Z = 1.959964  # the normal distribution's 97.5 % point


def preview(dataset: Dataset, *, seed: int = 0, progress: Progress | None = None) -> Profile:
    """Estimate the profile of a large file from random blocks, saying how sure that is in ``sampled``.

    A file that was counted before, is small, or cannot be entered at any place (compressed, CSV, Parquet) gets its
    exact profile. Of a sample, the longest example, rare labels, faults and duplicates are not known.
    """
    if dataset.bytes <= SMALL_BYTES or not _can_be_entered(dataset) or is_remembered(dataset):
        return profile(dataset, progress=progress)
    dice = random.Random(seed)
    # tiktoken is ready sooner than the fast counter, and the sample is small.
    worker = Worker(Reading(dataset, ("o200k_base",), checks=True, large=False))
    total = Tally()
    parts: list[tuple[int, int]] = []  # bytes and tokens of each block
    sizes = [source.bytes for source in dataset.sources]
    for _ in range(_TRIES):
        file = dice.choices(range(len(sizes)), sizes)[0]
        lines = aligned(dataset.sources[file], dice.randrange(sizes[file]), _BLOCK_BYTES)
        if not lines:
            continue
        part, _ = worker.count(lines, file, first=False)
        parts.append((sum(map(len, lines)), part.tokens["o200k_base"]))
        total.merge(part)
        if len(parts) == _BLOCKS:
            break
    read = sum(size for size, _ in parts)
    if len(parts) < _BLOCKS or not total.examples or read > dataset.bytes / 2:
        return profile(dataset, progress=progress)
    tokens, error = _ratio(parts)
    _scale(total, dataset.bytes / read)
    low, high = ((tokens + side * error) * dataset.bytes for side in (-1, 1))
    sampled = Sampled(max(0, math.floor(low)), math.ceil(high), read / dataset.bytes)
    return replace(assemble(total, dataset, dataset.fingerprint), exact=False, sampled=sampled)


def _can_be_entered(dataset: Dataset) -> bool:
    """Tell whether rows can be found from any byte on: only where every line end ends a row."""
    return all(
        not source.compression and container is Container.JSONL
        for source, container in zip(dataset.sources, dataset.containers, strict=True)
    )


def _ratio(parts: list[tuple[int, int]]) -> tuple[float, float]:
    """Return tokens per byte and half the width of its 95 % interval: a ratio of means, Student's t for few blocks."""
    count = len(parts)
    read = sum(size for size, _ in parts)
    ratio = sum(tokens for _, tokens in parts) / read
    spread = sum((tokens - ratio * size) ** 2 for size, tokens in parts) / (count - 1)
    return ratio, _student(count - 1) * math.sqrt(spread / count) / (read / count)


def _student(freedom: int) -> float:
    """Return the 97.5 % point of Student's t (Abramowitz and Stegun 26.7.5; right to 0.001 from 8 degrees on)."""
    first = (_Z**3 + _Z) / 4
    second = (5 * _Z**5 + 16 * _Z**3 + 3 * _Z) / 96
    return _Z + first / freedom + second / freedom**2


def _scale(tally: Tally, factor: float) -> None:
    """Blow the sums up to the whole; line numbers and marks mean nothing in a sample and are dropped."""
    for name in SUMS:
        setattr(tally, name, round(getattr(tally, name) * factor))
    for name in COUNTERS:
        counter = cast("Counter[object]", getattr(tally, name))
        for key, value in counter.items():
            counter[key] = round(value * factor)
    tally.labels.answers = round(tally.labels.answers * factor)
    tally.labels.others = round(tally.labels.others * factor)
    tally.labels.lists = round(tally.labels.lists * factor)
    tally.labels.listed = Counter({label: round(n * factor) for label, n in tally.labels.listed.items()})
    tally.labels.counts = Counter({label: round(n * factor) for label, n in tally.labels.counts.items()})
    tally.marks, tally.faults, tally.longest, tally.shortest = Marks(), [], [], []
    tally.fault_counts.clear()
