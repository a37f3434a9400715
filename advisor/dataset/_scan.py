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


def _luhn(digits: bytes) -> bool:
    """Tell whether the digits carry the check digit of a payment card."""
    numbers = [byte - 48 for byte in digits if 48 <= byte <= 57]
    total = sum(n if i % 2 == 0 else (2 * n - 9 if n > 4 else 2 * n) for i, n in enumerate(reversed(numbers)))
    return 13 <= len(numbers) <= 19 and total % 10 == 0 and len(set(numbers)) > 1


def _iban(found: bytes) -> bool:
    """Tell whether the text carries the check digits of a bank account (ISO 13616)."""
    text = found.replace(b" ", b"").decode()
    return 15 <= len(text) <= 34 and int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1


def _mixed(found: bytes) -> bool:
    """Tell a random key from a word: it has digits and letters."""
    return bool(re.search(rb"\d", found)) and bool(re.search(rb"[A-Za-z]", found))


_MAIL = rb"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*\.[A-Za-z]{2,24}"
_LOGIN = re.compile(rb"://[^\s/:@?#\"'<>]{0,64}:[^\s/:@?#\"'<>]{3,128}@")
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
# Digits are found on a copy in which every digit is 0 and every other byte is a blank: four in a row start a look.
# The same copy tells, by the byte 1, whether there is a control character anywhere.
_DIGITS = bytes(48 if 48 <= byte <= 57 else 1 if _CONTROL.match(bytes([byte])) else 32 for byte in range(256))
_CARD = re.compile(rb"(?<![\d.,-])(?:\d{4}[ -]?){3}\d{1,7}(?![\d-])")
_SSN = re.compile(rb"(?<![\d-])(?!000|666|9)\d{3}-\d{2}-\d{4}(?![\d-])")
_PHONE = re.compile(
    rb"(?<![\w=+)])(?<![\d)=] )\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{2,4}(?:[ .-]?\d{2,4}){2,3}(?!\d)"
)
_ACCOUNT = re.compile(rb"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
_NUMBERS: tuple[tuple[str, re.Pattern[bytes], Callable[[bytes], bool]], ...] = (
    ("a payment card number", _CARD, _luhn),
    ("a US social security number", _SSN, lambda found: True),
    ("a phone number", _PHONE, lambda found: True),
    ("a bank account", _ACCOUNT, _iban),
)
_FEWEST_DIGITS = 7
# Addresses that documentation uses and nobody owns (RFC 2606).
_NOBODY = re.compile(
    rb"@(?:[\w.-]+\.)?(?:example|test|invalid|localhost|domain|email)(?:\.(?:com|org|net))?$", re.IGNORECASE
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
            elif not (pattern.hint == b"@" and _NOBODY.search(found)):
                yield place(pattern.code, pattern.name, start, end)
    for name, start, end in _secrets(block):
        yield place("secret", name, start, end)
    digits = block.translate(_DIGITS)
    for name, start, end in _numbers(block, digits):
        yield place("personal_data", name, start, end)
    if b"\x01" in digits:
        for match in _CONTROL.finditer(block):
            yield place("control_characters", f"U+{match.group()[0]:04X}", match.start(), match.end())
    yield from _damage(parts)


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


def _numbers(block: bytes, digits: bytes) -> Iterator[tuple[str, int, int]]:
    at, done = digits.find(b"0000"), 0
    while at >= 0:
        low = max(done, at - 24)
        # Most runs of four digits are years: nothing that is looked for has fewer than seven digits.
        for name, pattern, sure in _NUMBERS if digits.count(b"0", low, at + 48) >= _FEWEST_DIGITS else ():
            match = pattern.search(block, low, at + 48)
            if match and match.start() <= at + 3 and match.end() >= at and sure(match.group()):
                yield name, *match.span()
                done = match.end()
                break
        step = at
        while digits[step : step + 1] == b"0":
            step += 1
        at = digits.find(b"0000", max(step, done))


def utf8(text: str) -> bytes:
    """Encode; a lone surrogate, which a caller's own string may hold though JSON cannot bring it here, becomes '?'."""
    return text.encode(errors="replace")


def redact(text: str) -> str:
    """Replace keys and personal data by [SECRET] and [PERSONAL DATA]."""
    raw = utf8(text)
    for found in sorted((h for h in scan([raw]) if h.code in REDACTED), key=lambda h: h.start, reverse=True):
        raw = raw[: found.start] + REDACTED[found.code] + raw[found.end :]
    return raw.decode()


REDACTED = {"secret": b"[SECRET]", "personal_data": b"[PERSONAL DATA]"}
