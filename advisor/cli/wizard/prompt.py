"""Asking a person one question at a time: a default, a one-line reason, help, a way back and a way out."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import TypeVar

from advisor.cli import render
from advisor.cli.wizard.lines import read_line

T = TypeVar("T")


class Back(Exception):
    """The person wants the question before this one again."""


class Quit(Exception):
    """The person has had enough."""


def say(text: str, *, style: str = "", indent: int = 2, hang: int = 0, most: int | None = None) -> None:
    """Write a paragraph between the questions: whole words, within the width of the terminal.

    ``hang``: columns that the lines after the first are set in further; ``most``: lines, of which the last ends in an
    ellipsis where there would be more.
    """
    from rich.text import Text

    console = render.console()
    lines = textwrap.wrap(
        text,
        console.width - indent,
        subsequent_indent=" " * hang,
        break_long_words=False,
        break_on_hyphens=False,
        max_lines=most,
        placeholder=" ...",
    )
    for line in lines:
        console.print(Text(" " * indent + line, style="" if console.no_color else style), soft_wrap=True)


def ask(
    question: str,
    *,
    reason: str,
    default: str,
    parse: Callable[[str], T],
    more: str = "",
    options: Sequence[tuple[str, str]] = (),
    paths: bool = False,
) -> T:
    """Ask until ``parse`` accepts the answer; it raises ValueError with a sentence otherwise.

    Enter takes ``default``; ``?`` says ``more``. ``options`` (value, meaning) are listed with a number each; Tab
    completes to one of them, or to a file where ``paths`` are asked for. Raises Back at ``b``, Quit at ``q``, and
    click.Abort on Ctrl-C and end of input.
    """
    say(question, style="bold", indent=0)
    _list(options)
    say(reason)
    return answered(default, parse, more or reason, [value for value, _ in options], paths=paths)


def answered(
    default: str,
    parse: Callable[[str], T],
    more: str | Sequence[str],
    words: Sequence[str] = (),
    *,
    paths: bool = False,
) -> T:
    """Read answers until ``parse`` accepts one, as ``ask`` does once the question is on the screen."""
    while True:
        answer = read_line(f"  [{default or 'none'}] (? b q): ", words, paths=paths) or default
        if answer == "?":
            for text in (more,) if isinstance(more, str) else more:
                say(text)
            say("Enter takes the answer in brackets; b goes back, q keeps your answers and leaves.")
        elif answer.lower() == "b":
            raise Back
        elif answer.lower() in ("q", "quit"):
            raise Quit
        else:
            try:
                return parse(answer)
            except ValueError as error:
                say(str(error), style="red")


def choose(question: str, options: Sequence[tuple[str, str]], *, reason: str, default: str, more: str = "") -> str:
    """Ask for one of ``options`` (value, meaning), by number, by value or by how it begins; return the value."""
    values = [value for value, _ in options]
    parse = lambda answer: picked(answer, values)  # noqa: E731
    return ask(question, reason=reason, default=default, parse=parse, more=more, options=options)


def picked(answer: str, values: Sequence[str]) -> str:
    """Return the one of ``values`` that is meant by its number, itself or its beginning. Raises ValueError."""
    begun = [value for value in values if value == answer] or [
        value for value in values if value.startswith(answer.lower())
    ]
    if len(begun) == 1:
        return begun[0]
    if answer.isdigit() and 1 <= int(answer) <= len(values):
        return values[int(answer) - 1]
    raise ValueError(f"Give a number from 1 to {len(values)}, or a word of the list.")


def menu(options: Sequence[tuple[str, str]], *, default: str) -> str:
    """Ask what to do next, all names in a line or two; ``?`` says what each does."""
    values = [value for value, _ in options]
    say("   ".join(f"{number}\u00a0{value}" for number, value in enumerate(values, 1)), indent=0)
    width = max(map(len, values))
    meanings = [f"{value:<{width}}  {meaning}" for value, meaning in options]
    return answered(default, lambda answer: picked(answer, values), meanings, values)


def _list(options: Sequence[tuple[str, str]]) -> None:
    width = max((len(value) for value, _ in options), default=0)
    for number, (value, meaning) in enumerate(options, 1):
        say(f"{number:>2}  {value:<{width}}  {meaning}", hang=width + 6)
