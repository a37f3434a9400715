"""Everything about one option, as ``plan --explain`` prints it: reasons, evidence, settings, sums and sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from decimal import Decimal

from advisor.cli.render.screen import Screen
from advisor.errors import AdvisorError
from advisor.estimate import Estimate, LineItem, Range
from advisor.evidence import source
from advisor.nearest import no_such
from advisor.recommend import Option, Reason, Recommendation, odds_in_words
from advisor.recommend import wording as words

_SUMS = (
    ("one_off_usd", "once"),
    ("per_request_usd", "a request"),
    ("monthly_usd", "a month"),
    ("total_usd", "over the horizon"),
    ("tax_usd", "tax on top of that"),
)


def explanation(found: Recommendation, wanted: str) -> None:
    """Print everything about one option. Raises AdvisorError when there is none of that name."""
    option, screen = _find(found.options, wanted), Screen()
    screen.line(option.id, "bold")
    screen.paragraph(words.headline(option))
    if option.ruled_out_by:
        screen.paragraph(f"Ruled out: {option.ruled_out_by}")
    screen.line(f"Availability: {words.until(option)}")
    size = f"{option.params_b:g} billion parameters" if option.params_b else ""
    context = f"{option.context:,} tokens of context" if option.context else ""
    licence = f"licence {option.licence}" if option.licence else ""
    if about := ", ".join(part for part in (size, context, licence) if part):
        screen.paragraph(f"The base model: {about}.")
    if option.quality:
        q = option.quality
        screen.paragraph(f"Right answers: {q.mid:.0%} ({q.low:.0%} to {q.high:.0%}), {q.basis}.")
    elif option.odds is not None:
        screen.paragraph(
            f"Right answers: no score is claimed; the odds of beating the best prompt are {odds_in_words(option.odds)}."
        )
    screen.section("Reasons", [_sourced(reason) for reason in option.reasons])
    if found.recommendation and option.id == found.recommendation.id:
        screen.section("The argument", [_sourced(reason) for reason in found.reasons])
        said = {reason.text for reason in found.reasons}
        more = [ref for ref in found.evidence if ref.claim not in said]
        told = [f"{words.sentence(ref.claim)} [{source(ref.source).citation}]" for ref in more]
        screen.section("Evidence", told)
    shown = [(item.name, getattr(option.hyperparameters, item.name)) for item in fields(option.hyperparameters)]
    if option.strategy.tunes:
        screen.section("Settings", [f"{name}: {value}" for name, value in shown if value is not None])
    if option.estimate:
        _sums(option.estimate, screen)


def _sums(estimate: Estimate, screen: Screen) -> None:
    screen.section("Sums", [_line(line) for line in estimate.lines])
    for name, said in _SUMS:
        amount: Range | None = getattr(estimate, name)
        if amount is None and name == "tax_usd":
            continue
        exact = amount is not None and amount.low == amount.high
        ends = () if amount is None else (amount.mid,) if exact else (amount.low, amount.mid, amount.high)
        label = said if exact or amount is None else f"{said}, low / mid / high"
        screen.paragraph(f"  {label}: {' / '.join(map(_usd, ends)) or 'unknown'}", rest="    ")
    if estimate.condition and estimate.total_usd:
        screen.paragraph(f"The middle is for {estimate.condition}.", first="  ", rest="  ")
    if estimate.break_even_requests is not None:
        screen.line(f"  costs less than prompting from {estimate.break_even_requests:,} requests on")
    screen.section("Assumed", estimate.assumptions)
    screen.section("Warnings", estimate.warnings)


def _line(line: LineItem) -> str:
    """Write a line so that what is shown multiplies: both factors in full, the product rounded at its end."""
    read = f", read {line.checked}" if line.checked else ""
    unit = line.unit if line.quantity == 1 or line.unit in ("Mtok", "GB") else f"{line.unit}s"
    return (
        f"{line.name}: {words.exact(line.quantity)} {unit} x ${words.exact(line.unit_usd)} = {_usd(line.usd)} "
        f"({line.period}; {line.source}{read})"
    )


def _usd(value: Decimal) -> str:
    """Write an amount to the cent, below a dollar to four digits."""
    if value == 0 or abs(value) >= 1:
        return f"${value:,.2f}"
    return f"${words.exact(round(value, 3 - value.adjusted()))}"


def _find(options: Sequence[Option], wanted: str) -> Option:
    for option in options:
        if wanted in (option.id, option.id.split(":", 1)[-1]):
            return option
    raise AdvisorError(no_such("option", wanted, (option.id for option in options), see="--all lists them"))


def _sourced(reason: Reason) -> str:
    return f"{words.sentence(reason.text)} [{source(reason.source).citation}]"
