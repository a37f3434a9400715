"""The training file: JSON Lines in OpenAI's chat or preference format become sequences, or pairs of them."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerBase

from backends import Objective
from backends.local.chat import ChatTemplate, MaskRefused, plain_text
from backends.local.trainer.loss_mask import Encoded, encode, template_of, tokenise


class DataRefused(Exception):
    """The training data cannot be used; the message names file, line and remedy."""


@dataclass(frozen=True, slots=True)
class Item:
    """What one place of a batch holds: one sequence, or the preferred and the other answer of a pair."""

    sequences: tuple[Encoded, ...]

    @property
    def length(self) -> int:
        return sum(len(sequence.ids) for sequence in self.sequences)

    @property
    def line(self) -> int:
        return self.sequences[0].line

    @property
    def weight(self) -> float:
        """What the step's loss is divided by: the weights of the supervised tokens, or 1 for a pair."""
        return sum(self.sequences[0].weights) if len(self.sequences) == 1 else 1.0


class Loaded(NamedTuple):
    """A file as it is trained on: what was done otherwise as ``notes``, and whether rows were ``left_out``: None, or a
    sentence."""

    items: list[Item]
    notes: list[str]
    left_out: str | None


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, object). Raises DataRefused."""
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DataRefused(f"{path}, line {number}: this is not JSON ({error}); run 'tunewise check'.") from None
            if not isinstance(row, dict):
                raise DataRefused(f"{path}, line {number}: a line must hold an object with 'messages'.")
            yield number, row


def load(
    path: Path,
    tokenizer: PreTrainedTokenizerBase,
    *,
    objective: Objective,
    loss_on: str,
    longest: int,
) -> Loaded:
    """Read and mask a whole file.

    An item longer than ``longest`` tokens is left out rather than cut: a cut answer teaches the model to break off.
    """
    template = template_of(tokenizer)
    items: list[Item] = []
    too_long: list[int] = []
    for number, row in read_rows(path):
        try:
            made = list(
                _pair(tokenizer, template, row, number)
                if objective is Objective.DPO
                else _single(tokenizer, template, row, number, loss_on)
            )
        except MaskRefused as error:
            raise DataRefused(f"{path}, line {number}: {error}.") from error
        except (KeyError, TypeError, ValueError) as error:
            raise DataRefused(
                f"{path}, line {number}: this is not a training example ({error!r}); run 'tunewise check {path}'."
            ) from error
        fitting = [item for item in made if all(len(part.ids) <= longest for part in item.sequences)]
        if len(fitting) < len(made):
            too_long.append(number)
        items += fitting
    if not items:
        reason = f"all are longer than {longest} tokens" if too_long else "the file holds no example"
        raise DataRefused(f"{path}: nothing to train on: {reason}.")
    left_out = None
    if too_long:
        lines = ", ".join(str(line) for line in too_long[:5]) + (", ..." if len(too_long) > 5 else "")
        many = f"{len(too_long)} examples are" if len(too_long) > 1 else "1 example is"
        left_out = f"{many} longer than {longest} tokens and left out of training (line {lines} of {path.name})."
    return Loaded(items, _notes(items), left_out)


def hold_out(items: Sequence[Item], fraction: float, seed: int) -> tuple[list[Item], list[Item]]:
    """Take ``fraction`` of the items out for validation, whole lines at a time; the same seed takes the same lines."""
    lines = sorted({item.line for item in items})
    random.Random(seed).shuffle(lines)
    held = set(lines[: max(1, round(len(lines) * fraction))]) if fraction and len(lines) > 1 else set()
    return [item for item in items if item.line not in held], [item for item in items if item.line in held]


def _single(
    tokenizer: PreTrainedTokenizerBase, template: ChatTemplate, row: Mapping[str, Any], line: int, loss_on: str
) -> Iterator[Item]:
    if isinstance(row.get("text"), str) and "messages" not in row:
        yield Item((tokenise(tokenizer, plain_text(template, row["text"]), line),))
        return
    tools = row.get("tools") or ()
    for sequence in encode(tokenizer, row["messages"], tools, loss_on=loss_on, line=line, template=template):
        yield Item((sequence,))


def _pair(
    tokenizer: PreTrainedTokenizerBase, template: ChatTemplate, row: Mapping[str, Any], line: int
) -> Iterator[Item]:
    prompt = list(row["input"]["messages"])
    tools = row["input"].get("tools") or ()
    sides = []
    for side in ("preferred_output", "non_preferred_output"):
        encoded = encode(tokenizer, [*prompt, *row[side]], tools, loss_on="last", line=line, template=template)
        sides.append(encoded[-1])
    yield Item(tuple(sides))


def _notes(items: Sequence[Item]) -> list[str]:
    rules = Counter(sequence.rule for item in items for sequence in item.sequences)
    words = {
        "marks": "the chat template marks the answers itself",
        "prefix": "answers were found as what each assistant turn adds to the rendered conversation",
        "split": "the chat template rewrites history, so each answer became a sequence of its own, as it is served",
        "all": "the loss is on all tokens",
    }
    return [f"{count} sequences: {words[rule]}." for rule, count in rules.items()]
