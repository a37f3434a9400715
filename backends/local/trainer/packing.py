"""Which examples a step sees and how they share forward passes; decided by the seed alone, before training starts.

A step takes ``batch_size`` examples of the epoch's seeded order. Packing happens inside a step, so it changes how long
a step takes and never what it computes; nor do the number of processes or the memory of the machine.
"""

from __future__ import annotations

import bisect
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of a run: ``epochs`` seeded orders of ``examples`` examples, cut into steps of ``batch_size``."""

    examples: int
    batch_size: int
    epochs: int
    seed: int
    max_steps: int | None = None

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.examples // self.batch_size)

    @property
    def steps(self) -> int:
        planned = self.steps_per_epoch * self.epochs
        return min(planned, self.max_steps) if self.max_steps else planned

    def batch(self, step: int) -> list[int]:
        """Return the examples of step ``step`` (from 0)."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = _order(self.examples, self.seed * 1_000_003 + epoch)
        return order[place * self.batch_size : (place + 1) * self.batch_size]


@lru_cache(maxsize=2)  # this epoch's and the next one's: a million examples take half a second to shuffle
def _order(examples: int, seed: int) -> list[int]:
    order = list(range(examples))
    random.Random(seed).shuffle(order)
    return order


def pack(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Put sequences into bins of ``capacity`` tokens, best fit first, longest first; a longer one has a bin alone."""
    bins: list[list[int]] = []
    room: list[tuple[int, int]] = []  # (tokens left, bin), sorted
    for place in sorted(range(len(lengths)), key=lambda place: (-lengths[place], place)):
        found = bisect.bisect_left(room, (lengths[place], -1))
        if found < len(room):
            left, chosen = room.pop(found)
        else:
            left, chosen = max(capacity, lengths[place]), len(bins)
            bins.append([])
        bins[chosen].append(place)
        bisect.insort(room, (left - lengths[place], chosen))
    return bins


def bucket(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Group sequences of like length so that each group, padded to its longest, stays within ``capacity`` tokens."""
    groups: list[list[int]] = []
    longest = 0
    for place in sorted(range(len(lengths)), key=lambda place: (-lengths[place], place)):
        if not groups or (len(groups[-1]) + 1) * longest > capacity:
            groups.append([])
            longest = lengths[place]
        groups[-1].append(place)
    return groups
