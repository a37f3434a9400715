"""How old the prices behind an estimate are, and when that is too old."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from advisor.estimate.sheet import OWNED, YOURS
from advisor.estimate.values import LineItem
from advisor.pricing.entries import FRESH_DAYS, FRESH_DAYS_HOURLY, REFUSE_DAYS

_HOURLY = "hour"


def warnings(lines: Sequence[LineItem], today: date) -> tuple[str, ...]:
    """Return a sentence for undated prices, one for hourly hardware (fresh for 14 days), one for the rest (45 days)."""
    undated = [f"'{line.name}' ({line.source})" for line in lines if _undated(line)]
    found = [f"Nobody noted when these prices were read: {', '.join(undated)}."] if undated else []
    for hourly, fresh in ((False, FRESH_DAYS), (True, FRESH_DAYS_HOURLY)):
        dated = [line for line in lines if line.checked and (line.unit == _HOURLY) == hourly]
        oldest = min(dated, key=lambda line: line.checked or today, default=None)
        if oldest is None or oldest.checked is None or (today - oldest.checked).days <= fresh:
            continue
        age = (today - oldest.checked).days
        kind = "hourly price" if hourly else "price"
        text = f"The {kind} of '{oldest.name}' was read {age} days ago ({oldest.checked.isoformat()})"
        if age > REFUSE_DAYS:
            text += "; 'launch --yes' refuses it until 'tunewise prices refresh' finds a newer one"
        found.append(f"{text}.")
    return tuple(found)


def too_old(lines: Sequence[LineItem], today: date) -> str | None:
    """Return why nothing may be launched unattended on these lines (a price undated or over 120 days old), else None.

    The user's own figures, and what costs nothing, do not age.
    """
    for line in lines:
        if _undated(line):
            return (
                f"When the price of '{line.name}' was read is not known ({line.source}): check it and put today's, "
                "with its day, in pricing.local.yaml."
            )
        if line.checked is not None and (today - line.checked).days > REFUSE_DAYS:
            return (
                f"The price of '{line.name}' was read {(today - line.checked).days} days ago ({line.source}, "
                f"{line.checked.isoformat()}), over {REFUSE_DAYS}: 'tunewise prices "
                "refresh' asks public feeds; else check it and put today's in pricing.local.yaml."
            )
    return None


def _undated(line: LineItem) -> bool:
    return line.checked is None and line.unit_usd != 0 and line.source not in (YOURS.source, OWNED.source)
