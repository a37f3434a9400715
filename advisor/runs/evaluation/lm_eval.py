"""Tasks of the lm-evaluation-harness: run by its own command line in a child process, base and tuned alike."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from advisor.evaluate.regression import judged
from advisor.evaluate.scorecard import Regression
from advisor.runs.evaluation.compare import Options
from advisor.runs.evaluation.question import Variant
from backends import Json, install_package


def harness(
    tasks: Sequence[str], base: Variant, tuned: Variant, folder: Path, options: Options
) -> tuple[list[Regression], list[str]]:
    """Run ``tasks`` (names, or YAML files) on both models; return what changed, and what was not run and why."""
    if not tasks:
        return [], []
    if tuned.backend.name != "local":
        return [], [f"lm-eval tasks run on local models alone: {', '.join(tasks)} left out for {tuned.backend.name}."]
    command = _command()
    if command is None:
        return [], [
            f"lm-eval tasks left out ({', '.join(tasks)}): lm-evaluation-harness is not installed. "
            f"Install it ({install_package('lm-eval[hf]')}) or put its lm_eval on the PATH."
        ]
    found: list[Mapping[str, Mapping[str, float]]] = []
    for one in (base, tuned):
        out = folder / one.name
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        said = _run([*command, *_arguments(tasks, one.model, out, options)], out)
        if said:
            return [], [f"lm-eval tasks left out ({', '.join(tasks)}): {said} Its output is in {out / 'log.txt'}."]
        found.append(read_samples(out))
    before, after = found
    return [
        judged(
            f"lm-eval {task}",
            [scores[item] for item in after[task] if item in scores],
            [after[task][item] for item in after[task] if item in scores],
            options.seed,
        )
        for task, scores in before.items()
        if after.get(task) and set(scores) & set(after[task])
    ], []


def read_samples(folder: Path) -> Mapping[str, Mapping[str, float]]:
    """Return task -> item -> score from the samples a run of lm-eval logged; where less is better, the sign is turned.

    Of a task counts the first metric whose values are single numbers, under the first filter.
    """
    results: dict[str, Json] = {}
    for path in folder.rglob("results_*.json"):
        results = json.loads(path.read_text(encoding="utf-8"))
    better = results.get("higher_is_better")
    found: dict[str, dict[str, float]] = {}
    for path in sorted(folder.rglob("samples_*.jsonl")):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
        task = path.stem.removeprefix("samples_").rsplit("_", 1)[0]
        first = rows[0] if rows else {}
        rows = [row for row in rows if row.get("filter") == first.get("filter")]
        names = [name for name in first.get("metrics", ()) if isinstance(first.get(name), int | float)]
        if names:
            rules = better.get(task) if isinstance(better, dict) else None
            sign = -1.0 if isinstance(rules, dict) and rules.get(names[0]) is False else 1.0
            found[task] = {str(row["doc_id"]): sign * float(row[names[0]]) for row in rows}
    return found


def _command() -> list[str] | None:
    if importlib.util.find_spec("lm_eval") is not None:
        return [sys.executable, "-m", "lm_eval"]
    path = shutil.which("lm_eval")
    return None if path is None else [path]


def _arguments(tasks: Sequence[str], model: str, out: Path, options: Options) -> list[str]:
    path = Path(model) / "adapter_config.json"
    adapter = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    name, revision = adapter.get("base_model_name_or_path", model), adapter.get("revision")
    if not Path(name).exists():
        name, _, at = name.partition("@")  # how a base at a revision is written
        revision = at or revision
    given = f"pretrained={name}" + (f",revision={revision}" if revision else "")
    given += f",peft={model},tokenizer={model}" if adapter else ""
    named = ",".join(str(Path(task).absolute()) if Path(task).is_file() else task for task in tasks)
    sent = ["run", "--model", "hf", "--model_args", given, "--tasks", named, "--output_path", str(out)]
    sent += ["--log_samples", "--seed", str(options.seed)]
    return sent + (["--limit", str(options.max_examples)] if options.max_examples else [])


def _run(command: Sequence[str], out: Path) -> str | None:
    """Run to the end; return what went wrong, None when all went well."""
    with (out / "log.txt").open("wb") as log:
        ended = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=out)
    if ended.returncode == 0:
        return None
    lines = [line.strip() for line in (out / "log.txt").read_text(errors="replace").splitlines() if line.strip()]
    return f"it ended with {ended.returncode}: {lines[-1] if lines else 'no message'}."
