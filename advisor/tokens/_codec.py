"""From texts to token ids: with tiktoken, or many times faster with gigatoken, whose memory is kept within bounds."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

from advisor.tokens._cuts import CUT, FIRST, LAST, Cut, can_be_cut, cutter
from advisor.tokens._vocabulary import LONG_RUN, encoder, ranks_file, token_bytes

if TYPE_CHECKING:
    import numpy as np

    from advisor.tokens._marks import Ids

    Array: TypeAlias = np.ndarray[tuple[int], np.dtype[np.uint32]]

Kept = TypeVar("Kept")
Encode: TypeAlias = "Callable[[str], Ids]"

_LONG = FIRST >> 7, LAST >> 7  # scripts, told by a text's middle letter, that have no spaces
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

        Texts of one script are encoded one after the other: what is remembered of its words stays at hand.
        """
        scripts = [ord(text[len(text) // 2]) >> 7 if text else 0 for text in texts]
        long = [at for at, script in enumerate(scripts) if _LONG[0] <= script <= _LONG[1] and can_be_cut(texts[at])]
        cut = _cutter(self._name) if long else None
        whole = dict(zip(long, cut([texts[at] for at in long]), strict=True)) if cut else {}
        encode = self._quick if max(map(len, texts), default=0) < LONG_RUN else self._careful
        found: dict[int, Kept] = {}
        for at in sorted(range(len(texts)), key=scripts.__getitem__):
            if at in whole:
                ids = cast("Array", encode(whole[at]))
                found[at] = keep(ids[ids != self._return])
            else:
                found[at] = keep(encode(texts[at]))
        return map(found.__getitem__, range(len(texts)))

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
