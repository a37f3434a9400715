"""A screen of text: paragraphs, bullets and commands within the width of the terminal, in colour where there is any."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

from advisor.cli import render

_NARROWEST, _WIDEST, _PROSE = 40, 120, 96  # columns
_TO_ASCII = str.maketrans({"–": "-", "“": '"', "”": '"', "’": "'", "…": "~"})
_KEPT = "\u00a0"  # a space at which no line is broken


@dataclass(frozen=True, slots=True)
class MenuBelow:
    """Said to a command by who puts a menu below its screen: so many ``lines`` are left, and what to type is there."""

    lines: int


class Screen:
    """Writes to stdout. ``width`` is that of the terminal, within reason; ``ascii``: nothing else can be shown."""

    def __init__(self) -> None:
        self.width = page_width()
        self.ascii = render.says_ascii_alone()
        self._console = render.console() if sys.stdout.isatty() else None

    def line(self, text: str = "", style: str = "") -> None:
        """Write one line as it is; ``style`` is for a terminal alone."""
        self.parts((text, style))

    def parts(self, *parts: tuple[str, str]) -> None:
        """Write one line made of (text, style) pairs."""
        if self.ascii:
            parts = tuple((text.translate(_TO_ASCII).encode("ascii", "replace").decode(), kind) for text, kind in parts)
        if self._console is None:
            render.out("".join(text for text, _ in parts).rstrip())
            return
        from rich.text import Text

        styled = [(text, "" if self._console.no_color else style) for text, style in parts]
        self._console.print(Text.assemble(*styled), soft_wrap=True)

    def paragraph(self, text: str, style: str = "", *, first: str = "", rest: str = "") -> None:
        """Write whole words within the width; ``first`` stands before the first line, ``rest`` before the others."""
        for line in self.wrapped(text, first, rest):
            self.line(line, style)

    def wrapped(self, text: str, first: str = "", rest: str = "") -> list[str]:
        """Return the lines of a paragraph; a reference such as [1] stays on the line of the word before it."""
        kept = text.replace(" [", f"{_KEPT}[")
        lines = textwrap.wrap(
            kept, min(self.width, _PROSE), initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
        )
        return [line.replace(_KEPT, " ") for line in lines]

    def bullet(self, text: str, style: str = "") -> None:
        self.paragraph(text, style, first="- ", rest="  ")

    def section(self, title: str, items: Iterable[str]) -> None:
        """Write a title and what stands under it; nothing at all when that is nothing."""
        found = list(items)
        if not found:
            return
        self.line()
        self.line(f"{title}:", "bold")
        for item in found:
            self.bullet(item)

    def command(self, text: str, style: str = "") -> None:
        """Write a command that a shell takes as it stands here, on as many lines as the width asks for."""
        for line in self.shell(text, 2):
            self.line(f"  {line}", style)

    def shell(self, text: str, indent: int) -> list[str]:
        """Return the lines of a command that a shell takes as they stand, to be set in by ``indent`` columns."""
        room = self.width - indent - 4  # what the lines after the first are set in by, and the stroke that ends a line
        lines: list[str] = []
        for part in text.replace(" && ", " &&\n").split("\n"):
            for word in part.split(" "):
                if lines and lines[-1] and len(lines[-1]) + 1 + len(word) <= room and not lines[-1].endswith("&&"):
                    lines[-1] += f" {word}"
                else:
                    lines.append(word)
        last = len(lines) - 1
        return [
            f"{'  ' if place else ''}{line}{'' if place == last or line.endswith('&&') else ' ' + chr(92)}"
            for place, line in enumerate(lines)
        ]

    def cut(self, text: str, room: int) -> str:
        """Return the text within ``room`` columns, its end left out where it is longer."""
        return text if len(text) <= room else f"{text[: room - 1].rstrip()}…"


def page_width() -> int:
    """Return the columns a page of text may have."""
    return max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size((80, 24)).columns))


def hanging(start: str, text: str, width: int, colour: str = "") -> None:
    """Print a paragraph that hangs beside its ``start``, which takes the colour where there are colours."""
    lines = textwrap.wrap(text, width - len(start), break_long_words=False, break_on_hyphens=False) or [""]
    screen = Screen()
    for number, line in enumerate(lines):
        screen.parts((start, colour) if number == 0 else (" " * len(start), ""), (line, ""))
