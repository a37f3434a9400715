"""Text from elsewhere steers no terminal and is no markup, whichever command shows it, in a terminal and in a pipe."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest
from paper_backend import PaperBackend
from test_runs_ledger import NOON, a_run

import backends
from advisor.cli import main
from advisor.cli.render.safe_text import for_markdown, for_terminal
from advisor.runs import Ledger, keep_events
from backends import BackendError, Completion, Job, JobEvent, JobStatus, Message

# Sets the title, clears the screen, does so in one byte each, turns the writing, is markup of rich, calls everyone.
HOSTILE = "\x1b]0;PWNED\x07\x1b[2J\x9b2J\x9d0;PWNED\x9c\u202e\u2066[/bold][link=x]\r\x00 @everyone ![a](b)|`"
OBEYED = ("\x1b]", "\x1b[2J", "\x07", "\x9b", "\x9c", "\x9d", "\u202e", "\u2066", "\x00")
RUN = "tw-1122-00000001"
NAME = "data\x1b]0;PWNED\x07\x9b2J\u202e.jsonl"


class HostileBackend(PaperBackend):
    """Says what it should not wherever it says anything."""

    name: ClassVar[str] = "paper"

    def events(self, job: Job, after: str | None = None) -> Iterator[JobEvent]:
        yield JobEvent(f"2{HOSTILE}", NOON, HOSTILE, "info", 1, {"train_loss": 0.5})

    def refresh(self, job: Job) -> Job:
        return replace(job, status=JobStatus.FAILED, error=HOSTILE, detail=HOSTILE, finished=NOON)

    def complete(self, model: str, messages: Sequence[Message], **_: object) -> Completion:  # type: ignore[override]
        call = {"id": "1", "type": "function", "function": {"name": HOSTILE, "arguments": HOSTILE}}
        return Completion(HOSTILE, tool_calls=(call,), prompt_tokens=1, completion_tokens=1)


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with data, a price file and settings, and a ledger, all written by somebody who means harm."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(backends, "get", lambda name: HostileBackend(tmp_path / "paper"))
    rows = [
        {"messages": [{"role": "system", "content": HOSTILE}, {"role": "user", "content": f"{HOSTILE} {number}"},
                      {"role": "assistant", "content": f"{HOSTILE}{number % 3}"}]}
        for number in range(40)
    ]  # fmt: skip
    lines = [*map(json.dumps, rows), json.dumps({"messages": HOSTILE, HOSTILE: 1}), f"no JSON {HOSTILE}"]
    (folder / NAME).write_text("\n".join(lines), encoding="utf-8")
    run = replace(a_run(RUN), job=Job(RUN, "paper", HOSTILE))
    run = replace(run, spec=replace(run.spec, model=HOSTILE), origin=replace(run.origin, data=(HOSTILE,), task=HOSTILE))
    run = replace(run, quote=replace(run.quote, warnings=(HOSTILE,), assumptions=(HOSTILE,)))
    ledger = Ledger.open()
    ledger.add(run)
    extra = {"changed_by_provider": HOSTILE, "training_file": HOSTILE}
    ledger.save(
        replace(run.job, id=f"job{HOSTILE}", status=JobStatus.RUNNING, detail=HOSTILE, tuned_model=HOSTILE, extra=extra)
    )
    keep_events(RUN, [JobEvent(f"1{HOSTILE}", NOON, HOSTILE, "info", 1, {"train_loss": 0.5})])
    return folder


def run_main(arguments: Sequence[str], terminal: bool, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the command line here and return all it wrote to a pipe, or to a terminal of its own."""
    monkeypatch.setattr(sys, "argv", ["tunewise", *arguments])
    reader, writer = pty.openpty() if terminal else os.pipe()
    written: list[bytes] = []

    def read() -> None:
        while True:
            try:
                part = os.read(reader, 65536)
            except OSError:  # a terminal whose other end is closed
                return
            if not part:
                return
            written.append(part)

    thread = Thread(target=read)
    thread.start()
    with os.fdopen(writer, "w", encoding="utf-8", errors="replace") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(sys, "stdin", io.StringIO(""))
        with pytest.raises(SystemExit):
            main()
        stream.flush()
        monkeypatch.undo()
    thread.join()
    os.close(reader)
    return b"".join(written).decode("utf-8", "replace")


COMMANDS: Mapping[str, Sequence[str]] = {
    "check": ["check", NAME],
    "check as JSON": ["check", NAME, "--json"],
    "check for": ["check", NAME, "--for", HOSTILE],
    "check, a code": ["check", "--explain", HOSTILE],
    "check, no file": ["check", HOSTILE],
    "check, columns": ["check", NAME, "--columns", f"prompt={HOSTILE}"],
    "check and fix": ["check", NAME, "--fix", f"out{NAME}"],
    "plan": ["plan", NAME],
    "plan as JSON": ["plan", NAME, "--json"],
    "plan, explained": ["plan", NAME, "--explain", HOSTILE],
    "plan, a backend": ["plan", NAME, "--backend", HOSTILE],
    "plan, a GPU": ["plan", NAME, "--own-gpu", HOSTILE],
    "plan, a workload": ["plan", NAME, "--workload", HOSTILE],
    "budget": ["budget", NAME, "--limit", "500"],
    "fit": ["fit", "--model", HOSTILE],
    "fit, a size": ["fit", "--model", HOSTILE, "--params", "8b", "--gpu", "l4"],
    "launch, dry": ["launch", NAME, "--backend", "paper", "--model", HOSTILE, "--dry-run"],
    "launch": ["launch", NAME, "--backend", "paper", "--model", HOSTILE, "--yes", "--max-cost", "5"],
    "launch, a plan": ["launch", f"{HOSTILE}.yaml"],
    "launch, resumed": ["launch", "--resume", RUN, "--yes", "--max-cost", "5"],
    "jobs": ["jobs"],
    "jobs as JSON": ["jobs", "--json"],
    "jobs, one": ["jobs", "--backend", HOSTILE],
    "show": ["show", RUN],
    "show as JSON": ["show", RUN, "--json"],
    "show, none": ["show", HOSTILE],
    "watch": ["watch", RUN],
    "watch as JSON": ["watch", RUN, "--json"],
    "cancel": ["cancel", RUN, "--yes"],
    "logs": ["logs", RUN],
    "logs, metrics": ["logs", RUN, "--metrics"],
    "receipt": ["receipt", RUN],
    "receipts": ["receipts"],
    "chat": ["chat", RUN, HOSTILE],
    "chat, a model": ["chat", HOSTILE, HOSTILE, "--backend", "paper"],
    "evaluate": ["evaluate", NAME, "--backend", "paper", "--model", HOSTILE, "--max-examples", "4", "--yes"],
    "evaluate, a metric": ["evaluate", NAME, "--metric", HOSTILE],
    "pilot": ["pilot", NAME, "--backend", "paper", "--model", HOSTILE, "--sizes", HOSTILE],
    "export": ["export", RUN, "--out", HOSTILE],
    "serve": ["serve", RUN, "--dry-run"],
    "report": ["report", RUN, "--html", f"{NAME}.html"],
    "prices, a file": ["--pricing", HOSTILE, "prices", "list"],
    "prices show": ["prices", "show", HOSTILE],
    "prices diff": ["prices", "diff", HOSTILE, HOSTILE],
    "keys": ["keys", "set", HOSTILE],
    "config": ["config"],
    "doctor": ["doctor"],
    "no command": [HOSTILE],
    "no option": ["jobs", f"--{HOSTILE}"],
}


@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_hands_on_what_a_terminal_would_obey(
    name: str, terminal: bool, hostile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "config":
        (hostile / "tunewise.yaml").write_text(f"model: {json.dumps(HOSTILE)}\n", encoding="utf-8")
    arguments = [argument.replace("\x00", "") for argument in COMMANDS[name]]  # no program is handed one
    said = run_main(arguments, terminal, monkeypatch)
    assert said.strip(), "it says nothing at all"
    assert "Traceback" not in said
    assert [mark for mark in OBEYED if mark in said] == []


def test_what_verbose_tells_is_harmless_too(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("no data", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "advisor", "--verbose", "check", str(tmp_path / NAME), "--columns", "prompt=x"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" in done.stderr and " reads " in done.stderr and "PWNED" in done.stderr
    assert [mark for mark in OBEYED if mark in done.stdout + done.stderr] == []


def test_what_is_text_stays_text() -> None:
    plain = "Grüße,\tमानक हिन्दी \U0001f469\u200d\U0001f4bb\n«voilà» 中文 \u200fא".replace("\u200f", "")
    assert for_terminal(plain) == plain
    assert for_terminal("\x1b[31m\u202ered\r\x9b") == "\\x1b[31m\\u202ered\\r\\x9b"


def test_markdown_takes_no_markup_from_elsewhere() -> None:
    made = for_markdown("![x](http://e) <b> | `a`\n# @everyone *x* _y_ \x1b[2J")
    assert made == ("\\!\\[x\\](http://e) \\<b\\> \\| \\`a\\` \\# @\u200beveryone \\*x\\* \\_y\\_ \\\\x1b\\[2J")


def test_a_price_diff_for_a_comment_escapes_what_the_files_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from advisor.cli.render.price_changes import diff_markdown
    from advisor.pricing.compare import Change

    evil = "x|[free](http://evil)![i](http://evil)@everyone\n| `b` |"
    diff_markdown([Change(evil, "usd", evil, evil, evil, None)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "[free]" not in lines[2] and "@everyone" not in lines[2] and lines[2].replace("\\|", "").count("|") == 6


def test_an_error_of_a_provider_is_made_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    from advisor.cli import render

    render.error(str(BackendError(HOSTILE)))
    assert [mark for mark in OBEYED if mark in capsys.readouterr().err] == []
