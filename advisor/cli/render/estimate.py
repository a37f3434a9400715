"""How what would flip an estimate is worded: a variable as people say it, and the value it has to take."""

from __future__ import annotations

import re

from advisor.recommend import Recommendation
from advisor.recommend import wording as words

# Variable -> how its value is said, {} standing for it.
_SAID = {
    "requests_per_month": "{} requests a month",
    "prompt_tokens": "{} tokens of prompt",
    "output_tokens": "{} tokens of answer",
    "cache_hit": "a share of {} found in the cache",
    "hours_on": "{} powered hours a month",
    "examples": "{} examples",
    "quality": "a score of {}",
    "measured.prompt": "a prompt score of {}",
    "measured.few_shot": "a score with examples of {}",
    "measured.optimised": "a score of the optimised prompt of {}",
    "measured.retrieved": "a score with examples near each question of {}",
    "measured.many": "a score with many examples of {}",
    "budget_usd": "a budget of {}",
    "horizon_months": "a horizon of {} months",
    "gpus": "a GPU of your own such as {}",
    "error_cost_usd": "a wrong answer costing {}",
    "knowledge_changes": "knowledge that changes {}",
}
# Variables that are factors of what holds now, so that the value now is always 1 and says nothing.
_FACTORS = {"price_factor": "its prices times {}", "throughput_factor": "its speed times {}"}
_ON_COST_ALONE = " (on cost alone)"
_LONG = re.compile(r"(?<![\w.-])\d{4,}(?![\w.-])")  # not of a name such as rtx-4090


def flip(variable: str, current: str | None, flips_at: str) -> str:
    """Say at which value of a variable the advice changes, and what the value is now."""
    value, alone, _ = flips_at.partition(_ON_COST_ALONE)
    if variable.endswith("_usd"):
        value = f"${value}" if value[:1].isdigit() else value
        current = f"${current}" if current and current[:1].isdigit() else current
    value, current = (_LONG.sub(lambda found: f"{int(found[0]):,}", text or "") for text in (value, current))
    about, _, seller = variable.partition(".")
    other = f"{words.title(seller)} standing {{}}" if about == "standing" else variable + " {}"
    said = (_FACTORS.get(variable) or _SAID.get(variable, other)).format(value)
    said += ", on cost alone" if alone else ""
    return said if variable in _FACTORS else f"{said} (now {(current or 'not said').replace('_', ' ')})"


def flip_sentences(advice: Recommendation) -> tuple[list[str], list[str]]:
    """Say what would change the advice, and what would only change which option costs least."""
    by_id = {option.id: option for option in advice.options}
    said: tuple[list[str], list[str]] = ([], [])
    for item in advice.flips:
        to = by_id.get(item.to)
        # The option is priced with a rented GPU here; with one of one's own it is the same otherwise.
        name = item.to if to is None else words.name(to) if item.variable == "gpus" else words.full_name(to)
        at = flip(item.variable, item.current, item.flips_at).replace(", on cost alone", "", 1)
        said[item.on_cost_alone].append(f"{words.capital(at)}: {name}")
    return said
