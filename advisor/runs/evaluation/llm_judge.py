"""How a judge model is asked about pairs of answers: both orders, each once, counted against the spending cap."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from advisor.evaluate import judge as judges
from advisor.evaluate.judge import Judged, Judgement, Verdict
from advisor.evaluate.metrics import Answer, Reference
from advisor.evaluate.scorecard import Answered
from advisor.runs.evaluation.answers import Answers, ask_all
from advisor.runs.evaluation.question import Question, Variant
from advisor.runs.evaluation.spend_cap import SpendCap
from backends import Message

_NOTHING: Message = {"role": "assistant", "content": ""}


def judged(
    judge: Variant,
    rules: str,
    asked: Sequence[Question],
    references: Sequence[Reference],
    answers: Mapping[str, Sequence[Answered]],
    kept: Answers,
    purse: SpendCap,
    *,
    at_once: int | None = None,
    progress: Callable[[], None] = lambda: None,
    say: Callable[[str], None] = lambda text: None,
) -> tuple[Judgement, list[str]]:
    """Let ``judge`` compare the last option with each of the others; return what it found and what speaks against it.

    Equal answers are a tie without asking. Verdicts are kept beside the answers, so that none is paid for twice.
    Raises OverLimit when asking could pass the cap of ``purse``.
    """
    *others, last = answers
    found: list[Judged] = []
    prices: dict[str, Decimal | None] = {}  # by what was asked: the same pair of answers is asked once
    for other in others:
        pairs = [(a.answer, b.answer) for a, b in zip(answers[other], answers[last], strict=True)]
        open_ones = [place for place, (a, b) in enumerate(pairs) if judges.said(a).strip() != judges.said(b).strip()]
        posed = [
            _posed(rules, asked[place], references[place], *order, f"{asked[place].id} A={name}")
            for place in open_ones
            for name, order in ((other, pairs[place]), (last, pairs[place][::-1]))
        ]
        for _ in range(2 * (len(pairs) - len(open_ones))):
            progress()
        if posed:
            purse.expect([judge], posed, judges.VERDICT_TOKENS)
        said = ask_all(
            replace(judge, name=f"judge of {other} and {last}"),
            posed,
            kept,
            max_tokens=judges.VERDICT_TOKENS,
            at_once=at_once,
            purse=purse,
            progress=progress,
            say=say,
        )
        read = [judges.verdict(one.answer.text) for one in said]
        verdicts: list[tuple[Verdict | None, Verdict | None] | None] = [None] * len(pairs)
        for number, place in enumerate(open_ones):
            verdicts[place] = (read[2 * number], read[2 * number + 1])
        found.append(judges.tally(other, last, pairs, verdicts, pairs=len(others)))
        prices |= {str(one.messages[-1].get("content")): got.usd for one, got in zip(posed, said, strict=True)}
    paid = [price for price in prices.values() if price is not None]
    usd = sum(paid, Decimal(0)) if len(paid) == len(prices) else None
    judgement = Judgement(f"{judge.backend.name}/{judge.model}", tuple(found), usd, len(prices))
    return judgement, [doubt for one in found for doubt in judges.doubts(one)]


def _posed(rules: str, question: Question, reference: Reference, a: Answer, b: Answer, id: str) -> Question:
    return Question(id, judges.shown(rules, judges.as_text(question.messages), reference, a, b), _NOTHING)
