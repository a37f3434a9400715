"""Asking a tuned model its own training questions, to see which answers it knows by heart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from advisor.evaluate.metrics import Answer
from advisor.evaluate.recited import Probed, Recited, recited
from advisor.runs.evaluation.answers import Answers, ask_all
from advisor.runs.evaluation.question import Question, Variant
from advisor.runs.evaluation.spend_cap import SpendCap
from advisor.runs.evaluation.variants import asked_text

_FEWEST = 5  # examples of each kind; fewer cannot tell memory from chance


def probe(
    tuned: Variant,
    asked: Sequence[Question],
    trained: Sequence[Question],
    *,
    count: int,
    samples: Path,
    max_tokens: int,
    at_once: int | None,
    purse: SpendCap,
    seed: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
    say: Callable[[str], None] = lambda text: None,
) -> Recited | None:
    """Ask up to ``count`` of the ``trained`` questions, and compare with the ``asked`` ones, answered in ``samples``.

    Held-out questions that were trained on as well are left out. None where there are too few to tell anything.
    """
    seen = {asked_text(question) for question in trained}
    unseen = [question for question in asked if asked_text(question) not in seen]
    count = min(count, len(trained), len(asked))
    if min(count, len(unseen)) < _FEWEST:
        return None
    chosen = Random(seed).sample(list(trained), count)
    purse.expect((tuned,), chosen, max_tokens)
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        progress(min(done, count), count)

    def answered(some: Sequence[Question], path: Path) -> list[Probed]:
        with Answers(path) as kept:
            found = ask_all(
                tuned, some, kept, max_tokens=max_tokens, at_once=at_once, purse=purse, progress=step, say=say
            )
        return [
            Probed(question.id, _prompt(question), one.answer, Answer.of(question.reference))
            for question, one in zip(some, found, strict=True)
        ]

    ours = answered(chosen, samples.with_name("training.jsonl"))
    theirs = answered(unseen, samples)
    return recited(ours, theirs, [(_prompt(one), Answer.of(one.reference)) for one in trained])


def _prompt(question: Question) -> str:
    return " ".join(Answer.of(message).text for message in question.messages)
