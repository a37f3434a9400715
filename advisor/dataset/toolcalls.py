"""Tools and the calls of them: the descriptions, the arguments, and whether they fit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TypeAlias

import orjson

from advisor.dataset.cells import kind
from advisor.dataset.rows import Fault
from backends import Json

Schema: TypeAlias = Mapping[str, Json]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KINDS = ("object", "array", "string", "number", "integer", "boolean", "null")
_PYTHON: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "number": (int, float), "integer": (int,),
    "boolean": (bool,), "null": (type(None),),
}  # fmt: skip


def tool_faults(tools: list[dict[str, Json]]) -> Iterator[Fault]:
    """Yield what is wrong with the descriptions."""
    for number, tool in enumerate(tools, 1):
        function = tool.get("function")
        if tool.get("type") != "function" or not isinstance(function, dict):
            yield "bad_tool_schema", f"tool {number} is not {{type: function, function: ...}}"
            continue
        name = function.get("name")
        if not isinstance(name, str):
            yield "bad_tool_schema", f"tool {number} has no name"
        elif not _NAME.fullmatch(name):
            yield "bad_tool_name", f"'{name[:70]}'"
        if not isinstance(function.get("description", ""), str):
            yield "bad_tool_schema", f"tool {number} has a description that is not text"
        parameters = function.get("parameters")
        if parameters is not None:
            wrong = _wrong_schema(parameters, "parameters", 0)
            if wrong:
                yield "bad_tool_schema", f"tool {number}, {wrong}"


def _wrong_schema(schema: Json, where: str, depth: int) -> str:
    """Return what is no JSON Schema, or nothing."""
    if not isinstance(schema, dict):
        return "" if isinstance(schema, bool) and depth else f"{where} is not an object"
    named = schema.get("type")
    kinds = named if isinstance(named, list) else [named] if named is not None else []
    unknown = next((one for one in kinds if one not in _KINDS), None)
    if unknown is not None:
        return f"{where} has the type {unknown!r}"
    if depth == 0 and named is not None and named != "object":
        return f"{where} has the type {named!r} instead of 'object'"
    properties = schema.get("properties")
    if properties is not None and not isinstance(properties, dict):
        return f"{where}.properties is not an object"
    required = schema.get("required")
    if required is not None and not (isinstance(required, list) and all(isinstance(one, str) for one in required)):
        return f"{where}.required is not a list of names"
    if depth > 20:
        return ""
    inner = [_wrong_schema(field, f"{where}.{name}", depth + 1) for name, field in (properties or {}).items()]
    if "items" in schema and not isinstance(schema["items"], list):
        inner.append(_wrong_schema(schema["items"], f"{where}.items", depth + 1))
    return next((one for one in inner if one), "")


def tool_schemas(tools: list[dict[str, Json]]) -> dict[str, Schema]:
    """Return the parameters' schema of each tool by name."""
    found: dict[str, Schema] = {}
    for tool in tools:
        function = tool.get("function")
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            parameters = function.get("parameters")
            found[str(function["name"])] = parameters if isinstance(parameters, dict) else {}
    return found


def call_faults(
    turn: Mapping[str, object], where: str, schemas: Mapping[str, Schema]
) -> Iterator[tuple[str, str, str]]:
    """Yield (code, detail, call id) for the calls of a message; the code is empty where there is no fault."""
    older = turn.get("function_call")
    if isinstance(older, dict) and isinstance(older.get("name"), str):
        yield from ((code, detail, "") for code, detail in _arguments(older, where, schemas))
    elif older is not None:
        yield "bad_tool_call", f"{where} has a function_call without a name", ""
    calls = turn.get("tool_calls")
    if calls is None:
        return
    if not isinstance(calls, list):
        yield "bad_tool_call", f"{where} has tool_calls that are not a list", ""
        return
    for call in calls:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(call, dict) or not isinstance(function, dict) or not isinstance(function.get("name"), str):
            yield "bad_tool_call", f"{where} has a call without function and name", ""
            continue
        call_id = call.get("id")
        if not isinstance(call_id, str) or not call_id:
            yield "bad_tool_call", f"{where} has a call without id", ""
        elif "type" not in call:
            yield "bad_tool_call", f"{where} has a call without type", call_id
        elif call["type"] != "function":
            yield "bad_tool_call", f"{where} has a call of type {call['type']!r:.40}", call_id
        else:
            yield "", "", call_id
        yield from ((code, detail, "") for code, detail in _arguments(function, where, schemas))


def _arguments(function: Mapping[str, Json], where: str, schemas: Mapping[str, Schema]) -> Iterator[Fault]:
    name, arguments = str(function["name"]), function.get("arguments")
    if not isinstance(arguments, str):
        yield "arguments_not_text", f"{where} calls {name} with {kind(arguments)}"
        return
    try:
        given = orjson.loads(arguments) if arguments.strip() else None
    except orjson.JSONDecodeError:
        yield "arguments_not_json", f"{where} calls {name} with {arguments[:40]!r}"
        return
    if not isinstance(given, dict):
        yield "arguments_not_json", f"{where} calls {name} with something that is not an object"
        return
    if name not in schemas:
        yield "unknown_tool", f"{where} calls {name}"
        return
    wrong = _misfit(given, schemas[name])
    if wrong:
        yield "arguments_mismatch", f"{where} calls {name} {wrong}"


def _misfit(given: Mapping[str, Json], schema: Schema) -> str:
    """Return how the arguments do not fit the top level of the schema, or nothing."""
    properties, required = schema.get("properties"), schema.get("required")
    wanted_names = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
    missing = [name for name in wanted_names if name not in given]
    if missing:
        return f"without {missing[0]!r}"
    if not isinstance(properties, dict):
        return ""
    for name, value in given.items():
        field = properties.get(name)
        if not isinstance(field, dict):
            if name not in properties and schema.get("additionalProperties") in (None, False):
                return f"with {name!r}, which it does not have"
            continue
        named = field.get("type")
        wanted = _PYTHON.get(named) if isinstance(named, str) else None
        if wanted and (not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted)):
            return f"with {name!r} of the wrong type"
        choices = field.get("enum")
        if isinstance(choices, list) and value not in choices:
            return f"with {name!r} that is none of its choices"
    return ""
