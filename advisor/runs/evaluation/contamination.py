"""What spoils a score: held-out questions that were trained on, and answers that are remembered, not learnt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path

from advisor.evaluate.metrics import Answer
from advisor.evaluate.recited import Recited
from advisor.evaluate.scorecard import TokenLosses
from advisor.evaluate.statistics import CONFIDENCE, permutation
from advisor.runs.evaluation.question import Question
from advisor.runs.evaluation.variants import asked_text
from advisor.runs.run import Run

# Lee et al. 2022 (arXiv 2107.06499) call texts near duplicates above an edit similarity of 0.8.
_ALIKE = 0.8
_FEWEST_WORDS = 5  # of a question; among fewer, one word more or less is another question
_MOST_TRAINED = 20_000  # training questions that are searched for near copies
_SHARE = 0.05  # of the held-out questions: near copies below it hardly move a score
# Held-out loss above training loss, in nats and in times: a pair of which both are passed is called overfitting, where
# chance does not explain the gap. Short answers are hardly ever unlikely, so there the times tell.
_GAPS = ((0.2, 1.5), (0.05, 5.0))
_FEWEST_ROWS = 5  # of each kind


def leaks(asked: Sequence[Question], trained: Sequence[Question]) -> list[str]:
    """Name held-out questions that the training data holds too: their scores prove nothing."""
    seen = {asked_text(question) for question in trained}
    shared = [question.id for question in asked if asked_text(question) in seen]
    if not shared:
        return []
    share = 100 * len(shared) / len(asked)
    return [
        f"Leak: {len(shared)} of {len(asked)} held-out questions ({share:.0f}%) are in the training data too "
        f"(first: {shared[0]}); scores on them prove nothing."
    ]


def validated_on(run: Run, held_out: Path) -> list[str]:
    """Name a file that picked the weights that were kept: the tuned model was chosen by its score there."""
    files = {path.absolute() for path in (run.origin.validation, run.spec.validation_file) if path is not None}
    if not run.origin.decides or held_out.absolute() not in files:
        return []
    return [
        f"{held_out.name} is what the trainer validated on, which picked the weights that were kept: the tuned score "
        "is too good. Give examples that decided nothing with --test-data, or launch with --held-out."
    ]


def near_copies(asked: Sequence[Question], trained: Sequence[Question]) -> list[str]:
    """Name held-out questions that differ in few words from a training question with the same answer."""
    exact = {asked_text(question) for question in trained}
    by_answer: dict[str, list[tuple[str, list[str]]]] = defaultdict(list)
    for question in trained[:_MOST_TRAINED]:
        by_answer[_answer(question)].append((question.id, asked_text(question).split()))
    found = []
    for question in asked:
        words = asked_text(question).split()
        if asked_text(question) in exact or len(words) < _FEWEST_WORDS:
            continue
        near = _nearest(words, by_answer[_answer(question)])
        if near is not None:
            found.append((question.id, near))
    if len(found) < max(2, _SHARE * len(asked)):
        return []
    return [
        f"Near copies: {len(found)} of {len(asked)} held-out questions differ in few words from a training question "
        f"with the same answer (first: {found[0][0]} and {found[0][1]}); scores on them may be too good."
    ]


def _answer(question: Question) -> str:
    """Return the reference answer as text to compare by."""
    answer = Answer.of(question.reference)
    return f"{answer.text.strip()} {answer.tool_calls}"


def _nearest(words: Sequence[str], known: Sequence[tuple[str, Sequence[str]]]) -> str | None:
    """Return the name of the first of ``known`` that is nearly the same text."""
    both = SequenceMatcher(None, (), words, autojunk=False)
    for name, other in known:
        both.set_seq1(other)
        # The first two are quick upper bounds of the third.
        if both.real_quick_ratio() >= _ALIKE and both.quick_ratio() >= _ALIKE and both.ratio() >= _ALIKE:
            return name
    return None


def overfitted(trained: TokenLosses | None, held_out: TokenLosses, seed: int) -> list[str]:
    """Name overfitting: answers the trainer saw are far likelier than answers it did not see."""
    if trained is None or min(len(trained.sums), len(held_out.sums)) < _FEWEST_ROWS:
        return []
    seen, unseen = (sum(one.sums) / sum(one.tokens) for one in (trained, held_out))
    if not any(unseen - seen >= nats and unseen >= times * seen for nats, times in _GAPS):
        return []
    p = permutation(_means(trained), _means(held_out), seed=seed)
    if p >= 1 - CONFIDENCE:
        return []
    return [
        f"Overfitting: the loss is {seen:.3f} on training examples and {unseen:.3f} on held-out ones (permutation "
        f"test, p {p:.3f}): the model repeats what it has seen. Train fewer epochs, or add data."
    ]


def _means(losses: TokenLosses) -> list[float]:
    return [nats / max(1, tokens) for nats, tokens in zip(losses.sums, losses.tokens, strict=True)]


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
