"""How options, dates and numbers are called in a report, the same on the page and in Markdown."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from advisor.estimate import Range, Strategy
from advisor.evidence import is_source, source
from advisor.money import usd
from advisor.pricing import PriceBook
from advisor.recommend.values import Option
from advisor.workload import Workload

METHODS = {Strategy.LOCAL_LORA: "LoRA", Strategy.LOCAL_QLORA: "QLoRA", Strategy.LOCAL_FULL: "full fine-tuning"}
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November")


def headline(option: Option | None, confidence: str = "") -> str:
    """Say what to do in one sentence; tuning that is advised with low confidence is to be tried."""
    tune = "Try fine-tuning" if confidence == "low" else "Fine-tune"
    if option is None:
        return "Nothing can be recommended yet."
    if option.strategy is Strategy.RETRIEVAL:
        return "Look the facts up when asked (retrieval); do not fine-tune."
    if option.strategy is Strategy.CLASSIFIER:
        return "Train a plain classifier; no language model is needed."
    if option.strategy in (Strategy.PROMPT, Strategy.FEW_SHOT):
        how = f" with {option.variant}" if option.variant else ""
        return f"Prompt {model(option)}{how}. Do not fine-tune."
    if option.strategy is Strategy.HOSTED:
        return f"{tune} {model(option)} at {_seller(option)}."
    return f"{tune} {model(option)} yourself with {METHODS[option.strategy]} {machine(option)}."


def machine(option: Option) -> str:
    """Say on whose GPU an option is trained: on a rented rtx-4090."""
    return option.variant.removeprefix("trained ").removeprefix("and answered ") or f"on {option.gpu}"


def name(option: Option) -> str:
    """Name an option in a few words."""
    short = model(option)
    if option.strategy is Strategy.RETRIEVAL:
        return "Retrieval"
    if option.strategy is Strategy.CLASSIFIER:
        return "Plain classifier"
    if option.strategy is Strategy.HOSTED:
        return f"Tune {short} at {_seller(option)}"
    if option.strategy.local:
        return f"Tune {short}, {METHODS[option.strategy]}"
    return f"Prompt {short}"


def detail(option: Option) -> str:
    """Say what tells an option from others of the same name."""
    parts = [option.variant] if option.variant else []
    if option.strategy in (Strategy.PROMPT, Strategy.FEW_SHOT) and option.provider:
        parts.append(book().short_name_of(option.provider))
    if option.strategy is Strategy.HOSTED and option.serving == "self_hosted" and option.gpu and not option.variant:
        parts.append(f"answers on {option.gpu}")
    return ", ".join(parts)


def full_name(option: Option) -> str:
    """Name an option so that no other has the same name."""
    more = detail(option)
    return f"{name(option)}, {more}" if more else name(option)


def phrase(option: Option) -> str:
    """Name an option within a sentence: prompting gpt-6-luna (5 examples, OpenAI)."""
    said = name(option)
    for start, doing in (
        ("Prompt ", "prompting "),
        ("Tune ", "tuning "),
        ("Retrieval", "retrieval"),
        ("Plain", "a plain"),
    ):
        said = said.replace(start, doing, 1) if said.startswith(start) else said
    more = detail(option)
    return f"{said} ({more})" if more else said


def model(option: Option) -> str:
    """Name the model: Nova 2 Lite, gpt-4.1-mini, Qwen3-8B."""
    return book().short_name_of_model(option.model, option.provider or option.backend)


def _seller(option: Option) -> str:
    return book().short_name_of(option.backend or option.provider or "")


def title(provider: str) -> str:
    """Write a provider's name as it writes itself."""
    return book().name_of(provider)


def book() -> PriceBook:
    """Return the price book in force, whose names are the ones to say."""
    return PriceBook.load()


def months(count: Decimal | int) -> str:
    """Write a number of months: 1 month, 12 months, 5.74 months."""
    return f"{Decimal(count):f} {'month' if count == 1 else 'months'}"


def duration(minutes: float) -> str:
    """Write a time to two digits: 40 s, 12 min, 3.4 h, 2.1 days."""
    for size, unit in ((1440, "days"), (60, "h"), (1, "min")):
        if minutes >= 2 * size or (unit == "min" and minutes >= 1):
            return f"{float(f'{minutes / size:.2g}'):g} {unit}"
    return f"{minutes * 60:.0f} s"


def until(option: Option) -> str:
    """Say how long an option can be had, and when its base model is shut down; or that we cannot launch it."""
    if option.by_hand:
        return "cheaper elsewhere, by hand: tunewise cannot launch there"
    parts = [] if option.availability == "open" else [option.availability]
    if option.available_until:
        parts.append(f"new jobs until {day(option.available_until)}")
    if option.retires:
        parts.append(f"model retires {day(option.retires)}")
    return "; ".join(parts) or "open"


def shortened(option: Option, horizon: int) -> str:
    """Say how much of the horizon an option's total covers, where that is not all of it."""
    months = option.estimate.months if option.estimate else None
    if not months or months >= horizon or option.estimate is None or option.estimate.total_usd is None:
        return ""
    return f"for {count(months)} of {horizon} months"


def day(value: date) -> str:
    """Write a date without doubt about which number is the month."""
    return f"{value.day} {month_name(value)[:3]} {value.year}"


def month_name(value: date) -> str:
    """Return the English name of a date's month, whatever the locale of the machine."""
    return (*_MONTHS, "December")[value.month - 1]


def month_after(start: date, months: int) -> date:
    """Return the first day of the month that lies ``months`` after that of ``start``."""
    place = start.year * 12 + start.month - 1 + months
    return date(place // 12, place % 12 + 1, 1)


def cost(option: Option, workload: Workload) -> str:
    """Say what an option costs a month and over the horizon, what its ends are, and what its middle rests on."""
    found = option.estimate
    if found is None:
        return "not known."
    volume, horizon = workload.requests_per_month, months(workload.horizon_months)
    rests = f" The middle is for {found.condition}." if found.condition else ""
    if found.total_usd is None or found.monthly_usd is None:
        each = found.marginal_usd
        if found.one_off_usd is None or each is None:
            return "not known: a price is missing."
        once = f"{plain_range(found.one_off_usd)} once, then " if found.one_off_usd.high else ""
        return f"{once}{plain_range(each)} a request; how many there are was not said.{rests}"
    if found.total_usd.high == 0:
        return f"no bill over {horizon}; electricity and wear of your own machine are not counted."
    at = f" at {volume.mid:,} request{'' if volume.mid == 1 else 's'}" if volume else ""
    once, first = "", found.one_off_usd.mid if found.one_off_usd else Decimal(0)
    if option.strategy.tunes or 100 * first > found.total_usd.mid:  # else too little to be seen in the total
        once = f"{usd(first)} once{'' if option.strategy.tunes else ' to evaluate it'}, "
    short = shortened(option, workload.horizon_months)
    over = short.removeprefix("for ") if short else horizon
    month = usd(found.monthly_usd.mid)
    tax = f", and {usd(found.tax_usd.mid)} of tax" if found.tax_usd is not None else ""
    return f"{once}{month} a month{at}, {plain_range(found.total_usd)} over {over}{tax}.{rests}"


def capital(text: str) -> str:
    """Begin with a capital, unless the first word is spelt with capitals or digits of its own."""
    return sentence(text).removesuffix(".") if text else text


def exact(value: Decimal) -> str:
    """Write a factor of a sum in full, with separators."""
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def sentence(said: str) -> str:
    """Write a clause as a sentence; a word that is spelt with capitals of its own keeps them."""
    first = said.split(" ", 1)[0]
    start = said[:1].upper() if first.isalpha() and first.islower() else said[:1]
    return f"{start}{said[1:].rstrip('.')}." if said else ""


def percent(share: float) -> str:
    """Write a share of one in per cent."""
    return f"{share:.0%}"


def cited(id: str) -> str:
    """Return the title of a source, or the id itself where it is not one of ours."""
    if not is_source(id):
        return id
    found = source(id)
    return f"{found.title}, {found.year}" if found.year and str(found.year) not in found.title else found.title


def count(value: int | float | Decimal) -> str:
    """Write a quantity with separators and at most four decimals."""
    number = float(value)
    if number.is_integer():
        return f"{number:,.0f}"
    return f"{number:,.4f}".rstrip("0") if abs(number) >= 1 else f"{number:.3g}"


def quantity(value: Decimal) -> str:
    """Write a factor of a sum: exact where it is short, else to six significant digits."""
    full = exact(value)
    return full if len(full) <= 12 else f"{float(value):,.6g}"


def plain_range(amount: Range | None) -> str:
    """Write an amount with its ends for a text without markup."""
    if amount is None:
        return "unknown"
    if amount.low == amount.high:
        return usd(amount.mid)
    return f"{usd(amount.mid)} ({usd(amount.low)} to {usd(amount.high)})"
