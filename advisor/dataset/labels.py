"""Whether the answers are labels, one each or several, and how many there are of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import orjson

_PART = 40  # characters of a label among several
_NONE = "none"  # how an answer without a label is written


@dataclass(slots=True)
class LabelCount:
    """Counts answers until it is clear that they are not labels. Memory is bounded."""

    LONGEST: ClassVar[int] = 80  # characters of a label
    _MOST: ClassVar[int] = 2000  # distinct answers kept
    counts: Counter[str] = field(default_factory=Counter)
    answers: int = 0
    others: int = 0  # answers too long, or of several lines, to be a label
    lists: int = 0  # answers that are a JSON list of labels
    listed: Counter[str] = field(default_factory=Counter)  # the labels in them

    def add(self, answer: str) -> None:
        self.answers += 1
        if answer[:1] == "[" and (held := _list(answer)) is not None and len(self.listed) < self._MOST:
            self.lists += 1
            self.listed.update(held)
            return
        if len(answer) > 2 * self.LONGEST:
            self.others += 1
            return
        answer = answer.strip()
        if not answer or len(answer) > self.LONGEST or "\n" in answer:
            self.others += 1
        elif answer in self.counts or len(self.counts) < self._MOST:
            self.counts[answer] += 1
        else:
            self.others += 1

    def merge(self, other: LabelCount) -> None:
        self.answers += other.answers
        self.others += other.others
        self.lists += other.lists
        self.listed.update(other.listed)
        self.counts.update(other.counts)

    def labels(self) -> Mapping[str, int] | None:
        """Return label -> count, most frequent first; None when the answers are not labels.

        They are when at least 95 % are short, and each label occurs five times on average (twice in a small set).
        """
        several = self.several()
        if several is not None:
            return several
        short = self.counts.total()
        distinct = len(self.counts)
        if self.answers < 4 or distinct < 2 or distinct > self._MOST or self.others + self.lists > 0.05 * self.answers:
            return None
        if short < distinct * self._often():
            return None
        return dict(self.counts.most_common())

    def several(self) -> Mapping[str, int] | None:
        """Return label -> count where answers hold several: JSON lists, or labels joined by commas."""
        if self.answers < 4 or self.others > 0.05 * self.answers:
            return None
        if self.lists >= 0.95 * self.answers:
            return self._repeated(self.listed)
        parts: Counter[str] = Counter()
        joined = 0
        for answer, count in self.counts.items():
            held = answer.split(", ")
            joined += count * (len(held) > 1)
            for part in set(held) - {_NONE}:
                parts[part] += count
        if self.lists or joined < 0.1 * self.answers or any(len(part) > _PART for part in parts):
            return None
        # A fixed set of labels comes in many combinations; a place such as "Paris, France" does not.
        combined = [answer for answer in self.counts if ", " in answer]
        alone = sum(part in self.counts for answer in combined for part in answer.split(", "))
        return self._repeated(parts) if alone >= len(combined) else None

    def _repeated(self, counts: Counter[str]) -> Mapping[str, int] | None:
        return dict(counts.most_common()) if 2 <= len(counts) <= counts.total() / self._often() else None

    def _often(self) -> int:
        return 2 if self.answers < 50 else 5


def _list(answer: str) -> list[str] | None:
    """Return the labels of a JSON list of short texts or numbers; None where it is no such list."""
    if len(answer) > 20 * LabelCount.LONGEST:
        return None
    try:
        held = orjson.loads(answer)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(held, list) or not all(isinstance(one, str | int) for one in held):
        return None
    return [str(one) for one in held] if all(len(str(one)) <= LabelCount.LONGEST for one in held) else None
