"""How long a provider wants to be left alone: read from headers and messages, in seconds, spans and dates."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_LONGEST_STATED_S = 86_400.0  # what is said beyond a day is taken for a day
_RESETS = ("x-ratelimit-reset", "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens")
_IN_WORDS = re.compile(r"(?:available|again|retry) (?:in|after) (?:about )?([\d.]+ ?[a-z]+(?: ?[\d.]+ ?[a-z]+)*)", re.I)
_SPAN = re.compile(
    r"(\d+(?:\.\d+)?) ?(ms|milli[a-z]*|d(?:ays?)?|h(?:ours?|rs?)?|m(?:in[a-z]*)?|s(?:ec[a-z]*)?)(?![a-z])", re.I
)
_UNITS_S = {"milli": 0.001, "ms": 0.001, "d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0}


def stated_wait_s(headers: Mapping[str, str], message: str) -> float | None:
    """Return the seconds to wait, at most a day: from the headers, as seconds or as a date, else from the message."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        if (stated := headers.get(name)) is not None:
            found = _until(stated, headers.get("date")) if scale == 1.0 else _seconds(stated, scale)
            if found is not None:
                return found
    if (words := _IN_WORDS.search(message)) and (found := _span_s(words[1])) is not None:
        return found
    resets = [_reset(headers[name]) for name in _RESETS if name in headers]
    return max((wait for wait in resets if wait is not None), default=None)


def _seconds(stated: str, scale: float = 1.0) -> float | None:
    """Read a number of seconds; None for what is none, a negative one, and what says nothing, such as NaN."""
    try:
        found = float(stated) * scale
    except ValueError:
        return None
    return min(found, _LONGEST_STATED_S) if found >= 0 else None  # NaN is not


def _until(stated: str, now: str | None) -> float | None:
    """Read seconds, or the seconds until a date, by the server's own clock where it states it."""
    if (found := _seconds(stated)) is not None:
        return found
    try:
        at = parsedate_to_datetime(stated)
        since = parsedate_to_datetime(now) if now else datetime.now(UTC)
        left = (at - since).total_seconds()
    except (ValueError, TypeError, OverflowError):  # no date, one without a zone, one of no calendar
        return None
    return min(max(left, 0.0), _LONGEST_STATED_S)


def _reset(stated: str) -> float | None:
    """Read when a limit is lifted: "6m0s", seconds from now, or the second of it since 1970."""
    found = _span_s(stated)
    if found is not None or (found := _plain(stated)) is None:
        return found
    left = found - datetime.now(UTC).timestamp() if found > 10**9 else found
    return min(max(left, 0.0), _LONGEST_STATED_S)


def _plain(stated: str) -> float | None:
    try:
        found = float(stated)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _span_s(text: str) -> float | None:
    """Return the seconds in "6m0s", "120ms", "39 seconds"."""
    parts = _SPAN.findall(text)
    if not parts:
        return None
    units = [next(unit for unit in _UNITS_S if word.lower().startswith(unit)) for _, word in parts]
    total = sum(float(amount) * _UNITS_S[unit] for (amount, _), unit in zip(parts, units, strict=True))
    return min(total, _LONGEST_STATED_S)


def span(seconds: float) -> str:
    """Write a wait as people say it."""
    if seconds < 120:
        return "1 second" if round(seconds) == 1 else f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.0f} hours"
