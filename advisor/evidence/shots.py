"""How many solved examples a prompt shows, by how it chooses them; the same for the advice and for an evaluation."""

from __future__ import annotations

RETRIEVED_SHOTS = 20
MANY_SHOTS = 100
_FEWEST = 5


def fixed_shots(labels: int | None, examples: int) -> int:
    """Return how many examples go with every question when they are always the same: five, or one of each label.

    Never more than half of the data, so that the other half can measure them; 0 where there is nothing to show. That
    every label should be seen is what the curves of the claim "many-labels" say: five of 77 labels scored 30-43 %.
    """
    return min(max(_FEWEST, min(labels or 0, MANY_SHOTS)), examples // 2)


def retrieved_shots(examples: int) -> int:
    """Return how many examples near each question go with it; never more than half of the data."""
    return min(RETRIEVED_SHOTS, examples // 2)
