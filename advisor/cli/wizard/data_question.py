"""The wizard's first question: where the data is, and what was found in it."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from advisor.cli.flags.common import read
from advisor.cli.wizard.answers import Answers
from advisor.cli.wizard.prompt import ask, say
from advisor.errors import AdvisorError
from advisor.money import number_of, parse_count

if TYPE_CHECKING:
    from advisor.dataset import UnknownFields
    from advisor.tokens import Profile

_USUAL = 500  # tokens of an example, where nobody said: about a page
_DESCRIBED = re.compile(
    r"none|(?P<examples>[\d.,_]+[kmKM]?)(?:\s*(?:x|of)\s*(?P<tokens>[1-9]\d*)(?:\+(?P<output>[1-9]\d*))?(?: tokens)?)?"
)
SHOWN = 3  # problems of the data, before 'tunewise check' has the rest


def ask_data(answers: Answers) -> Answers:
    from advisor.dataset import UnknownFields

    def parse(text: str) -> tuple[tuple[str, ...], Profile | UnknownFields | Described]:
        if described := _described(text):
            return (), described
        paths = _paths(text)
        try:
            return paths, read(paths)
        except UnknownFields as error:
            return paths, error
        except AdvisorError as error:
            raise ValueError(f"{error} Give another file, or a number of examples.") from error

    paths, found = ask(
        "Where is your data?",
        reason="A file of examples: JSONL, CSV, Parquet. None yet? Say how many you could collect, such as 500.",
        default=shlex.join(answers.data) if answers.data else _said(answers),
        parse=parse,
        more="Tab completes a name. Without a file, the advice is for a number of examples: 500, or 500 x 400 where "
        "one has about 400 tokens, or 500 x 370+30 where another 30 are the answer. A page is about 500 tokens.",
        paths=True,
    )
    if isinstance(found, UnknownFields):
        from advisor.cli.wizard.columns import with_columns_named

        try:
            paths = (with_columns_named(paths, found),)
            found = read(paths)
        except AdvisorError as error:
            say(str(error), style="red")
            return ask_data(answers)
    if isinstance(found, Described):
        return replace(answers, data=(), turns=1.0, **asdict(found))
    _say_what_was_found(found)
    same = paths == answers.data and answers.task is not None
    return replace(answers, data=paths, turns=found.turns, task=answers.task if same else found.task_type.value)


@dataclass(frozen=True, slots=True)
class Described:
    """Data that does not exist yet: so many examples, of so many tokens, of which so many are the answer."""

    examples: int
    tokens_per_example: int = _USUAL
    output_tokens: int | None = None


def _described(text: str) -> Described | None:
    """Read none, 500, 500 x 400 or 500 x 370+30; None where it is something else, such as a file."""
    found = _DESCRIBED.fullmatch(text.strip())
    if found is None or Path(text).is_file():
        return None
    if text.strip() == "none":
        return Described(0)
    output = int(found["output"]) if found["output"] else None
    whole = int(found["tokens"] or _USUAL) + (output or 0)
    return Described(parse_count(found["examples"]), whole, output)


def _said(answers: Answers) -> str:
    """Write what was described before, as it is typed."""
    if not answers.examples or answers.tokens_per_example is None:
        return "none"
    if answers.output_tokens:
        return f"{answers.examples} x {answers.tokens_per_example - answers.output_tokens}+{answers.output_tokens}"
    return f"{answers.examples} x {answers.tokens_per_example}"


def _say_what_was_found(profile: Profile) -> None:
    """Show the examples, their tokens, the task, and the first problems; errors before remarks."""
    tokens = next(iter(profile.tokens.values()))
    say(f"{number_of(profile.examples, 'example')}, {number_of(tokens, 'token')}, longest {profile.longest:,}.")
    say(f"Looks like {profile.task_type}: {profile.task_reason}.")
    errors = [problem for problem in profile.problems if problem.level == "error"]
    others = len(profile.problems) - len(errors)
    secrets = [problem for problem in profile.problems if problem.code == "secret"]
    shown = [*secrets[:1], *[problem for problem in errors or profile.problems if problem.code != "secret"]][:SHOWN]
    if profile.problems:
        counted = f"{number_of(len(errors), 'error')} and {number_of(others, 'remark')}"
        say(f"{counted}; 'tunewise check' lists them, here {len(shown)}:")
    for problem in shown:
        place = f"{problem.unit} {problem.line}: " if problem.line else ""
        say(f"- {place}{problem.message}", hang=2, most=2)


def _paths(text: str) -> tuple[str, ...]:
    """Read one path, or several with spaces between; ~ is the home folder, a backslash on Windows is itself."""
    if Path(text).expanduser().is_file():
        return (str(Path(text).expanduser()),)
    words = shlex.split(text) if os.name != "nt" else [word.strip("'\"") for word in shlex.split(text, posix=False)]
    return tuple(str(Path(word).expanduser()) for word in words)
