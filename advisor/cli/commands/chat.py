"""``tunewise chat RUN|MODEL``: try a model."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from advisor.cli import render
from advisor.cli.flags import common, completing
from advisor.cli.flags.command import helped

if TYPE_CHECKING:
    from advisor.runs import Run
    from backends import Backend, Completion, Message


@dataclass(frozen=True, slots=True)
class Voice:
    """Who answers: a model of a backend, under the name it is shown by."""

    label: str
    place: Backend
    model: str


def _misplaced(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    """Refuse --model, which other commands have: here the model is the first word."""
    if value is not None:
        raise click.UsageError(
            f"chat takes the model as its first argument: tunewise chat {value} --backend BACKEND.", ctx
        )


@click.command(
    "chat",
    cls=helped(
        usual=("backend", "base", "both", "system"),
        groups={
            "Whom to ask": ("backend", "base", "both", "beside"),
            "How": ("system", "max_tokens", "temperature"),
        },
    ),
)
@click.argument("what", metavar="RUN|MODEL", shell_complete=completing.runs_or_models)
@click.argument("message", required=False)
@click.option("--backend", type=common.BackendName(), help="The backend to ask, when a model is named.")
@click.option("--base", is_flag=True, help="Ask the run's base instead of its tuned model.")
@click.option("--both", is_flag=True, help="Ask both the run's base and its tuned model.")
@click.option(
    "--beside",
    multiple=True,
    metavar="RUN",
    shell_complete=completing.runs,
    help="Also ask another run's tuned model; repeat the flag for more.",
)
@click.option("--system", help="The system prompt; default: that of the run's training data.")
@click.option("--max-tokens", type=click.IntRange(1), default=512, show_default=True, help="Longest answer, in tokens.")
@click.option(
    "--temperature",
    type=click.FloatRange(0, 2),
    default=0.0,
    show_default=True,
    help="0 always takes the likeliest token.",
)
@click.option("--model", hidden=True, is_eager=True, expose_value=False, callback=_misplaced)
@common.as_json
def command(
    what: str,
    message: str | None,
    backend: str | None,
    base: bool,
    both: bool,
    beside: tuple[str, ...],
    system: str | None,
    max_tokens: int,
    temperature: float,
    as_json: bool,
) -> None:
    """Ask a run's tuned model, or any model of a backend. Without MESSAGE, each line of input is a turn.

    \b
    tunewise chat tw-1122-7f3a9c01
    tunewise chat tw-1122-7f3a9c01 "My parcel never came" --both
    tunewise chat tw-1122-7f3a9c01 --beside tw-1122-0b44d2e9
    tunewise chat gpt-4.1-mini --backend openai "Say hello"
    """
    from contextlib import ExitStack, closing

    import backends

    if backend is not None and (base or both):
        raise click.UsageError("--base and --both are for a RUN; with --backend the model named is asked.")
    if backend == "local":
        common.made_ready(what)
    named, found = _named(what, backend, base, both, beside)
    system = system if system is not None else found
    with ExitStack() as held:
        # One place a backend: here it holds one base, and switches between the adapters on it.
        places = {name: held.enter_context(closing(backends.get(name))) for name in {one[1] for one in named}}
        voices = [Voice(label, places[name], model) for label, name, model in named]
        if message is not None:
            for voice in () if as_json else voices:
                _hear(voice, system, [], message, max_tokens, temperature, labelled=len(voices) > 1)
            if as_json:
                _document(voices, [_ask(voice, system, message, max_tokens, temperature) for voice in voices])
            return
        if as_json:
            raise click.UsageError("--json needs a MESSAGE.")
        _talk(voices, system, max_tokens, temperature)


def _named(
    what: str, backend: str | None, base: bool, both: bool, beside: tuple[str, ...]
) -> tuple[list[tuple[str, str, str]], str | None]:
    """Return who is asked (label, backend, model), and the system prompt the run was trained with."""
    from advisor.runs import Ledger
    from advisor.runs.serving import trained_system

    found: list[tuple[str, str, str]] = []
    system = None
    if backend is not None:
        found.append((what, backend, what))
    else:
        run = common.current_run(Ledger.open(), what)
        system = trained_system(run)
        if base or both:
            found.append(("base", run.spec.backend, run.job.extra.get("base", run.spec.model)))
        if not base:
            found.append((run.id if beside else "tuned", run.spec.backend, _tuned(run)))
    for name in beside:
        other = common.current_run(Ledger.open(), name)
        found.append((other.id, other.spec.backend, _tuned(other)))
    return found, system


def _tuned(run: Run) -> str:
    from advisor.errors import RunError

    if run.rehearses:
        raise RunError(f"{run.id} was a rehearsal of {run.rehearses}: nothing was trained, so no model can be asked.")
    if run.askable is None:
        raise RunError(f"{run.id} has no tuned model (it is {run.job.status}); --base asks its base.")
    return run.askable


def _turns(system: str | None, history: list[Message], text: str) -> list[Message]:
    """Return the conversation with the next question."""
    start: list[Message] = [{"role": "system", "content": system}] if system and not history else []
    return [*history, *start, {"role": "user", "content": text}]


def _ask(voice: Voice, system: str | None, text: str, max_tokens: int, temperature: float) -> Completion:
    turns = _turns(system, [], text)
    return voice.place.complete(voice.model, turns, max_tokens=max_tokens, temperature=temperature)


def _hear(
    voice: Voice,
    system: str | None,
    history: list[Message],
    text: str,
    max_tokens: int,
    temperature: float,
    *,
    labelled: bool,
) -> list[Message]:
    """Print an answer as it comes; return the conversation with it."""
    if labelled:
        render.out(f"[{voice.label}]")
    asked = _turns(system, history, text)
    answer = voice.place.stream(voice.model, asked, render.part, max_tokens=max_tokens, temperature=temperature)
    render.out()
    for call in answer.tool_calls:
        render.out(f"{call['function']['name']}({call['function']['arguments']})")
    return [*asked, {"role": "assistant", "content": answer.text}]


def _talk(voices: list[Voice], system: str | None, max_tokens: int, temperature: float) -> None:
    """Take turns until the input ends; every model keeps its own conversation."""
    histories: list[list[Message]] = [[] for _ in voices]
    if sys.stdin.isatty():
        render.note("One line is one turn; Ctrl-D ends.")
    while True:
        if sys.stdin.isatty():
            sys.stderr.write("> ")
            sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            return
        if not line.strip():
            continue
        for place, voice in enumerate(voices):
            histories[place] = _hear(
                voice,
                system,
                histories[place],
                line.strip(),
                max_tokens,
                temperature,
                labelled=len(voices) > 1,
            )


def _document(voices: list[Voice], said: list[Completion]) -> None:
    answers = [{"model": voice.model, **_parts(answer)} for voice, answer in zip(voices, said, strict=True)]
    render.json_document(answers[0] if len(answers) == 1 else {"answers": answers})


def _parts(answer: Completion) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(answer)
