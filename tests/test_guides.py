"""Every command of the guides runs, in the order of the page, in one folder, with the files the page shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from test_plugin_backend import installed as installed

from advisor.cli import tunewise
from advisor.errors import AdvisorError
from backends import BackendError

ROOT = Path(__file__).parent.parent
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
BLOCK = re.compile(r"```(\w+) ?([\w./]*)\n(.*?)```", re.DOTALL)
# The README's run trains, evaluates and receipts in a test of its own; here these are only understood.
OF_THE_README = ("--backend local --model tiny --epochs 1 --yes", " last")
UNTIL_STOPPED = "tunewise ui"  # tests/test_ui.py starts and stops it
KEYS = ("OPENAI_API_KEY", "TOGETHER_API_KEY", "NEBIUS_API_KEY", "AZURE_OPENAI_API_KEY", "REPLICATE_API_TOKEN")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_a_guide_runs(guide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://you.openai.azure.com")
    for key in KEYS:
        monkeypatch.setenv(key, "none")
    ran = 0
    for language, file, text in BLOCK.findall(guide.read_text(encoding="utf-8")):
        if file:
            (folder / file).write_text(text, encoding="utf-8")
        for line in text.splitlines() if language == "console" else ():
            assert line.startswith("$ tunewise "), line
            command, _, note = line.partition(" #")
            if UNTIL_STOPPED in command or any(words in command for words in OF_THE_README):
                understood(shlex.split(command)[2:])
                ran += 1
                continue
            code, said = run(shlex.split(command)[2:])
            wanted = re.search(r"exit code (\d)", note)
            assert code == (int(wanted[1]) if wanted else 0), f"{line}\n{said}"
            ran += 1
    assert ran >= 2


def run(arguments: list[str]) -> tuple[int, str]:
    """Run a command in this process, with the exit code that ``main`` would give it."""
    done = CliRunner().invoke(tunewise, arguments)
    if isinstance(done.exception, AdvisorError | BackendError):
        return getattr(done.exception, "exit_code", 1), str(done.exception)
    return done.exit_code, f"{done.output}{done.exception or ''}"


def understood(arguments: list[str]) -> None:
    """Parse a command line without running it; raises click.UsageError."""
    command = tunewise.get_command(click.Context(tunewise), arguments[0])
    assert command is not None
    command.make_context(arguments[0], arguments[1:])


def test_there_is_a_guide_for_every_task() -> None:
    assert {"plan", "launch", "budget", "evaluate", "add-a-backend", "add-a-price", "settings"} <= {
        guide.stem for guide in GUIDES
    }
    launch = (ROOT / "docs" / "guides" / "launch.md").read_text(encoding="utf-8")
    for backend in ("openai", "azure", "nebius", "together", "replicate", "local"):
        assert f"--backend {backend} " in launch
