"""Which texts are nearest to a text by their words: BM25, small enough to need no library."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

_K1, _B = 1.5, 0.75  # Robertson and Zaragoza 2009, the usual choice


class Nearest:
    """An index over texts; ``to`` returns the places of the best matches."""

    def __init__(self, texts: Sequence[str]) -> None:
        counts = [Counter(_words(text)) for text in texts]
        sizes = [count.total() for count in counts]
        mean = sum(sizes) / len(sizes) if sizes else 1.0
        self._size = len(texts)
        self._weights: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for place, (count, size) in enumerate(zip(counts, sizes, strict=True)):
            for word, times in count.items():
                self._weights[word].append((place, times * (_K1 + 1) / (times + _K1 * (1 - _B + _B * size / mean))))

    def to(self, text: str, count: int) -> list[int]:
        """Return the places of the ``count`` nearest texts, the nearest last, as few-shot prompts want it."""
        scores: Counter[int] = Counter()
        for word in set(_words(text)):
            held = self._weights.get(word, ())
            rarity = math.log(1 + (self._size - len(held) + 0.5) / (len(held) + 0.5))
            for place, weight in held:
                scores[place] += rarity * weight  # type: ignore[assignment]
        best = sorted(range(self._size), key=lambda place: (-scores[place], place))[:count]
        return best[::-1]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
