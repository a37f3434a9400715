"""What is wrong with one conversation, whoever will train on it, as (code, detail)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TypeAlias, cast

import orjson

from advisor.dataset.cells import INVISIBLE, is_blank, kind
from advisor.dataset.converse import Conversation
from advisor.dataset.images import MOST, image_faults, images_in
from advisor.dataset.rows import Fault
from advisor.dataset.shape import ROLES
from advisor.dataset.toolcalls import Schema, call_faults, tool_faults, tool_schemas

Turn: TypeAlias = Mapping[str, object]

MESSAGE_KEYS = frozenset(
    ("role", "content", "name", "tool_calls", "tool_call_id", "function_call", "weight", "refusal",
     "reasoning", "reasoning_content", "audio", "annotations")
)  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_AFTER = {"system": "user", "user": "assistant", "assistant": "user"}  # the usual next role


def faults(talk: Conversation) -> list[Fault]:
    """Return the structural faults of a conversation; plain text has none."""
    # What the types promise is what is being checked here.
    turns = cast(list[Turn], talk.messages)
    found = [] if usual(turns) else list(_odd(talk, turns))
    weight = talk.extra.get("weight", 1) if talk.extra else 1
    if isinstance(weight, bool) or not isinstance(weight, int | float) or weight < 0:
        found.append(("bad_weight", f"the row has {weight!r}; a weight is a number from 0 up"))
    parallel = talk.extra.get("parallel_tool_calls", True) if talk.extra else True
    if not isinstance(parallel, bool):
        found.append(("bad_setting", f"parallel_tool_calls is {parallel!r:.40}, not true or false"))
    if talk.tools:
        found.extend(tool_faults(talk.tools))
    if talk.preferred is not None and talk.non_preferred is not None:
        found.extend(_pair(talk, turns, tool_schemas(talk.offered())))
    elif turns[-1].get("role") != "assistant" and not any(code == "no_assistant" for code, _ in found):
        found.append(("last_not_assistant", f"the last message is from {turns[-1].get('role')}"))
    return found


def usual(turns: object) -> bool:
    """Tell at little cost that nothing can be wrong: texts from system, then user and assistant in turn."""
    if type(turns) is not list:
        return False
    wanted = ""
    for turn in turns:
        if type(turn) is not dict or len(turn) != 2:
            return False
        try:
            role, content = turn["role"], turn["content"]
            after = _AFTER[role]
        except (KeyError, TypeError):
            return False
        if type(content) is not str or not content or content.isspace() or (wanted and role != wanted):
            return False
        if content[0] in INVISIBLE:  # and perhaps nothing else
            return False
        wanted = after
    return wanted == "user" and len(turns) > 1


def _odd(talk: Conversation, turns: list[Turn]) -> Iterator[Fault]:
    schemas = tool_schemas(talk.offered())
    before, open_calls, learnt, asked = "", set[str](), talk.preferred is not None, False
    for number, turn in enumerate(turns, 1):
        role, where = turn.get("role"), f"message {number}"
        yield from message_faults(turn, number)
        if not isinstance(role, str):
            before = ""
            continue
        if role == before and role in ("user", "assistant", "system"):
            yield "consecutive_roles", f"messages {number - 1} and {number} are both from {role}"
        elif role == "system" and before:
            yield "system_not_first", where
        if role in ("user", "assistant") and open_calls:
            yield "tool_call_unanswered", f"before {where}"
            open_calls = set()
        if role == "assistant":
            learnt = learnt or turn.get("weight") != 0
            for code, detail, call_id in call_faults(turn, where, schemas):
                if code:
                    yield code, detail
                if call_id:
                    open_calls.add(call_id)
        elif role == "tool":
            answered = turn.get("tool_call_id")
            if not isinstance(answered, str) or answered not in open_calls:
                yield "tool_answer_unmatched", f"{where} answers {answered!r}"
            else:
                open_calls.discard(answered)
        asked = asked or role != "assistant"
        before = role
    images = sum(images_in(turn.get("content")) for turn in turns)
    if images > MOST:
        yield "too_many_images", f"there are {images}"
    roles = {role for turn in turns if isinstance(role := turn.get("role"), str)}
    if not roles <= set(ROLES):  # which of them is whose was said
        return
    if "assistant" not in roles and talk.preferred is None:
        yield "no_assistant", ""
    elif not learnt:
        yield "nothing_learnt", ""
    if not roles & {"user", "tool", "function"}:
        yield "no_user", ""


def message_faults(turn: Turn, number: int) -> Iterator[Fault]:
    """Yield what is wrong with one message taken alone."""
    role, content, where = turn.get("role"), turn.get("content"), f"message {number}"
    if not isinstance(role, str) or not role:
        yield "missing_role", where
        return
    if role not in ROLES:
        yield "unknown_role", f"{where} is from '{role[:30]}'"
    elif role == "developer":
        yield "developer_role", where
    elif role == "function":
        yield "deprecated_role", where
    if not (content is None or isinstance(content, str | list)):
        yield "bad_content", f"{where} has {kind(content)}"
    elif isinstance(content, list):
        yield from _parts(content, role, where)
    elif role == "assistant":
        if not (turn.get("tool_calls") or turn.get("function_call")) and is_blank(content or ""):
            yield "empty_answer", f"{where}, whose text is in 'refusal'" if turn.get("refusal") else where
    elif content is None:
        yield "missing_content", f"{where}, from {role[:30]}"
    elif role == "user" and is_blank(content):
        yield "empty_prompt", where
    try:
        orjson.dumps(turn)
    except TypeError:  # out of Parquet
        yield "bad_content", f"{where} holds what JSON cannot: bytes, a date or a decimal"
    if role != "assistant" and (turn.get("tool_calls") or turn.get("function_call")):
        yield "bad_tool_call", f"{where} is from {role[:30]}, and only the assistant calls"
    if not turn.keys() <= MESSAGE_KEYS:
        yield "unknown_message_key", f"{where} has {', '.join(sorted(map(str, turn.keys() - MESSAGE_KEYS)))[:80]}"
    weight, name, refusal = turn.get("weight"), turn.get("name"), turn.get("refusal")
    if weight is not None:
        if role != "assistant":
            yield "weight_not_assistant", where
        elif type(weight) is not int or weight not in (0, 1):
            yield "bad_weight", f"{where} has {weight!r}"
    if name is not None and not (isinstance(name, str) and _NAME.fullmatch(name)):
        yield "bad_name", where
    if role == "assistant" and (turn.get("reasoning") or turn.get("reasoning_content")):
        yield "reasoning_text", where
    if not (refusal is None or isinstance(refusal, str)):
        yield "bad_content", f"{where} has a refusal that is not text"


def _parts(content: list[object], role: str, where: str) -> Iterator[Fault]:
    if not content:
        yield ("empty_answer" if role == "assistant" else "missing_content"), f"{where} has no part"
    for part in content:
        name = part.get("type") if isinstance(part, dict) else None
        if not isinstance(part, dict) or not isinstance(name, str):
            yield "bad_content", f"{where} has a part that is not an object with a type"
        elif name == "text" and not isinstance(part.get("text"), str):
            yield "bad_content", f"{where} has a text part without text"
        elif name in ("input_audio", "file"):
            yield "unread_part", f"{where} has a part of type '{name}'"
        elif name not in ("text", "image_url", "refusal"):
            yield "bad_content", f"{where} has a part of type '{name[:30]}'"
    yield from image_faults(content, role, where)


def _pair(talk: Conversation, turns: list[Turn], schemas: Mapping[str, Schema]) -> Iterator[Fault]:
    for side, name in ((talk.preferred, "preferred"), (talk.non_preferred, "non-preferred")):
        turn = cast(Turn, side)
        if turn.get("role") != "assistant":
            yield "preference_role", f"the {name} answer is from {turn.get('role')}"
        else:
            yield from ((code, f"the {name} answer: {detail}") for code, detail in message_faults(turn, 1))
            yield from ((code, detail) for code, detail, _ in call_faults(turn, f"the {name} answer", schemas) if code)
    if talk.preferred == talk.non_preferred:
        yield "preference_same", ""
    if turns[-1].get("role") == "assistant":
        yield "preference_prompt", ""
