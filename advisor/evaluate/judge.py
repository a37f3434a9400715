"""A model as judge of two answers: what it is asked, how its verdict is read, and what the verdicts add up to."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path
from statistics import fmean

from advisor.errors import DataError
from advisor.evaluate.metrics import Answer, Reference
from advisor.evaluate.statistics import CONFIDENCE, mcnemar, paired_interval
from backends import Message

VERDICT_TOKENS = 400
_ASKED_FOR = (
    "Give your reason in at most two sentences. Then end with one line that holds your verdict and nothing else: "
    "'Verdict: A', 'Verdict: B' or 'Verdict: tie'."
)
_VERDICT = re.compile(r"verdict\W{0,6}(?:\banswer )?(?:\ba (?=tie))?\b(a|b|tie)\b", re.IGNORECASE)
# Zheng et al. 2023, arXiv 2306.05685, section 3.3: position, verbosity, self-enhancement.
LIMITS = (
    "A judge model prefers one position; each pair is judged in both orders, and a change of mind counts as a tie.",
    "Judge models tend to prefer longer answers, and those of their own kind (Zheng et al. 2023, arXiv 2306.05685).",
    "A judge agrees with people only as far as you have checked: read some of its reasons in the file of answers.",
)
_OFTEN_TORN, _OFTEN_LONGER = 0.7, 0.7


class Verdict(Enum):
    """Which of two answers is better, as shown."""

    A = "a"
    B = "b"
    TIE = "tie"


@dataclass(frozen=True, slots=True)
class Judged:
    """Two options before the judge: ``preferred`` is the share of examples won by ``second``, ties counting half."""

    first: str
    second: str
    first_wins: int
    ties: int
    second_wins: int
    preferred: float
    low: float
    high: float
    p: float  # exact sign test on the examples that were decided
    significant: bool
    agreement: float | None  # share of the pairs asked on which both orders gave the same verdict
    equal: int  # pairs of equal answers: ties that were not asked
    unread: int  # verdicts that could not be read, of two a pair
    longer_won: float | None  # share of the decided pairs of unequal length that the longer answer won


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a judge model found, what it cost (None: not known), and how far it is to be trusted."""

    judge: str
    pairs: tuple[Judged, ...]
    usd: Decimal | None
    verdicts: int
    limits: tuple[str, ...] = LIMITS


def rubric(path: Path | None = None) -> str:
    """Return what the judge goes by: the built-in text, or the user's own. Raises DataError."""
    try:
        text = (path or Path(__file__).parent / "rubric.txt").read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as a rubric ({error}); give a text file.") from error
    if not text:
        raise DataError(f"{path}: the rubric is empty; write what makes an answer better.")
    return text


def shown(rules: str, asked: str, reference: Reference, a: Answer, b: Answer) -> tuple[Message, ...]:
    """Return what the judge is asked about one pair in one order."""
    parts = (("request", asked), ("reference answer", said(reference)), ("answer A", said(a)), ("answer B", said(b)))
    body = "\n\n".join(f"<<< {name} >>>\n{text}\n<<< end of {name} >>>" for name, text in parts)
    return ({"role": "system", "content": f"{rules}\n\n{_ASKED_FOR}"}, {"role": "user", "content": body})


def said(answer: Answer) -> str:
    """Return an answer as text, with the calls it makes."""
    calls = [f"{call['function']['name']}({call['function']['arguments']})" for call in answer.tool_calls]
    return "\n".join([*([answer.text] if answer.text else []), *calls]) or "(empty)"


def verdict(text: str) -> Verdict | None:
    """Read a judge's verdict: the last one it states; None when it states none."""
    found = _VERDICT.findall(text) or re.fullmatch(r"\W*(a|b|tie)\W*", text, re.IGNORECASE)
    if not found:
        return None
    return Verdict((found[-1] if isinstance(found, list) else found[1]).lower())


def settled(straight: Verdict | None, swapped: Verdict | None) -> float:
    """Return how much of one example the second option won: 1, 0, or a half when the orders disagree."""
    if straight is Verdict.B and swapped is Verdict.A:
        return 1.0
    if straight is Verdict.A and swapped is Verdict.B:
        return 0.0
    return 0.5


def tally(
    first: str,
    second: str,
    answers: Sequence[tuple[Answer, Answer]],
    verdicts: Sequence[tuple[Verdict | None, Verdict | None] | None],
    *,
    pairs: int = 1,
) -> Judged:
    """Add up the verdicts on two options; None stands for a pair of equal answers. ``pairs``: options compared."""
    scores = [0.5 if one is None else settled(*one) for one in verdicts]
    lost, won = scores.count(0.0), scores.count(1.0)
    # (won - lost) / total lies between -1 and 1, and the share preferred, ties counting half, between 0 and 1.
    ends = paired_interval(lost, won, len(scores), 1 - (1 - CONFIDENCE) / pairs)
    low, high = ((1 + end) / 2 for end in ends)
    p = mcnemar(lost, won)
    both = [one for one in verdicts if one is not None]
    turned = {Verdict.A: Verdict.B, Verdict.B: Verdict.A, Verdict.TIE: Verdict.TIE}
    agreed = [swapped is not None and straight is turned[swapped] for straight, swapped in both]
    longer = [
        (score == 1.0) == (len(said(theirs)) > len(said(ours)))
        for score, (ours, theirs) in zip(scores, answers, strict=True)
        if score != 0.5 and len(said(theirs)) != len(said(ours))
    ]
    return Judged(
        first=first,
        second=second,
        first_wins=lost,
        ties=scores.count(0.5),
        second_wins=won,
        preferred=fmean(scores),
        low=low,
        high=high,
        p=p,
        significant=(low > 0.5 or high < 0.5) and p < (1 - CONFIDENCE) / pairs,
        agreement=fmean(agreed) if agreed else None,
        equal=len(verdicts) - len(both),
        unread=sum(part is None for one in both for part in one),
        longer_won=fmean(longer) if longer else None,
    )


def doubts(found: Judged) -> list[str]:
    """Name what speaks against trusting these verdicts."""
    said_so = []
    if found.agreement is not None and found.agreement < _OFTEN_TORN:
        said_so.append(
            f"The judge gave the same verdict in both orders on only {found.agreement:.0%} of the pairs of "
            f"{found.first} and {found.second}; take a stronger judge, or sharpen the rubric."
        )
    if found.longer_won is not None and found.longer_won > _OFTEN_LONGER and found.first_wins + found.second_wins > 9:
        said_so.append(
            f"The longer answer won {found.longer_won:.0%} of the decided pairs of {found.first} and {found.second}: "
            "length may have been judged instead of worth."
        )
    if found.unread:
        said_so.append(f"{found.unread} of the judge's verdicts could not be read and count as ties.")
    return said_so


def as_text(messages: Sequence[Message]) -> str:
    """Return a conversation as a judge reads it: one turn after the other, each under its role."""
    turns = []
    for message in messages:
        calls = "".join(f"\n{json.dumps(call['function'])}" for call in message.get("tool_calls") or ())
        turns.append(f"{message['role']}: {Answer.of(message).text}{calls}")
    return "\n\n".join(turns)
