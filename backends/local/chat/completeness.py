"""What a template leaves out: a mark is planted in every part of a conversation and looked for in the rendering.

Conversations of one shape become the same planted one, so a data set of one shape is tried once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from backends.local.chat.messages import MaskRefused, Turn
from backends.local.chat.template import ChatTemplate

_REMEDY = "so it can neither be learned nor asked for; use a model whose template writes it, or take it out of the data"
_ROLES = {"system": "the system prompt", "user": "what the user says", "tool": "the result of a tool"}

Mark = tuple[str, str]  # the word planted, and the part it stands for


class _Planter:
    """Gives out marks, each once; ``sort`` tells them from another's."""

    def __init__(self, sort: str) -> None:
        self.sort = sort
        self.marks: list[Mark] = []

    def word(self, part: str) -> str:
        self.marks.append((f"{self.sort}{len(self.marks):03d}x", part))
        return self.marks[-1][0]

    def number(self, part: str) -> int:
        found = 70_000_001 + len(self.marks)
        self.marks.append((str(found), part))
        return found

    def value(self, value: Any, part: str) -> Any:
        """Plant marks in the texts, whole numbers and keys of a JSON value; the rest decides its shape and stays."""
        if isinstance(value, dict):
            return {self.word(part): self.value(inner, part) for inner in value.values()}
        if isinstance(value, list):
            return [self.value(inner, part) for inner in value]
        if isinstance(value, str) and value:
            return self.word(part)
        return self.number(part) if isinstance(value, int) and not isinstance(value, bool) else value


def check_complete(
    template: ChatTemplate, turns: Sequence[Turn], tools: Sequence[Mapping[str, Any]], learned: Sequence[int]
) -> None:
    """Raise MaskRefused, naming the part, where the rendering lacks a part of the conversation.

    The answers that are ``learned`` (places in ``turns``) must be whole as they are served, their thinking included;
    what came before may lose its thinking, as templates mean it to.
    """
    planted, marks = _planted(turns)
    offered, tool_marks = _offered(tools)
    found = _missing(
        template,
        json.dumps([planted, offered, list(learned)]),
        tuple(tuple(each) for each in marks),
        tuple(tool_marks),
    )
    if found:
        raise MaskRefused(f"the chat template leaves out, or rewrites, {found}, {_REMEDY}")


def head_of_first(template: ChatTemplate, turns: Sequence[Turn], tools: Sequence[Mapping[str, Any]]) -> str:
    """Return what the template writes before the answer of an assistant who speaks first."""
    planted, marks = _planted(turns[:1])
    written = template.render(planted, tools)
    places = [written.find(word) for word, _ in marks[0]]
    head = written[: min((place for place in places if place >= 0), default=0)]
    opening = _opening(template)
    return head[: head.rfind(opening) + len(opening)] if opening and opening in head else head


@lru_cache(maxsize=32)
def _opening(template: ChatTemplate) -> str:
    """Return what asks for an answer."""
    asked: list[Turn] = [{"role": "user", "content": "qk7"}]
    without, asking = template.render(asked), template.render(asked, prompt=True)
    return asking.removeprefix(without) if asking.startswith(without) else ""


@lru_cache(maxsize=4096)
def _missing(
    template: ChatTemplate, planted: str, marks: tuple[tuple[Mark, ...], ...], tool_marks: tuple[Mark, ...]
) -> str | None:
    """Return the part that the template leaves out, or None."""
    turns, tools, learned = json.loads(planted)
    whole = template.render(turns, tools)
    context = [(word, part) for each in marks for word, part in each if part != "the thinking"]
    yet = [*tool_marks, *context]
    lost = next((part for word, part in yet if word not in whole), None)
    for index in learned:
        served = template.render(turns[: index + 1], tools)
        lost = lost or next((part for word, part in marks[index] if word not in served), None)
    return lost


def _planted(turns: Sequence[Turn]) -> tuple[list[Turn], list[list[Mark]]]:
    """Return the conversation with marks in the place of its texts, and each turn's marks."""
    planted, marks, ids = list[Turn](), list[list[Mark]](), dict[str, str]()
    planter = _Planter("qz")
    for turn in turns:
        begun = len(planter.marks)
        planted.append(_turn(turn, planter, ids))
        marks.append(planter.marks[begun:])
    return planted, marks


def _turn(turn: Turn, planter: _Planter, ids: dict[str, str]) -> Turn:
    made: Turn = {"role": turn["role"], "content": _content(turn, planter)}
    if "reasoning_content" in turn:
        made["reasoning_content"] = made["thinking"] = planter.word("the thinking")
    if "name" in turn:
        made["name"] = "qk7name"  # no template has to write it
    if "tool_call_id" in turn:
        made["tool_call_id"] = _same(turn["tool_call_id"], ids)
    if "tool_calls" in turn:
        made["tool_calls"] = [_planted_call(call, planter, ids) for call in turn["tool_calls"]]
    return made


def _content(turn: Turn, planter: _Planter) -> str:
    content, part = turn["content"], _ROLES.get(turn["role"], "the answer")
    if not content.strip():
        return ""
    thought, closed, answer = content.partition("</think>")
    if turn["role"] != "assistant" or not closed:
        return planter.word(part)
    opened = "<think>" if "<think>" in thought else ""
    return f"{opened}{planter.word('the thinking')}</think>" + (planter.word(part) if answer.strip() else "")


def _planted_call(call: Mapping[str, Any], planter: _Planter, ids: dict[str, str]) -> dict[str, Any]:
    arguments = call["function"]["arguments"]
    as_text = isinstance(arguments, str)
    name = planter.word("the calls of tools")
    values = planter.value(json.loads(arguments) if as_text else arguments, "the arguments of a call")
    made = {"type": "function", "function": {"name": name, "arguments": json.dumps(values) if as_text else values}}
    return {"id": _same(call["id"], ids), **made} if "id" in call else made


def _same(given: str, ids: dict[str, str]) -> str:
    return ids.setdefault(given, f"call{len(ids) + 1:05d}")


def _offered(tools: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[Mark]]:
    """Return the tools with marks for their names, what they do, and what they take."""
    planter, made = _Planter("qt"), []
    for tool in tools:
        given = tool.get("function")
        function = dict(given) if isinstance(given, Mapping) else {}
        for key in ("name", "description"):
            if function.get(key):
                function[key] = planter.word("the tools on offer")
        taken = function.get("parameters")
        if isinstance(taken, Mapping) and isinstance(taken.get("properties"), Mapping):
            function["parameters"] = {**taken, "properties": dict(_properties(taken["properties"], planter))}
        made.append({**tool, "function": function})
    return made, planter.marks


def _properties(given: Mapping[str, Any], planter: _Planter) -> Iterator[tuple[str, Any]]:
    for value in given.values():
        yield planter.word("what a tool on offer takes"), value
