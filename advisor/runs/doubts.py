"""What spoils a score: held-out questions that were trained on, and answers that are remembered, not learnt."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.evaluate.recited import Recited
from advisor.evaluate.scorecard import LossComparison, TokenLosses
from advisor.runs.asking import Question
from advisor.runs.contestants import asked_text

_GAP_NATS, _GAP_TIMES = 0.2, 1.5  # held-out loss above training loss: both must be passed to call it overfitting


def leaks(asked: Sequence[Question], trained: Sequence[Question]) -> list[str]:
    """Name held-out questions that the training data holds too: their scores prove nothing."""
    seen = {asked_text(question) for question in trained}
    shared = [question.id for question in asked if asked_text(question) in seen]
    if not shared:
        return []
    share = 100 * len(shared) / len(asked)
    return [
        f"Leak: {len(shared)} of {len(asked)} held-out questions ({share:.0f} %) are in the training data too "
        f"(first: {shared[0]}); scores on them prove nothing."
    ]


def memorised(held_out: LossComparison, trained: TokenLosses | None) -> list[str]:
    """Name overfitting: answers the trainer saw are far likelier than answers it did not see."""
    if trained is None:
        return []
    seen = sum(trained.sums) / sum(trained.tokens)
    if held_out.tuned - seen < _GAP_NATS or held_out.tuned < _GAP_TIMES * seen:
        return []
    return [
        f"Overfitting: the loss is {seen:.3f} on training examples and {held_out.tuned:.3f} on held-out ones; the "
        "model repeats what it has seen. Train fewer epochs, or add data."
    ]


def by_heart(found: Recited | None) -> list[str]:
    """Name memorised training answers: they come back word for word, more often than answers never seen."""
    if found is None or not found.by_heart:
        return []
    first = found.examples[0]
    return [
        f"Memorised: {found.trained} of {found.of_trained} training answers come back word for word, and "
        f"{found.held_out} of {found.of_held_out} never seen (first: {first.id}, {first.text[:40]!r}). Train fewer "
        "epochs and take repeated examples out; whoever can ask this model can read its training data."
    ]
