"""Where Chinese and Japanese can be cut so that the tokens stay the same and the pieces are short.

They are written without spaces, so the vocabulary's pattern takes a whole clause for one word; hardly a clause comes
twice, and each is merged anew and remembered for nothing. But most pairs of letters stand side by side in no token of
the vocabulary, and no merge reaches across such a pair. Cut there, the pieces have one or two letters and come again.

A cut is a carriage return, for which the patterns of o200k_base and cl100k_base say that it is a word, and one token,
of its own between two letters. Letters without case are all the same to these patterns, with one exception: what comes
before a run of them and after it may be of two cases and still belong together or not. A run right after any other
letter is therefore left whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import TypeAlias
from unicodedata import category

Cut: TypeAlias = Callable[[list[str]], list[str]]

CUT = "\r"
_APART = "\uffff"  # between texts; no character, so hardly in one
FIRST, LAST = 0x3005, 0x9FFF  # kana, Chinese and other letters without case; three bytes each in UTF-8
_JOINING = re.compile(rb".[\xe3-\xe9]", re.DOTALL)  # what a token that joins two holds: the second one's first byte
_CONTINUED = bytes(range(0x80, 0xC0))


def can_be_cut(text: str) -> bool:
    """Tell whether a text holds nothing that a cut is told by."""
    return CUT not in text and _APART not in text


def cutter(tokens: Iterable[bytes]) -> Cut | None:
    """Return the function that cuts texts, all in one; None where a token may join any two of these letters."""
    import numpy as np

    letters = [code for code in range(FIRST, LAST + 1) if category(chr(code)) in ("Lo", "Lm")]
    within = set(map(chr, letters))
    pairs, after, before = set[tuple[str, str]](), set[str](), set[str]()
    for token in tokens:
        if token.isascii() or not _JOINING.search(token):
            continue
        whole = token.lstrip(_CONTINUED)  # without the end of a letter it may begin with
        text = whole.decode(errors="ignore")
        rest = whole[len(text.encode()) :]  # the start of a letter it may end with
        lead, trail = len(whole) < len(token), len(rest) > 0
        if len(rest) > 3 or (lead and trail and not text):
            return None
        pairs.update((one, two) for one, two in pairwise(text) if one in within and two in within)
        if lead and text[:1] in within:
            before.add(text[0])
        if trail and text[-1:] in within:
            after.add(text[-1])
    lefts, rights = sorted({one for one, _ in pairs} | after), sorted({two for _, two in pairs} | before)
    row = {letter: at for at, letter in enumerate(lefts, 2)}
    column = {letter: at for at, letter in enumerate(rights, 2)}
    width = len(rights) + 2
    free = np.zeros((len(lefts) + 2, width), dtype=np.bool_)  # may it be cut between a letter of this row and column?
    free[1:, 1:] = True  # row and column 0 are other characters; 1 are letters that no token joins to any
    for one, two in pairs:
        free[row[one], column[two]] = False
    free[[row[one] for one in after]] = False
    free[:, [column[two] for two in before]] = False
    flat = free.ravel()
    rows, columns = np.zeros(1 << 16, dtype=np.int32), np.zeros(1 << 16, dtype=np.int32)
    rows[letters] = columns[letters] = 1
    rows[[ord(one) for one in lefts]] = list(row.values())
    columns[[ord(two) for two in rights]] = list(column.values())
    rows *= width
    # Letters and marks, and what this Python may not know to be one: unassigned characters, halves of further ones.
    kinds = [category(chr(code)) for code in range(1 << 16)]
    other = np.array([kind[0] in "LM" or kind in ("Cn", "Co", "Cs") for kind in kinds])
    other[letters] = False

    def cut(texts: list[str]) -> list[str]:
        units = np.frombuffer(_APART.join(texts).encode("utf-16-le"), dtype=np.uint16)
        right = columns[units]
        cuts = flat[rows[units[:-1]] + right[1:]]
        inside = right > 0
        begins = inside[1:] & ~inside[:-1]
        tied = begins & other[units[:-1]]
        if tied.any():
            number = np.cumsum(begins)  # of the run that a letter is in, for all units but the first
            whole = np.concatenate(([False], tied[begins]))[number]
            cuts[1:] &= ~whole[:-1]
        found = np.insert(units, np.flatnonzero(cuts) + 1, ord(CUT))
        return found.tobytes().decode("utf-16-le").split(_APART)

    return cut
