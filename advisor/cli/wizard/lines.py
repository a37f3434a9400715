"""A line typed by a person: editing, history and completion by the readline that Python was built with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

import click

from advisor.cli.render.safe_text import for_terminal
from advisor.paths import home

_KEPT = 200  # lines of history


def read_line(prompt: str, words: Sequence[str] = (), *, paths: bool = False) -> str:
    """Read a line; Tab completes it to one of ``words``, or to the name of a file where ``paths`` are asked for.

    Raises click.Abort at Ctrl-C and at the end of input.
    """
    found = _readline()
    if found is not None:
        found.set_completer(lambda text, state: _nth(_files(text) if paths else _begun(text, words), state))
    try:
        return input(for_terminal(prompt)).strip()
    except (EOFError, KeyboardInterrupt):
        raise click.Abort from None


@contextlib.contextmanager
def history() -> Iterator[None]:
    """Have what was typed in earlier conversations at hand, and keep what is typed in this one."""
    found, file = _readline(), home() / "wizard-history"
    if found is None:
        yield
        return
    found.parse_and_bind("bind ^I rl_complete" if "libedit" in (found.__doc__ or "") else "tab: complete")
    found.set_completer_delims("")  # the whole line is one word: names of files have spaces
    with contextlib.suppress(OSError):
        found.read_history_file(file)
    try:
        yield
    finally:
        found.set_history_length(_KEPT)
        with contextlib.suppress(OSError):
            file.touch(mode=0o600)
            found.write_history_file(file)
        found.clear_history()


def _readline() -> ModuleType | None:
    """Return readline; None on Windows, whose console edits and recalls lines by itself."""
    try:
        import readline
    except ImportError:
        return None
    return readline


def _nth(found: Sequence[str], state: int) -> str | None:
    return found[state] if state < len(found) else None


def _begun(text: str, words: Sequence[str]) -> list[str]:
    return [word for word in words if word.startswith(text)]


def _files(text: str) -> list[str]:
    """Return the paths that ``text`` begins, or else its last word does; a folder ends in a slash."""
    before, _, last = text.rpartition(" ")
    for kept, begun in (("", text), (f"{before} ", last)):
        place, slash, name = begun.rpartition("/")
        folder = Path(place or slash or ".").expanduser()
        try:
            paths = sorted(path for path in folder.iterdir() if path.name.startswith(name))
        except OSError:
            continue
        shown = [path for path in paths if name or not path.name.startswith(".")]
        if shown:
            return [f"{kept}{place}{slash}{path.name}{'/' if path.is_dir() else ''}" for path in shown]
    return []
