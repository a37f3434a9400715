"""Numbers that belong to a person: phones, cards, bank accounts, identity numbers, dates of birth, told by their form.

What a form does not tell is told by the words before it: an account, a phone, a passport. Names, street addresses and
what is written in words are not looked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

# A copy of the text tells where to look: digits are 0, what stands between the digits of one number is a dot.
_BETWEEN = b" .-()/\xa0"
HINTS = (b"0000", b"000.000", b"00.00.00")
_FEWEST = 6
_MOST = 34
_BEFORE = 48  # bytes in which a word says what a number is
_AFTER = 28  # bytes in which a form may end, and a sign of reckoning follow it
_CARD = re.compile(
    rb"(?<![\d.,-])(?:\d{4}[ -]?){3}\d{1,7}(?![\d-])|(?<![\d.,-])3[47]\d{2}[ -]?\d{6}[ -]?\d{5}(?![\d-])"
)
# Issuers' first digits (ISO/IEC 7812): Visa, Mastercard, American Express, Diners, Discover, JCB, UnionPay, Maestro.
_ISSUER = re.compile(rb"4|5[0-8]|2[2-7]|3[4-8]|35|6[0-9]")
_SUM_BEFORE = re.compile(rb"(?:[+*/=%]|\xc3\x97|\xc3\xb7|(?:sum|total|plus|minus|times)(?: of)?) ?$", re.IGNORECASE)
_SUM_AFTER = re.compile(rb" ?(?:[+*/=%]|\xc3\x97|\xc3\xb7|(?:plus|minus|times|divided|multiplied)\b)", re.IGNORECASE)
_SSN = re.compile(rb"(?<![\d-])(?!000|666|9)\d{3}-\d{2}-\d{4}(?![\d-])")
_ABROAD = re.compile(
    rb"(?<![\w=+)])(?:\+|00[ ]?(?=[1-9]))\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{1,4}){2,5}(?!\d)"
)
_AT_HOME = re.compile(
    rb"(?<![\w.,+=#/$-])(?:"
    rb"\([2-9]\d{2}\) ?\d{3}[-. ]\d{4}|(?:1[-. ])?[2-9]\d{2}([-.])[2-9]\d{2}\1\d{4}"  # United States
    rb"|\(?0[1-9]\d{0,4}\)?[ /-]?\d{3,8}(?:[ -]?\d{2,6}){0,2}"  # with a 0 before the area, as in most of Europe
    rb"|0[1-9](?:[ .-]\d{2}){4}"  # France
    rb"|[67]\d{2} \d{3} \d{3}|[679]\d{2} \d{2} \d{2} \d{2}|3\d{2} \d{3} \d{4}|[6-9]\d{4} \d{5}"  # Spain, Italy, India
    rb")(?![\w.,/-]?\d)"
)
_ACCOUNT = re.compile(rb"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
_DNI = re.compile(rb"(?<!\w)(?:\d{8}|[XYZ]\d{7})[- ]?[A-Z](?!\w)")
_NINO = re.compile(rb"(?<!\w)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D](?!\w)")
_PAN = re.compile(rb"(?<!\w)[A-Z]{3}[ABCFGHLJPT][A-Z]\d{4}[A-Z](?!\w)")
_NIR = re.compile(rb"(?<!\d)[12] ?\d{2} ?\d{2} ?\d{2} ?\d{3} ?\d{3} ?\d{2}(?!\d)")
_AADHAAR = re.compile(rb"(?<![\d.,-])[2-9]\d{3} \d{4} \d{4}(?![ -]?\d)")
_A, _Z = rb"(?<![A-Za-z\x80-\xff])", rb"(?![A-Za-z\x80-\xff])"
_WORDS: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("a phone number", re.compile(
        _A + rb"(?:phone|tel|telephone|mobile|mob|cell|call|ring|text|sms|whatsapp|reach|dial|fax|contact number"
        rb"|telefon|handy|mobil|rufen|anrufen|portable|appele[rz]?|joindre|t\xc3\xa9l(?:\xc3\xa9phone)?|tel\xc3\xa9fono"
        rb"|m\xc3\xb3vil|ll\xc3\xa1m\w*|telefono|cellulare|chiama\w*|telefoon|mobiel|bel)" + _Z, re.IGNORECASE)),
    ("an account number", re.compile(
        _A + rb"(?:account|acct|a/c|sort code|routing|iban|konto\w*|compte|cuenta|conto|rekening\w*)" + _Z,
        re.IGNORECASE)),
    ("an identity number", re.compile(
        _A + rb"(?:passport|social security|ssn|national insurance|nino|driving licen[cs]e|driver'?s licen[cs]e|tax id"
        rb"|identity card|id card|reisepass|ausweis\w*|steuer-?id\w*|passeport|s\xc3\xa9curit\xc3\xa9 sociale|dni|nie"
        rb"|nif|pasaporte|passaporto|carta d'identit\xc3\xa0|bsn|paspoort|aadhaar|pan card|pan)" + _Z, re.IGNORECASE)),
    ("a date of birth", re.compile(
        _A + rb"(?:born|birth|dob|geboren\w*|geburtsdatum|n\xc3\xa9e?|naissance|naci\w*|nacimiento|nat[oa]|nascita"
        rb"|geboorte\w*)" + _Z, re.IGNORECASE)),
)  # fmt: skip
_MATH = re.compile(rb"[=<>$*%]|\xc3[\x97\xb7]|^\+")
_SIZES = {
    "a phone number": (7, 15),
    "an account number": (6, 24),
    "an identity number": (5, 15),
    "a date of birth": (6, 8),
}
_DATE = re.compile(rb"(?:\d{1,2}[./ -]){2}(?:19|20)\d{2}|(?:19|20)\d{2}(?:[./-]\d{1,2}){2}")


def _luhn(found: bytes) -> bool:
    """Tell whether the digits are a payment card's: an issuer's first digits, and the check digit."""
    numbers = [byte - 48 for byte in found if 48 <= byte <= 57]
    total = sum(n if i % 2 == 0 else (2 * n - 9 if n > 4 else 2 * n) for i, n in enumerate(reversed(numbers)))
    known = 13 <= len(numbers) <= 19 and _ISSUER.match(found) is not None
    return known and total % 10 == 0 and len(set(numbers)) > 1


def _iban(found: bytes) -> bool:
    """Tell whether the text carries the check digits of a bank account (ISO 13616)."""
    text = found.replace(b" ", b"").decode()
    return 15 <= len(text) <= 34 and int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1


def _dni(found: bytes) -> bool:
    """Tell whether the letter is that of a Spanish identity number."""
    text = found.replace(b"-", b"").replace(b" ", b"").translate(bytes.maketrans(b"XYZ", b"012"), b"")
    return chr(found[-1]) == "TRWAGMYFPDXBNJZSQVHLCKE"[int(text[:8]) % 23] if text[:8].isdigit() else False


def _nir(found: bytes) -> bool:
    """Tell whether the last two digits are those of a French social security number."""
    digits = found.replace(b" ", b"")
    return 97 - int(digits[:13]) % 97 == int(digits[13:])


_D = ("0123456789", "1234067895", "2340178956", "3401289567", "4012395678", "5987604321", "6598710432", "7659821043",
      "8765932104", "9876543210")  # fmt: skip
_P = ("0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258")


def _verhoeff(found: bytes) -> bool:
    """Tell whether the digits carry Verhoeff's check digit, as an Aadhaar number does."""
    check = 0
    for place, digit in enumerate(reversed(found.replace(b" ", b"").decode())):
        check = int(_D[check][int(_P[place % 8][int(digit)])])
    return check == 0


def _phone_sized(found: bytes) -> bool:
    return 9 <= sum(48 <= byte <= 57 for byte in found) <= 15


def _yes(found: bytes) -> bool:
    return True


_FORMS: tuple[tuple[str, re.Pattern[bytes], Callable[[bytes], bool]], ...] = (
    ("a payment card number", _CARD, _luhn),
    ("a bank account", _ACCOUNT, _iban),
    ("a US social security number", _SSN, _yes),
    ("an identity number", _NIR, _nir),
    ("an identity number", _NINO, _yes),
    ("an identity number", _DNI, _dni),
    ("an identity number", _PAN, _yes),
    ("an identity number", _AADHAAR, _verhoeff),
    ("a phone number", _ABROAD, _phone_sized),
    ("a phone number", _AT_HOME, _phone_sized),
)


def shape_table(control: re.Pattern[bytes]) -> bytes:
    """Return the table that makes the copy in which numbers are looked for; control characters are 1 in it."""
    return bytes(
        48 if 48 <= byte <= 57 else 1 if control.match(bytes([byte])) else 46 if byte in _BETWEEN else 32
        for byte in range(256)
    )


def numbers(block: bytes, shapes: bytes) -> Iterator[tuple[str, int, int]]:
    """Yield (what it is, start, end) of what is found; ``shapes`` is the copy of ``block``."""
    done = 0
    for at in sorted({at for hint in HINTS for at in _all(shapes, hint)}):
        if at < done:
            continue
        start, end = _span(shapes, at)
        done = end
        count = shapes.count(b"0", start, end)
        if count < _FEWEST and not block[start - 1 : start].isupper():  # a year, mostly
            continue
        yield from _within(block, start, end, count)


def _all(shapes: bytes, hint: bytes) -> Iterator[int]:
    at = shapes.find(hint)
    while at >= 0:
        yield at
        after = at + len(hint)
        while shapes[after : after + 1] == b"0":
            after += 1
        at = shapes.find(hint, after)


def _span(shapes: bytes, at: int) -> tuple[int, int]:
    """Return where the digits around ``at`` begin and end; three blanks, or a sign of another kind, divide numbers."""
    start, end = at, at
    while start > 0 and shapes[start - 1] in b"0." and shapes[start - 3 : start] != b"...":
        start -= 1
    while end < len(shapes) and shapes[end] in b"0." and shapes[end : end + 3] != b"...":
        end += 1
    return start, end


def _within(block: bytes, start: int, end: int, count: int) -> Iterator[tuple[str, int, int]]:
    """Yield what the stretch of digits holds: the known forms in it, else what the words before it say.

    Texts are divided by a zero byte; nothing is read beyond it.
    """
    before = block[max(0, start - _BEFORE) : start].rpartition(b"\0")[2]
    after = block[end : end + _AFTER].partition(b"\0")[0]
    begin, finish = start - len(before), end + len(after)
    taken: list[tuple[int, int]] = []
    for name, pattern, sure in _FORMS:
        for match in pattern.finditer(block, max(begin, start - 8), min(finish, end + 12)):
            first, last = match.span()
            if first >= end or last <= start:  # a neighbour's
                continue
            if any(first < there and here < last for here, there in taken) or not sure(match.group()):
                continue
            if name == "a payment card number" and (
                _SUM_BEFORE.search(block[begin:first]) or _SUM_AFTER.match(block[last:finish])
            ):
                continue
            taken.append((first, last))
            yield name, first, last
    if taken or count > _MOST:
        return
    said = max(((match.start(), name) for name, words in _WORDS for match in words.finditer(before)), default=None)
    if said is None:
        return
    text = block[start:end]
    first = start + len(text) - len(text.lstrip(_BETWEEN))
    last = end - (len(text) - len(text.rstrip(_BETWEEN)))
    is_date = _DATE.search(block[first:last]) is not None
    signs = _MATH.search(before[-2:]) or _MATH.search(after[:2]) or b" / " in text
    if signs or (said[1] != "a phone number" and before.endswith(b"+")):
        return
    least, most = _SIZES[said[1]]
    if is_date is (said[1] == "a date of birth") and least <= count <= most:
        yield said[1], first, last
