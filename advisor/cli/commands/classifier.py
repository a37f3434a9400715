"""``tunewise classifier DATA --out FOLDER``: train a plain classifier and keep it, or ask one that was kept."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict
from pathlib import Path

import click

from advisor.cli import render
from advisor.cli.flags import common
from advisor.cli.flags.command import Command


@click.command("classifier", cls=Command)
@click.argument("data", nargs=-1, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="The folder to write it to.")
@click.option(
    "--ask", type=click.Path(path_type=Path, file_okay=False), help="Label texts with the classifier in this folder."
)
@click.option(
    "--text", "texts", multiple=True, help="With --ask: a text; repeat the flag for more. Default: the lines of stdin."
)
@common.as_json
def command(data: tuple[Path, ...], out: Path | None, ask: Path | None, texts: tuple[str, ...], as_json: bool) -> None:
    """Train a plain classifier (TF-IDF and a linear model) on labelled data, without a key, a GPU or a bill.

    The folder holds the model and serve.py, a small server for it. It needs the extra 'baseline'.

    \b
    tunewise classifier tickets.jsonl --out classifier
    tunewise classifier --ask classifier --text "Where is my parcel?"
    python classifier/serve.py 8000
    """
    from advisor.runs.evaluation.plain_classifier import SERVER, labels_for, write_classifier

    if ask is not None:
        given = texts or tuple(sys.stdin.read().splitlines())
        labels = labels_for(ask, given) if given else []
        rows = [{"text": text, "label": label} for text, label in zip(given, labels, strict=True)]
        if as_json:
            render.json_document(rows)
        for row in () if as_json else rows:
            render.out(row["label"])
        return
    if not data or out is None:
        raise click.UsageError("Name the data and where to write it: tunewise classifier DATA --out FOLDER")
    from advisor.dataset import Dataset

    found = write_classifier(Dataset.open(*data), out)
    place = shlex.quote(str(out))
    if as_json:
        render.json_document({"folder": str(out), "score": asdict(found) if found else None})
        return
    if found is not None:
        said = f"{found.score:.1%} right ({found.low:.1%} to {found.high:.1%}) on rows it had not seen"
        render.out(f"{said}, cross-validated on {found.examples:,} rows of {found.labels} labels.")
    render.out(f"Trained on all of them and written to {out}.")
    render.out(f"Serve it: python {place}/{SERVER} 8000")
    render.out(f"Ask it:   tunewise classifier --ask {place} --text TEXT")
