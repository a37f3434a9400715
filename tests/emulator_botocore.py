"""Holds a request or a reply to an AWS service's own description: the file that botocore's client is built from."""

from __future__ import annotations

import functools
import re
from typing import Any

from jsonschema import Draft202012Validator

_PLAIN = {"boolean": "boolean", "integer": "integer", "long": "integer", "float": "number", "double": "number"}


class BotocoreDescription:
    """The rest-json services named; asked as Description is."""

    def __init__(self, *services: str) -> None:
        import botocore.loaders

        loader = botocore.loaders.Loader()
        self._operations: list[tuple[str, re.Pattern[str], dict[str, Any], dict[str, Any]]] = []
        for service in services:
            model = loader.load_service_model(service, "service-2")
            for operation in model["operations"].values():
                path = re.sub(r"\{[^}]+\}", "[^/]+", operation["http"]["requestUri"].partition("?")[0])
                row = (operation["http"]["method"], re.compile(f"{path}/?$"), operation, model["shapes"])
                self._operations.append(row)

    def request_problems(
        self, method: str, path: str, query: dict[str, str], content_type: str, body: object
    ) -> list[str]:
        found = self._of(method, path)
        if found is None:
            return [f"{method} {path}: not described"]
        operation, shapes = found
        shape = shapes[operation["input"]["shape"]] if "input" in operation else {"members": {}}
        known = {m.get("locationName", n) for n, m in shape["members"].items() if m.get("location") == "querystring"}
        problems = [f"{method} {path}: unknown query parameter {name!r}" for name in query if name not in known]
        schema = _structure(shape, shapes, ())
        return problems + _check(f"{method} {path}: request", schema, body or {})

    def reply_problems(self, method: str, path: str, status: int, body: object) -> list[str]:
        found = self._of(method, path)
        if found is None:
            return [f"{method} {path}: not described"]
        if status >= 400:
            return []
        operation, shapes = found
        wanted = operation["http"].get("responseCode", 200)
        if status != wanted:
            return [f"{method} {path}: answers {status}, described is {wanted}"]
        shape = shapes[operation["output"]["shape"]] if "output" in operation else {"members": {}}
        return _check(f"{method} {path}: reply", _structure(shape, shapes, ()), body or {})

    @functools.cache  # noqa: B019  one description lives as long as the test process
    def _of(self, method: str, path: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
        fitting = [(o, s) for m, pattern, o, s in self._operations if m == method and pattern.match(path)]
        # A literal path comes before one with a parameter in its place.
        fitting.sort(key=lambda pair: pair[0]["http"]["requestUri"].count("{"))
        return fitting[0] if fitting else None


@functools.cache
def described(*services: str) -> BotocoreDescription:
    return BotocoreDescription(*services)


def _check(where: str, schema: dict[str, Any], value: object) -> list[str]:
    return [
        f"{where} {'/'.join(map(str, error.absolute_path)) or '(top)'}: {error.message[:300]}"
        for error in Draft202012Validator(schema).iter_errors(value)
    ]


def _schema(name: str, shapes: dict[str, Any], above: tuple[str, ...]) -> dict[str, Any]:
    shape = shapes[name]
    kind = shape["type"]
    if name in above or shape.get("document"):  # nested without end, or free
        return {}
    above = (*above, name)
    if kind == "structure":
        return _structure(shape, shapes, above)
    if kind == "list":
        inner: dict[str, Any] = {"type": "array", "items": _schema(shape["member"]["shape"], shapes, above)}
        return inner | _bounds(shape, "minItems", "maxItems")
    if kind == "map":
        return {"type": "object", "additionalProperties": _schema(shape["value"]["shape"], shapes, above)}
    if kind == "string":
        found: dict[str, Any] = {"type": "string"} | _bounds(shape, "minLength", "maxLength")
        if "enum" in shape:
            found["enum"] = shape["enum"]
        if "pattern" in shape:
            found["pattern"] = f"^(?:{shape['pattern']})$"
        return found
    if kind == "timestamp":
        return {"type": ["string", "number"]}
    return {"type": _PLAIN[kind]} | _bounds(shape, "minimum", "maximum") if kind in _PLAIN else {}


def _structure(shape: dict[str, Any], shapes: dict[str, Any], above: tuple[str, ...]) -> dict[str, Any]:
    inside = {name: member for name, member in shape["members"].items() if "location" not in member}
    return {
        "type": "object",
        "properties": {
            member.get("locationName", name): _schema(member["shape"], shapes, above) for name, member in inside.items()
        },
        "required": [inside[name].get("locationName", name) for name in shape.get("required", ()) if name in inside],
        "additionalProperties": False,
    }


def _bounds(shape: dict[str, Any], low: str, high: str) -> dict[str, Any]:
    names = {"min": low, "max": high}
    return {word: shape[name] for name, word in names.items() if name in shape}
