"""``tunewise serve RUN``: serve a tuned model with an existing server, or check one that serves it."""

from __future__ import annotations

import os
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from advisor.cli import render
from advisor.cli.flags import common, completing
from advisor.cli.flags.command import helped

if TYPE_CHECKING:
    from advisor.runs import Run
    from advisor.runs.serving import Serving

_ENGINES = ("vllm", "llamacpp", "transformers")


@click.command(
    "serve",
    cls=helped(
        usual=("engine", "port", "dry_run", "at_provider", "stop", "url"),
        renamed={"--limit": "--max-examples", "--data": "--test-data"},
        groups={
            "Serve here": ("engine", "port", "installed_in", "gguf", "dry_run"),
            "Serve at the provider": ("at_provider", "idle", "max_per_hour", "yes", "stop"),
            "Check a server": ("url", "model", "test_data", "max_examples", "max_tokens", "at_least"),
        },
    ),
)
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, shell_complete=completing.runs)
@click.option("--with", "engine", type=common.Choice(_ENGINES), help="The server.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="On 127.0.0.1.")
@click.option(
    "--installed-in",
    type=click.Path(path_type=Path, file_okay=False),
    help="The environment or folder the server is installed in.",
)
@click.option("--gguf", type=click.Path(path_type=Path), help="With llamacpp: a converted model.")
@click.option("--dry-run", is_flag=True, help="Print the commands without running them.")
@click.option(
    "--at-provider", is_flag=True, help="Deploy a hosted run's model there: on a rented machine, or by the token."
)
@click.option(
    "--idle",
    type=click.IntRange(1),
    default=30,
    show_default=True,
    help="With --at-provider: idle minutes until it stops.",
)
@click.option("--max-per-hour", type=common.Usd(), help="With --at-provider: refuse (exit 4) what costs more.")
@click.option("--yes", is_flag=True, help="With --at-provider: do not ask; needs --max-per-hour.")
@click.option("--stop", is_flag=True, help="Stop what --at-provider started, and with it the bill.")
@click.option("--verify", "url", metavar="URL", help="Compare a running server with the trainer's own answers.")
@click.option("--model", help="With --verify: the name the server knows the model by.")
@click.option(
    "--test-data",
    type=click.Path(path_type=Path),
    help="With --verify: ask these examples instead of those the run held out.",
)
@click.option(
    "--max-examples", type=click.IntRange(1), default=8, show_default=True, help="With --verify: ask at most so many."
)
@click.option(
    "--max-tokens",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    help="With --verify: longest answer, in tokens.",
)
@click.option(
    "--at-least",
    type=common.Share(),
    default=1.0,
    show_default=True,
    help="With --verify: share of answers that must be equal.",
)
@common.as_json
def command(
    runs: tuple[str, ...],
    engine: str | None,
    port: int,
    installed_in: Path | None,
    gguf: Path | None,
    dry_run: bool,
    at_provider: bool,
    idle: int,
    max_per_hour: Decimal | None,
    yes: bool,
    stop: bool,
    url: str | None,
    model: str | None,
    test_data: Path | None,
    max_examples: int,
    max_tokens: int,
    at_least: float,
    as_json: bool,
) -> None:
    """Print and run the command that serves a tuned model; or --verify that a server answers as the trainer does.

    Several runs on one base share one vllm server. A failed check ends with exit code 1 and says what differs.

    \b
    tunewise serve last --with transformers
    tunewise serve tw-1122-7f3a9c01 tw-1122-0b44d2e9 --with vllm --installed-in ~/vllm --dry-run
    tunewise serve last --verify http://127.0.0.1:8000/v1
    tunewise serve last --at-provider
    """
    from advisor.runs import Ledger
    from advisor.runs.serving import serving

    ledger = Ledger.open()
    found = [common.current_run(ledger, run) for run in runs]
    if at_provider or stop:
        from advisor.cli.launching import provider_serving

        if len(found) > 1:
            raise click.UsageError("--at-provider and --stop take one run at a time.")
        if stop:
            return provider_serving.end(found[0], as_json=as_json)
        return provider_serving.deploy(
            found[0], idle_minutes=idle, most_per_hour=max_per_hour, yes=yes, as_json=as_json
        )
    if url is not None:
        if len(found) > 1:
            raise click.UsageError("--verify checks one run at a time.")
        passed = _verify(found[0], url, model, test_data, max_examples, max_tokens, at_least, as_json)
        click.get_current_context().exit(0 if passed else 1)
    if engine is None:
        raise click.UsageError(
            "Say which server, --with vllm, llamacpp or transformers, or --at-provider; or --verify URL."
        )
    way = serving(found, engine, port=port, place=installed_in, gguf=gguf)
    if as_json and not dry_run:
        raise click.UsageError("--json needs --dry-run or --verify.")
    if as_json:
        render.json_document(way)
        return None
    return _run(found[0], way, installed_in, dry_run=dry_run)


def _run(run: Run, way: Serving, place: Path | None, *, dry_run: bool) -> None:
    """Print the commands; unless it is a dry run, merge and convert what has to be, and become the server."""
    from advisor.cli.render.serving import commands
    from advisor.runs.serving import export_gguf, export_merged

    commands(run.id, way, place)
    if dry_run:
        if way.missing is not None:
            render.note(way.missing)
        return
    if way.missing is not None:
        render.error(way.missing)
        click.get_current_context().exit(1)
    if way.merges is not None:
        render.note(f"Merging into {way.merges}.")
        for said in export_merged(run, way.merges):
            render.note(said)
    if way.converts is not None:
        render.note(f"Converting into {way.converts}.")
        for said in export_gguf(run, way.converts, place):
            render.note(said)
    sys.stdout.flush()
    os.execvp(way.command[0], way.command)  # the server takes our place, so that whoever stops us stops it


def _verify(
    run: Run,
    url: str,
    model: str | None,
    test_data: Path | None,
    max_examples: int,
    max_tokens: int,
    at_least: float,
    as_json: bool,
) -> bool:
    from contextlib import closing

    import backends
    from advisor.cli.render.evaluate import Counter
    from advisor.cli.render.serving import show
    from advisor.dataset import Dataset
    from advisor.errors import RunError
    from advisor.runs.evaluation.variants import questions
    from advisor.runs.serving import Endpoint, likely_names, verify

    path = test_data or run.origin.held_out
    if path is None:
        raise RunError(f"{run.id} held out no examples; give some with --test-data.")
    asked = questions(Dataset.open(path).examples(), max_examples)
    names = (model,) if model is not None else likely_names(run)
    with (
        closing(Endpoint(url, names)) as endpoint,
        closing(backends.get("local")) as trainer,
        Counter() as progress,
    ):
        found = verify(run, endpoint, trainer, asked, max_tokens=max_tokens, at_least=at_least, progress=progress)
    if as_json:
        render.json_document(found)
    else:
        show(found)
    return found.passed
