"""Amounts as people write them: dollars, counts and shares are read in one way everywhere, and dollars written in one.

A comma divides thousands and nothing else: read as a decimal comma it would make a limit of 12,50 a hundred times
what was meant.
"""

from __future__ import annotations

import re
from decimal import Decimal

_NUMBER = re.compile(
    r"(?P<whole>[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d{0,2}(?:_\d{3})+|\d+|(?=\.))(?P<rest>\.\d+)?(?P<power>e[+-]?\d{1,2})?"
    r"(?P<times>[kmb]?)",
    re.ASCII | re.IGNORECASE,
)
_DECIMAL_COMMA = re.compile(r"(0,\d+|\d+,\d{1,2})[kmb]?", re.ASCII | re.IGNORECASE)
_TIMES = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}
_LARGEST = Decimal(10) ** 15  # beyond it a slip of the pen: a limit that high limits nothing


def parse_usd(text: str) -> Decimal:
    """Read US dollars: 12.50, $12.50, 1,250, 2k or 1e3. Raises ValueError with what to write instead."""
    return _read(text, text.strip().removeprefix("$"), "an amount of US dollars such as 12.50 or 1,250")


def parse_count(text: str) -> int:
    """Read a whole number: 20000, 20,000, 20k, 1.5M or 1e6. Raises ValueError with what to write instead."""
    what = "a whole number such as 20000, 20,000 or 20k"
    value = _read(text, text.strip(), what)
    if value != int(value):
        raise ValueError(f"'{text}' is not {what}.")
    return int(value)


def parse_share(text: str) -> float:
    """Read a share from 0 to 1: 0.78, .78 or 78%. Raises ValueError with what to write instead."""
    what = "a share from 0 to 1 such as 0.78 or 78%"
    stripped = text.strip()
    value = _read(text, stripped.removesuffix("%").rstrip(), what) / (100 if stripped.endswith("%") else 1)
    if value > 1:
        meant = f": write {value / 100:f} or {value:f}%" if value <= 100 and not stripped.endswith("%") else ""
        raise ValueError(f"'{text}' is not {what}{meant}.")
    return float(value)


def decimal_text(value: Decimal) -> str:
    """Write a decimal without exponent and without trailing zeros, but never rounded: 12.50 -> 12.5."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def usd(value: Decimal | None, *, cents: bool = False) -> str:
    """Write an amount for people: cents from one dollar up, two significant digits below, 'unknown' for None.

    ``cents``: also from a hundred dollars up, where an amount stands beside a limit.
    """
    if value is None:
        return "unknown"
    if value == 0:
        return "$0"
    if abs(value) >= 100 and not cents:
        return f"${value:,.0f}"
    if abs(value) >= 1 or value == round(value, 2):
        return f"${value:,.2f}"
    digits = 1 - value.adjusted()
    return f"${value:.{digits}f}"


def _read(text: str, number: str, what: str) -> Decimal:
    found = _NUMBER.fullmatch(number)
    if found is None:
        decimal = f", so write {number.replace(',', '.')}" if _DECIMAL_COMMA.fullmatch(number) else ""
        remedy = f"; a comma separates thousands{decimal}" if "," in number else ""
        raise ValueError(f"'{text}' is not {what}{remedy}.")
    whole = found["whole"].replace(",", "").replace("_", "")
    value = Decimal(f"{whole or 0}{found['rest'] or ''}{found['power'] or ''}") * _TIMES[found["times"].lower()]
    if value > _LARGEST:
        raise ValueError(f"'{text}' is not {what}; it is too large.")
    return value


def number_of(count: int, word: str) -> str:
    """Return a number of things: 1 example, 1,200 examples."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"
