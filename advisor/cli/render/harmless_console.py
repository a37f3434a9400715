"""rich's console, through which no text from elsewhere steers the terminal, and which leaves a closed pipe to us."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from advisor.cli.render.safe_text import for_terminal


class HarmlessConsole(Console):
    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(for_terminal(segment.text), segment.style)

    def on_broken_pipe(self) -> None:
        raise
