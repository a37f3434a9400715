"""``tunewise check``: read the data, count its tokens, find what is wrong with it, mend what is safe to mend."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from advisor.cli import render
from advisor.cli.flags import common, completing
from advisor.cli.flags.command import helped
from advisor.errors import AdvisorError
from advisor.nearest import no_such

if TYPE_CHECKING:
    from advisor.dataset import Dataset
    from advisor.evaluate.classifier import ClassifierScore
    from advisor.tokens import Profile


@click.command(
    "check",
    cls=helped(
        usual=("backend", "model", "out", "held_out", "explain"),
        groups={
            "The data": ("columns", "answers", "validation", "each"),
            "What it is for": ("backend", "model", "objective"),
            "Repair": ("out", "held_out", "redact", "seed"),
            "The findings": ("explain",),
        },
    ),
)
@click.argument("data", nargs=-1, metavar="DATA...", shell_complete=completing.files)
@click.option("--for", "backend", type=common.BackendName(), help="Check against what this backend accepts.")
@click.option(
    "--model",
    metavar="ID",
    shell_complete=completing.models,
    help="Check against this model's limits, and count with its tokenizer.",
)
@click.option("--objective", type=common.Choice(["sft", "dpo"]), help="Check for this training objective.")
@click.option("--columns", metavar="FIELD=NAME,...", help="Which column is which: prompt=question,completion=answer.")
@click.option(
    "--answers",
    type=common.Choice(["good", "pairs"]),
    help="Of rated answers: keep the good ones, or make pairs of a good and a bad one.",
)
@click.option(
    "--validation",
    metavar="FILE",
    shell_complete=completing.files,
    help="Look for examples of this file in DATA (leaks).",
)
@click.option(
    "--fix",
    "out",
    metavar="OUT",
    type=click.Path(path_type=Path),
    help="Write the repaired rows to OUT, in the format of --for.",
)
@click.option("--held-out", type=common.ShareOrCount(), help="With --fix: hold out this share or number of examples.")
@click.option("--redact", is_flag=True, help="With --fix: replace keys and personal data.")
@click.option("--seed", type=int, default=0, show_default=True, help="With --held-out: the seed of the draw.")
@click.option("--each", is_flag=True, help="Check each file by itself, not all as one dataset.")
@click.option("--explain", metavar="CODE", help="Say why a problem matters and what to do about it.")
@common.everything
@common.as_json
@click.pass_context
def command(
    ctx: click.Context,
    data: tuple[str, ...],
    backend: str | None,
    model: str | None,
    objective: str | None,
    columns: str | None,
    answers: str | None,
    validation: str | None,
    out: Path | None,
    held_out: float | None,
    redact: bool,
    seed: int,
    each: bool,
    explain: str | None,
    everything: bool,
    as_json: bool,
) -> None:
    """Read DATA (files, globs, or - for stdin), count its tokens and find what is wrong with it.

    JSON lines, a JSON array, CSV, TSV, Parquet or plain text, also as .gz and .zst: chat, preference pairs,
    prompt and completion, instructions, ShareGPT. The data itself is never changed. Exits with 1 when one
    of the problems is an error.

    \b
    tunewise check train.jsonl
    tunewise check train.jsonl --for openai --fix clean.jsonl --held-out 0.1
    tunewise check pairs.csv --columns prompt=question,completion=reply
    """
    from advisor.cli.render import check as show
    from advisor.cli.render.next_steps import Asked
    from advisor.cli.render.reading import reading

    if explain:
        from advisor.cli.render.problem_page import explanation

        explanation(explain, as_json)
        return
    if not data:
        raise click.UsageError("Name the data: tunewise check train.jsonl")
    if each and (out is not None or as_json):
        raise click.UsageError("--each cannot be combined with --fix or --json.")
    if each and len(data) > 1:
        ctx.exit(max(_on_its_own(ctx, name) for name in data))
    if out is None and (held_out is not None or redact):
        raise click.UsageError("--held-out and --redact need --fix OUT.")
    if held_out is not None and not (0 < held_out <= 0.5 or (held_out >= 1 and held_out.is_integer())):
        raise click.BadParameter(
            "give a share of at most 0.5, such as 0.1, or a whole number of examples", param_hint="--held-out"
        )
    if model is not None:
        common.made_ready(model)

    from advisor.dataset import Answers, Dataset, Level, fix
    from advisor.tokens import profile
    from backends import Objective

    dataset = Dataset.open(*data, columns=_mapping(columns), answers=Answers(answers) if answers else None)
    other = Dataset.open(validation, columns=_mapping(columns)) if validation else None
    aim = Objective(objective) if objective else None
    with reading(dataset.bytes, "identifying") as progress:
        dataset.identify(progress)
    with reading(dataset.bytes) as progress:
        found = profile(
            dataset,
            backend=backend,
            model=model,
            objective=aim,
            validation=other,
            progress=progress,
            old_models=as_json,
        )
    fixed = None
    if out is not None:
        share = int(held_out) if held_out is not None and held_out >= 1 else held_out
        with reading(dataset.bytes, "mending") as progress:
            fixed = fix(
                dataset,
                out,
                backend=backend,
                objective=aim,
                redacted=redact,
                held_out=share,
                seed=seed,
                progress=progress,
                kept=other.paths if other else (),
            )
        if share is not None and share >= 1 and fixed.rows_held_out < share:
            render.note(
                f"{fixed.rows_held_out} examples are held out instead of {share}: at most half may be, and examples "
                "with the same prompt stay together."
            )
    plain = _plain_classifier(dataset, found)
    if as_json:
        render.json_document({**show.document(found, fixed), "classifier": plain})
    else:
        show.page(found, dataset, Asked(data, backend, model, columns, validation), fixed, plain, everything=everything)
    if any(problem.level is Level.ERROR for problem in found.problems):
        if fixed is not None:
            render.note(f"Exit code 1, because the data has errors; {fixed.out} holds the repaired rows.")
        ctx.exit(1)


def _plain_classifier(dataset: Dataset, found: Profile) -> ClassifierScore | None:
    """Return what a plain classifier scores on labelled data, where scikit-learn is installed."""
    from advisor.task import TaskType

    if found.labels is None or found.task_type is not TaskType.CLASSIFICATION:
        return None
    from advisor.runs.evaluation.plain_classifier import score_of

    return score_of(dataset)


def _mapping(text: str | None) -> dict[str, str]:
    pairs = [part.split("=", 1) for part in (text or "").split(",") if part.strip()]
    if any(len(pair) != 2 or not pair[0].strip() or not pair[1].strip() for pair in pairs):
        raise click.BadParameter("write it as prompt=question,completion=answer", param_hint="--columns")
    named = {field.strip(): name.strip() for field, name in pairs}
    if named:
        from advisor.dataset import FIELDS

        unknown = sorted(named.keys() - set(FIELDS))
        if unknown:
            raise click.BadParameter(no_such("field", unknown[0], FIELDS), param_hint="--columns")
    return named


def _on_its_own(ctx: click.Context, name: str) -> int:
    """Check one of several files as the whole of the data, and return the exit code."""
    from backends import BackendError

    try:
        ctx.invoke(command, **{**ctx.params, "data": (name,), "each": False})
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except (AdvisorError, BackendError) as error:
        render.error(str(error))
        return 1
    return 0
