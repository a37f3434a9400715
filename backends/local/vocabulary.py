"""Whether a model's embedding has a row for each token of the data."""

from __future__ import annotations

from pathlib import Path

from backends.local.folder import read_json


def vocabulary_rows(folder: Path) -> int | None:
    """Return the rows of the embedding of the model in ``folder``; None where its configuration does not say."""
    config = read_json(folder / "config.json")
    inner = config.get("text_config")
    rows = (inner if isinstance(inner, dict) else config).get("vocab_size")
    return rows if isinstance(rows, int) else None


def beyond(token: str, number: int, rows: int) -> str:
    """Say that ``token`` has no row."""
    return (
        f"the token {token!r} (number {number}) is beyond the {rows} rows of the model's embedding: the tokenizer has "
        "tokens that the model lacks. Use the tokenizer the model came with, or give the model rows for them "
        "(resize_token_embeddings, save) and train it with method full."
    )
