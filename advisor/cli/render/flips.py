"""What would change the advice, in words: the variable as people say it, the value it has to take, what to do then."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

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
    "may_rent_gpus": "you may rent GPUs",
    "privacy": "{} provider may see the data",
    "quality_target": "your target is {}",
    "error_cost_usd": "a wrong answer costs you {}",
    "knowledge_changes": "the facts it answers from change {}",
    "task": "the task is {}",
    # Factors of what holds now, so that the value now is always 1 and says nothing.
    "price_factor": "its prices are {} times what they are",
    "throughput_factor": "it answers {} times as fast",
}
_FLAGS = {"error_cost_usd": "--error-cost-usd", "requests_per_month": "--requests-per-month"}
_ASSUMED = {
    "knowledge_changes": "never",
    "may_rent_gpus": "no",
}  # what holds unless said otherwise, and need not be repeated
_SEEN_BY = {"no_training_use": "only one that does not train on it", "on_premises": "none"}
_FACTORS = ("price_factor", "throughput_factor")
_ON_COST_ALONE = " (on cost alone)"
_SHARES = ("measured", "cache_hit", "quality", "quality_target")
_SHARE = re.compile(r"(?<![\w.])(?:0\.\d+|[01])(?![\w.])")
_EDGE = re.compile(r"(\d[\d,]*) or (more|fewer)")
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
    if variable == "privacy":
        return _SEEN_BY.get(text, text.replace("region:", "only one in region "))
    if variable.partition(".")[0] in _SHARES:
        text = _SHARE.sub(lambda found: f"{float(found[0]):.0%}", text)
    if variable == "requests_per_month":
        text = _EDGE.sub(_in_two_digits, text)
    return _LONG.sub(lambda found: f"{int(found[0]):,}", text).replace("_", " ")


def _in_two_digits(edge: re.Match[str]) -> str:
    """Write a number of requests in two digits, so that what is said beyond it still holds."""
    number, side = int(edge[1].replace(",", "")), edge[2]
    unit = 10 ** max(0, len(str(number)) - 2)
    return f"{(-(-number // unit) if side == 'more' else number // unit) * unit:,} or {side}"


def conditions(item: Flip, hints: Mapping[str, str] | None = None) -> str:
    """Say all that has to hold for a flip; ``hints`` say, by the variable, how to find out what was not said."""
    said = [
        flip(one.variable, (hints or {}).get(one.variable, one.current), one.flips_at) for one in (item, *item.also)
    ]
    return " and ".join((", ".join(said[:-1]), said[-1])) if said[1:] else said[0]


def short_flips(advice: Recommendation, gpus: Sequence[str], *, command_below: bool) -> list[str]:
    """Say in a line each what would change the advice, and into what; ``gpus`` are those the user owns.

    ``command_below``: the next command stands below these lines.
    """
    by_id = {option.id: option for option in advice.options}
    said = []
    for item in advice.flips:
        if not item.on_cost_alone:
            hints = _hints(item, advice.next_step if command_below else "")
            said.append(f"{conditions(item, hints)}: {_instead(by_id.get(item.to), item, gpus)}")
    return said


def _hints(item: Flip, next_step: str) -> dict[str, str]:
    """Return how to find out, or to say, what was not measured or not said; by the variable."""
    hints = {}
    for one in (item, *item.also):
        flag = _FLAGS.get(one.variable)
        if one.current == "not said" and flag:
            hints[one.variable] = f"not said: add {flag}"
        elif one.current == "not measured" and "tunewise evaluate" in next_step:
            hints[one.variable] = "not measured yet: the command below does it"
    return hints


def _instead(to: Option | None, item: Flip, gpus: Sequence[str] | None) -> str:
    """Say what to do then. What needs a GPU to be bought may be unknown."""
    if to is None:
        return "tune on it" if item.variable == "gpus" else item.to
    if to.strategy is Strategy.RETRIEVAL and item.variable == "knowledge_changes":
        return "look them up (retrieval)"
    return short_names.action(to, (item.flips_at,) if item.variable == "gpus" else gpus)


def flip_sentences(advice: Recommendation, gpus: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """Say what would change the advice, and what would only change which option costs least.

    ``gpus`` are those the user owns; None: not known.
    """
    by_id = {option.id: option for option in advice.options}
    said: tuple[list[str], list[str]] = ([], [])
    for item in advice.flips:
        at = conditions(item).replace(", on cost alone", "", 1)
        said[item.on_cost_alone].append(f"{words.capital(at)}: {_instead(by_id.get(item.to), item, gpus)}")
    return said
