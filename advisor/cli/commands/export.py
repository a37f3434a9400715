"""``tunewise export RUN``: take a tuned model out of its run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from advisor.cli import render
from advisor.cli.flags import common, completing
from advisor.cli.flags.command import helped

if TYPE_CHECKING:
    from advisor.runs import Run

_NEW = click.Path(path_type=Path)


@click.command(
    "export",
    cls=helped(
        usual=("adapter", "merged", "ollama", "gguf", "push_to_hub"),
        groups={
            "Write": ("adapter", "merged", "card", "ollama", "gguf", "installed_in"),
            "Upload": ("push_to_hub", "public", "yes"),
        },
    ),
)
@click.argument("run", shell_complete=completing.runs)
@click.option("--adapter", type=_NEW, metavar="OUT", help="A folder with the adapter, of hosted runs too.")
@click.option("--merged", type=_NEW, metavar="OUT", help="A folder with base and adapter in one model.")
@click.option("--card", type=_NEW, metavar="OUT.md", help="The model card alone; of hosted runs too.")
@click.option("--ollama", type=_NEW, metavar="OUT", help="A folder with a Modelfile and the merged model.")
@click.option("--gguf", type=_NEW, metavar="OUT.gguf", help="One file for llama.cpp, made by its own converter.")
@click.option(
    "--installed-in", type=click.Path(path_type=Path, file_okay=False), help="With --gguf: the folder of llama.cpp."
)
@click.option(
    "--push-to-hub", metavar="[OWNER/]NAME", help="Upload the adapter (with --merged the model) and its card."
)
@click.option(
    "--public", is_flag=True, help="With --push-to-hub: for everybody to see; else the repository is private."
)
@click.option("--yes", is_flag=True, help="With --push-to-hub: do not ask.")
@common.as_json
def command(
    run: str,
    adapter: Path | None,
    merged: Path | None,
    card: Path | None,
    ollama: Path | None,
    gguf: Path | None,
    installed_in: Path | None,
    push_to_hub: str | None,
    public: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Write a run's adapter, merged model, card, Ollama folder or GGUF file; nothing that exists is overwritten.

    \b
    tunewise export last --merged ./model
    tunewise export last --adapter ./adapter --card card.md
    tunewise export last --ollama ./ollama && ollama create mine -f ollama/Modelfile
    tunewise export last --gguf model.gguf --installed-in ~/llama.cpp
    tunewise export last --push-to-hub my-tickets
    """
    from advisor.errors import RunError
    from advisor.runs import Ledger
    from advisor.runs.serving import export_adapter, export_card, export_gguf, export_merged, export_ollama

    wanted = {"adapter": adapter, "merged": merged, "card": card, "ollama": ollama, "gguf": gguf}
    if not any((*wanted.values(), push_to_hub)):
        raise click.UsageError("Say what to write: --adapter, --merged, --card, --ollama, --gguf or --push-to-hub.")
    if (public or yes) and not push_to_hub:
        raise click.UsageError("--public and --yes are for --push-to-hub NAME.")
    if push_to_hub and not yes and not sys.stdin.isatty():
        raise RunError("Nobody is here to agree to the upload; without a terminal, give --yes.")
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
    pushed = _push(found, push_to_hub, public=public, merged=merged, yes=yes) if push_to_hub else None
    written = {name: path for name, path in wanted.items() if path is not None}
    if as_json:
        render.json_document({"run": found.id, "written": written, "notes": notes, "pushed": pushed})
        return
    for name, path in written.items():
        render.out(f"{name}: {path}")
    if pushed:
        render.out(f"pushed: {pushed}")
    for said in notes:
        render.note(said)


def _push(run: Run, name: str, *, public: bool, merged: Path | None, yes: bool) -> str:
    """Show what would be uploaded, to where, and who could see it; upload it after a yes. Return its address."""
    from advisor.errors import RunError
    from advisor.runs.serving.hub import prepared, push
    from backends.huggingface.hub import Hub

    with Hub() as hub, prepared(run, hub, name, public=public, merged=merged) as upload:
        megabytes = sum(upload.files.values()) / 1e6
        render.note(f"{', '.join(upload.files)}: {megabytes:,.1f} MB. Licence of the base: {upload.licence}.")
        for note in upload.notes:
            render.note(note)
        seen = "private" if upload.private else "PUBLIC: everybody can see and load it"
        place = f"{upload.address} ({'a new repository' if upload.is_new else 'there already'}, {seen})"
        if not yes and not render.confirm(f"Upload to {place}?", err=True):
            raise RunError("Nothing was uploaded.")
        push(upload, hub)
        return upload.address
