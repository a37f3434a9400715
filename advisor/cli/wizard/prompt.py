"""Asking a person one question at a time: a default, a one-line reason, a way back."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import TypeVar

import click

from advisor.cli import render
from advisor.cli.render.safe_text import for_terminal

T = TypeVar("T")


class Back(Exception):
    """The person wants the question before this one again."""


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
    options: Sequence[tuple[str, str]] = (),
) -> T:
    """Ask until ``parse`` accepts the answer; it raises ValueError with a sentence otherwise.

    Enter takes ``default``, ``b`` goes back. ``options`` (value, meaning) are listed with a number each. Raises Back,
    or click.Abort on Ctrl-C and end of input.
    """
    say(question, style="bold", indent=0)
    width = max((len(value) for value, _ in options), default=0)
    for number, (value, meaning) in enumerate(options, 1):
        say(f"{number:>2}  {value:<{width}}  {meaning}", hang=width + 6)
    say(reason)
    while True:
        asked = for_terminal(f"  [{default or 'none'}] (b: back)")
        answer = click.prompt(asked, default=default, show_default=False).strip()
        if answer.lower() == "b":
            raise Back
        try:
            return parse(answer)
        except ValueError as error:
            say(str(error), style="yellow")


def choose(question: str, options: Sequence[tuple[str, str]], *, reason: str, default: str) -> str:
    """Ask for one of ``options`` (value, meaning), by number, by value or by how it begins; return the value."""
    values = [value for value, _ in options]

    def parse(answer: str) -> str:
        begun = [value for value in values if value == answer] or [
            value for value in values if value.startswith(answer.lower())
        ]
        if len(begun) == 1:
            return begun[0]
        if answer.isdigit() and 1 <= int(answer) <= len(values):
            return values[int(answer) - 1]
        raise ValueError(f"Give a number from 1 to {len(values)}, or a word of the list.")

    return ask(question, reason=reason, default=default, parse=parse, options=options)
