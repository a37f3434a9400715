"""Which tokens are trained on: a conversation becomes token ids and a weight per token, by the model's own template.

Four steps, the first that is safe wins: (1) the template's own ``{% generation %}`` marks; (2) every turn is a true
prefix of the next, so the difference is the answer; (3) history is rewritten by the template: one sequence per answer,
exactly as it would be served; (4) refuse, and show where the template diverges.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase
from transformers.utils.chat_template_utils import render_jinja_template

# For a base model without a chat template: plain text, and the tokenizer's own end token after each answer.
PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ '### ' + message['role'] + ':\\n' }}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + eos_token }}{% endgeneration %}"
    "{{ '\\n' }}{% else %}{{ message['content'] + '\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '### assistant:\\n' }}{% endif %}"
)

Turn = dict[str, Any]  # a message as a template sees it
Span = tuple[int, int, float]  # characters from, to; weight


class MaskRefused(Exception):
    """This conversation cannot be masked safely with this template."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One sequence to train on. ``weights[i]`` is the weight of predicting ``ids[i]``; 0 means: only context."""

    ids: tuple[int, ...]
    weights: tuple[float, ...]
    line: int  # in its file, for messages
    rule: str  # marks | prefix | split | all
    ends: bool = True  # an end-of-turn token is supervised after each answer

    @property
    def supervised(self) -> int:
        return sum(weight > 0 for weight in self.weights)


def encode(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]] = (),
    *,
    loss_on: str = "assistant",
    line: int = 0,
) -> list[Encoded]:
    """Turn one conversation into sequences; more than one only under step 3. Raises MaskRefused."""
    turns = [as_turn(message) for message in messages]
    weights = _turn_weights(messages, loss_on)
    whole = render(tokenizer, turns, tools)
    if loss_on == "all":
        return [_tokenise(tokenizer, whole, [(0, len(whole), 1.0)], line, "all")]
    if not any(weights.values()):
        raise MaskRefused("no assistant turn with a weight above 0: there is nothing to learn from it")
    for rule, found in (("marks", _by_marks), ("prefix", _by_prefix)):
        spans = found(tokenizer, turns, tools, weights, whole)
        if spans is not None:
            said = str(turns[list(weights)[-1]]["content"]).strip()
            ends = not said or not whole[: spans[-1][1]].endswith(said)
            return [_tokenise(tokenizer, whole, spans, line, rule, ends)]
    return [
        _tokenise(tokenizer, *_as_served(tokenizer, turns[: index + 1], tools, weight), line, "split")
        for index, weight in weights.items()
        if weight > 0
    ]


def render(
    tokenizer: PreTrainedTokenizerBase,
    turns: Sequence[Turn],
    tools: Sequence[Mapping[str, Any]] = (),
    *,
    prompt: bool = False,
) -> str:
    """Write the conversation as the model sees it; ``prompt`` adds the opening of the next answer."""
    try:
        text = tokenizer.apply_chat_template(
            list(turns), tools=[dict(tool) for tool in tools] or None, tokenize=False, add_generation_prompt=prompt
        )
    except TemplateError as error:
        raise MaskRefused(f"the model's chat template does not take it ({error})") from error
    assert isinstance(text, str)
    return text


def as_turn(message: Mapping[str, Any]) -> Turn:
    """Bring a message of OpenAI's chat format into the shape templates expect: plain text, arguments as an object."""
    content = message.get("content")
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, Mapping)]
        if any(part.get("type") not in ("text", "refusal") for part in parts):
            raise MaskRefused("it holds images or audio; the local trainer reads text alone")
        content = "".join(str(part.get("text") or part.get("refusal") or "") for part in parts)
    role = str(message["role"])
    turn: Turn = {"role": "system" if role == "developer" else role, "content": content or ""}
    for key in ("name", "tool_call_id", "reasoning_content"):
        if message.get(key):
            turn[key] = message[key]
    if message.get("tool_calls"):
        turn["tool_calls"] = [_call(call) for call in message["tool_calls"]]
    return turn


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    arguments = call["function"]["arguments"]
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            arguments = {"text": arguments}
    return {**call, "type": "function", "function": {"name": call["function"]["name"], "arguments": arguments}}


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


def _by_marks(
    tokenizer: PreTrainedTokenizerBase,
    turns: Sequence[Turn],
    tools: Sequence[Mapping[str, Any]],
    weights: Mapping[int, float],
    whole: str,
) -> list[Span] | None:
    """Step 1: the template's own marks, when each answer has one that holds its text and its end."""
    template = tokenizer.get_chat_template(tools=[dict(tool) for tool in tools] or None)
    if not re.search(r"\{%-?\s*generation\s*-?%\}", template):
        return None
    texts, marks = render_jinja_template(
        [list(turns)],
        tools=[dict(tool) for tool in tools] or None,
        chat_template=template,
        return_assistant_tokens_mask=True,
        **tokenizer.special_tokens_map,
    )
    if texts[0] != whole or len(marks[0]) != len(weights):
        return None
    spans = []
    for (index, weight), (start, end) in zip(weights.items(), marks[0], strict=True):
        said = str(turns[index]["content"]).strip()
        place = whole.find(said, start, end)
        if place < 0 or not whole[place + len(said) : end].strip():
            return None  # the answer or its end-of-turn lies outside the mark
        spans.append((start, _end_of_turn(whole, start, end), weight))
    return spans


def _by_prefix(
    tokenizer: PreTrainedTokenizerBase,
    turns: Sequence[Turn],
    tools: Sequence[Mapping[str, Any]],
    weights: Mapping[int, float],
    whole: str,
) -> list[Span] | None:
    """Step 2: what rendering one more turn adds, when nothing before it changes."""
    spans = []
    for index, weight in weights.items():
        before = render(tokenizer, turns[:index], tools, prompt=True) if index else ""
        after = render(tokenizer, turns[: index + 1], tools)
        if not (after.startswith(before) and whole.startswith(after)):
            return None
        if str(turns[index]["content"]).strip() not in after[len(before) :]:
            return None
        spans.append((len(before), _end_of_turn(whole, len(before), len(after)), weight))
    return spans


def _as_served(
    tokenizer: PreTrainedTokenizerBase, turns: Sequence[Turn], tools: Sequence[Mapping[str, Any]], weight: float
) -> tuple[str, list[Span]]:
    """Step 3: the prompt as it is served, and the last answer behind what both renderings share. Step 4: refuse."""
    before = render(tokenizer, turns[:-1], tools, prompt=True)
    after = render(tokenizer, turns, tools)
    shared = next((n for n, (one, two) in enumerate(zip(before, after, strict=False)) if one != two), len(before))
    if str(turns[-1]["content"]).strip() not in after[shared:]:
        raise MaskRefused(
            "the chat template rewrites what came before the answer: served, the prompt goes on with "
            f"{before[shared : shared + 60]!r}, but in training it reads {after[shared : shared + 60]!r}; "
            "use a template with {% generation %} marks, or another model"
        )
    return after, [(shared, _end_of_turn(after, shared, len(after)), weight)]


def _end_of_turn(text: str, start: int, end: int) -> int:
    """Leave out the white space that some templates write behind the end-of-turn token: no model ever says it."""
    return start + len(text[start:end].rstrip())


def _tokenise(
    tokenizer: PreTrainedTokenizerBase, text: str, spans: Sequence[Span], line: int, rule: str, ends: bool = True
) -> Encoded:
    """Give every token the weight of the span it lies in entirely."""
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    weights = [0.0] * len(encoded["input_ids"])
    place = 0
    for position, (start, end) in enumerate(encoded["offset_mapping"]):
        while place < len(spans) and start >= spans[place][1]:
            place += 1
        if place < len(spans) and position > 0 and start >= spans[place][0] and start < end <= spans[place][1]:
            weights[position] = spans[place][2]
    return Encoded(tuple(encoded["input_ids"]), tuple(weights), line, rule, ends)
