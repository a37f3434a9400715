"""The command line's habits: help, exit codes, suggestions, what goes to which stream, what is imported when."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from advisor.cli import COMMANDS

ROOT = Path(__file__).parent.parent


def tunewise(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "advisor", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        cwd=ROOT,
        timeout=120,
        check=False,
    )


def test_without_a_terminal_the_bare_command_prints_help_and_exits_2() -> None:
    done = tunewise()
    assert done.returncode == 2
    assert "tunewise plan train.jsonl" in done.stdout


def test_a_misspelt_command_gets_a_suggestion() -> None:
    done = tunewise("chekc")
    assert done.returncode == 2
    assert "Did you mean 'check'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_of_every_command_works_and_gives_an_example() -> None:
    from click.testing import CliRunner

    from advisor.cli import tunewise as group

    for name in COMMANDS:
        result = CliRunner().invoke(group, [name, "--help"])
        assert result.exit_code == 0, (name, result.output)
        assert f"tunewise {name}" in result.output.split("Usage:", 1)[1].split("\n", 1)[1], f"{name} shows no example"


def test_help_imports_neither_pydantic_nor_rich_nor_torch() -> None:
    code = (
        "import sys; sys.argv = ['tunewise', '--help']\n"
        "from advisor.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'pydantic', 'rich', 'torch', 'openai', 'together', 'numpy', 'yaml', 'orjson', 'tiktoken'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_version() -> None:
    done = tunewise("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("tunewise ")


def test_an_error_is_one_sentence_on_stderr(tmp_path: Path) -> None:
    done = tunewise("check", str(tmp_path / "absent.jsonl"))
    assert done.returncode == 1
    assert done.stdout == ""
    assert "absent.jsonl" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["doctor --offline", "config"])
def test_json_prints_one_document_and_nothing_else(command: str) -> None:
    done = tunewise(*command.split(), "--json")
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)


def test_the_public_front_gives_functions_whatever_was_imported_before() -> None:
    code = (
        "import advisor.recommend, advisor.estimate\n"
        "from advisor import Dataset, PriceBook, Workload, recommend, estimate\n"
        "from advisor.recommend import Recommendation\n"
        "assert callable(recommend) and callable(estimate)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("command", ["check examples/intents_small.jsonl", "jobs", "doctor --offline"])
def test_a_home_that_cannot_be_made_is_said_in_one_line(command: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = tunewise(*command.split(), TUNEWISE_HOME=str(tmp_path / "file" / "home"))
    assert done.returncode == 1
    assert "set TUNEWISE_HOME" in done.stderr + " ".join(done.stdout.split())
    assert "Traceback" not in done.stderr
