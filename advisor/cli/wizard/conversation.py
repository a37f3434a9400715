"""The wizard: reads the data first, asks only what it cannot infer, then makes the same calls the commands make."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import yaml

from advisor.atomic import write_whole
from advisor.cli import render
from advisor.cli.reachability import hub_answers
from advisor.cli.render.screen import MenuBelow
from advisor.cli.wizard.answers import Answers, said, workload_of
from advisor.cli.wizard.columns import unused
from advisor.cli.wizard.lines import history
from advisor.cli.wizard.prompt import Back, Quit, choose, menu, say
from advisor.cli.wizard.questions import questions
from advisor.errors import AdvisorError
from advisor.paths import home
from backends import BackendError

if TYPE_CHECKING:
    from advisor.recommend import Plan

_SCREEN = 20  # lines of the advice: with the menu they fit where a terminal has 24
_KEPT = "Your answers are kept: 'tunewise' goes on from here."


def run() -> None:
    """Hold the whole conversation. Ctrl-C and q leave the answers saved; the next start goes on from there."""
    say("tunewise: should you fine-tune at all, where, and what will it cost?", style="bold", indent=0)
    say("Enter takes the answer in brackets; ? explains, b goes back, q leaves and keeps your answers.", indent=0)
    for line in _unfinished():
        say(line, indent=0)
    with history():
        try:
            _converse()
        except Quit:
            render.note(_KEPT)
        except click.Abort:
            render.note(f"\n{_KEPT}")
            raise


def _converse() -> None:
    answers, number = _start()
    while True:
        answers = _conversation(answers, number)
        number = 0
        plan = _advise(answers)
        if plan is None:
            render.out()
            say("These answers lead nowhere: here they are again, to change one of them.", style="red", indent=0)
            continue
        try:
            return _offer_next_step(plan, answers)
        except Back:
            number = len(questions(answers)) - 1


def _start() -> tuple[Answers, int]:
    """Return the answers to begin with and the number of the first question to ask."""
    answers, number = _load()
    if answers.data is None:
        return Answers(), 0
    render.out()
    ways = (
        ("go on", "with what you said"),
        ("look over", "ask again, with those answers as defaults"),
        ("new", "forget it"),
    )
    try:
        way = choose("You were here before. Go on?", ways, reason=f"Last time: {said(answers)}.", default="go on")
    except Back:
        way = "look over"
    if way == "new":
        return Answers(), 0
    return answers, number if way == "go on" else 0


def _conversation(answers: Answers, number: int) -> Answers:
    while number < len(steps := questions(answers)):
        render.out()
        say(f"{number + 1} of {len(steps)}", style="dim", indent=0)
        try:
            answers = steps[number](answers)
        except Back:
            number = max(0, number - 1)
            continue
        number += 1
        _save(answers, number)
    return answers


def _advise(answers: Answers) -> Path | None:
    """Print the advice on a screen that leaves room for the menu; return the file that holds it, None without one."""
    workload, plan = home() / "wizard-workload.yaml", home() / "wizard-plan.yaml"
    write_whole(workload, yaml.safe_dump(workload_of(answers), sort_keys=False).encode())
    plan.unlink(missing_ok=True)
    _command(*_planned(answers), "--out", str(plan), above=MenuBelow(_SCREEN))
    return plan if plan.exists() else None


def _planned(answers: Answers) -> tuple[str, ...]:
    """Return the command that gives this advice."""
    return ("plan", *(answers.data or ()), "--workload", str(home() / "wizard-workload.yaml"))


def _offer_next_step(file: Path, answers: Answers) -> None:
    """Offer what can be done with the plan until the person stops; each choice is a command, shown before it runs.

    Raises Back when the person wants the questions again.
    """
    from advisor.recommend import read_plan

    plan = read_plan(file)
    saved, page = unused(Path("plan.yaml")), unused(Path("plan.html"))
    steps = [
        ("why", "the reasons, their sources, and what is not known", (*_planned(answers), "--why")),
        ("all", "every option, and why the others were ruled out", (*_planned(answers), "--all")),
        ("chart", "what a month costs, by how many requests it has", (*_planned(answers), "--chart")),
        ("save", f"keep the plan as {saved} in this folder", ()),
        ("page", f"write it as {page}, to share", ("report", str(file), "--html", str(page))),
        *_commands(file, plan, answers.data or ()),
    ]
    default = "why"
    while True:
        render.out()
        step = menu([(name, meaning) for name, meaning, _ in steps], default=default)
        default = "q"
        if step == "save":
            write_whole(saved, file.read_bytes(), private=False)
            say(f"Saved {saved.resolve()}; later: tunewise launch {saved}")
            continue
        arguments = next(arguments for name, _, arguments in steps if name == step)
        if _command(*arguments) == 0 and step in ("launch", "small", "try"):
            found = [name for name, _, _ in steps]
            if "compare" not in found:
                steps.append(("compare", "the tuned model, its base and three examples, held out", COMPARE))
                steps.append(("receipt", "quoted beside what it took", ("receipt", "last")))
            default = "compare"


COMPARE = ("evaluate", "last", "--against", "base,few-shot:3")


def _commands(file: Path, plan: Plan, data: tuple[str, ...]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield the commands that this advice makes sense of: name, meaning, arguments."""
    import backends

    option = plan.option
    trains = option.strategy.tunes and option.backend in backends.names()
    asked = next((one for one in (option, *plan.options) if one.strategy in ("prompt", "few_shot")), None)
    if data and asked is not None and asked.backend in backends.names() and asked.backend != "local":
        to_ask = ("--backend", str(asked.backend), "--model", asked.model, "--max-examples", "50", "--max-cost", "1")
        yield "measure", f"ask {asked.model} 50 of your examples, for $1 at most", ("evaluate", *data[:1], *to_ask)
    if trains and data:
        place = ("--backend", str(option.backend), "--model", option.model)
        yield "pilot", "train on parts of the data first: what would more buy?", ("pilot", *data, *place)
    if trains and data:
        if option.backend == "local":
            yield "rehearse", "show exactly what the launch would start", ("launch", str(file), "--dry-run")
        else:
            walked = ("launch", str(file), "--rehearse", "--watch")
            yield "rehearse", "walk the launch to its end: no key, nothing sent", walked
        yield "launch", "start the job, once you have seen its price", ("launch", str(file), "--watch")
    if not data and option.strategy.local and option.method and option.gpu:
        fits = ("fit", "--model", option.model, "--method", option.method.value, "--gpu", option.gpu)
        yield "fit", f"whether it trains on the {option.gpu}, and how long that takes", fits
    if data:
        if not hub_answers():
            small = ("--backend", "local", "--model", "smollm2", "--watch")
            yield "small", "no hub is reachable: train SmolLM2 (135M) here, free", ("launch", *data, *small)
        tiny = ("--backend", "local", "--model", "tiny", "--epochs", "1", "--watch")
        yield "try", "train a toy model on it here: free, to see each step", ("launch", *data, *tiny)


def _command(*arguments: str, above: MenuBelow | None = None) -> int:
    """Show the equivalent command line, run it as if it had been typed, and return its exit code."""
    tunewise = click.get_current_context().find_root().command
    render.out()
    say(f"$ tunewise {shlex.join(arguments)}", style="bold", indent=0)
    try:
        code = tunewise.main(list(arguments), prog_name="tunewise", standalone_mode=False, obj=above)
        return code if isinstance(code, int) else 0
    except (AdvisorError, BackendError, click.ClickException) as error:
        render.error(error.format_message() if isinstance(error, click.ClickException) else str(error))
        return 1


def _unfinished() -> Iterator[str]:
    """Yield a line for each run that was not sent or is not over."""
    path = home() / "ledger.sqlite3"
    if not path.is_file():
        return
    from advisor.runs import Ledger

    try:
        runs = Ledger.open(path).runs()
    except AdvisorError as error:  # advice needs no ledger
        yield str(error)
        return
    for run in runs:
        if run.job.status.finished:
            continue
        if run.job.id is None:
            yield f"Run {run.id} was never sent: tunewise launch --resume {run.id}"
        else:
            yield f"Run {run.id} was still going: tunewise watch {run.id}"


def _state_file() -> Path:
    return home() / "wizard.json"


def _load() -> tuple[Answers, int]:
    try:
        content = json.loads(_state_file().read_text(encoding="utf-8"))
        number = int(content.pop("asked"))
        from advisor.serialization import from_json

        return from_json(Answers, content), number
    except (OSError, ValueError, ArithmeticError, TypeError, KeyError, AttributeError):
        return Answers(), 0  # none yet, or from another version: start afresh


def _save(answers: Answers, asked: int) -> None:
    content = render.to_json(answers)
    assert isinstance(content, dict)
    write_whole(_state_file(), json.dumps({**content, "asked": asked}).encode())
