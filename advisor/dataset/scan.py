"""What should not be in the texts: special tokens, keys, personal data, damaged characters.

Many texts are searched as one block of bytes, each pattern only around the few places where its rarest part occurs,
which costs about as much as reading the block a dozen times.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, groupby

from advisor.dataset.numbers import numbers, shape_table

# tiktoken's special tokens, and those of chat formats; an OpenAI job has failed on <|fim_suffix|>.
SPECIAL = re.compile(
    rb"<\|(?:endoftext|endofprompt|fim_prefix|fim_middle|fim_suffix|im_start|im_end|im_sep|start|end|message|channel"
    rb"|constrain|return|call|startoftext|begin_of_text|end_of_text|eot_id|start_header_id|end_header_id|reserved_\d+)\|>"
)


@dataclass(frozen=True, slots=True)
class Pattern:
    """``hint`` is the literal that is looked for first; ``back`` how many bytes before it the pattern may begin."""

    code: str
    name: str
    hint: bytes
    pattern: re.Pattern[bytes]
    back: int = 0


def _mixed(found: bytes) -> bool:
    """Tell a random key from a word: it has digits and letters."""
    return bool(re.search(rb"\d", found)) and bool(re.search(rb"[A-Za-z]", found))


_MAIL = rb"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*\.[A-Za-z]{2,24}"
_LOGIN = re.compile(rb"://[^\s\0/:@?#\"'<>]{0,64}:[^\s\0/:@?#\"'<>]{3,128}@")
_PATTERNS = (
    Pattern("special_token", "", b"<|", SPECIAL),
    Pattern("secret", "a private key", b"-----BEGIN", re.compile(rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----")),
    Pattern("secret", "a password in a link", b"@", _LOGIN, 200),
    Pattern("personal_data", "an e-mail address", b"@", re.compile(_MAIL), 64),
)  # fmt: skip
_DAMAGE = (
    Pattern("control_characters", "U+FEFF, a byte order mark", b"\xef\xbb\xbf", re.compile(b"\xef\xbb\xbf")),
    Pattern("encoding_damage", "the replacement character", "\ufffd".encode(), re.compile("\ufffd".encode())),
    Pattern(
        "encoding_damage", "UTF-8 read as Latin-1", "Ã".encode(), re.compile("Ã".encode() + rb"\xc2[\x80-\xbf]")
    ),
    Pattern("encoding_damage", "UTF-8 read as Windows-1252", "â€".encode(), re.compile("â€(?:™|œ|“|”|¦|˜)".encode())),
)  # fmt: skip
# Keys are long words: on a copy in which their letters are 'a' and all else is blank, twenty in a row start a look.
_WORDS = bytes(97 if (chr(byte).isalnum() and byte < 128) or byte in b"_-" else 32 for byte in range(256))
_SECRETS: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("an API key", re.compile(rb"sk-(?:proj-|ant-|or-)?[A-Za-z0-9_-]{20,}")),
    ("an AWS key", re.compile(rb"AKIA[0-9A-Z]{16}(?![0-9A-Z])")),
    ("a GitHub token", re.compile(rb"ghp_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{40,}")),
    ("a Slack token", re.compile(rb"xox[abprs]-[A-Za-z0-9-]{16,}")),
    ("a Stripe key", re.compile(rb"[rs]k_live_[A-Za-z0-9]{20,}")),
    ("a GitLab token", re.compile(rb"glpat-[A-Za-z0-9_-]{20,}")),
    ("a Google key", re.compile(rb"AIza[0-9A-Za-z_-]{35}")),
    ("a Hugging Face token", re.compile(rb"hf_[A-Za-z0-9]{30,}")),
    ("a signed token", re.compile(rb"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}")),
)
_LONG_WORD = b"a" * 20
_ANY_SECRET = re.compile(rb"sk-|[rs]k_live_|glpat-|AKIA|ghp_|github_pat_|xox[abprs]-|AIza|hf_|eyJ")
_CONTROL = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")
# Numbers are looked for on such a copy, in which the byte 1 tells of a control character, too.
_SHAPES = shape_table(_CONTROL)
# Addresses that documentation uses and nobody owns (RFC 2606).
_NOBODY = re.compile(
    rb"@(?:[\w.-]+\.)?(?:example|test|invalid|localhost|domain|email|yourdomain|host)(?:\.(?:com|org|net))?(?![\w.-])",
    re.IGNORECASE,
)
# What stands for a password where none is given.
_SHOWN = re.compile(
    rb"[$%{<\[(].*|(?:your|my|the|a|some)?[-_ ]?(?:user)?(?:pass(?:word|wd|phrase)?|pw|pwd|secret|token|key)\w{0,3}"
    rb"|[x*.]+|changeme|placeholder|redacted",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Hit:
    """Text number ``index`` holds ``code`` at bytes ``start`` to ``end`` of its UTF-8 form."""

    index: int
    code: str
    detail: str
    start: int
    end: int


def scan(parts: list[bytes]) -> Iterator[Hit]:
    """Yield what is found in the texts, which are given in UTF-8."""
    block = b"\0".join(parts)
    place = _placer(parts)
    for pattern in _PATTERNS:
        for start, end in _places(block, pattern):
            found = block[start:end]
            if pattern.code == "special_token":
                yield place(pattern.code, found.decode(), start, end)
            elif not (pattern.hint == b"@" and (_NOBODY.search(found) or _is_placeholder(pattern, found, block, end))):
                yield place(pattern.code, pattern.name, start, end)
    for name, start, end in _secrets(block):
        yield place("secret", name, start, end)
    shapes = block.translate(_SHAPES)
    for name, start, end in numbers(block, shapes):
        yield place("personal_data", name, start, end)
    if b"\x01" in shapes:
        for match in _CONTROL.finditer(block):
            yield place("control_characters", f"U+{match.group()[0]:04X}", match.start(), match.end())
    yield from _damage(parts)


def _is_placeholder(pattern: Pattern, found: bytes, block: bytes, end: int) -> bool:
    """Tell a link that shows where a password goes from one that holds it: user:password@, or at an example's host."""
    if pattern.code != "secret":
        return False
    password = found[3:-1].rpartition(b":")[2]
    return _SHOWN.fullmatch(password) is not None or _NOBODY.match(b"@" + block[end : end + 60]) is not None


def _placer(parts: list[bytes]) -> Callable[[str, str, int, int], Hit]:
    """Return what turns a place in the joined parts into a hit of one of them."""
    starts = list(accumulate((len(part) + 1 for part in parts), initial=0))

    def place(code: str, detail: str, start: int, end: int) -> Hit:
        index = bisect_right(starts, start) - 1
        return Hit(index, code, detail, start - starts[index], end - starts[index])

    return place


def _damage(parts: list[bytes]) -> Iterator[Hit]:
    """Yield damaged characters; only the few parts are searched that hold the first byte of one."""
    for first, patterns in groupby(_DAMAGE, key=lambda pattern: pattern.hint[:1]):
        places = [index for index, part in enumerate(parts) if first in part]
        some = [parts[index] for index in places]
        block, place = b"\0".join(some), _placer(some)
        for pattern in patterns:
            for start, end in _places(block, pattern):
                hit = place(pattern.code, pattern.name, start, end)
                yield replace(hit, index=places[hit.index])


def _places(block: bytes, pattern: Pattern) -> Iterator[tuple[int, int]]:
    at, done = block.find(pattern.hint), 0
    while at >= 0:
        if pattern.back:
            match = pattern.pattern.search(block, max(done, at - pattern.back), at + 300)
            match = match if match and match.start() < at < match.end() else None
        else:
            match = pattern.pattern.match(block, at)
        if match:
            done = match.end()
            yield match.span()
        at = block.find(pattern.hint, max(at + 1, done))


def _secrets(block: bytes) -> Iterator[tuple[str, int, int]]:
    words = block.translate(_WORDS)
    at = words.find(_LONG_WORD)
    while at >= 0:
        end = words.find(b" ", at)
        end = len(block) if end < 0 else end
        if _ANY_SECRET.match(block, at):
            for name, pattern in _SECRETS:
                match = pattern.match(block, at)
                if match and _mixed(match.group()):
                    yield name, *match.span()
                    break
        at = words.find(_LONG_WORD, end)


def utf8(text: str) -> bytes:
    """Encode; a lone surrogate, which a caller's own string may hold though JSON cannot bring it here, becomes '?'."""
    return text.encode(errors="replace")


def redact(text: str) -> str:
    """Replace keys and personal data by [SECRET] and [PERSONAL DATA]."""
    raw = utf8(text)
    for _ in range(_PASSES):
        hits = sorted((h for h in scan([raw]) if h.code in REDACTED), key=lambda h: (h.start, -h.end), reverse=True)
        if not hits:
            break
        last = len(raw)
        for found in hits:
            if found.end <= last:  # of two that overlap the later is taken first, the other in the next pass
                raw = raw[: found.start] + REDACTED[found.code] + raw[found.end :]
                last = found.start
    return raw.decode()


_PASSES = 4
REDACTED = {"secret": b"[SECRET]", "personal_data": b"[PERSONAL DATA]"}
