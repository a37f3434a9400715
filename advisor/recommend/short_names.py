"""What a row of a table calls an option: the model with how it is used, and the place. Commands have the exact ids."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.estimate import Strategy
from advisor.recommend.select import recipe_of
from advisor.recommend.values import Option
from advisor.recommend.wording import book, model
from backends import Method

_HERE = "local"  # the backend of one's own machine, and of a rented one that is like it
_LEAST = 6  # columns of a model's name
_METHODS = {Method.LORA: "LoRA", Method.QLORA: "QLoRA", Method.FULL: "full"}


def usage(option: Option, room: int | None = None) -> str:
    """Name the model with how it is used: gpt-6-luna, 5 examples; tune Qwen3-8B, LoRA.

    ``room``: columns there are; what is left out then is the end of the model's name, marked so.
    """
    if option.strategy is Strategy.RETRIEVAL:
        return "look facts up (retrieval)"
    if option.strategy is Strategy.CLASSIFIER:
        return "plain classifier"
    before, after = "", f", {_shown(option)}"
    if option.strategy.tunes:
        method = option.method or option.strategy.method
        before, after = "tune ", f", {_METHODS[method]}" if method else ""
    name = model(option)
    left = len(name) if room is None else max(_LEAST, room - len(before) - len(after))
    return f"{before}{name if len(name) <= left else name[: left - 1] + '…'}{after}"


def place(option: Option, gpus: Sequence[str], *, long: bool = False) -> str:
    """Name where it runs; ``gpus`` are those the user owns. ``long``: with the GPU that is rented beside a provider."""
    if option.strategy is Strategy.RETRIEVAL:
        return ""
    if option.strategy is Strategy.CLASSIFIER:
        return "this machine"
    on = f"{'your' if option.gpu in gpus else 'rented'} {option.gpu}"
    seller = option.provider or option.backend
    if seller in (None, _HERE):
        return on
    name = book().short_name_of(seller)
    if option.serving == "self_hosted":
        return f"{name} + {on if long or option.gpu in gpus else 'GPU'}"
    return f"{name} endpoint" if option.serving == "dedicated" else name


def action(option: Option, gpus: Sequence[str] | None) -> str:
    """Say in a few words what doing this would be: prompt gpt-6-luna with 5 examples; tune Nova 2 Lite at Bedrock.

    ``gpus`` are those the user owns; None: not known, so that nothing is said of whose it is.
    """
    if option.strategy is Strategy.RETRIEVAL:
        return "look facts up (retrieval)"
    if option.strategy is Strategy.CLASSIFIER:
        return "train a plain classifier"
    if not option.strategy.tunes:
        shown = "" if recipe_of(option) == "prompt" else f" with {_shown(option)}"
        shown += " examples" if option.varying_shots else ""
        on = "" if option.backend != _HERE else f" on {_own(option, gpus)}"
        return f"prompt {model(option)}{shown}{on}"
    if option.backend != _HERE:
        at = f"tune {model(option)} at {book().short_name_of(option.provider or option.backend or '')}"
        return f"{at} and run it on {_own(option, gpus)}" if option.serving == "self_hosted" else at
    return f"tune {model(option)} on {_own(option, gpus)}"


def _own(option: Option, gpus: Sequence[str] | None) -> str:
    if gpus is None:
        return str(option.gpu)
    return f"{'your' if option.gpu in gpus else 'a rented'} {option.gpu}"


def _shown(option: Option) -> str:
    """Say what a prompt holds beside the instructions."""
    recipe = recipe_of(option)
    if recipe == "prompt":
        return "no examples"
    if recipe == "optimised":
        return "your optimised prompt"
    if option.varying_shots:
        return f"{option.shots} nearest"
    return f"{option.shots} example{'' if option.shots == 1 else 's'}"
