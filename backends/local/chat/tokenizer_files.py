"""The chat template of a model folder, read from its tokenizer's files as transformers reads them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from backends.local.chat.template import ChatTemplate, chat_template


def template_in(folder: Path, encode: Callable[[str], list[int]]) -> ChatTemplate:
    """Return the chat template of the tokenizer in ``folder``.

    ``encode`` is that of its tokenizer.json, special tokens added. Raises MaskRefused.
    """
    config = _json(folder / "tokenizer_config.json")
    listed = {**_json(folder / "special_tokens_map.json"), **config}
    tokens = {key: text for key, value in listed.items() if key.endswith("_token") and (text := _text(value))}
    vocabulary = _json(folder / "tokenizer.json")
    added = {str(one["content"]): int(one["id"]) for one in vocabulary.get("added_tokens", ())}
    specials = {str(one["content"]) for one in vocabulary.get("added_tokens", ()) if one.get("special")}
    asked, bare = config.get("add_bos_token"), encode("a")
    first = added.get(tokens.get("bos_token", ""))
    adds_bos = asked if isinstance(asked, bool) else bool(bare) and first is not None and bare[0] == first
    return chat_template(
        _sources(folder, config),
        tuple(sorted(tokens.items())),
        adds_bos=adds_bos,
        specials=frozenset(specials | set(tokens.values())),
    )


def _sources(folder: Path, config: Mapping[str, Any]) -> str | tuple[tuple[str, str], ...] | None:
    """Return the template, or several by name; files of their own win over the configuration."""
    written = {path.stem: path for path in sorted((folder / "additional_chat_templates").glob("*.jinja"))}
    if (folder / "chat_template.jinja").is_file():
        written["default"] = folder / "chat_template.jinja"
    if written:
        return tuple((name, path.read_text(encoding="utf-8")) for name, path in sorted(written.items()))
    found = config.get("chat_template")
    if isinstance(found, list):
        return tuple((str(one["name"]), str(one["template"])) for one in found if isinstance(one, dict)) or None
    return found if isinstance(found, str) else None


def _text(value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else ""


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
