"""ShareGPT's turns as chat messages; calls of tools, which it keeps as text, get the ids that tie answers to them."""

from __future__ import annotations

import re
from typing import cast

import orjson

from advisor.dataset.cells import Malformed, Row, decoded, kind
from backends import Json, Message, ToolCall

_ROLES = {
    "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant",
    "bing": "assistant", "bard": "assistant", "model": "assistant", "system": "system",
    "tool": "tool", "function_response": "tool", "observation": "tool", "tool_response": "tool",
    "function_call": "assistant", "tool_call": "assistant",
}  # fmt: skip
_PAIRS = (("input", "output"), ("human", "assistant"), ("user", "assistant"), ("question", "answer"))
_KEYS = frozenset(("from", "value", "role", "content", "weight"))
_CALL = re.compile(r"\s*<tool_call>\s*(.*?)\s*</tool_call>\s*", re.DOTALL)  # as Hermes writes calls in its answers
_ANSWER = re.compile(r"\s*<tool_response>\s*(.*?)\s*</tool_response>\s*", re.DOTALL)


def messages_of(turns: list[Row], key: str) -> tuple[list[Message], list[tuple[str, str]]]:
    """Return the messages, and notes on keys that nothing reads. Raises Malformed, naming the turn of ``key``."""
    turns = [turn for pair in turns for turn in _unpaired(pair)]
    messages: list[Message] = []
    notes: list[tuple[str, str]] = []
    waiting: list[str] = []  # ids of calls without an answer so far
    calls = 0
    for number, turn in enumerate(turns):
        where = f"{key}[{number}]"
        if not turn.keys() <= _KEYS:
            notes.append(("unknown_message_key", f"{where} has {', '.join(sorted(turn.keys() - _KEYS))[:80]}"))
        said, text = _said(turn), turn.get("value", turn.get("content"))
        if not isinstance(said, str):
            raise Malformed("missing_role", f"{where} has no 'from'")
        if said.casefold() not in _ROLES:
            raise Malformed("unknown_role", f"{where} is from '{said[:30]}'")
        said = said.casefold()
        if not isinstance(text, str):
            raise Malformed("bad_content", f"{where} has {kind(text)} as its 'value'")
        role = _ROLES[said]
        if role == "tool":
            messages += _answers(text, waiting, where)
            continue
        message: Message = {"role": role, "content": text}
        answered = turns[number + 1 : number + 2] and _ROLES.get(str(_said(turns[number + 1])).casefold()) == "tool"
        written = [text] if said.endswith("_call") else _CALL.findall(text) if answered else []
        if written:
            message["content"] = None if said.endswith("_call") else _CALL.sub("", text) or None
            message["tool_calls"] = [
                _call(one, f"call_{calls + at}", where) for at, one in enumerate(_listed(written), 1)
            ]
            calls += len(message["tool_calls"])
            waiting = [call["id"] for call in message["tool_calls"]]
        if turn.get("weight") is not None:
            message["weight"] = cast(int, turn["weight"])  # whether it is one is judged with the others
        messages.append(message)
    return messages, notes


def _unpaired(turn: Row) -> list[Row]:
    """Divide a turn that holds a prompt and its answer, as XTuner and Firefly write them."""
    pair = next((pair for pair in _PAIRS if pair[0] in turn and pair[1] in turn), None)
    if pair is None or "from" in turn or "role" in turn:
        return [turn]
    said = {"system": turn.get("system"), "user": turn[pair[0]], "assistant": turn[pair[1]]}
    rest = {key: value for key, value in turn.items() if key not in ("system", *pair)}
    spoken: list[Row] = [{"from": who, "value": text} for who, text in said.items() if text or who == "assistant"]
    return [*spoken[:-1], {**spoken[-1], **rest}]


def _said(turn: Row) -> Json:
    return turn.get("from", turn.get("role"))


def _listed(written: list[str]) -> list[Json]:
    """Decode the calls; several may stand in one list."""
    found: list[Json] = []
    for text in written:
        value = decoded(text.strip())
        found += value if isinstance(value, list) else [value]
    return found


def _call(value: Json, call_id: str, where: str) -> ToolCall:
    name = value.get("name") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(name, str):
        raise Malformed("bad_tool_call", f"{where} holds no {{name, arguments}} in JSON")
    arguments = value.get("arguments", value.get("parameters", {}))
    text = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": text}}


def _answers(text: str, waiting: list[str], where: str) -> list[Message]:
    """Return the tool's answers, each with the id of its call; one turn may answer several calls."""
    parts = _ANSWER.findall(text) or [text]
    if len(parts) > len(waiting):
        raise Malformed("tool_answer_unmatched", f"{where} answers no call of the turn before it")
    return [{"role": "tool", "tool_call_id": waiting.pop(0), "content": part} for part in parts]
