"""What a row's keys mean: which format it is, and the column each field is read from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from advisor.dataset.types import Format

# Column names people use, in order of preference. A column is taken at most once.
PROMPTS = (
    "prompt",
    "question",
    "query",
    "input",
    "user",
    "text",
    "sentence",
    "utterance",
    "source",
    "document",
    "article",
    "input_text",
    "text_input",
)
COMPLETIONS = (
    "completion", "answer", "output", "response", "assistant", "target", "label_text", "label_name", "label",
    "category", "intent", "summary", "sql", "ideal", "output_text", "answers",
)  # fmt: skip
SYSTEMS = ("system", "system_prompt", "systemInstruction", "system_instruction")
LABEL_LISTS = ("labels", "intents", "label_names", "emotions", "genres")  # what a list of these is, is the answer
CONTEXTS = ("input", "context")  # the text that an instruction or a question is about
ROLES = ("system", "developer", "user", "assistant", "tool", "function")
FIELDS = ("messages", "tools", "system", "prompt", "completion", "instruction", "input", "history", "conversations",
          "text", "chosen", "rejected", "labels", "joined_labels", "rows")  # fmt: skip
EXTRA = ("parallel_tool_calls", "weight", "functions")
# What a row loses with such a field: turns, answers, images, what is asked for, which part of the data it is in.
_MEANT = frozenset((
    "split", "is_test", "train", "mask", "loss_mask", "loss_weight", "function_call", "functions", "tool_calls", "tags",
    "categories", "topics", "keywords", "constraints", "schema", "json_schema", "hint", "hints", "options", "choices",
    "label", "labels", "score", "reward", "rating", "rank", "verdict", "feedback", "correct", "target", "winner",
    "input",
))  # fmt: skip
_MEANT_WORDS = frozenset((
    "history", "turns", "dialogue", "dialog", "image", "images", "audio", "video", "videos", "chosen", "rejected",
    "negative", "preferred", "preference", "reasoning", "thinking", "thought", "thoughts", "rationale", "explanation",
    "correction", "corrected", "instruction", "instructions", "context", "passage", "system", "persona", "tool",
    "tools", "answer", "answers", "response", "responses", "output", "outputs", "completion", "completions", "prompt",
    "question",
))  # fmt: skip
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_TURNS = ("conversations", "conversation")
_SAYS_NOTHING = ("schemaVersion", "generationConfig", "generation_config")  # of the form, or of how a model is asked


class Labels(StrEnum):
    """How several labels become one answer."""

    JSON = "json"  # ["late", "damaged"]
    JOINED = "joined"  # late, damaged


@dataclass(frozen=True, slots=True)
class Rating:
    """The field that judges the answers: by a score, or as good or bad."""

    column: str
    scored: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """A format and the column each of its fields is read from."""

    format: Format
    columns: Mapping[str, str]
    unread: tuple[str, ...] = ()  # fields of the first rows that nothing reads
    known: frozenset[str] = frozenset()  # fields that are read or unread; a row may hold others
    delimiter: str = ""  # between the cells, where the rows are those of tables
    labels: Labels | None = None  # how an answer of several labels is written
    rating: Rating | None = None

    def column(self, field: str) -> str:
        return self.columns.get(field, field)

    def reads(self) -> set[str]:
        """Return the fields of a row that are read, or spoken of by their name."""
        fixed = {"input", "preferred_output", "non_preferred_output"} if self.format is Format.PREFERENCE else set()
        return {*self.columns.values(), *EXTRA, "tools", "toolConfig", "response_format", *_SAYS_NOTHING, *fixed}


def shape_of(keys: Iterable[str], columns: Mapping[str, str]) -> Shape | None:
    """Return the shape that a row with these keys has; None when it is none we know. ``columns`` wins over names.

    Names are known in any case: Question is question, unless both are there.
    """
    have = set(keys)
    if any(name not in have for name in columns.values()):
        return None
    exact = {name: name for name in have - set(columns.values())}
    free = {**{name.casefold(): name for name in sorted(exact, reverse=True)}, **exact}

    def find(field: str, names: tuple[str, ...]) -> str | None:
        return columns.get(field) or next((free[name] for name in names if name in free), None)

    def shape(format: Format, **found: str | None) -> Shape:
        return Shape(format, {**columns, **{field: name for field, name in found.items() if name}})

    def labelled(made: Shape) -> Shape:
        form = Labels.JSON if "labels" in columns else Labels.JOINED if "joined_labels" in columns else None
        return replace(made, labels=form)

    def given(prompt: str | None) -> str | None:
        found = find("input", CONTEXTS)
        return None if found == prompt else found

    messages = find("messages", ("messages", "contents"))
    system = find("system", SYSTEMS)
    chosen, rejected = find("chosen", ("chosen",)), find("rejected", ("rejected",))
    if chosen and rejected:
        prompt = find("prompt", ("prompt", "instruction", *PROMPTS, *_TURNS, "messages"))
        given_too = {"input": given(prompt), "system": system, "history": find("history", ("history",))}
        return shape(Format.PREFERENCE, chosen=chosen, rejected=rejected, prompt=prompt, **given_too)
    if messages and not ({"prompt", "completion"} & set(columns)):
        return shape(Format.OPENAI_CHAT, messages=messages, system=system)
    if "input" in have and {"preferred_output", "non_preferred_output"} & have:
        return shape(Format.PREFERENCE)
    turns = find("conversations", _TURNS)
    if turns:
        return shape(Format.SHAREGPT, conversations=turns, system=system)
    several = columns.get("labels") or columns.get("joined_labels")
    history = find("history", ("history",))
    instruction = find("instruction", ("instruction",))
    asked = {"question", "prompt", "instruction"} & free.keys()  # beside one of them, a query is what is to be written
    completion = several or find("completion", (*COMPLETIONS, "query") if asked else COMPLETIONS)
    if instruction and "prompt" not in columns:
        answer = several or find("completion", ("output", "response", *COMPLETIONS))
        if answer:
            beside = {"input": given(None), "system": system, "history": history}
            return labelled(shape(Format.INSTRUCTION, instruction=instruction, completion=answer, **beside))
    prompt = find("prompt", tuple(name for name in PROMPTS if free.get(name) != completion))
    if prompt and completion:
        beside = {"input": given(prompt), "system": system, "history": history}
        return labelled(shape(Format.PROMPT_COMPLETION, prompt=prompt, completion=completion, **beside))
    text = find("text", ("text",))
    if (text and not prompt) or (text == prompt and text):
        return Shape(Format.TEXT, {**columns, "text": text})
    return None


def changes_meaning(name: str) -> bool:
    """Tell whether a field of this name, when nothing reads it, leaves a row that means something else."""
    words = _WORD.findall(name.replace("_", " "))
    return name.casefold() in _MEANT or bool({word.casefold() for word in words} & _MEANT_WORDS)


def joined(shapes: Sequence[Shape]) -> Shape:
    """Return the first shape with the fields only others of its format have: rows may do without input or system."""
    alike = [shape for shape in shapes if shape.format is shapes[0].format]
    columns = dict(alike[0].columns)
    for field, name in (item for shape in alike for item in shape.columns.items()):
        if field in ("input", "system", "prompt", "history") and name not in columns.values():
            columns.setdefault(field, name)
    delimiters = {shape.delimiter for shape in shapes}
    delimiter = delimiters.pop() if len(delimiters) == 1 else ""
    made = Shape(alike[0].format, columns, delimiter=delimiter, labels=alike[0].labels, rating=alike[0].rating)
    unread = dict.fromkeys(name for shape in alike for name in shape.unread if name not in made.reads())
    return replace(made, unread=tuple(unread), known=frozenset().union(*(shape.known for shape in alike)))
