"""The README's promises: its commands run, its files exist, its library example works."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from advisor.cli import EVERYWHERE, tunewise

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


def in_pages() -> Iterator[tuple[str, str]]:
    """Yield page and command for every command within a sentence or a block."""
    for page in (*PAGES, ROOT / "CHANGELOG.md", ROOT / "examples" / "README.md"):
        sentences, *blocks = re.split(
            r"^```", page.read_text(encoding="utf-8").replace("\\\n", " "), flags=re.MULTILINE
        )
        lines = re.findall(r"^\s*(?:\$ )?(tunewise .*?)(?: +#.*)?$", "\n".join(blocks[::2]), flags=re.MULTILINE)
        spans = re.findall(r"`(tunewise [^`]+)`", "\n".join((sentences, *blocks[1::2])))
        yield from ((page.name, span) for span in (*spans, *lines) if "[OPTIONS]" not in span)


def in_the_program() -> Iterator[tuple[str, str]]:
    """Yield module and command for every command that a message or a help text names."""
    for path in (*ROOT.glob("advisor/**/*.py"), *ROOT.glob("backends/**/*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        made = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
        parts = {id(part) for node in made for part in ast.walk(node) if part is not node}
        texts = [
            "".join(str(one.value) if isinstance(one, ast.Constant) else "X" for one in node.values) for node in made
        ]
        plain = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in parts]
        texts += [node.value for node in plain if isinstance(node.value, str)]
        for text in texts:
            found = re.findall(r"['`](tunewise [^'`]+)['`]|^\s*(tunewise .*?)(?:  .*)?$", text, flags=re.MULTILINE)
            yield from ((path.name, quoted or shown) for quoted, shown in found)


def test_every_command_that_anything_names_is_one() -> None:
    wrong = []
    for where, text in (*in_pages(), *in_the_program()):
        for line in " ".join(text.split()).split(" && "):
            words = line.split()
            if words[0] == "tunewise" and words[1:] and not words[1].startswith("-"):
                wrong += [f"{where}: {line}: {word}" for word in unknown(words[1:])]
    assert not wrong


def unknown(words: list[str]) -> list[str]:
    """Return what the command line does not know: a command, or its flags."""
    command: click.Command | None = tunewise
    while isinstance(command, click.Group) and words and not words[0].startswith(("-", "[")):
        found = command.get_command(click.Context(command), words[0].rstrip(".,"))
        if found is None and any(isinstance(one, click.Argument) for one in command.params):
            break  # a word that is its own
        if found is None:
            return words[:1]
        command, words = found, words[1:]
    assert command is not None
    flags = {flag for one in command.params for flag in (*one.opts, *one.secondary_opts)}
    flags |= {"--help", "--pricing", *EVERYWHERE}
    said = [word.partition("=")[0].rstrip(".,;:)") for word in words if re.match(r"--?[a-z]", word)]
    return [flag for flag in said if flag not in flags]
