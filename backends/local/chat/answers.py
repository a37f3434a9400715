"""Which characters of a rendered conversation are learned: the answers and what ends them, by the model's own template.

Four steps, the first that is safe wins: (1) the template's own ``{% generation %}`` marks; (2) every turn is a true
prefix of the next, so the difference is the answer; (3) history is rewritten by the template: one sequence per answer,
exactly as it would be served; (4) refuse, and show where the template diverges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backends.local.chat.completeness import check_complete, head_of_first
from backends.local.chat.messages import MaskRefused, Turn
from backends.local.chat.template import ChatTemplate

Span = tuple[int, int, float]  # characters from, to; weight


@dataclass(frozen=True, slots=True)
class Text:
    """One sequence as the model reads it, and what of it is learned; ``rule`` is the step that found that."""

    text: str
    spans: tuple[Span, ...]
    rule: str  # marks | prefix | split | all


@dataclass(frozen=True, slots=True)
class _Talk:
    """A conversation on its way: ``weights`` has each assistant turn's index; ``whole`` is the rendering of all."""

    template: ChatTemplate
    turns: Sequence[Turn]
    tools: Sequence[Mapping[str, Any]]
    weights: Mapping[int, float]
    whole: str

    def until(self, index: int) -> str:
        return self.template.render(self.turns[: index + 1], self.tools)

    def before(self, index: int) -> str:
        """Return what is served before turn ``index`` is generated; of a first turn, the header alone."""
        if index:
            return self.template.render(self.turns[:index], self.tools, prompt=True)
        return head_of_first(self.template, self.turns, self.tools)

    def closing(self, index: int) -> str:
        """Return what ends the answer at ``index``."""
        return self.template.end_of_call if "tool_calls" in self.turns[index] else self.template.end


def texts(
    template: ChatTemplate,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]] = (),
    *,
    loss_on: str = "assistant",
) -> list[Text]:
    """Render one conversation into the sequences it is trained as: one, or one an answer. Raises MaskRefused.

    ``loss_on``: "assistant", "last" (the last answer alone) or "all". A message's own ``weight`` is that of its tokens.
    """
    turns = template.turns(messages)
    weights = _turn_weights(messages, loss_on)
    learned = [index for index, weight in weights.items() if weight > 0]
    check_complete(template, turns, tools, learned)
    whole = template.render(turns, tools)
    if loss_on == "all":
        return [Text(whole, ((0, len(whole), 1.0),), "all")]
    if not learned:
        raise MaskRefused("no assistant turn with a weight above 0: there is nothing to learn from it")
    talk = _Talk(template, turns, tools, weights, whole)
    found = _by_marks(talk) or _by_prefix(talk)
    return [found] if found else [_as_served(talk, index) for index in learned]


def plain_text(template: ChatTemplate, text: str) -> Text:
    """Return a text without turns as it is trained: all of it, between the tokenizer's first and its end token."""
    first = "" if text.startswith(template.bos) else template.bos
    whole = first + text + dict(template.tokens).get("eos_token", "")
    return Text(whole, ((0, len(whole), 1.0),), "all")


def _turn_weights(messages: Sequence[Mapping[str, Any]], loss_on: str) -> dict[int, float]:
    """Return, for each assistant turn's index, its weight."""
    answers = [index for index, message in enumerate(messages) if message["role"] == "assistant"]
    weights = {}
    for index in answers:
        weight = messages[index].get("weight")
        weights[index] = 1.0 if weight is None else float(weight)
        if loss_on == "last" and index != answers[-1]:
            weights[index] = 0.0
    return weights


def _by_marks(talk: _Talk) -> Text | None:
    """Step 1: the template's own marks, when each answer has one; an end that stands right behind it is added."""
    if not talk.template.marks_answers:
        return None
    whole, marks = talk.template.marked(talk.turns, talk.tools)
    if len(marks) != len(talk.weights):
        return None
    spans = []
    for (index, weight), (start, end) in zip(talk.weights.items(), marks, strict=True):
        whole, closed = _closed(talk, whole, index, start, end)
        if closed is None:
            return None
        spans.append((start, closed, weight))
    return Text(whole, tuple(spans), "marks")


def _by_prefix(talk: _Talk) -> Text | None:
    """Step 2: what rendering one more turn adds, when nothing before it changes."""
    spans, whole = [], talk.whole
    for index, weight in talk.weights.items():
        before, after = talk.before(index), talk.until(index)
        if not (after.startswith(before) and talk.whole.startswith(after)):
            return None
        whole, closed = _closed(talk, whole, index, len(before), len(after))
        if closed is None:
            return None
        spans.append((len(before), closed, weight))
    return Text(whole, tuple(spans), "prefix")


def _as_served(talk: _Talk, index: int) -> Text:
    """Step 3: the prompt as it is served, and the answer behind what both renderings share. Step 4: refuse."""
    before, after = talk.before(index), talk.until(index)
    shared = next((n for n, (one, two) in enumerate(zip(before, after, strict=False)) if one != two), len(before))
    if not _holds(after[shared:], talk.turns[index]):
        raise MaskRefused(
            "the chat template rewrites what came before the answer: served, the prompt goes on with "
            f"{before[shared : shared + 60]!r}, but in training it reads {after[shared : shared + 60]!r}; "
            "use a template with {% generation %} marks, or another model"
        )
    end = _end(after, shared, len(after))
    if not talk.template.writes_end:
        after = after[:end] + talk.closing(index)
        end = len(after)
    return Text(after, ((shared, end, talk.weights[index]),), "split")


def _holds(text: str, turn: Turn) -> bool:
    """Tell whether what is learned holds the whole answer, thinking and calls included."""
    calls = [call["function"]["name"] for call in turn.get("tool_calls", ())]
    return all(part.strip() in text for part in (turn["content"], turn.get("reasoning_content", ""), *calls))


def _closed(talk: _Talk, whole: str, index: int, start: int, end: int) -> tuple[str, int | None]:
    """Return the text, and where the answer from ``start`` to about ``end`` closes; None where that is not seen."""
    last, closing = _end(whole, start, end), talk.closing(index)
    if talk.template.writes_end and whole[start:last].endswith(closing):
        return whole, last
    gap = len(whole[last:]) - len(whole[last:].lstrip())
    if whole.startswith(closing, last + gap):
        return whole, last + gap + len(closing)
    if not talk.template.writes_end and index == len(talk.turns) - 1:
        return whole[:last] + closing, last + len(closing)
    return whole, None


def _end(text: str, start: int, end: int) -> int:
    """Leave out the white space that some templates write behind the end-of-turn token: no model ever says it."""
    return start + len(text[start:end].rstrip())
