"""How serving commands and the check of a server look to a person."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from advisor.cli import render

if TYPE_CHECKING:
    from advisor.runs.serving import Serving, Verification

_SHOWN = 60  # characters of a text around where it diverges


def commands(run: str, way: Serving, place: Path | None) -> None:
    """Print the commands to stdout, ready for a shell; what else is to know goes to stderr."""
    if way.merges is not None:
        render.out(shlex.join(["tunewise", "export", run, "--merged", str(way.merges)]))
    if way.converts is not None:
        installed = ["--installed-in", str(place)] if place is not None else []
        render.out(shlex.join(["tunewise", "export", run, "--gguf", str(way.converts), *installed]))
    render.out(shlex.join(way.command))
    for said in way.notes:
        render.note(said)
    render.note(f"It answers at {way.url} as: {', '.join(way.models)}")


def show(found: Verification) -> None:
    """Print what the check of a server found."""
    render.out(f"{found.run} at {found.url}, asked as {found.model}")
    render.out(f"answers        {found.same} of {found.prompts} equal to the trainer's")
    render.out(f"chat template  {found.template}")
    render.out(f"end of turn    {found.end_of_turn}")
    first = found.first
    if first is not None:
        start = max(0, (first.diverges_at or 0) - _SHOWN // 2)
        render.out(f"first to differ: {first.id}, from character {first.diverges_at}")
        render.out(f"  trainer: {_piece(first.trainer, start)}")
        render.out(f"  server:  {_piece(first.served, start)}")
        if first.plain is not None:
            render.out(f"  server, without its template: {_piece(first.plain, start)}")
    render.out("passed: it answers as in the trainer" if found.passed else f"FAILED: {found.cause}")
    if found.advice is not None:
        render.out(found.advice)


def _piece(text: str, start: int) -> str:
    piece = text[start : start + _SHOWN]
    return f"{'...' if start else ''}{piece!r}{'...' if len(text) > start + _SHOWN else ''}"
