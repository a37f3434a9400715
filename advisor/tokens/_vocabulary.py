"""OpenAI's vocabularies, from the package that carries them: checked by sha256, never downloaded."""

from __future__ import annotations

import functools
import importlib.util
import marshal
import sys
from binascii import a2b_base64
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from advisor.atomic import write_whole
from advisor.errors import AdvisorError
from advisor.paths import home
from backends import reinstall

if TYPE_CHECKING:
    import tiktoken


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """``sha256`` is of the .tiktoken file; pattern and special tokens are tiktoken's (tiktoken_ext.openai_public)."""

    name: str
    sha256: str
    tokens: int
    pattern: str
    special: tuple[tuple[str, int], ...]


O200K = Vocabulary(
    "o200k_base",
    "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    199_998,
    "|".join(
        (
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
            r"\p{N}{1,3}",
            r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
            r"\s*[\r\n]+",
            r"\s+(?!\S)",
            r"\s+",
        )
    ),
    (("<|endoftext|>", 199_999), ("<|endofprompt|>", 200_018)),
)
CL100K = Vocabulary(
    "cl100k_base",
    "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    100_256,
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    (
        ("<|endoftext|>", 100_257), ("<|fim_prefix|>", 100_258), ("<|fim_middle|>", 100_259),
        ("<|fim_suffix|>", 100_260), ("<|endofprompt|>", 100_276),
    ),
)  # fmt: skip
VOCABULARIES = {"o200k_base": O200K, "cl100k_base": CL100K}
LONG_RUN = 500_000  # characters
_CL100K_MODELS = ("gpt-3.5", "gpt-4-", "gpt-4|", "davinci", "babbage", "text-embedding")


def encoding_for(model: str) -> str:
    """Return the encoding of an OpenAI model, tuned ones (ft:BASE:...) included: the newest for a name we do not know.

    tiktoken's own table reads 'ft:gpt-4.1-...' as gpt-4 and answers cl100k_base, which is wrong.
    """
    base = model.split(":")[1] if model.startswith("ft:") and ":" in model[3:] else model.removeprefix("ft:")
    return "cl100k_base" if f"{base}|".startswith(_CL100K_MODELS) else "o200k_base"


@functools.cache
def encoding(name: str) -> tiktoken.Encoding:
    """Return tiktoken's encoding, built from the packaged ranks."""
    import tiktoken

    words = VOCABULARIES[name]
    tokens = token_bytes(name)
    return tiktoken.Encoding(
        name,
        pat_str=words.pattern,
        mergeable_ranks=dict(zip(tokens, range(len(tokens)), strict=True)),
        special_tokens=dict(words.special),
    )


def encoder(name: str) -> Callable[[str], list[int]]:
    """Return the function from any text to token ids; special-token strings are the ordinary text they look like.

    tiktoken's regular expressions overflow on a run of a million blanks; such a run is cut, which may cost a token.
    """
    encode = encoding(name).encode_ordinary

    def run(text: str) -> list[int]:
        if len(text) < LONG_RUN:
            return encode(text)
        return [token for piece in _pieces(text) for token in encode(piece)]

    return run


def _pieces(text: str) -> Iterator[str]:
    """Cut a text within its runs of LONG_RUN blanks and more."""
    import re

    start = 0
    for blanks in re.finditer(r"\s+", text):
        for cut in range(blanks.start() + LONG_RUN, blanks.end(), LONG_RUN):
            yield text[start:cut]
            start = cut
    yield text[start:]


def ranks_file(name: str) -> Path:
    """Return the unzipped .tiktoken file in our cache, written on first use and checked each time."""
    import hashlib

    words = VOCABULARIES[name]
    path = _cache() / f"{name}-{words.sha256[:12]}.tiktoken"
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != words.sha256:
        try:
            write_whole(path, _packaged(words))
        except OSError as error:
            raise AdvisorError(f"{path}: cannot be written ({error.strerror}); free some room there.") from None
    return path


def token_bytes(name: str) -> list[bytes]:
    """Return the tokens in rank order; kept ready-made for this Python, since decoding them costs 0.1 s."""
    words = VOCABULARIES[name]
    path = _cache() / f"{words.name}-{words.sha256[:12]}-{sys.implementation.cache_tag}.ranks"
    try:
        tokens = marshal.loads(path.read_bytes())
        if isinstance(tokens, list) and len(tokens) == words.tokens:
            return tokens
    except (OSError, ValueError, EOFError, TypeError):
        pass
    tokens = list(map(a2b_base64, _packaged(words).split()[::2]))  # a line is the token in base64 and its rank
    with suppress(OSError):  # a full disk costs speed, not the answer
        write_whole(path, marshal.dumps(tokens))
    return tokens


def _packaged(words: Vocabulary) -> bytes:
    """Return the .tiktoken file that the package bpe-openai carries. Raises AdvisorError when it is not there."""
    import gzip
    import hashlib

    spec = importlib.util.find_spec("bpe_openai")  # located, not imported: the import loads every vocabulary
    places = spec.submodule_search_locations if spec else None
    remedy = f"install it again: {reinstall('bpe-openai')}"
    if not places:
        raise AdvisorError(f"The package bpe-openai, which carries the vocabulary {words.name}, is missing; {remedy}")
    path = Path(places[0]) / "data" / f"{words.name}.tiktoken.gz"
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise AdvisorError(f"The vocabulary {path} cannot be read ({error}); {remedy}") from None
    if hashlib.sha256(content).hexdigest() != words.sha256:
        raise AdvisorError(f"The vocabulary {path} is not the published {words.name} (its sha256 differs); {remedy}")
    return content


def _cache() -> Path:
    folder = home() / "cache"
    with suppress(OSError):  # it is asked for even where nothing can be kept
        folder.mkdir(exist_ok=True)
    return folder
