"""Reads price files: YAML with exact decimals, overlays laid one over another, errors with path, line and field."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path

import yaml
from pydantic import ValidationError

from advisor.errors import PriceError
from advisor.pricing.overlay import Tree, Where, laid_over
from advisor.pricing.schema import PriceFile


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The safe loader, with 0.1 read as exactly 0.1 and a key that stands twice refused."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen and key.value != "<<":
                raise yaml.MarkedYAMLError(problem=f"the key '{key.value}' appears twice", problem_mark=key.start_mark)
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else "")
        mapping: dict[Hashable, object] = super().construct_mapping(node, deep)
        return mapping


def _decimal(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Decimal:
    text = str(loader.construct_scalar(node)).replace("_", "")
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal(text.replace(".inf", "Infinity").replace(".Inf", "Infinity").replace(".nan", "NaN"))


def _date(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> object:
    try:
        return loader.construct_yaml_timestamp(node)
    except ValueError as error:
        raise yaml.MarkedYAMLError(problem=f"{node.value}: {error}", problem_mark=node.start_mark) from error


_Loader.add_constructor("tag:yaml.org,2002:float", _decimal)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _date)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file as read, before it is checked."""

    path: Path
    text: str
    tree: Tree


def read(path: Path) -> SourceFile:
    """Read one price file. Raises PriceError naming path, line and remedy."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise PriceError(
            f"{path}: there is no such price file; 'tunewise prices copy' writes one to start from."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise PriceError(f"{path}: cannot be read as a price file ({error}); give a UTF-8 YAML file.") from error
    try:
        tree = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = 1 if mark is None else mark.line + 1
        problem = getattr(error, "problem", None) or "cannot be parsed"
        raise PriceError(f"{path}, line {line}: this is not valid YAML ({problem}).") from error
    except (ValueError, RecursionError) as error:
        raise PriceError(f"{path}: holds a value that cannot be read ({error}).") from error
    if not isinstance(tree, dict):
        raise PriceError(f"{path}, line 1: a price file is a mapping that starts with 'version: 1'.")
    return SourceFile(path, text, tree)


def check(files: Sequence[SourceFile]) -> PriceFile:
    """Lay ``files`` over one another, the first being the lowest, and validate. Raises PriceError.

    Mappings merge key by key; anything else replaces what lay below. An entry that changes a figure has to say who
    says so, and since when.
    """
    merged: Tree = {}
    for file in files:
        merged = laid_over(merged, file.tree, partial(_refuse_unsigned, file))
    sources = merged.get("sources")
    try:
        return PriceFile.model_validate(merged, context={"sources": sources if isinstance(sources, dict) else {}})
    except ValidationError as error:
        lines = []
        for issue in error.errors():
            path, line, where = _located(files, issue["loc"])
            field = ".".join(str(part) for part in where) or "the file"
            message = (
                "unknown key" if issue["type"] == "extra_forbidden" else issue["msg"].removeprefix("Value error, ")
            )
            lines.append(f"{path}, line {line}: {field}: {message}.")
        if "version" not in files[0].tree:
            lines.append(
                f"{files[0].path} has to be a whole price file; a pricing.local.yaml in the working folder, which is "
                "read by itself, changes a few prices only ('tunewise prices copy' writes one)."
            )
        raise PriceError("\n".join(lines)) from error


def _refuse_unsigned(file: SourceFile, where: Where) -> None:
    line, _ = _walk(file, where)
    field = ".".join(str(part) for part in where)
    raise PriceError(
        f"{file.path}, line {line}: {field}: whose figure is this? Put 'source' (a name you give under 'sources') and "
        "'checked' (the day it was read, empty when undated) beside it."
    )


def _located(files: Sequence[SourceFile], where: Where) -> tuple[Path, int, Where]:
    """Return the topmost file that holds ``where``, the line, and as much of ``where`` as the file really has."""
    best = (files[0].path, 1, where)
    depth = -1
    for file in files:
        line, reached = _walk(file, where)
        if reached >= depth:
            depth, best = reached, (file.path, line, where)
    return best


def _walk(file: SourceFile, where: Where) -> tuple[int, int]:
    node = yaml.compose(file.text, Loader=_Loader)
    line, reached = 1, 0
    for part in where:
        found = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    found, line = value, key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = node.value[part]
            line = found.start_mark.line + 1
        if found is None:
            break
        node, reached = found, reached + 1
    return line, reached
