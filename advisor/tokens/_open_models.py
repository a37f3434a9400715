"""Tokens of an open model: exact with its own tokenizer and chat template when they are at hand, else an estimate.

Estimate: tokens of o200k_base times 1.10, between 1.00 and 1.25. Measured on banking77, GSM8K, SciTLDR, ARC and
Python's standard library with the tokenizers of Qwen (dashscope 2.0.2), Mistral Tekken and Mistral v3 (mistral-common
1.13.1): 1.00 to 1.25 over the fifteen pairs, mean 1.09. Other scripts were not measured: small vocabularies need more.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import orjson

from advisor.dataset import Dataset, Example, Format
from advisor.dataset._write import text_of
from advisor.errors import DataError
from backends import Json
from backends.local.pretrained import located

if TYPE_CHECKING:
    from jinja2 import Template

_LOW, _MID, _HIGH = 1.00, 1.10, 1.25
_BATCH = 256
_GENERATION = re.compile(r"\{%-?\s*(?:end)?generation\s*-?%\}")  # marks answers for trainers; renders nothing


@dataclass(frozen=True, slots=True)
class ModelTokens:
    """Tokens of a dataset for one open model, per epoch; ``low`` and ``high`` equal ``tokens`` when ``exact``."""

    model: str
    tokens: int
    low: int
    high: int
    exact: bool
    basis: str
    context: int | None = None  # tokens the model takes, where its files say so
    lengths: Counter[int] = field(default_factory=Counter)


def is_open(model: str) -> bool:
    """Tell an open model (ORG/NAME or a folder) from a provider's own."""
    return "/" in located(model) or Path(model).is_dir()


def estimated(o200k: int) -> int:
    """Return about how many tokens of an open model so many of o200k_base are."""
    return round(o200k * _MID)


def model_folder(model: str) -> Path | None:
    """Return the folder with the model's tokenizer.json: the model itself, or its snapshot in the hub's cache."""
    model = located(model)
    if (Path(model) / "tokenizer.json").is_file():
        return Path(model)
    cache = os.environ.get("HF_HUB_CACHE") or str(Path(os.environ.get("HF_HOME", "~/.cache/huggingface")) / "hub")
    place = Path(cache).expanduser() / f"models--{model.replace('/', '--')}"
    head = place / "refs" / "main"
    names = [head.read_text().strip()] if head.is_file() else []
    names += sorted(path.name for path in (place / "snapshots").glob("*"))
    folders = (place / "snapshots" / name for name in names)
    return next((folder for folder in folders if (folder / "tokenizer.json").is_file()), None)


def model_tokens(dataset: Dataset, model: str, o200k: int) -> ModelTokens:
    """Count for ``model``, or estimate from the tokens of o200k_base, roles and tools included."""
    folder = model_folder(model)
    missing = [name for name in ("tokenizers", "jinja2") if importlib.util.find_spec(name) is None]
    if folder is None or missing:
        reason = (
            f"the tokenizer of {model} is not on this machine"
            if folder is None
            else f"{' and '.join(missing)} is not installed (pip install 'tunewise[local]')"
        )
        basis = f"estimated from o200k_base, since {reason}"
        return ModelTokens(model, estimated(o200k), round(o200k * _LOW), round(o200k * _HIGH), False, basis)
    return _counted(dataset, model, folder)


def _counted(dataset: Dataset, model: str, folder: Path) -> ModelTokens:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    config = _json(folder / "tokenizer_config.json")
    template = _template(folder, config)
    marks = {name: _mark(config.get(name)) for name in ("bos_token", "eos_token", "unk_token", "pad_token")}
    lengths: Counter[int] = Counter()
    batch: list[str] = []

    def count() -> None:
        lengths.update(len(found.ids) for found in tokenizer.encode_batch_fast(batch, add_special_tokens=False))
        batch.clear()

    for example in dataset.examples():
        batch.extend(_texts(example, dataset.format, template, marks))
        if len(batch) >= _BATCH:
            count()
    count()
    total = sum(length * number for length, number in lengths.items())
    context = _context(folder, config)
    exact = template is not None or dataset.format is Format.TEXT
    basis = "its own tokenizer and chat template" if exact else "its own tokenizer; it has no chat template"
    return ModelTokens(model, total, total, total, exact, basis, context, lengths)


def _texts(example: Example, format: Format, template: Template | None, marks: dict[str, str]) -> Iterator[str]:
    """Yield what the model reads for one example: once, or once for each answer of a pair."""
    if format is Format.TEXT:
        yield text_of(example.messages[0])
        return
    sides = [[*example.messages, side] for side in (example.preferred, example.non_preferred) if side]
    for messages in sides or [example.messages]:
        if template is None:
            yield "\n".join(text_of(message) for message in messages)
            continue
        try:
            turns = [_turn(cast(dict[str, Json], message)) for message in messages]
            yield template.render(messages=turns, tools=example.tools or None, add_generation_prompt=False, **marks)
        except Exception as error:  # noqa: BLE001  a template may raise anything
            raise DataError(
                f"{example.file}, line {example.line}: the model's chat template refuses this conversation ({error});"
                " see 'tunewise check' on roles and their order."
            ) from None


def _turn(message: dict[str, Json]) -> dict[str, Json]:
    """Give calls their arguments as objects, as the hub's templates expect them."""
    calls = message.get("tool_calls")
    if not isinstance(calls, list):
        return {"content": "", **message} if message.get("content") is None else message
    turned = [
        {**call, "function": {**call["function"], "arguments": orjson.loads(str(call["function"]["arguments"]))}}
        for call in cast(list[dict[str, dict[str, Json]]], calls)
    ]
    return {**message, "content": message.get("content") or "", "tool_calls": cast(Json, turned)}


def _template(folder: Path, config: dict[str, Json]) -> Template | None:
    """Compile the model's chat template, sandboxed: it is foreign code."""
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    file = folder / "chat_template.jinja"
    source = file.read_text(encoding="utf-8") if file.is_file() else config.get("chat_template")
    if isinstance(source, list):
        named = {str(one.get("name")): one.get("template") for one in source if isinstance(one, dict)}
        source = named.get("default")
    if not isinstance(source, str):
        return None
    world = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    world.filters["tojson"] = lambda value, indent=None: json.dumps(value, ensure_ascii=False, indent=indent)

    def refuse(message: str) -> None:
        raise ValueError(message)

    world.globals["raise_exception"] = refuse
    world.globals["strftime_now"] = lambda form: "2024-07-26"  # any day has as many tokens
    return world.from_string(_GENERATION.sub("", source))


def _context(folder: Path, config: dict[str, Json]) -> int | None:
    found = _json(folder / "config.json").get("max_position_embeddings") or config.get("model_max_length")
    return found if isinstance(found, int) and found < 100_000_000 else None


def _mark(value: Json) -> str:
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else ""


def _json(path: Path) -> dict[str, Json]:
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}
