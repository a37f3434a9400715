"""The first screen of ``plan``: what to do and for how much, why, the options in one table, what would change it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from advisor.cli import render
from advisor.cli.render.flips import short_flips
from advisor.cli.render.options_table import Row, table
from advisor.cli.render.screen import MenuBelow, Screen
from advisor.estimate import Strategy
from advisor.evidence import Odds, packaged
from advisor.recommend import Option, Recommendation, in_tenths, short_names
from advisor.recommend import wording as words
from advisor.workload import Workload

LINES = 28  # of the screen, where what has to be said allows it
_USUAL, _NARROW = 80, 8  # columns; lines more where there are fewer columns
_ROWS = 7  # of the table: the most that are read
_TRADES = ((3, 5), (2, 5), (2, 4), (1, 4), (1, 3), (0, 3))  # of what would change the advice, and the fewest rows
_WARNINGS = 2
_TABLE_FRAME = 4  # lines around the rows: two empty ones, the heads, what is not shown
_MANY = 10_000  # requests a price is said for where nobody said how many there are
# What the next command is for, by its name.
_PURPOSES = {
    "budget": "to see what the budget covers",
    "check": "to take keys and passwords out of the data first",
    "classifier": "to train it",
    "evaluate": "to measure prompts on your own examples",
    "fit": "to see which GPUs hold a model",
    "launch": "to train on your examples; you confirm the cost first",
    "pilot": "to try tuning on part of your examples; you confirm the cost first",
    "plan": "to train on your examples; you confirm the cost first",
}

Line = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do: in capitals, in a sentence, and for how much."""

    shouted: str
    rest: str
    price: str

    @property
    def sentence(self) -> str:
        return f"{self.shouted} {self.rest}" + (f": {self.price}." if self.price else ".")


def summary(
    found: Recommendation, workload: Workload, screen: Screen, again: str, below: MenuBelow | None = None
) -> None:
    """Write the screen. ``again`` is the command that gave the advice.

    Where a menu follows ``below``, it says what to type next and where the rest is.
    """
    lines = below.lines if below else LINES
    lines += _NARROW if screen.width < _USUAL else 0
    head = [
        *_paragraph(screen, verdict(found, workload).sentence, "bold"),
        *_paragraph(screen, _basis(found.recommendation, workload)),
        *_paragraph(screen, _ends(found.recommendation, workload), "bold"),
        *(line for text in _argument(found, workload) for line in _paragraph(screen, text)),
    ]
    for text in _warnings(found, workload)[: 1 if below else _WARNINGS]:
        head += _paragraph(screen, text, "bold", "! ", "  ")
    next_step = [] if below else _next(found, workload, screen)
    for most, fewest in _TRADES:  # both give way to what has to be said
        flips = _flips(found, workload, screen, most, command_below=not below)
        flips = flips[:-1] if below else flips
        room = lines - len(head) - _TABLE_FRAME - len(flips) - len(next_step)
        if room >= fewest:
            break
    rows = table(found, workload, screen, max(fewest, min(_ROWS, room)))
    for line in (*head, *_table_lines(found, rows, "" if below else again, screen), *flips, *next_step):
        screen.parts(*line)


def verdict(found: Recommendation, workload: Workload) -> Verdict:
    """Say what to do, as the first words of every answer."""
    option = found.recommendation
    if option is None:
        return Verdict("NOTHING FITS.", found.reason.rstrip("."), "$0 a month, and no answers")
    does = words.capital(short_names.action(option, workload.gpus))
    if option.strategy is Strategy.RETRIEVAL:
        return Verdict("DON'T FINE-TUNE.", "Look facts up when a question comes (retrieval)", _retrieval(found))
    if option.strategy is Strategy.CLASSIFIER:
        return Verdict("DON'T FINE-TUNE.", does, "$0 a month, without a language model")
    if not option.strategy.tunes:
        if _unlabelled(found, workload):
            does = f"Label a test set first, then {short_names.action(option, workload.gpus)}"
        shouted = "DON'T FINE-TUNE." if found.confidence == "high" else "DON'T FINE-TUNE YET."
        return Verdict(shouted, does, _price(option))
    shouted = "TRY FINE-TUNING" if found.confidence == "low" else "FINE-TUNE"
    return Verdict(shouted, does.removeprefix("Tune "), _price(option))


def _price(option: Option) -> str:
    """Say what it costs once and a month; by the thousand requests where nobody said how many there are."""
    cost = option.estimate
    if cost is None:
        return "price unknown"
    first = cost.one_off_usd.mid if cost.one_off_usd and option.strategy.tunes else Decimal(0)
    once = f"{render.usd(first)} once, then " if first else ""
    if cost.total_usd is not None and not cost.total_usd.high:
        return "$0 a month on your own machine"
    if cost.monthly_usd is not None:
        return f"{once}{render.usd(cost.monthly_usd.mid)} a month"
    if cost.marginal_usd is not None:
        return f"{once}{render.usd(_MANY * cost.marginal_usd.mid)} a month for every {_MANY:,} requests"
    return "price unknown"


def _retrieval(found: Recommendation) -> str:
    """Looking facts up has no price of its own, so that of the prompt they are put into is said."""
    prompt = _answers(found)
    return f"{_price(prompt)} to prompt {words.model(prompt)} with them" if prompt else ""


def _answers(found: Recommendation) -> Option | None:
    """Return the prompt that answers with the facts that were looked up."""
    return next((one for one in found.options if one.strategy is Strategy.PROMPT and not one.ruled_out_by), None)


def _unlabelled(found: Recommendation, workload: Workload) -> bool:
    return found.collecting is not None and workload.data is not None and not workload.data.examples


def _basis(option: Option | None, workload: Workload) -> str:
    """Say what the price is for, what it may come to, and how that stands to the budget."""
    cost, volume = option.estimate if option else None, workload.requests_per_month
    if option is None:
        return ""
    if volume is None:
        return "You did not say how many requests you have: add --requests-per-month for your own monthly cost."
    said = f"{volume.mid:,} request{'' if volume.mid == 1 else 's'} a month"
    if option.strategy is Strategy.RETRIEVAL:
        return f"{said}; the text that is looked up, and its index, cost extra."
    if cost is None:
        return f"{said}."
    total, budget = cost.total_usd, workload.budget_usd
    if total is None or not total.high:
        return f"{said}; electricity and wear of your machine are not counted." if total else f"{said}."
    said += f": {render.usd(total.mid)} over {words.months(workload.horizon_months)}"
    if total.low != total.high:
        said += f" ({render.usd(total.low)} to {render.usd(total.high)}{' if it reasons' if cost.condition else ''})"
    if cost.tax_usd is not None:
        said += f", plus {render.usd(cost.tax_usd.mid)} of tax"
    if budget is not None:
        said += f"; {'at worst over your ' if total.high > budget else ''}budget {render.usd(budget)}"
    return f"{said}."


def _ends(option: Option | None, workload: Workload) -> str:
    """Say that the model is shut down within the horizon."""
    found = option.estimate if option else None
    if option is None or option.retires is None or found is None or found.months >= workload.horizon_months:
        return ""
    when = f"{words.day(option.retires)}, after {words.months(found.months)}"
    return f"{words.model(option)} shuts down on {when} of your {workload.horizon_months}."


def _argument(found: Recommendation, workload: Workload) -> Iterator[str]:
    """Say what decided, what tuning has to earn, how sure the advice is and the odds; nothing of it twice."""
    if found.recommendation is None:  # the verdict has said it
        return
    first = found.reasons[0]
    yield words.sentence(first.text)
    yield from (words.sentence(one.text) for one in found.reasons[1:] if one.source == "arithmetic")
    said = f"Confidence: {found.confidence}."
    if found.odds is not None and first.source != packaged().source:
        said += f" Odds that tuning beats your best prompt: {_odds(found, found.odds, workload)}."
    yield said


def _odds(found: Recommendation, odds: Odds, workload: Workload) -> str:
    """Say the odds; where there are no examples yet, those with as many as could be written."""
    if found.collecting is None or not _unlabelled(found, workload):
        return in_tenths(odds.p)
    return ", ".join(f"{in_tenths(one.odds.p)} with {one.rows:,} examples" for one in found.collecting.sizes[1:3])


def _warnings(found: Recommendation, workload: Workload) -> list[str]:
    """Say what of the user's own data and of these prices has to be known before anything is done; dates first."""
    said = [f"{words.day(one.day)}: {one.text}." for one in found.deadlines[:1]]
    said += [words.sentence(one.text) for one in found.warnings if one.source == "your-data"]
    if found.recommendation and found.recommendation.estimate:
        said += () if _ends(found.recommendation, workload) else found.recommendation.estimate.warnings
    return said


def _table_lines(found: Recommendation, rows: Sequence[Row], again: str, screen: Screen) -> list[Line]:
    if not rows:
        return [()]
    standing = sum(option.ruled_out_by is None for option in found.options)
    more, fallen = standing - sum(row.fits for row in rows), len(found.options) - standing
    notes = [
        note
        for mark, note in (("*", "* you start this yourself."), ("x", "x over your budget."))
        if any(row.mark == mark for row in rows)
    ]
    if any(" + GPU" in row.text for row in rows):
        notes.append("+ GPU: answers on a GPU you rent.")
    counts = ", ".join(
        part for part in (f"{more} more fit" if more else "", f"{fallen} ruled out" if fallen else "") if part
    )
    said, command = " ".join((*notes, counts)), f"{again} --all"
    end = max(len(row.text) for row in rows)
    if len(said) + len(command) + 4 > screen.width:
        command = "tunewise plan ... --all"
    if counts and again and len(said) + len(command) + 4 <= screen.width:
        said = f"{said}{command:>{max(end - 2 - len(said), len(command) + 2)}}"
    style = {True: "bold green", False: ""}
    body: list[Line] = [((row.text, "bold" if row.head else style[row.mark == ">"]),) for row in rows]
    under = _paragraph(screen, said, "", "  ", "  ") if len(said) + 2 > screen.width else [((f"  {said}", ""),)]
    return [(), *body, *(under if said else ()), ()]


def _flips(found: Recommendation, workload: Workload, screen: Screen, most: int, *, command_below: bool) -> list[Line]:
    """Say what would change the advice: the likeliest, as many as there is room for."""
    said = short_flips(found, workload.gpus, command_below=command_below)[:most]
    if not said:
        return []
    asks = "What would change this:" if found.recommendation else "Change one of these, then ask again:"
    title: Line = ((asks, "bold"),)
    return [title, *(line for text in said for line in _paragraph(screen, text, "", "- ", "  ")), ()]


def _next(found: Recommendation, workload: Workload, screen: Screen) -> list[Line]:
    """Say what to type next and what that does, and where the rest is."""
    said = f"Type next, {_PURPOSES.get(found.next_step.split()[1], 'to go on')}"
    if found.recommendation and found.recommendation.strategy is Strategy.RETRIEVAL and "evaluate" in found.next_step:
        said += " before you build the retrieval"
    if " DATA" in found.next_step:
        first = "label some first; " if _unlabelled(found, workload) else ""
        said += f" ({first}put their file for DATA)"
    more = "More: add --why (reasons, sources), --all (every option), --chart, --html FILE."
    return [
        *_paragraph(screen, f"{said}:", "bold"),
        *(((f"  {line}", "bold"),) for line in screen.shell(found.next_step, 2)),
        *_paragraph(screen, more, rest="      "),
    ]


def _paragraph(screen: Screen, text: str, style: str = "", first: str = "", rest: str = "") -> list[Line]:
    return [((line, style),) for line in screen.wrapped(text, first, rest)] if text else []
