"""A dataset: a light handle on files of one format, which streams; and the judgement of one row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

from advisor.dataset.cells import Malformed, Row, is_blank
from advisor.dataset.checks import level_of, problem
from advisor.dataset.converse import Conversation, converse
from advisor.dataset.rated import Answers, judged, not_as_the_first, selected, spooled
from advisor.dataset.rated_lists import unrolled
from advisor.dataset.refusal import AnswersRated, verdicts
from advisor.dataset.rows import Container, Fault, rows
from advisor.dataset.shape import Shape, joined, shape_of
from advisor.dataset.sniff import Sniffed, sniff
from advisor.dataset.source import SPOOLED, Progress, Source, find, fingerprint
from advisor.dataset.structure import faults, usual
from advisor.dataset.types import Example, Format, Level, Problem
from advisor.errors import DataError
from backends import Json, Message


class Dataset:
    """A handle on one or more files of one format."""

    def __init__(
        self, sources: tuple[Source, ...], containers: tuple[Container, ...], shape: Shape, columns: Mapping[str, str]
    ) -> None:
        self.sources, self.containers, self.shape = sources, containers, shape
        self.columns = {field: name for field, name in columns.items() if field != "rows"}
        self._fingerprint = ""

    @classmethod
    def open(
        cls, *sources: str | Path, columns: Mapping[str, str] | None = None, answers: Answers | None = None
    ) -> Dataset:
        """Sniff the files. Raises DataError naming file, line and remedy when one cannot be read as training data.

        ``columns`` says which field is which; ``answers`` which of judged answers are wanted: of these a new file is
        made, and read.
        """
        given = [_sniffed(source, columns or {}, answers) for source in find(sources)]
        given = [_judged(one, answers) for one in given]
        found = tuple(one.source for one in given)
        sniffed = [(one.container, one.shape) for one in given]
        if answers is not None:
            columns = None
        for source, (_, shape) in zip(found[1:], sniffed[1:], strict=True):
            if shape.format is not sniffed[0][1].format:
                raise DataError(
                    f"{source.name}: this is {shape.format}, but {found[0].name} is {sniffed[0][1].format};"
                    " give files of one format together."
                )
        shape = joined([shape for _, shape in sniffed])
        for source, (_, own) in zip(found, sniffed, strict=True):
            if own.columns.items() <= shape.columns.items() and ("chosen" in own.columns) == (
                "chosen" in shape.columns
            ):
                continue
            here, there = (", ".join(map(repr, one.columns.values())) or "its own" for one in (own, sniffed[0][1]))
            raise DataError(
                f"{source.name}: its fields are {here}, those of {found[0].name} are {there}; give files of the same"
                " fields together: 'tunewise check FILE --fix OUT.jsonl' writes each file under the usual names."
            )
        return cls(found, tuple(container for container, _ in sniffed), shape, dict(columns or {}))

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(source.path for source in self.sources)

    @property
    def format(self) -> Format:
        return self.shape.format

    @property
    def unread(self) -> tuple[str, ...]:
        """Fields of the first rows that nothing reads."""
        return self.shape.unread

    @property
    def bytes(self) -> int:
        """Size on disk, in bytes."""
        return sum(source.bytes for source in self.sources)

    @property
    def fingerprint(self) -> str:
        """sha256 of the file as it lies on disk (of the list of digests when there are several)."""
        return self.identify()

    def identify(self, progress: Progress | None = None) -> str:
        """Return the fingerprint, telling on the way how many bytes were read for it; the second time none are."""
        self._fingerprint = self._fingerprint or fingerprint(self.sources, progress)
        return self._fingerprint

    def conversations(
        self, progress: Progress | None = None
    ) -> Iterator[tuple[Source, int, Conversation | None, list[Fault]]]:
        """Yield (source, line, conversation or None, its faults) for every row."""
        for source, container in zip(self.sources, self.containers, strict=True):
            for line, row in rows(source, container, progress):
                yield (source, line, *judge(row, self.shape, self.columns))

    def examples(self) -> Iterator[Example]:
        """Yield the examples without error-level faults, as chat messages."""
        for source, line, talk, found in self.conversations():
            if talk is not None and usable(found):
                yield Example(
                    line, source.name, talk.messages, talk.tools, talk.preferred, talk.non_preferred, talk.extra or {},
                    source.unit,
                )  # fmt: skip

    def problems(self, backend: str | None = None) -> tuple[Problem, ...]:
        """Return what is wrong with the rows, in the order of the lines; ``profile`` knows of the whole, too."""
        return tuple(
            problem(code, line, source.name, detail, backend=backend, unit=source.unit)
            for source, line, _, found in self.conversations()
            for code, detail in found
        )


def _sniffed(source: Source, columns: Mapping[str, str], answers: Answers | None) -> Sniffed:
    """Sniff a file; where its rows hold several rated answers and some are wanted, sniff it with an answer a row."""
    try:
        return sniff(source, columns)
    except AnswersRated as found:
        if answers is None:
            raise
        path, _ = spooled(unrolled(found.source, rows(found.source, found.container), found.lists), SPOOLED)
        made = sniff(find((path,))[0], {})
        return replace(made, source=replace(made.source, name=source.name))


def _judged(found: Sniffed, answers: Answers | None) -> Sniffed:
    """Make of judged answers what is wanted; refuse those judged good or bad where that was not said."""
    rating, name = found.shape.rating, found.source.name
    if answers is None and (rating is None or rating.scored):
        return found
    if rating is None:
        raise DataError(f"{name}: no field rates the answers; leave --answers out.")
    groups, others = judged(rows(found.source, found.container), found.shape)
    if answers is None:
        raise verdicts(found.source, groups, found.shape)
    if others:
        raise not_as_the_first(found.source, others, f"there is no answer that {rating.column!r} judges")
    path, count = spooled(selected(groups, found.shape, answers), SPOOLED)
    if not count:
        what = "no answer is a good one" if answers is Answers.GOOD else "no prompt has a good and a bad answer"
        raise DataError(f"{name}: nothing is left of it: {what}, going by {rating.column!r}.")
    made = sniff(find((path,))[0], {})
    layout = replace(made.source.layout, by_row=True)
    return replace(made, source=replace(made.source, name=f"{name} ({answers})", layout=layout))


def ends(container: Container, code: str) -> bool:
    """Tell whether nothing after a row of this fault can be read: in an array one element tells of the next."""
    return container is Container.JSON and code in ("invalid_json", "truncated_json")


def usable(found: list[Fault]) -> bool:
    """Tell whether a row with these faults can be trained on anywhere."""
    return not any(level_of(code) is Level.ERROR for code, _ in found)


def judge(row: Row | Fault, shape: Shape, columns: Mapping[str, str]) -> tuple[Conversation | None, list[Fault]]:
    """Turn a row into a conversation and list its faults."""
    if isinstance(row, tuple):
        return None, [row]
    if shape.format is Format.OPENAI_CHAT and len(row) == 1:
        messages = row.get(shape.columns["messages"])
        if usual(messages):
            return Conversation(cast(list[Message], messages), []), []
    try:
        talk = converse(row, shape)
    except Malformed as fault:
        own = shape_of(row, columns)
        if fault.code == "missing_field" and own is not None and own.format is not shape.format:
            return None, [("mixed_formats", f"this row is {own.format}, the file is {shape.format}")]
        return None, [(fault.code, fault.detail)]
    found = list(talk.notes)
    if shape.delimiter and any(_swallows(cell, shape.delimiter, len(row)) for cell in row.values()):
        found.append(("swallowed_rows", ""))
    if row.get("response_format") is not None:
        found.append(("response_format", ""))
    if shape.known and not row.keys() <= shape.known:
        found.append(("unknown_field", ", ".join(repr(key) for key in sorted(row.keys() - shape.known))[:80]))
    if shape.format is not Format.TEXT:
        found.extend(faults(talk))
    elif is_blank(str(talk.messages[0]["content"])):
        found.append(("empty_answer", "the text is empty"))
    return talk, found


def _swallows(cell: Json, delimiter: str, columns: int) -> bool:
    """Tell a quoted cell that holds rows: its inner lines have as many delimiters as a row, or tabs between tabs."""
    if not isinstance(cell, str) or "\n" not in cell:
        return False
    if delimiter == "\t":
        return delimiter in cell
    inner = cell.split("\n")[1:-1]
    return len(inner) > 1 and all(line.count(delimiter) == columns - 1 for line in inner)
