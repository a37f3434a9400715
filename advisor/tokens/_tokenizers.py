"""From texts to token ids: with tiktoken, or many times faster with gigatoken, whose memory is kept within bounds."""

from __future__ import annotations

import functools
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

from advisor.tokens._cjk_split import CUT, FIRST, LAST, Cut, can_be_cut, cutter
from advisor.tokens._vocabulary import LONG_RUN, encoder, ranks_file, token_bytes

if TYPE_CHECKING:
    import numpy as np

    from advisor.tokens._minhash import Ids

    Array: TypeAlias = np.ndarray[tuple[int], np.dtype[np.uint32]]

Kept = TypeVar("Kept")
Encode: TypeAlias = "Callable[[str], Ids]"

_BLIND_BLOCKS = 64  # of 4 MB, after which gigatoken is loaded anew where a process cannot tell its own memory


class Codec:
    """tiktoken's way, ready in 0.2 s."""

    def __init__(self, name: str) -> None:
        self.encode: Encode = encoder(name)

    def each(self, texts: list[str], keep: Callable[[Ids], Kept]) -> Iterable[Kept]:
        """Return what ``keep`` makes of each text's ids, in order."""
        return (keep(self.encode(text)) for text in texts)

    def renew(self) -> None:
        """Give back memory that has become too much."""


class FastCodec(Codec):
    """gigatoken's way, to the same ids; special-token strings are ordinary text to it, as we want.

    It remembers every word it meets and forgets none: of random letters, five times their own size. When that comes to
    more than ``share`` bytes, ``renew`` loads it again, which takes 0.4 s. Its tables grow by doubling, so that twice
    the share may be taken for a moment.
    """

    def __init__(self, name: str, share: int) -> None:
        self._name, self._share = name, share
        self.encode = self._careful
        self._load()

    def _load(self) -> None:
        from gigatoken.gigatoken_rs import BPETokenizer

        scheme = {"o200k_base": "o200k", "cl100k_base": "gpt4"}[self._name]
        self._quick = cast(Encode, BPETokenizer.from_tiktoken(str(ranks_file(self._name)), scheme, {}).encode)
        self._return = self._quick(CUT)[0]  # the first text builds its tables, before the processes are forked
        self._blocks, self._base = 0, _resident()

    def _careful(self, text: str) -> Ids:
        return self._quick(text) if len(text) < LONG_RUN else encoder(self._name)(text)

    def each(self, texts: list[str], keep: Callable[[Ids], Kept]) -> Iterable[Kept]:
        """Return what ``keep`` makes of each text's ids, in order.

        Texts of one script, told by the letter in their middle, are encoded one after the other: what is remembered of
        its words stays at hand.
        """
        scripts: defaultdict[int, list[int]] = defaultdict(list)
        for at, text in enumerate(texts):
            letter = ord(text[len(text) // 2]) if text else 0
            scripts[FIRST if FIRST <= letter <= LAST else letter >> 7].append(at)
        encode = self._quick if max(map(len, texts), default=0) < LONG_RUN else self._careful
        found: list[Kept | None] = [None] * len(texts)
        for script, places in scripts.items():
            if script == FIRST:
                for at, ids in zip(places, self._cut([texts[at] for at in places], encode), strict=True):
                    found[at] = keep(ids)
            else:
                for at in places:
                    found[at] = keep(encode(texts[at]))
        return cast("list[Kept]", found)

    def _cut(self, texts: list[str], encode: Encode) -> Iterator[Ids]:
        """Yield the ids of texts, which are cut where they can be."""
        cut = _cutter(self._name)
        can = [cut is not None and can_be_cut(text) for text in texts]
        cuts = iter(cut(list(compress(texts, can))) if cut else ())
        for text, is_cut in zip(texts, can, strict=True):
            if is_cut:
                ids = cast("Array", encode(next(cuts)))
                yield ids[ids != self._return]
            else:
                yield encode(text)

    def renew(self) -> None:
        self._blocks += 1
        if (_resident() - self._base > self._share) if self._base else self._blocks > _BLIND_BLOCKS:
            del self._quick  # before the next one takes its place in memory
            self._load()


@functools.cache
def _cutter(name: str) -> Cut | None:
    return cutter(token_bytes(name))


def _resident() -> int:
    """Return this process's memory in bytes, 0 where only other programs can tell (not on Linux)."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    except (OSError, ValueError, AttributeError):
        return 0
