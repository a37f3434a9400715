"""Training answers that come back word for word, told apart from templates and from answers anybody could give."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from advisor.evaluate.metrics import Answer
from advisor.evaluate.statistics import CONFIDENCE

# Words and marks of one passage. Carlini et al. 2023 (arXiv 2202.07646) call 50 tokens continued exactly, greedily,
# memorised; a word is one token or more, so this is never the laxer rule.
PASSAGE = 50
_PIECE = re.compile(r"\w+|[^\w\s]")
_SHOWN, _MOST_SHOWN = 160, 5  # characters of one example; examples


@dataclass(frozen=True, slots=True)
class Probed:
    """One example the model was asked: what was asked, what it answered, and the answer in the data."""

    id: str
    prompt: str
    given: Answer
    reference: Answer


@dataclass(frozen=True, slots=True)
class Verbatim:
    """One training answer that came back; ``pieces`` words and marks in a row are the same."""

    id: str
    text: str
    pieces: int


@dataclass(frozen=True, slots=True)
class Recited:
    """How many answers come back word for word: of those trained on, and of those never seen.

    An answer counts when it is the same throughout, or in a passage of 50 words and marks, and those words stand
    neither in the question nor in another training answer. ``p`` is Fisher's exact test, one-sided; ``by_heart`` says
    that more of the training answers come back than chance explains.
    """

    trained: int
    of_trained: int
    held_out: int
    of_held_out: int
    passages: int  # of ``trained``, those with 50 or more words and marks in a row
    p: float
    by_heart: bool
    examples: tuple[Verbatim, ...] = ()


def recited(trained: Sequence[Probed], held_out: Sequence[Probed], training: Sequence[tuple[str, Answer]]) -> Recited:
    """Compare what comes back of the ``trained`` examples with what comes back of the ``held_out`` ones.

    ``training`` is the whole training part, (prompt, answer): words that stand in the answer to another question are a
    template, not a memory. Held-out answers show how often a right answer is simply the only one possible.
    """
    known = [(prompt, _joined(_pieces(answer))) for prompt, answer in training]

    def unique(prompt: str, words: str) -> bool:
        return words not in _joined(_split(prompt)) and not any(
            words in said for asked, said in known if asked != prompt
        )

    seen = [found for one in trained if (found := _verbatim(one, unique)) is not None]
    unseen = [found for one in held_out if (found := _verbatim(one, unique)) is not None]
    p = fisher(len(seen), len(trained), len(unseen), len(held_out))
    return Recited(
        trained=len(seen),
        of_trained=len(trained),
        held_out=len(unseen),
        of_held_out=len(held_out),
        passages=sum(one.pieces >= PASSAGE for one in seen),
        p=p,
        by_heart=p < 1 - CONFIDENCE,
        examples=tuple(sorted(seen, key=lambda one: -one.pieces)[:_MOST_SHOWN]),
    )


def fisher(first: int, of_first: int, second: int, of_second: int) -> float:
    """Return the chance of a share as much larger in the first group as this, or more, if both were alike."""
    both, everyone = first + second, of_first + of_second
    ways = math.comb(everyone, both)
    most = min(both, of_first)
    return sum(math.comb(of_first, hit) * math.comb(of_second, both - hit) for hit in range(first, most + 1)) / ways


def _verbatim(one: Probed, unique: Callable[[str, str], bool]) -> Verbatim | None:
    given, wanted = _pieces(one.given), _pieces(one.reference)
    match = SequenceMatcher(None, given, wanted, autojunk=False).find_longest_match()
    words = wanted[match.b : match.b + match.size]
    whole = bool(wanted) and given == wanted
    if not (whole or len(words) >= PASSAGE) or not unique(one.prompt, _joined(words)):
        return None
    return Verbatim(one.id, _text(one.reference)[:_SHOWN], len(words))


def _pieces(answer: Answer) -> list[str]:
    return _split(_text(answer))


def _split(text: str) -> list[str]:
    return _PIECE.findall(text)


def _joined(pieces: Sequence[str]) -> str:
    """Write pieces with a blank around each, so that a part of a word is not taken for a word."""
    return f" {' '.join(pieces)} "


def _text(answer: Answer) -> str:
    calls = (f"{call['function']['name']} {call['function']['arguments']}" for call in answer.tool_calls)
    return " ".join(part for part in (answer.text, *calls) if part).strip()
