"""How what would flip an estimate is worded: a variable as people say it, and the value it has to take."""

from __future__ import annotations

import re
from collections.abc import Sequence

from advisor.estimate import Strategy
from advisor.recommend import Flip, Option, Recommendation, short_names
from advisor.recommend import wording as words

# Variable -> what then holds, {} standing for the value.
_SAID = {
    "requests_per_month": "you have {} requests a month",
    "prompt_tokens": "a prompt has {} tokens",
    "output_tokens": "an answer has {} tokens",
    "cache_hit": "{} of the prompt is found in the cache",
    "hours_on": "the machine is on for {} hours a month",
    "examples": "you have {} examples",
    "quality": "it scores {}",
    "measured.prompt": "your prompt scores {}",
    "measured.few_shot": "your prompt with examples scores {}",
    "measured.optimised": "your optimised prompt scores {}",
    "measured.retrieved": "your prompt with the nearest examples scores {}",
    "measured.many": "your prompt with many examples scores {}",
    "budget_usd": "your budget is {}",
    "horizon_months": "you plan for {} months",
    "gpus": "you own a GPU such as the {}",
    "error_cost_usd": "a wrong answer costs you {}",
    "knowledge_changes": "the facts it answers from change {}",
    "task": "the task is {}",
    # Factors of what holds now, so that the value now is always 1 and says nothing.
    "price_factor": "its prices are {} times what they are",
    "throughput_factor": "it answers {} times as fast",
}
_ASSUMED = {"knowledge_changes": "never"}  # what holds unless said otherwise, and need not be repeated
_FACTORS = ("price_factor", "throughput_factor")
_ON_COST_ALONE = " (on cost alone)"
_SHARES = ("measured", "cache_hit", "quality")
_SHARE = re.compile(r"(?<![\w.])(?:0\.\d+|[01])(?![\w.])")
_LONG = re.compile(r"(?<![\w.-])\d{4,}(?![\w.-])")  # not of a name such as rtx-4090


def flip(variable: str, current: str | None, flips_at: str) -> str:
    """Say at which value of a variable the advice changes, and what the value is now."""
    value, alone, _ = flips_at.partition(_ON_COST_ALONE)
    value, now = (_value(variable, text or "") for text in (value, current))
    about, _, seller = variable.partition(".")
    other = f"{words.title(seller)} counts you as {{}}" if about == "standing" else f"{variable} is {{}}"
    said = _SAID.get(variable, other).format(value) + (", on cost alone" if alone else "")
    if variable in _FACTORS:
        return said
    if current is not None and current == _ASSUMED.get(variable):
        return said
    now = now or "not said"
    return f"{said} ({now if now.startswith('not ') else f'now {now}'})"


def _value(variable: str, text: str) -> str:
    """Write a value as it is said elsewhere: dollars with their sign, shares in per cent, thousands with a comma."""
    if variable.endswith("_usd") and text[:1].isdigit():
        text = f"${text}"
    if variable.partition(".")[0] in _SHARES:
        text = _SHARE.sub(lambda found: f"{float(found[0]):.0%}", text)
    return _LONG.sub(lambda found: f"{int(found[0]):,}", text).replace("_", " ")


def short_flips(advice: Recommendation, gpus: Sequence[str]) -> list[str]:
    """Say in a line each what would change the advice, and into what; ``gpus`` are those the user owns."""
    by_id = {option.id: option for option in advice.options}
    said = []
    for item in advice.flips:
        if not item.on_cost_alone:
            then = _instead(by_id.get(item.to), item, gpus, of_it=advice.recommendation is not None)
            said.append(f"{flip(item.variable, item.current, item.flips_at)}: {then}")
    return said


def _instead(to: Option | None, item: Flip, gpus: Sequence[str], *, of_it: bool) -> str:
    """Say what to do then; ``of_it``: instead of what is advised now. What needs a GPU to be bought may be unknown."""
    if to is None:
        return "tune on it" if item.variable == "gpus" else item.to
    gpus = (item.flips_at,) if item.variable == "gpus" else gpus
    if not of_it:
        return short_names.action(to, gpus)
    if to.strategy is Strategy.RETRIEVAL:
        return "look them up instead"
    if to.strategy is Strategy.CLASSIFIER:
        return "train a plain classifier"
    return short_names.action(to, gpus) if to.strategy.tunes else "prompt instead"


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
