"""The README's promises: its commands run, its files exist, its library example works."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONSOLE = re.findall(r"```console\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [line[2:] for block in CONSOLE for line in block.splitlines() if line.startswith("$ tunewise ")]
NEED_A_RUN = ("--watch", "evaluate last", "receipt last")


def test_the_readme_shows_commands() -> None:
    assert len(COMMANDS) >= 6


@pytest.mark.parametrize(
    "command", [command for command in COMMANDS if not any(words in command for words in NEED_A_RUN)]
)
def test_a_command_of_the_readme_runs(command: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    arguments = shlex.split(command.split(" #")[0])[1:]
    done = subprocess.run(
        [sys.executable, "-m", "advisor", *arguments],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_run_of_the_readme_goes_its_whole_way(tmp_path: Path) -> None:
    """Run the commands that train, evaluate and receipt in their order; on fewer rows, so that it takes seconds."""
    (tmp_path / "examples").mkdir()
    rows = (ROOT / "examples" / "support_tickets.jsonl").read_text(encoding="utf-8").splitlines()[:24]
    (tmp_path / "examples" / "support_tickets.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    commands = [command for command in COMMANDS if any(words in command for words in NEED_A_RUN)]
    guide = (ROOT / "docs" / "guides" / "evaluate.md").read_text(encoding="utf-8")
    commands += re.findall(r"^\$ (tunewise report last .*)$", guide, flags=re.MULTILINE)
    assert len(commands) == 4
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", "advisor", *shlex.split(command)[1:]],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    assert (tmp_path / "run.html").stat().st_size > 10_000


def test_the_library_example_works() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


PAGES = [*sorted(ROOT.glob("docs/**/*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_local_links_resolve(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)[^)]*\)", text) + re.findall(r'src="(?!https?://)([^"]+)"', text)
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing
