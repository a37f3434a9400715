"""Knows whether a request or a reply agrees with a provider's official OpenAPI description."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

DOCUMENT = "urn:description"


class Description:
    """One OpenAPI document, asked per operation; validators are built when first needed."""

    def __init__(self, path: Path) -> None:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self.document: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
        _allow_null_where_nullable(self.document)
        self._registry = Registry().with_resource(DOCUMENT, Resource(contents=self.document, specification=DRAFT202012))
        self._paths = [
            (re.compile(re.sub(r"\{[^}]+\}", "[^/]+", template) + "$"), template)
            for template in sorted(self.document["paths"], key=lambda text: (text.count("{"), text.endswith("}"), text))
        ]

    def template(self, method: str, path: str) -> str | None:
        """Return the path template that describes ``method path``."""
        for pattern, template in self._paths:
            if pattern.match(path) and method.lower() in self.document["paths"][template]:
                return template
        return None

    def request_problems(
        self, method: str, path: str, query: dict[str, str], content_type: str, body: object
    ) -> list[str]:
        """Return what is wrong with a request: ``body`` is parsed JSON, or the text fields of a form."""
        template = self.template(method, path)
        if template is None:
            return [f"{method} {path}: not described"]
        operation = self.document["paths"][template][method.lower()]
        described = self.document["paths"][template].get("parameters", []) + operation.get("parameters", [])
        parameters = {p["name"]: p for p in map(self._resolved, described) if p["in"] == "query"}
        problems = [
            f"{method} {template}: unknown query parameter {name!r}"
            for name in query
            if name.split("[")[0] not in parameters
        ]
        problems += [
            f"{method} {template}: query parameter {name!r} is missing"
            for name, parameter in parameters.items()
            if parameter.get("required") and name not in query
        ]
        content = self._resolved(operation.get("requestBody", {})).get("content", {})
        kind = content_type.split(";")[0]
        if not content:
            if body not in (None, {}):
                problems.append(f"{method} {template}: no body is described, got {str(body)[:80]}")
        elif kind not in content:
            # A GET that describes an optional JSON body is also right without one.
            if method != "GET":
                problems.append(f"{method} {template}: content type {kind!r} is not described")
        else:
            pointer = f"/paths/{_escape(template)}/{method.lower()}/requestBody/content/{_escape(kind)}/schema"
            problems += [f"{method} {template}: request {text}" for text in self._check(pointer, body)]
        return problems

    def reply_problems(self, method: str, path: str, status: int, body: object) -> list[str]:
        """Return what is wrong with a JSON reply. A status that is not described (most errors) cannot be wrong."""
        template = self.template(method, path)
        if template is None:
            return [f"{method} {path}: not described"]
        responses = self.document["paths"][template][method.lower()].get("responses", {})
        for key in (str(status), f"{status // 100}XX"):
            if key in responses and "application/json" in responses[key].get("content", {}):
                pointer = (
                    f"/paths/{_escape(template)}/{method.lower()}/responses/{key}"
                    f"/content/{_escape('application/json')}/schema"
                )
                return [f"{method} {template}: reply {status} {text}" for text in self._check(pointer, body)]
        if status < 400 and str(status) not in responses:
            return [f"{method} {template}: status {status} is not described"]
        return []

    def _check(self, pointer: str, value: object) -> list[str]:
        return [
            f"{'/'.join(map(str, error.absolute_path)) or '(top)'}: {error.message[:300]}"
            for error in self._validator(pointer).iter_errors(value)
        ]

    @functools.cache  # noqa: B019  one Description lives as long as the test process
    def _validator(self, pointer: str) -> Draft202012Validator:
        return Draft202012Validator({"$ref": f"{DOCUMENT}#{quote(pointer, safe='/~')}"}, registry=self._registry)

    def _resolved(self, part: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in part:
            target: Any = self.document
            for key in part["$ref"].removeprefix("#/").split("/"):
                target = target[key]
            part = target
        return part


@functools.cache
def description(path: Path) -> Description:
    return Description(path)


def _escape(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


def _allow_null_where_nullable(node: object) -> None:
    """``nullable`` is OpenAPI 3.0 and without meaning in 3.1, but the documents still write it."""
    if isinstance(node, dict):
        if node.get("nullable") is True:
            if isinstance(node.get("type"), str):
                node["type"] = [node["type"], "null"]
            if isinstance(node.get("enum"), list) and None not in node["enum"]:
                node["enum"].append(None)
        for value in node.values():
            _allow_null_where_nullable(value)
    elif isinstance(node, list):
        for value in node:
            _allow_null_where_nullable(value)


def readable(body: bytes) -> object:
    """Parse JSON; None when there is none."""
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None
