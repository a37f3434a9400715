"""How a training row is written for a backend: the one thing about its files that the data's side has to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class RowFormat:
    """The form of a row, and what may stand in it beside the conversation."""

    form: Literal["messages", "prompt", "converse"] = "messages"  # OpenAI's chat format; prompt and completion; AWS's
    settings: frozenset[str] | None = None  # keys of a row, such as weight; None: whatever it has
    reasoning: Literal["kept", "dropped", "reasoning_content"] = "kept"  # of a message; kept under which key
    functions: bool = False  # calls of functions, which tools have replaced
    text: bool = False  # {"text": ...} is learnt as it is; else it becomes an answer
    parts_alike: bool = False  # contents are all texts or all lists of parts
    images: bool = True  # as far as the model reads them
    pair_images: bool = True  # in preference pairs
    least_examples: int = 0  # a file with fewer is refused
    most_image_rows: int | None = None  # examples with images
