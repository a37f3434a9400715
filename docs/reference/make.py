"""Writes these pages from the code: python docs/reference/make.py

Commands and options come from click, JSON keys from the values that are printed (or from a real run, where a page puts
its document together by hand), problems from their catalogue, exit codes from the errors, the library from its names.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import tempfile
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path

import click
from click.testing import CliRunner

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
TODAY = "2026-11-22"
MADE = "<!-- made by docs/reference/make.py; run it after a change of the code -->\n"
DATA, WORK = "examples/support_tickets.jsonl", "examples/support_tickets.yaml"
# Documents that are put together by hand are shown by a run; keys of a mapping that depend on the data as {name}.
RUNS = {
    "check": f"check {DATA} --json",
    "plan": f"plan {DATA} --workload {WORK} --today {TODAY} --json",
    "budget": f"budget {DATA} --workload {WORK} --limit 200 --today {TODAY} --json",
    "fit": "fit --model Qwen/Qwen3-8B --method qlora --gpu rtx-4090 --json",
    "prices list": f"prices list --provider together --today {TODAY} --json",
    "config": "config --json",
}
NAMED = re.compile(
    r"(^|\.)(tokens|billed_tokens_per_epoch|trained_tokens|languages|labels|counts|roles|lengths|variables)$"
)


def pages() -> dict[str, str]:
    """Return every page by its file name."""
    return {
        "commands.md": MADE + "\n".join(_commands()),
        "json.md": MADE + "\n".join(_documents()),
        "checks.md": MADE + "\n".join(_checks()),
        "exit-codes.md": MADE + "\n".join(_exit_codes()),
        "settings.md": MADE + "\n".join(_settings()),
        "library.md": MADE + "\n".join(_library()),
        "pricing.schema.json": _price_schema(),
    }


def _price_schema() -> str:
    """Return the JSON schema of pricing.yaml, with which an editor completes and refuses."""
    from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
    from pydantic_core.core_schema import DecimalSchema

    from advisor.pricing.schema import PriceFile

    class AsWritten(GenerateJsonSchema):
        """An amount is a number in YAML; pydantic would take its text too."""

        def decimal_schema(self, schema: DecimalSchema) -> JsonSchemaValue:
            bounds = {"minimum": schema.get("ge"), "exclusiveMinimum": schema.get("gt"), "maximum": schema.get("le")}
            return {"type": "number"} | {key: float(end) for key, end in bounds.items() if end is not None}

    made = PriceFile.model_json_schema(schema_generator=AsWritten)
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}
    return json.dumps(schema, indent=1) + "\n"


def _table(heading: tuple[str, ...], rows: Iterator[tuple[str, ...]] | list[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(heading) + " |"
    yield "|" + "---|" * len(heading)
    for row in rows:
        yield "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|").replace("``", "`") for cell in row) + " |"
    yield ""


def _commands() -> Iterator[str]:
    from advisor.cli import COMMANDS
    from advisor.cli import tunewise as group

    yield "# Commands\n"
    top = click.Context(group, info_name="tunewise")
    yield from _command(group, top, "##")
    for name in COMMANDS:
        command = group.get_command(top, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=top)
        yield from _command(command, context, "##")
        for part in getattr(command, "commands", {}).values():
            above = click.Context(click.Group(name), info_name=name, parent=top)  # without arguments of its own
            yield from _command(part, click.Context(part, info_name=part.name, parent=above), "###")


def _command(command: click.Command, context: click.Context, level: str) -> Iterator[str]:
    words, _, examples = inspect.cleandoc(command.help or "").partition("\n\b\n")
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"{level} {context.command_path}\n"
    yield f"`{context.command_path} {usage}`\n"
    yield f"{words.strip()}\n"
    if examples:
        yield f"```\n{examples.strip()}\n```\n"
    options = [option.get_help_record(context) for option in command.params if isinstance(option, click.Option)]
    rows = [(f"`{record[0]}`", record[1]) for record in options if record is not None]
    if rows:
        yield from _table(("option", "meaning"), rows)


def _documents() -> Iterator[str]:
    from advisor.cli.commands.doctor import Check
    from advisor.evaluate import Scorecard
    from advisor.recommend import PlanDiff
    from advisor.runs import Accuracy, Receipt
    from advisor.runs.evaluation.pilot import Pilot
    from advisor.runs.run_view import View

    yield "# What --json prints\n"
    yield "One document on stdout. A sum of money is text that holds a decimal number of US dollars; what is not known"
    yield "is null, never 0. Keys are added, not renamed. `{name}` stands for a key that depends on the data.\n"
    for title, line in RUNS.items():
        yield f"## {title}\n"
        yield f"From `tunewise {line}`.\n"
        kinds: dict[str, set[str]] = {}
        document = json.loads(_run(line))
        if title == "plan":
            document["recommendation"] = "as one of options"
        _kinds(document, "", kinds)
        yield from _table(("key", "is"), [(f"`{path}`", " or ".join(sorted(found))) for path, found in kinds.items()])
    declared: dict[str, type] = {
        "launch, show, watch, cancel (several runs: a list under `runs`); jobs: a list": View,
        "evaluate": Scorecard,
        "pilot": Pilot,
        "plan diff": PlanDiff,
        "receipt RUN": Receipt,
        "receipt": Accuracy,
        "doctor: a list under `checks`": Check,
    }
    for title, kind in declared.items():
        yield f"## {title}\n"
        yield from _table(("key", "is"), list(_keys(kind, "")))


def _run(line: str) -> str:
    from advisor.cli import tunewise

    with tempfile.TemporaryDirectory() as home:
        kept = {name: value for name, value in os.environ.items() if name.startswith("TUNEWISE_")}
        blank: dict[str, str | None] = dict.fromkeys(kept)
        environment = {**blank, "TUNEWISE_HOME": home, "XDG_CONFIG_HOME": home}
        before = Path.cwd()
        os.chdir(ROOT)
        try:
            done = CliRunner().invoke(tunewise, line.split(), env=environment)
        finally:
            os.chdir(before)
    if done.exit_code:
        raise SystemExit(f"tunewise {line} failed:\n{done.output}")
    return done.stdout


def _kinds(value: object, path: str, kinds: dict[str, set[str]]) -> None:
    """Collect the kinds of value at every path."""
    if isinstance(value, dict):
        for key, item in value.items():
            name = "{name}" if NAMED.search(path) else key
            _kinds(item, f"{path}.{name}".removeprefix("."), kinds)
        return
    if isinstance(value, list):
        if not any(isinstance(item, dict | list) for item in value):
            kinds.setdefault(path, set()).add("list")
        for item in value:
            if isinstance(item, dict | list):
                _kinds(item, f"{path}[]", kinds)
        return
    words = {type(None): "null", bool: "true or false", int: "number", float: "number", str: "text"}
    kinds.setdefault(path, set()).add(words[type(value)])


def _keys(kind: type, path: str) -> Iterator[tuple[str, str]]:
    hints = typing.get_type_hints(kind)
    for item in fields(kind):
        name = f"{path}.{item.name}".removeprefix(".")
        yield f"`{name}`", _word(hints[item.name])
        for inner, suffix in _within(hints[item.name]):
            yield from _keys(inner, f"{name}{suffix}")


def _within(hint: object) -> Iterator[tuple[type, str]]:
    """Yield the dataclasses that a field holds."""
    if isinstance(hint, type) and is_dataclass(hint):
        yield hint, ""
    is_list = typing.get_origin(hint) is tuple
    for part in typing.get_args(hint):
        for inner, suffix in _within(part):
            yield inner, ("[]" if is_list else "") + suffix


def _word(hint: object) -> str:
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(dict.fromkeys(_word(part) for part in parts))
    if origin is typing.Literal:
        return " or ".join(map(str, parts))
    if origin is tuple:
        return f"list of {_word(parts[0])}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"{{name: {_word(parts[1])}}}"
    if not isinstance(hint, type):
        return "value"
    words = {type(None): "null", bool: "true or false", int: "number", float: "number", str: "text", Path: "text"}
    words |= {Decimal: "text (a decimal number)", date: "text (a date)", datetime: "text (a time, UTC)"}
    if issubclass(hint, Enum):
        return " or ".join(str(member.value) for member in hint)
    return words.get(hint, "object")


def _checks() -> Iterator[str]:
    from advisor.dataset import CATALOGUE
    from advisor.dataset.checks import levels_elsewhere
    from advisor.dataset.precision import MEASURED

    yield "# What `tunewise check` finds\n"
    yield "Exit code 1 when an error is among them. `tunewise check --explain CODE` says the same in the terminal.\n"
    yield (
        "The last column tells, of findings about wording, how many of those judged were right: in the published sets "
        "of docs/concepts/datasets.md and in a sample judged by hand (`python benchmarks/datasets.py FOLDER`). Where "
        "fewer than seven of ten are, it is a note that asks.\n"
    )
    rows = []
    for code, entry in CATALOGUE.items():
        at = "".join(f"; {level.value} at {name}" for name, level in levels_elsewhere(code).items())
        right = "{} of {}".format(*MEASURED[code]) if code in MEASURED else ""
        rows.append((f"`{code}`", entry.level.value + at, f"{entry.title}. {entry.why}", entry.fix, right))
    yield from _table(("code", "level", "what and why", "what to do", "right"), rows)


def _exit_codes() -> Iterator[str]:
    from advisor.errors import AdvisorError, OverLimit
    from backends import BackendError

    yield "# Exit codes\n"
    rows = [
        ("0", "done"),
        (str(AdvisorError.exit_code), "refused or failed; the message on stderr says what to do"),
        (str(click.UsageError.exit_code), "the command line was not understood"),
        ("3", "the watched job failed"),
        (str(OverLimit.exit_code), "over a money limit that was set: nothing was sent"),
        ("130", "interrupted; what was done so far is saved"),
    ]
    yield from _table(("code", "means"), rows)
    yield "## Errors of the library\n"
    for root in (AdvisorError, BackendError):
        tree = inspect.getmodule(root).__doc__ or ""
        rows = []
        for kind in sorted(root.__subclasses__(), key=lambda kind: kind.__name__):
            said = re.search(rf"^\W*{kind.__name__} +(.+)$", tree, re.MULTILINE)
            if said is not None:
                code = getattr(kind, "exit_code", 1)
                home = "backends" if root is BackendError else root.__module__
                rows.append((f"`{home}.{kind.__name__}`", str(code), said[1]))
        yield from _table(("error", "exit code", "means"), rows)


def _settings() -> Iterator[str]:
    from advisor.cli import settings

    yield "# Settings\n"
    yield f"`{settings.NAME}` in the working directory, and in the folder that `tunewise config` names."
    yield "A flag is stronger than a variable, a variable than this folder's file, and that than the user's.\n"
    rows = []
    for key, about in settings.KEYS.items():
        where = ", ".join(about.commands) or "all"
        rows.append(
            (
                f"`{key}`",
                f"`{settings.variable(key)}`",
                f"`{about.flag}`" if about.flag else "",
                where,
                about.meaning,
            )
        )
    yield from _table(("key", "variable", "flag", "commands", "is"), rows)
    yield f"Never from a file: {', '.join(f'`{key}`' for key in settings.NEVER)}.\n"


# Run by tests/test_library.py, in a folder that holds examples/.
LIBRARY = """\
Whatever the command line does, a few lines do; `import tunewise` gives the same names as `import advisor`.

```python
from advisor import check, plan, price

data = "examples/intents_small.jsonl"
found = check(data, backend="together", model="Qwen/Qwen3.5-9B")
print(found.examples, found.tokens["o200k_base"], [problem.code for problem in found.problems])

advice = plan(data, workload={"requests_per_month": 50_000, "measured": {"prompt": 0.71}})
print(advice.reason, advice.next_step)

quote = price(data, backend="together", model="Qwen/Qwen3.5-9B").run.quote
print(quote.usd, quote.prices_as_of)
```

```python
from advisor import Options, evaluate, launch, receipt, watch

(run,) = launch("examples/intents_small.jsonl", backends=["local"], models=["tiny"])
watch(run, on_update=lambda update: print(update.job.status, update.job.steps_done))
card = evaluate(run, options=Options(against=("base",), max_examples=8))
print([(row.name, row.score, row.low, row.high) for row in card.rows])
print(receipt(run))
```
"""


def _library() -> Iterator[str]:
    import advisor
    import backends

    yield "# The library\n"
    yield LIBRARY
    for package in (advisor, backends):
        yield f"## {package.__name__}\n"
        yield f"{(package.__doc__ or '').strip().splitlines()[0]}\n"
        for name in package.__all__:
            if not (inspect.isclass(getattr(package, name)) and issubclass(getattr(package, name), Exception)):
                yield from _name(f"{package.__name__}.{name}", getattr(package, name))
        yield ""
    yield "## A backend\n"
    for name, method in vars(backends.Backend).items():
        if callable(method) and not name.startswith("_"):
            yield from _name(f"Backend.{name}", method)


def _name(title: str, thing: object) -> Iterator[str]:
    said = thing.__doc__ if inspect.isclass(thing) and thing.__module__.startswith(("advisor", "backends")) else None
    said = inspect.getdoc(thing) if inspect.isfunction(thing) else said
    first = inspect.cleandoc(said or "").split("\n\n")[0].replace("\n", " ")
    if isinstance(thing, str):
        first = f"It is `{thing}`."
    if inspect.isclass(thing) and issubclass(thing, Enum):
        first = f"{first} One of {', '.join(member.name for member in thing)}.".strip()
    described = not first.startswith(f"{title.split('.')[-1]}(")  # else it is the signature that dataclasses write
    shown = _signature(thing) if inspect.isfunction(thing) else ""
    yield f"- `{title}{shown}`" + (f"  \n  {first}" if first and described else "")
    if inspect.isclass(thing) and title.startswith("advisor."):
        for name, method in vars(thing).items():
            function = method.__func__ if isinstance(method, classmethod) else method
            if inspect.isfunction(function) and not name.startswith("_"):
                signature = re.sub(r"^\((?:cls|self)(?:, )?", "(", _signature(function))
                yield f"  - `.{name}{signature}`  \n    {(inspect.getdoc(function) or '').split(chr(10) * 2)[0]}"


def _signature(function: types.FunctionType) -> str:
    """Write a signature without the quotes around its annotations; those of its defaults stay."""
    plain = re.sub(r"(: |-> )(['\"])(.*?)\2(?=[,)]| =|$)", r"\1\3", str(inspect.signature(function)))
    return re.sub(r"<function .*? at 0x\w+>", "...", plain)


def main() -> None:
    for name, text in pages().items():
        (HERE / name).write_text(text.rstrip("\n") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
