"""What OpenAI bills for one example: the rule found on real jobs, and the tools as the provider renders them.

billed = 1 + sum over messages (3 + tokens(role) + tokens(content)), per example and epoch. It reproduces the billed
tokens of four published text-only jobs exactly (6,104; 4,480; 26,610; 23,580), where the cookbook's formula is 2 tokens
per example too high. With tools: names and raw arguments of the calls, and once per example the tools written as a
TypeScript namespace; on the one published job with tools (OpenAI cookbook, drone functions: 145,983 tokens billed in
3 epochs) that is 0.4 % too high.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from backends import Json

PER_EXAMPLE = 1
PER_MESSAGE = 3
BILLED_BY = "OpenAI"  # whose bill is counted
LOW_DETAIL_IMAGE = 85  # tokens, OpenAI's vision guide

_TYPES = {"integer": "number", "array": "any[]", "null": "null"}


def tools_text(tools: Sequence[dict[str, Json]]) -> str:
    """Write function tools as the TypeScript namespace the models are shown."""
    lines = ["namespace functions {", ""]
    for tool in tools:
        function = tool.get("function")
        if not isinstance(function, dict):
            function = tool
        if isinstance(function.get("description"), str) and function["description"]:
            lines.extend(f"// {line}" for line in cast(str, function["description"]).splitlines())
        parameters = function.get("parameters")
        fields = _fields(parameters, 0) if isinstance(parameters, dict) else []
        if fields:
            lines.extend([f"type {function.get('name')} = (_: {{", *fields, "}) => any;", ""])
        else:
            lines.extend([f"type {function.get('name')} = () => any;", ""])
    return "\n".join([*lines, "} // namespace functions"])


def _fields(schema: dict[str, Json], depth: int) -> list[str]:
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return []
    required = schema.get("required")
    needed = set(cast(list[str], required)) if isinstance(required, list) else set()
    pad = "  " * depth
    lines: list[str] = []
    for name, field in properties.items():
        if not isinstance(field, dict):
            continue
        if isinstance(field.get("description"), str) and field["description"] and depth < 2:
            lines.extend(f"{pad}// {line}" for line in cast(str, field["description"]).splitlines())
        lines.append(f"{pad}{name}{'' if name in needed else '?'}: {_type(field, depth)},")
    return lines


def _type(schema: dict[str, Json], depth: int) -> str:
    if depth > 20:
        return "any"
    choices = schema.get("enum")
    if isinstance(choices, list):
        return " | ".join(f'"{choice}"' if isinstance(choice, str) else str(choice) for choice in choices)
    options = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(options, list):
        return " | ".join(_type(option, depth + 1) for option in options if isinstance(option, dict))
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(_TYPES.get(str(one), str(one)) for one in kind)
    if kind == "object":
        inner = _fields(schema, depth + 1)
        return "\n".join(["{", *inner, "  " * depth + "}"]) if inner else "object"
    if kind == "array" and isinstance(schema.get("items"), dict):
        return f"{_type(cast(dict[str, Json], schema['items']), depth)}[]"
    return _TYPES.get(str(kind), str(kind)) if kind else "any"
