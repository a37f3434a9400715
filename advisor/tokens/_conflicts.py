"""Why one prompt has several answers: its text is read again at the places where it came first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from advisor.dataset import Dataset
from advisor.dataset.dataset import judge
from advisor.dataset.rows import rows
from advisor.dataset.write import text_of
from advisor.tokens._fillers import why_filler

_SHOWN = 60  # characters of a prompt
_OFTEN = 5  # rows with one prompt, from which on it is probably no question of anybody's

Place = tuple[int, int]  # file and line


def prompts_at(dataset: Dataset, places: Iterable[Place]) -> Mapping[Place, str]:
    """Return the last message before the answer at each place; files are read no further than needed."""
    found: dict[Place, str] = {}
    for file in sorted({file for file, _ in places}):
        wanted = {line for one, line in places if one == file}
        for line, row in rows(dataset.sources[file], dataset.containers[file]):
            if line in wanted:
                talk, _ = judge(row, dataset.shape, dataset.columns)
                asked = [text_of(message) for message in talk.messages if message["role"] == "user"] if talk else []
                if asked:
                    found[file, line] = asked[-1]
            if line >= max(wanted):
                break
    return found


def explained(prompt: str, count: int) -> str:
    """Show a prompt that ``count`` rows have with different answers, and the likely cause of it."""
    words = " ".join(prompt.split())
    shown = repr(words if len(words) <= _SHOWN else f"{words[:_SHOWN]}...")
    if why := why_filler(prompt):
        return f"{shown}, {why}"
    if count >= _OFTEN:
        return f"{shown}, in {count:,} rows: a cell that was copied down, or what tells the rows apart is missing"
    return shown
