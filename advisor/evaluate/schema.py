"""Whether structured output keeps its JSON Schema: one that is given, or the one all known answers keep."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from advisor.errors import DataError
from backends import Json

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
)


def read_schema(path: Path) -> Mapping[str, Json]:
    """Read a JSON Schema, or the ``response_format`` it is sent in. Raises DataError naming file and remedy."""
    import jsonschema

    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: this is not JSON ({error}); give a file with a JSON Schema.") from error
    if isinstance(found, dict) and found.get("type") == "json_schema" and isinstance(found.get("json_schema"), dict):
        found = found["json_schema"].get("schema", found["json_schema"])
    if not isinstance(found, dict):
        raise DataError(f"{path}: a JSON Schema is an object such as {{'type': 'object', 'required': [...]}}.")
    try:
        jsonschema.validators.validator_for(found, jsonschema.Draft202012Validator).check_schema(found)
    except jsonschema.SchemaError as error:
        where = "/".join(str(part) for part in error.absolute_path) or "the top"
        raise DataError(f"{path}: this is not a valid JSON Schema, at {where}: {error.message}.") from error
    return found


def inferred_schema(values: Sequence[Json]) -> Mapping[str, Json]:
    """Return what every value keeps: the types seen, the keys present in all; further keys are allowed."""
    kinds = sorted({_kind(value) for value in values})
    if "number" in kinds and "integer" in kinds:
        kinds.remove("integer")
    found: dict[str, Json] = {}
    if kinds:
        found["type"] = kinds[0] if len(kinds) == 1 else list[Json](kinds)
    objects = [value for value in values if isinstance(value, dict)]
    if objects:
        names = dict.fromkeys(name for one in objects for name in one)
        found["properties"] = {
            name: dict(inferred_schema([one[name] for one in objects if name in one])) for name in names
        }
        found["required"] = [name for name in names if all(name in one for one in objects)]
    items = [item for value in values if isinstance(value, list) for item in value]
    if items:
        found["items"] = dict(inferred_schema(items))
    return found


def keeps(value: Json, schema: Mapping[str, Json]) -> bool:
    """Tell whether a value keeps a schema; references to other documents are not followed, nor any without end."""
    from referencing.exceptions import Unresolvable

    try:
        return bool(_validator(json.dumps(schema, sort_keys=True)).is_valid(value))
    except RecursionError:  # a degenerate answer in a schema that holds itself
        return False
    except Unresolvable as error:
        raise DataError(f"The JSON Schema refers to what it does not hold ({error}); put it under $defs.") from error


@lru_cache(maxsize=8)
def _validator(schema: str) -> Validator:
    import jsonschema
    from referencing import Registry

    read = json.loads(schema)
    kind = jsonschema.validators.validator_for(read, jsonschema.Draft202012Validator)
    return kind(read, registry=Registry())


def _kind(value: Json) -> str:
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "null")
