"""``tunewise export RUN``: take a tuned model out of its run."""

from __future__ import annotations

from pathlib import Path

import click

from advisor.cli import render
from advisor.cli.flags import common

_NEW = click.Path(path_type=Path)


@click.command("export")
@click.argument("run")
@click.option("--adapter", type=_NEW, metavar="OUT", help="A folder with the adapter, of hosted runs too.")
@click.option("--merged", type=_NEW, metavar="OUT", help="A folder with base and adapter in one model.")
@click.option("--card", type=_NEW, metavar="OUT.md", help="The model card alone; of hosted runs too.")
@click.option("--ollama", type=_NEW, metavar="OUT", help="A folder with a Modelfile and the merged model.")
@click.option("--gguf", type=_NEW, metavar="OUT.gguf", help="One file for llama.cpp, made by its own converter.")
@click.option(
    "--installed-in", type=click.Path(path_type=Path, file_okay=False), help="With --gguf: the folder of llama.cpp."
)
@common.as_json
def command(
    run: str,
    adapter: Path | None,
    merged: Path | None,
    card: Path | None,
    ollama: Path | None,
    gguf: Path | None,
    installed_in: Path | None,
    as_json: bool,
) -> None:
    """Write a run's adapter, merged model, card, Ollama folder or GGUF file; nothing that exists is overwritten.

    \b
    tunewise export last --merged ./model
    tunewise export last --adapter ./adapter --card card.md
    tunewise export last --ollama ./ollama && ollama create mine -f ollama/Modelfile
    tunewise export last --gguf model.gguf --installed-in ~/llama.cpp
    """
    from advisor.runs import Ledger
    from advisor.runs.serving import export_adapter, export_card, export_gguf, export_merged, export_ollama

    wanted = {"adapter": adapter, "merged": merged, "card": card, "ollama": ollama, "gguf": gguf}
    if not any(wanted.values()):
        raise click.UsageError("Say what to write: --adapter, --merged, --card, --ollama or --gguf.")
    found = common.current_run(Ledger.open(), run)
    notes: list[str] = []
    if card is not None:
        export_card(found, card)
    if adapter is not None:
        notes += export_adapter(found, adapter)
    if merged is not None:
        notes += export_merged(found, merged)
    if ollama is not None:
        notes += export_ollama(found, ollama)
    if gguf is not None:
        notes += export_gguf(found, gguf, installed_in)
    written = {name: path for name, path in wanted.items() if path is not None}
    if as_json:
        render.json_document({"run": found.id, "written": written, "notes": notes})
        return
    for name, path in written.items():
        render.out(f"{name}: {path}")
    for said in notes:
        render.note(said)
