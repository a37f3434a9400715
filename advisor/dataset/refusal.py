"""What to do with a file that cannot be read as it is: a sentence, and a command that works on that very file."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from advisor.dataset.cells import Row, decoded
from advisor.dataset.rated import Answers, Judged, selected
from advisor.dataset.rated_lists import RatedLists
from advisor.dataset.rows import Container
from advisor.dataset.shape import PROMPTS, Shape
from advisor.dataset.source import Source
from advisor.errors import DataError

_IDS = frozenset(("id", "key", "uuid", "guid", "idx", "index", "number", "date", "time", "timestamp", "url"))
_GRADED = ("reward_model", "ground_truth", "reference_answer", "target", "solution", "expected", "answer_key")


class AnswersRated(DataError):
    """Each row holds several rated answers; ``lists`` says where, ``source`` and ``container`` how to read them."""

    def __init__(self, source: Source, container: Container, lists: RatedLists) -> None:
        self.source, self.container, self.lists = source, container, lists
        super().__init__(
            f"{source.name}: each row holds several answers to one prompt in {lists.answers!r}, rated by "
            f"{lists.score!r}; trained on as they are, the bad ones would be learnt, too. To keep the best of each: "
            f"{check(source, '--answers good')}. To learn from pairs of the best and the worst: "
            f"{check(source, '--answers pairs')}."
        )


class UnknownFields(DataError):
    """No known format has these fields; ``columns`` says which is which. ``row`` is the first one."""

    def __init__(self, message: str, row: Mapping[str, object]) -> None:
        super().__init__(message)
        self.row = row


def no_shape(source: Source, row: Row, columns: Mapping[str, str], line: int) -> DataError:
    """Say that the fields of the row at ``line`` make no format, and which command names them."""
    keys = list(row)
    where = f"{source.name}, {'row' if source.layout.by_row else 'line'} {line}"
    names = ", ".join(repr(key[:40]) for key in keys[:8]) or "nothing"
    missing = next((f"{field}={name}" for field, name in columns.items() if name not in keys), None)
    if missing:
        return UnknownFields(f"{where}: --columns {missing} names no column; there are {names}.", row)
    if {"role", "content"} <= row.keys():
        return DataError(
            f"{where}: these are messages by themselves, without what ties those of one conversation together; "
            "where the file is a single conversation: "
            f"'jq -c -s \"{{messages: .}}\" {name_of(source)} > OUT.jsonl' writes it as one example."
        )
    if isinstance(row.get("paragraphs"), list):
        return DataError(
            f"{where}: these are SQuAD's articles, with the questions inside; one question a row: "
            f"'jq -c \".data[].paragraphs[] | .context as \\$c | .qas[] | {{context: \\$c, question, answer: "
            f".answers[0].text}} | select(.answer)\" {name_of(source)} > OUT.jsonl' writes them."
        )
    if isinstance(model := decoded(row.get("reward_model")), dict) and "ground_truth" in model and "prompt" in row:
        return DataError(
            f"{where}: the rows have a reward model and no answer: they are for reinforcement learning, where a grader "
            "scores what the model writes. To learn the right answers as they are: 'jq -c \"{prompt, completion: "
            f".reward_model.ground_truth}}\" {name_of(source)} > OUT.jsonl' writes them."
        )
    prompt = next((name for name in PROMPTS if name in keys), None)
    if prompt and not columns:
        others = texts_of({key: value for key, value in row.items() if key != prompt})
        if others:
            return UnknownFields(
                f"{where}: there is a prompt ({prompt!r}) but no known answer among the fields {names}; where "
                f"{others[-1]!r} holds it: {check(source, f'--columns completion={others[-1]}')}.",
                row,
            )
        return DataError(
            f"{where}: there is a prompt ({prompt!r}) and no answer: nothing to learn from among the fields {names};"
            " add the answers."
        )
    texts = texts_of(row)
    if len(texts) < 2:
        return UnknownFields(f"{where}: no known training format has the fields {names}; {_one(source, texts)}.", row)
    guess = f"prompt={texts[0]},completion={texts[-1]}"
    return UnknownFields(
        f"{where}: no known training format has the fields {names}; where {texts[0]!r} is what is asked and "
        f"{texts[-1]!r} the answer: {check(source, f'--columns {guess}')}.",
        row,
    )


def _one(source: Source, texts: Sequence[str]) -> str:
    if texts:
        return f"where {texts[0]!r} is plain text to learn: {check(source, f'--columns text={texts[0]}')}"
    return "a row needs a prompt and an answer, or messages"


def texts_of(row: Mapping[str, object]) -> list[str]:
    """Return the fields that can hold a prompt or an answer: texts of several words, where there are two of them."""
    named = [key for key in row if not _IDS.intersection(key.casefold().split("_"))]
    held = [key for key in named if isinstance(row[key], str | int | float) and not isinstance(row[key], bool)]
    words = [key for key in held if isinstance(value := row[key], str) and " " in value.strip()]
    return words if len(words) > 1 else held


def not_json(source: Source, what: str, module: str, value: str, each: str) -> DataError:
    """Say that the rows are written in another notation, and how Python writes them as JSON lines."""
    program = f"import {module},json,sys; [print(json.dumps({value})) {each}]"
    return DataError(
        f"{source.name}: the rows are {what}, not JSON; as JSON lines: python -c '{program}' "
        f"{shlex.quote(source.name)} > OUT.jsonl"
    )


def nameless(source: Source, first: Sequence[object], line: int) -> DataError:
    """Say that the columns have no names, and how to number them."""
    row = {str(number): value for number, value in enumerate(first, 1)}
    last = len(first)
    return UnknownFields(
        f"{source.name}, line {line}: the columns have no names ({last} in a row). Number them: where the first is what"
        f" is asked and the last the answer: {check(source, f'--columns prompt=1,completion={last}')}.",
        row,
    )


def which_rows(source: Source, fields: Sequence[str]) -> DataError:
    """Say that several fields of one object hold rows."""
    best = next((field for field in fields if field.rpartition(".")[2] in ("train", "training")), fields[0])
    return DataError(
        f"{source.name}: one object holds rows under {len(fields)} fields ({', '.join(map(repr, fields[:6]))}); name "
        f"one: {check(source, f'--columns rows={best}')}."
    )


def no_answers(source: Source, row: Row, shape: Shape) -> DataError:
    """Say that conversations end with what is asked, while another field holds what is graded against."""
    held = [name for name in shape.unread if isinstance(row.get(name), str | int | float)]
    held.sort(key=lambda name: name.casefold() not in _GRADED)
    grading = ", ".join(map(repr, shape.unread[:4]))
    start = (
        f"{source.name}: no row has an answer, and there are the fields {grading}: this is for reinforcement "
        "fine-tuning, where a grader scores what the model writes, and no backend here does that. It strengthens the "
        "answers that score well, which suits tasks whose answers can be checked and not written down as the one right "
        "text; docs/concepts/datasets.md names who sells it."
    )
    if not held:
        return DataError(f"{start} Add the answers to learn.")
    named = f"prompt={shape.column('messages')},completion={held[0]}"
    return DataError(f"{start} Where {held[0]!r} is the right answer: {check(source, f'--columns {named}')}.")


def verdicts(source: Source, groups: Mapping[bytes, Judged], shape: Shape) -> DataError:
    """Say that a field tells good answers from bad ones, and what can be made of them."""
    column = shape.rating.column if shape.rating else ""
    every = [value for group in groups.values() for value, _ in group.answers]
    good = sum(value == 1.0 for value in every)
    start = (
        f"{source.name}: {column!r} says which answers are good ({good:,} of {len(every):,}) and which are not; "
        "trained on as they are, the bad ones would be learnt, too."
    )
    pairs = sum(1 for _ in selected(groups, shape, Answers.PAIRS))
    ways = []
    if good:
        ways.append(f"To keep the good ones: {check(source, '--answers good')}.")
    if pairs:
        ways.append(f"To learn from {pairs:,} pairs of a good and a bad answer to one prompt: "
                    f"{check(source, '--answers pairs')}.")  # fmt: skip
    elif good < len(every):
        ways.append("No prompt has both a good and a bad answer, so no pairs can be made.")
    return DataError(" ".join((start, *ways)))


def check(source: Source, flags: str) -> str:
    """Return the command that writes this file anew, and what it is good for."""
    field, _, named = flags.partition(" ")
    return (
        f"'tunewise check {name_of(source)} {field} {_quoted(named)} --fix OUT.jsonl' writes a file every command reads"
    )


def name_of(source: Source) -> str:
    """Quote the file's name for a shell, in double quotes, since the command stands in single ones."""
    return _quoted(source.name)


def _quoted(text: str) -> str:
    if shlex.quote(text) == text or all(char.isalnum() or char in "=,._-/" for char in text):
        return text
    return '"' + "".join(f"\\{char}" if char in '"$`\\' else char for char in text) + '"'
