"""What action.yml runs: check and plan the data of a pull request, and keep one comment there that says what was found.

Everything comes from the environment: INPUT_* are the inputs of action.yml, GITHUB_* and RUNNER_TEMP the runner's own.
Exit code: 1 when the data has errors or there is no advice, 4 when the advice costs more than a limit, else 0.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from comment import GitHub, Refused, marker, shortened

from advisor.cli.render.safe_text import for_markdown, without_folders

_MOST = 10  # errors listed in the comment and marked in the files
TUNEWISE = str(Path(sys.executable).with_name("tunewise"))  # not -m: that would import from the checkout
OVER = 4


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of action.yml; text that is empty was not given."""

    data: tuple[str, ...]
    workload: str
    backend: str
    max_cost: str
    max_monthly: str
    arguments: tuple[str, ...]
    base: str
    comment: bool
    name: str
    author: str
    token: str

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Inputs:
        """Read them. Raises SystemExit where neither data nor a workload is named."""
        said = {name: environment.get(f"INPUT_{name.upper()}", "").strip() for name in cls.__dataclass_fields__}
        data = tuple(line.strip() for line in said.pop("data").splitlines() if line.strip())
        if not data and not said["workload"]:
            raise SystemExit("error: say what to look at: 'data:', or 'workload:' with a data block in its file.")
        comment, arguments = said.pop("comment") != "false", tuple(shlex.split(said.pop("arguments")))
        return cls(data=data, comment=comment, arguments=arguments, **said)


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def why(self) -> str:
        """What it said of its failure."""
        lines = [line.removeprefix("error: ") for line in self.stderr.splitlines() if line.startswith("error: ")]
        return " ".join(lines) or f"exit code {self.code}"


def main() -> int:
    given = Inputs.read(os.environ)
    work = Path(tempfile.mkdtemp(prefix="tunewise-", dir=os.environ["RUNNER_TEMP"]))
    os.environ["TUNEWISE_HOME"] = str(work / "home")
    plan = work / "plan.yaml"
    errors = check(given)
    planned = advise(given, plan, limits=True)
    body = "\n\n".join(part.strip() for part in told(given, errors, planned, plan, work) if part.strip()) + "\n"
    publish(given, body, plan, work)
    mark(errors)
    if planned.code:
        say("error", planned.why)
    return 1 if errors else planned.code


def check(given: Inputs) -> list[Mapping[str, str | int | None]]:
    """Return the findings of level error, in the order of the file."""
    if not given.data:
        return []
    aim = ["--for", given.backend] if given.backend else []
    done = tunewise("check", "--json", *aim, "--", *given.data)
    try:
        found = json.loads(done.stdout)["problems"]
    except ValueError:  # the file itself cannot be read
        return [{"file": given.data[0], "line": None, "code": "unreadable", "message": done.why}]
    return [one for one in found if one["level"] == "error"]


def advise(given: Inputs, out: Path, *, limits: bool, folder: Path | None = None) -> Done:
    """Make the plan of the data in ``folder`` and keep it in ``out``."""
    flags = ["--workload", given.workload] if given.workload else []
    for flag, value in (("--max-cost", given.max_cost), ("--max-monthly", given.max_monthly)):
        flags += [flag, value] if value and limits else []
    return tunewise("plan", *flags, *given.arguments, "--out", str(out), "--", *given.data, folder=folder)


def told(
    given: Inputs, errors: Sequence[Mapping[str, str | int | None]], planned: Done, plan: Path, work: Path
) -> Iterator[str]:
    """Yield the parts of the comment."""
    if errors:
        listed = [f"- {for_markdown(_place(one))}: {for_markdown(str(one['message']))}" for one in errors[:_MOST]]
        more = [f"- and {len(errors) - _MOST} more"] if len(errors) > _MOST else []
        yield without_folders("\n".join([f"**Errors in the data: {len(errors)}**\n", *listed, *more]))
    if planned.code == OVER:
        yield f"**Over the limit.** {for_markdown(planned.why)}"
    if not plan.exists():
        yield f"**No advice.** {for_markdown(without_folders(planned.why))}"
        return
    report, before = work / "report.md", work / "before.yaml"
    written = tunewise("report", str(plan), "--md", str(report))
    if written.code:
        yield f"**No report.** {for_markdown(without_folders(written.why))}"
        return
    advice, _, footer = report.read_text(encoding="utf-8").rpartition("<sub>")
    yield advice
    if base := given.base or _event().get("base", ""):
        yield "#### Against the base branch"
        yield changes(given, base, before, plan)
    yield f"<sub>{footer}"


def changes(given: Inputs, base: str, before: Path, plan: Path) -> str:
    """Return what differs from the plan of the commit ``base``, or why that is not known."""
    with checked_out(base) as folder:
        if folder is None:
            return "The base commit is not at hand; let actions/checkout fetch it with `fetch-depth: 0`."
        planned = advise(given, before, limits=False, folder=folder)
    if not before.exists():
        return f"There is no plan of it. {for_markdown(without_folders(planned.why))}"
    return tunewise("plan", "diff", str(before), str(plan), "--md").stdout


@contextmanager
def checked_out(commit: str) -> Iterator[Path | None]:
    """Lay the commit out beside the checkout, and give its folder that this one corresponds to; None: not to be had."""
    git = ("git", "-c", "core.hooksPath=/dev/null")
    place = Path(tempfile.mkdtemp(prefix="tunewise-base-", dir=os.environ["RUNNER_TEMP"]))
    below = run(*git, "rev-parse", "--show-prefix").stdout.strip()
    named = ("rev-parse", "--verify", "--quiet", "--end-of-options")
    found = run(*git, *named, f"{commit}^{{commit}}")
    if found.code and not run(*git, "fetch", "--quiet", "--no-tags", "--depth=1", "origin", "--", commit).code:
        found = run(*git, *named, "FETCH_HEAD^{commit}")
    if found.code or run(*git, "worktree", "add", "--quiet", "--detach", str(place), found.stdout.strip()).code:
        yield None
        return
    try:
        yield place / below if (place / below).is_dir() else place
    finally:
        run(*git, "worktree", "remove", "--force", str(place))


def publish(given: Inputs, body: str, plan: Path, work: Path) -> None:
    """Write the job's summary and the action's outputs, then the comment; one that cannot be written is a warning."""
    comment = work / "comment.md"
    comment.write_text(f"{marker(given.name)}\n{shortened(body)}", encoding="utf-8")
    outputs = {"comment": str(comment), "plan": str(plan) if plan.exists() else ""}
    for variable, text in (
        ("GITHUB_STEP_SUMMARY", body),
        ("GITHUB_OUTPUT", "".join(f"{name}={value}\n" for name, value in outputs.items())),
    ):
        if path := os.environ.get(variable):
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(text)
    number = _event().get("number")
    if not (given.comment and number):
        return
    github = GitHub(os.environ["GITHUB_API_URL"], os.environ["GITHUB_REPOSITORY"], given.token)
    try:
        github.keep(number, marker(given.name), comment.read_text(encoding="utf-8"), author=given.author)
    except Refused as error:
        say("warning", f"{error} The summary of this job says what the comment would have said.")


def mark(errors: Sequence[Mapping[str, str | int | None]]) -> None:
    """Mark the errors at their lines in the files of the pull request."""
    for one in errors[:_MOST]:
        place = {"file": str(one["file"]), "line": str(one["line"] or 1), "title": str(one["code"])}
        say("error", str(one["message"]), **place)


def say(kind: str, text: str, **place: str) -> None:
    """Give the runner a message, in which no text can end the command or begin another."""
    keep = {"%": "%25", "\r": "%0D", "\n": "%0A"}
    escaped = {name: value.translate(str.maketrans({**keep, ":": "%3A", ",": "%2C"})) for name, value in place.items()}
    at = ",".join(f"{name}={value}" for name, value in escaped.items())
    print(f"::{kind}{' ' if at else ''}{at}::{text.translate(str.maketrans(keep))}", flush=True)


def tunewise(*words: str, folder: Path | None = None) -> Done:
    """Run a command of tunewise; what it says on stderr goes into the job's log."""
    done = run(TUNEWISE, "--no-color", *words, folder=folder)
    end = token_hex(16)  # until this word the runner takes no line for a command
    print(f"::stop-commands::{end}\n$ tunewise {shlex.join(words)}\n{done.stderr}\n::{end}::", flush=True)
    return done


def run(*words: str, folder: Path | None = None) -> Done:
    """Run a program without the token in its environment."""
    environment = {name: value for name, value in os.environ.items() if name != "INPUT_TOKEN"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def _place(one: Mapping[str, str | int | None]) -> str:
    line = f" line {one['line']}" if one["line"] else ""
    return f"{Path(str(one['file'])).name}{line}, {one['code']}"


def _event() -> Mapping[str, str]:
    """Return number and base commit of the pull request that started this; empty where none did."""
    path = Path(os.environ.get("GITHUB_EVENT_PATH") or os.devnull)
    found = json.loads(path.read_text(encoding="utf-8") or "{}").get("pull_request")
    return {"number": str(found["number"]), "base": str(found["base"]["sha"])} if found else {}


if __name__ == "__main__":
    sys.exit(main())
