"""One JSON object that holds all rows: under a field, one by key, or column by column as pandas writes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from advisor.dataset.cells import Row
from advisor.dataset.shape import shape_of
from backends import Json


def rows_of(value: Json, field: str) -> Iterator[Json]:
    """Yield the rows of what the path ``field`` leads to, '' being the object itself."""
    held = _at(value, field)
    if isinstance(held, list):
        yield from held
    elif isinstance(held, dict) and _is_split(held):
        names = cast(list[str], held["columns"])
        yield from (dict(zip(names, cells, strict=True)) for cells in cast(list[list[Json]], held["data"]))
    elif isinstance(held, dict) and is_columns(held):
        first = next(iter(held.values()))
        keys = list(first) if isinstance(first, dict) else range(len(cast(list[Json], first)))
        columns = cast(Mapping[str, Mapping[object, Json]], held)
        yield from ({name: column[key] for name, column in columns.items()} for key in keys)
    elif isinstance(held, dict):
        yield from held.values()


def fields_with_rows(value: Row, wanted: str) -> list[str] | None:
    """Return the fields that hold rows, [''] where the object itself does; None where it is a row, not rows.

    ``wanted`` is the field that was named, which may be a path: data.train.
    """
    if wanted:
        return [wanted] if isinstance(_at(value, wanted), list | dict) else []
    if _is_split(value) or is_columns(value):
        return [""]
    if shape_of(value, {}) is not None:
        return None
    if len(value) > 1 and all(isinstance(row, dict) and shape_of(row, {}) for row in value.values()):
        return [""]
    return _paths(value, "") or None


def _paths(value: Row, before: str) -> list[str]:
    """Return the paths of lists of objects, and of groups of them one floor down."""
    found: list[str] = []
    for name, held in value.items():
        path = f"{before}{name}"
        if isinstance(held, list):
            found += [path] if held and _is_row(held[0]) else []
        elif isinstance(held, dict) and (is_columns(held) or (_keyed(held) and not before)):
            found.append(path)
        elif isinstance(held, dict) and not before:
            found += _paths(held, f"{path}.")
    return found


def _is_row(value: Json) -> bool:
    """Tell a row from a message; a conversation may be a row without its name."""
    if isinstance(value, list):
        return bool(value) and isinstance(value[0], dict) and bool({"role", "from"} & value[0].keys())
    return isinstance(value, dict) and not {"role", "from"} & value.keys()


def _keyed(value: Row) -> bool:
    return bool(value) and all(isinstance(row, dict) and shape_of(row, {}) for row in value.values())


def is_columns(value: Row) -> bool:
    """Tell columns of rows from one row: every field a list of as many values, or an object of the same keys."""
    if len(value) < 2 or shape_of(value, {}) is None:
        return False
    held = list(value.values())
    if all(isinstance(column, dict) for column in held):
        first = cast(Row, held[0]).keys()
        return bool(first) and all(cast(Row, column).keys() == first for column in held)
    if not all(isinstance(column, list) for column in held):
        return False
    sizes = {len(cast(list[Json], column)) for column in held}
    messages = any(isinstance(one, dict) and "role" in one for column in held for one in cast(list[Json], column)[:1])
    return len(sizes) == 1 and sizes.pop() > 1 and not messages


def _is_split(value: Row) -> bool:
    """Tell what ``DataFrame.to_json(orient="split")`` writes."""
    names, data = value.get("columns"), value.get("data")
    return (
        isinstance(names, list)
        and isinstance(data, list)
        and all(isinstance(name, str) for name in names)
        and all(isinstance(cells, list) and len(cells) == len(names) for cells in data)
    )


def _at(value: Json, path: str) -> Json:
    """Follow a path of fields, of which one may hold a dot itself; null where it leads nowhere."""
    if not path:
        return value
    if not isinstance(value, dict):
        return None
    if path in value:
        return value[path]
    first, _, rest = path.partition(".")
    return _at(value.get(first), rest) if rest else None
