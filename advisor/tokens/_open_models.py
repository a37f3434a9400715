"""Tokens of an open model: exact with its own tokenizer and chat template when they are at hand, else an estimate.

Estimate: tokens of o200k_base times 1.10, between 1.00 and 1.25. Measured on banking77, GSM8K, SciTLDR, ARC and
Python's standard library with the tokenizers of Qwen (dashscope 2.0.2), Mistral Tekken and Mistral v3 (mistral-common
1.13.1): 1.00 to 1.25 over the fifteen pairs, mean 1.09. Other scripts were not measured: small vocabularies need more.
"""

from __future__ import annotations

import importlib.util
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from advisor.dataset import Dataset, Example, Format
from advisor.dataset.write import text_of
from advisor.errors import DataError
from backends import Json, install_extra
from backends.local.pretrained import located
from backends.local.vocabulary import beyond, vocabulary_rows

if TYPE_CHECKING:
    from backends.local.chat import ChatTemplate

_LOW, _MID, _HIGH = 1.00, 1.10, 1.25
_BATCH = 256


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
            else f"{' and '.join(missing)} is not installed ({install_extra('local')})"
        )
        basis = f"estimated from o200k_base, since {reason}"
        return ModelTokens(model, estimated(o200k), round(o200k * _LOW), round(o200k * _HIGH), False, basis)
    return _counted(dataset, model, folder)


def _counted(dataset: Dataset, model: str, folder: Path) -> ModelTokens:
    """Count the very sequences that our trainer makes of the data. Raises DataError for a row it would refuse."""
    from tokenizers import Tokenizer

    from backends.local.chat import FIXED_DATE, MaskRefused, template_in

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    try:
        template = template_in(folder, lambda text: tokenizer.encode(text).ids)
    except MaskRefused as error:
        raise DataError(f"{model}: {error}.") from None
    rows = vocabulary_rows(folder)
    lengths: Counter[int] = Counter()
    batch: list[tuple[Example, str]] = []

    def count() -> None:
        found = tokenizer.encode_batch_fast([text for _, text in batch], add_special_tokens=False)
        for (example, _), each in zip(batch, found, strict=True):
            if rows and each.ids and max(each.ids) >= rows:
                token = str(tokenizer.id_to_token(max(each.ids)))
                raise DataError(f"{example.file}, line {example.line}: {beyond(token, max(each.ids), rows)}")
            lengths[len(each.ids)] += 1
        batch.clear()

    for example in dataset.examples():
        batch.extend((example, text) for text in _texts(example, dataset.format, template))
        if len(batch) >= _BATCH:
            count()
    count()
    total = sum(length * number for length, number in lengths.items())
    context = _context(folder, _json(folder / "tokenizer_config.json"))
    dated = f", its date fixed to {FIXED_DATE} as in training" if template.dated else ""
    basis = "its own tokenizer and chat template" if template.own else "its own tokenizer and the plain template"
    return ModelTokens(model, total, total, total, True, basis + dated, context, lengths)


def _texts(example: Example, format: Format, template: ChatTemplate) -> Iterator[str]:
    """Yield what the model reads for one example: once, once for each answer of a pair, or of a rewritten history."""
    from backends.local.chat import MaskRefused, plain_text, texts

    if format is Format.TEXT:
        yield plain_text(template, text_of(example.messages[0])).text
        return
    sides = [side for side in (example.preferred, example.non_preferred) if side]
    try:
        for side in sides:
            yield texts(template, [*example.messages, side], example.tools, loss_on="last")[-1].text
        if not sides:
            yield from (one.text for one in texts(template, example.messages, example.tools))
    except MaskRefused as error:
        raise DataError(f"{example.file}, line {example.line}: {error}.") from None


def _context(folder: Path, config: dict[str, Json]) -> int | None:
    found = _json(folder / "config.json").get("max_position_embeddings") or config.get("model_max_length")
    return found if isinstance(found, int) and found < 100_000_000 else None


def _json(path: Path) -> dict[str, Json]:
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}
