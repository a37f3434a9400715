"""Collects the lines of one estimate, and what is not known, and adds them up."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from advisor.estimate.values import LineItem, Machines, Range
from advisor.pricing import Citation

# Figures of the user's own: nobody else's page was read for them, so they have no day and do not age.
YOURS = Citation("your own figure", None, "high")
OWNED = Citation("you own it", None, "high")


@dataclass(slots=True)
class Sheet:
    """A mutable working paper; ``lines`` add up to the sums, and an unknown part spoils every sum it belongs to.

    The periods: once (before the first answer), request, month, and horizon (later, within the horizon).
    """

    lines: list[LineItem] = field(default_factory=list)
    assumptions: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)
    condition: str = ""
    answer_s: float | None = None
    machines: Machines | None = None

    def add(
        self,
        name: str,
        quantity: Decimal,
        unit: str,
        unit_usd: Decimal,
        cited: Citation,
        *,
        period: str,
        low: Decimal | None = None,
        high: Decimal | None = None,
    ) -> LineItem:
        """Add quantity x unit price; ``low`` and ``high`` are the whole line in US dollars at the ends."""
        usd = quantity * unit_usd
        line = LineItem(
            name=name,
            quantity=quantity,
            unit=unit,
            unit_usd=unit_usd,
            usd=usd,
            usd_low=usd if low is None else low,
            usd_high=usd if high is None else high,
            source=cited.source,
            checked=cited.checked,
            period=period,
        )
        self.lines.append(line)
        return line

    def assume(self, text: str) -> None:
        if text not in self.assumptions:
            self.assumptions.append(text)

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    def missing(self, period: str, text: str) -> None:
        """Say what is not known; every sum over that period becomes unknown."""
        self.unknown.add(period)
        self.warn(text)

    def sum(self, period: str) -> Range | None:
        """Add the lines of one period; None when a part of it is unknown."""
        if period in self.unknown:
            return None
        lines = [line for line in self.lines if line.period == period]
        return added(lines)

    def oldest(self) -> date | None:
        """Return the day the oldest price in use was read."""
        return min((line.checked for line in self.lines if line.checked), default=None)


def added(lines: list[LineItem]) -> Range:
    """Add lines up exactly; the ends are sorted, for a line may be dear where the whole is cheap."""
    low, mid, high = (
        sum((line.usd_low for line in lines), Decimal(0)),
        sum((line.usd for line in lines), Decimal(0)),
        sum((line.usd_high for line in lines), Decimal(0)),
    )
    return Range(min(low, mid, high), mid, max(low, mid, high))
