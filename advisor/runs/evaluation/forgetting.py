"""What tuning broke: the tuned model beside its base on general text, on suites of questions, on lm-eval tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from advisor.evaluate.metrics import Answer
from advisor.evaluate.regression import compare_suite, compare_text, general_text
from advisor.evaluate.scorecard import Regression
from advisor.evaluate.suite import Item, suite
from advisor.runs.evaluation.answers import Answers, ask_all, losses
from advisor.runs.evaluation.compare import Options
from advisor.runs.evaluation.lm_eval import harness
from advisor.runs.evaluation.question import Conversation, Question, Variant
from advisor.runs.evaluation.spend_cap import SpendCap
from backends import Message

_TOKENS = 128
_SAMPLE, _RIGHT = 7, 3  # every seventh item is asked first, and three must be right
_KNOWS_NATS = 6.0  # a blind guess among 2,000 tokens costs 7.6 nats, among 400 tokens 6
_PROSE: Message = {"role": "user", "content": "Write a paragraph."}
_NOTHING: Message = {"role": "assistant", "content": ""}


def regressions(
    base: Variant, tuned: Variant, options: Options, folder: Path, purse: SpendCap
) -> tuple[tuple[Regression, ...], list[str]]:
    """Measure what tuning did to general text (where the backend can score), to the built-in suite and to others.

    What the suites cost is taken from ``purse``. General text and the built-in suite are left out for a base that
    knows next to nothing of them: it has nothing to forget. Returns the findings, and what was left out and why.
    """
    own = [(path, suite(path)) for path in options.suites]
    found: list[Regression] = []
    notes: list[str] = []
    if options.regression:
        passages = [Conversation((_PROSE, {"role": "assistant", "content": text})) for text in general_text()]
        before, after = losses(base.backend, base.model, passages), losses(tuned.backend, tuned.model, passages)
        if before is not None and after is not None:
            nats = sum(before.sums) / sum(before.tokens)
            if nats <= _KNOWS_NATS:
                found.append(compare_text(before, after, seed=options.seed))
            else:
                notes.append(
                    f"General text was left out: the base knows next to nothing of it ({nats:.1f} nats a token), so it "
                    "has nothing to forget there."
                )
    with Answers(folder / "evaluation" / "suite.jsonl") as kept:

        def answers(one: Variant, some: Sequence[Item]) -> list[Answer]:
            asked = [Question(item.id, ({"role": "user", "content": item.ask},), _NOTHING) for item in some]
            purse.expect((one,), asked, _TOKENS)
            return [
                got.answer.spoken
                for got in ask_all(
                    one, asked, kept, max_tokens=_TOKENS, at_once=options.at_once, purse=purse, say=options.say
                )
            ]

        if options.regression:
            items = suite()
            # An item that must not be refused is passed by any noise, so it tells nothing about what the base can do.
            sample = [item for item in items if item.check.get("refuse") is None][::_SAMPLE]
            right = sum(item.right(answer) for item, answer in zip(sample, answers(base, sample), strict=True))
            if right >= _RIGHT:
                found += compare_suite(items, answers(base, items), answers(tuned, items), seed=options.seed)
            else:
                notes.append(
                    f"The built-in suite was left out: the base answers {right} of the first {len(sample)} questions, "
                    "so it has nothing to forget there."
                )
        for path, items in own:
            found += compare_suite(
                items, answers(base, items), answers(tuned, items), name=path.name, seed=options.seed
            )
    more, left_out = harness(options.lm_eval, base, tuned, folder / "evaluation" / "lm-eval", options)
    return (*found, *more), [*notes, *left_out]
