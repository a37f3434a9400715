"""Per example: hashes that tell equal rows, prompts and answers, and a sketch that tells nearly equal texts.

The sketch is a one-permutation MinHash of the token pairs in 32 bins of 16 bits: the share of equal bins estimates
the Jaccard similarity. Packed four bins to a word, its eight words are at once the bands by which candidates are found.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha1
from itertools import chain, pairwise
from typing import TYPE_CHECKING, TypeAlias, cast

if TYPE_CHECKING:
    import numpy as np

Ids: TypeAlias = "Sequence[int] | np.ndarray[tuple[int], np.dtype[np.uint32]]"
Array: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.uint64]]"
Sketch: TypeAlias = Callable[[list[list[Ids]]], Iterable[int]]

WORDS = 8
_BINS = 4 * WORDS
_INDEX_BITS = 12  # texts that are sketched together: 4,096, their number in front of 52 bits of hash
_LONG = 256  # tokens: of a text this long only every eighth pair, chosen by its first token, is looked at
_EDGES = [(number - _BINS // 2) << 59 for number in range(_BINS)]
# The hash of a pair is CPython's hash of a tuple of two small integers (Objects/tupleobject.c, after xxHash): a C loop
# for small data, and these constants for the same on arrays. A test holds the two together.
_P1, _P2, _P5 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x27D4EB2F165667C5
_LAST = 2 ^ (_P5 ^ 3527539)


@dataclass(slots=True)
class Marks:
    """Columns of 64-bit words, one row per example in the order of the data; about 100 bytes an example."""

    prompts: array[int] = field(default_factory=lambda: array("Q"))
    answers: array[int] = field(default_factory=lambda: array("Q"))
    sketches: array[int] = field(default_factory=lambda: array("Q"))
    lines: array[int] = field(default_factory=lambda: array("Q"))
    files: array[int] = field(default_factory=lambda: array("H"))

    def add(self, prompt: bytes, answer: bytes, file: int, line: int) -> None:
        """Mark one example; its sketch is added later, with those of its block."""
        self.prompts.append(hash64(prompt))
        self.answers.append(hash64(answer))
        self.lines.append(line)
        self.files.append(file)

    def merge(self, other: Marks, line_offset: int) -> None:
        self.prompts.extend(other.prompts)
        self.answers.extend(other.answers)
        self.sketches.extend(other.sketches)
        self.lines.extend(array("Q", (line + line_offset for line in other.lines)) if line_offset else other.lines)
        self.files.extend(other.files)

    def __len__(self) -> int:
        return len(self.lines)


def hash64(text: bytes) -> int:
    """Return a 64-bit hash that is the same in every process (SHA-1, for which processors have instructions)."""
    return int.from_bytes(sha1(text, usedforsecurity=False).digest()[:8], "little")


def sketch(texts: list[list[Ids]]) -> Iterable[int]:
    """Return eight words for each text, given as lists of token ids, without numpy: right for small data."""
    for parts in texts:
        ids = list(chain.from_iterable(cast(Iterable[Sequence[int]], parts)))
        ids += [0] * (2 - len(ids))
        pairs: Iterable[tuple[int, int]] = pairwise(ids)
        if len(ids) >= _LONG:
            pairs = (pair for at, pair in enumerate(pairs) if not pair[0] & 7 or not at)
        hashes = sorted(map(hash, pairs))
        count = len(hashes)
        lanes = [hashes[bisect_left(hashes, edge) % count] >> _INDEX_BITS & 0xFFFF for edge in _EDGES]
        for at in range(0, _BINS, 4):
            yield lanes[at] | lanes[at + 1] << 16 | lanes[at + 2] << 32 | lanes[at + 3] << 48


def fast_sketch() -> Sketch:
    """Return the same function on numpy arrays: all texts of a block in one sort, their number in the top bits."""
    import numpy as np

    p1, p2, p5, last = (np.uint64(c) for c in (_P1, _P2, _P5, _LAST))
    left, right, sign = np.uint64(31), np.uint64(33), np.uint64(1 << 63)
    bits, top, low, seven = np.uint64(_INDEX_BITS), np.uint64(64 - _INDEX_BITS), np.uint64(0xFFFF), np.uint32(7)
    edges = np.array([number << (59 - _INDEX_BITS) for number in range(_BINS)], dtype=np.uint64)
    most = 1 << _INDEX_BITS

    def run(texts: list[list[Ids]]) -> Iterable[int]:
        return chain.from_iterable(some(texts[start : start + most]) for start in range(0, len(texts), most))

    def turned(words: Array) -> Array:
        turned = (words << left) | (words >> right)
        turned *= p1
        return turned

    def some(texts: list[list[Ids]]) -> list[int]:
        tokens = [sum(map(len, parts)) for parts in texts]
        lengths = np.array([max(2, count) for count in tokens])
        pads = [np.zeros(max(0, 2 - count), np.uint32) for count in tokens]
        ids = np.concatenate([one for parts, pad in zip(texts, pads, strict=True) for one in (*parts, pad)])
        ends = np.cumsum(lengths)
        starts = ends - lengths
        keep = (ids[:-1] & seven) == 0
        keep |= np.repeat(lengths < _LONG, lengths)[:-1]
        keep[starts] = True
        keep[ends[:-1] - 1] = False  # pairs that reach into the next text
        own = np.add.reduceat(keep, starts, dtype=np.int64)  # pairs kept of each text
        places = np.flatnonzero(keep)
        kept = turned(ids[places].astype(np.uint64) * p2 + p5)
        kept += ids[places + 1].astype(np.uint64) * p2
        kept = turned(kept)
        kept += last
        kept ^= sign  # so that unsigned order is the signed order of Python's hashes
        kept >>= bits
        kept |= np.repeat(np.arange(len(texts), dtype=np.uint64) << top, own)
        kept.sort()
        begins = np.cumsum(own) - own
        tops = np.arange(len(texts), dtype=np.uint64) << top
        at = kept.searchsorted((tops[:, None] | edges[None, :]).ravel()).reshape(len(texts), _BINS)
        at = np.where(at >= (begins + own)[:, None], begins[:, None], at)
        return (kept[at] & low).astype(np.uint16).ravel().view(np.uint64).tolist()

    return run
