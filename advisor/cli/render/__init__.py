"""The one place that writes: results to stdout, talk to stderr, tables, money and the --json document."""

from __future__ import annotations

import os
import sys
from io import StringIO
from typing import TYPE_CHECKING, TextIO

from advisor.cli.render.safe_text import for_terminal
from advisor.money import decimal_text as decimal_text
from advisor.money import usd as usd
from advisor.serialization import to_json as to_json

if TYPE_CHECKING:
    from click import ClickException
    from rich.console import Console

_quiet = False
_color = True


def configure(*, quiet: bool, color: bool) -> None:
    """Set once per process by the command line: no talk, no colour."""
    global _quiet, _color
    _quiet = quiet
    _color = color and not os.environ.get("NO_COLOR")  # no-color.org: where it is not empty


def console(*, stderr: bool = False) -> Console:
    """Return a console for stdout (results) or stderr (talk); plain text when it is not a terminal."""
    from advisor.cli.render.harmless_console import HarmlessConsole

    return HarmlessConsole(
        stderr=stderr, quiet=stderr and _quiet, no_color=not _color, highlight=False, soft_wrap=False
    )


def is_terminal() -> bool:
    """Tell whether a person is on the other side of both input and output."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def draws(*, stderr: bool) -> bool:
    """Tell whether something that moves may be drawn, such as a bar: only where escape codes are understood and
    wanted.
    """
    stream = sys.stderr if stderr else sys.stdout
    return _color and stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def out(text: str = "") -> None:
    """Write one line of the result to stdout."""
    print(for_terminal(text))


def part(text: str) -> None:
    """Write a part of a line to stdout at once."""
    print(for_terminal(text), end="", flush=True)


def note(text: str) -> None:
    """Write one line of talk to stderr; silent under --quiet."""
    if not _quiet:
        print(for_terminal(text), file=sys.stderr)


def confirm(question: str, *, err: bool = False) -> bool:
    """Ask a person yes or no; Enter is no. ``err``: on stderr, where stdout is kept for the document."""
    import click

    return click.confirm(for_terminal(question), default=False, err=err)


def usage_error(error: ClickException) -> None:
    """Write a mistake in the command line, with the usage."""
    error.show(file=_HarmlessStream(sys.stderr))


def error(text: str) -> None:
    """Write an error to stderr, whatever --quiet says; in a terminal no word is broken at its edge."""
    said = for_terminal(f"error: {text}")
    if sys.stderr.isatty():
        from shutil import get_terminal_size
        from textwrap import fill

        wide = get_terminal_size().columns
        said = "\n".join(
            fill(line, wide, break_long_words=False, break_on_hyphens=False) if len(line) > wide else line
            for line in said.splitlines()
        )
    print(said, file=sys.stderr)


def says_ascii_alone() -> bool:
    """Tell whether stdout may lack every character beyond ASCII, as a pipe on Windows does."""
    return not (sys.stdout.encoding or "ascii").lower().startswith("utf")


def json_document(value: object) -> None:
    """Write ``value`` to stdout as the command's one JSON document; escaped where a character could be lost."""
    import json

    import orjson

    made = to_json(value)
    try:
        text = "" if says_ascii_alone() else orjson.dumps(made, option=orjson.OPT_INDENT_2).decode()
    except TypeError:  # half a character, as in the name of a file that is not UTF-8
        text = ""
    if for_terminal(text) != text:  # JSON escapes no character beyond ASCII, though terminals obey some
        text = ""
    sys.stdout.write((text or json.dumps(made, indent=2)) + "\n")


class _HarmlessStream(StringIO):
    """Hands on to ``stream`` what is written, made harmless."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(for_terminal(text))
