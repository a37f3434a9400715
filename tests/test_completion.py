"""Tab completes in the shells themselves, from what is there, quickly, and without a word when something is wrong."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pexpect
import pytest

from advisor.cli.commands.completion import SHELLS
from advisor.runs import Ledger

ROOT = Path(__file__).parent.parent
RUN = "tw-1122-7f3a9c01"


@pytest.fixture
def folder(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a data file, a ledger with a run, a HOME of its own, and this tunewise first on the PATH."""
    Ledger.open()
    with closing(sqlite3.connect(home / "ledger.sqlite3")) as ledger, ledger:
        row = [RUN, "2026-11-22T00:00:00+00:00", json.dumps({"model": "tiny"})]
        ledger.execute("INSERT INTO runs (id, number, created, spec, quote, plan) VALUES (?, 1, ?, ?, '{}', '{}')", row)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "tickets.jsonl").touch()
    programs = tmp_path / "bin"
    programs.mkdir()
    script = programs / "tunewise"
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m advisor "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def tunewise(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["tunewise", *words], capture_output=True, text=True, env=os.environ | environment, stdin=subprocess.DEVNULL
    )


def offered(line: str) -> list[str]:
    """Return what bash is offered at the end of a line."""
    words = line.split(" ")
    done = tunewise(COMP_WORDS=line, COMP_CWORD=str(len(words) - 1), _TUNEWISE_COMPLETE="bash_complete")
    assert done.stderr == ""
    return [one.partition(",")[2] for one in done.stdout.splitlines() if one]


def installed(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed here")
    assert tunewise("completion", "install", "--shell", shell, "--yes").returncode == 0


def test_bash_completes_a_file_a_run_a_backend_and_a_gpu(folder: Path) -> None:
    installed("bash")
    with pexpect.spawn("bash", ["-i"], encoding="utf-8", timeout=60, dimensions=(24, 200)) as bash:
        bash.sendline("PS1='> '; echo begun")
        bash.expect("begun\r\n")
        for typed, whole in (
            ("tunewise check tic", "kets.jsonl"),
            ("tunewise show tw-", RUN.removeprefix("tw-")),
            ("tunewise launch --backend tog", "ether"),
            ("tunewise fit --gpu gh2", "00"),
        ):
            bash.send(f"{typed}\t")
            bash.expect_exact(f"{typed}{whole} ")
            bash.send("\x15")  # the line is not run


def test_zsh_completes_a_run(folder: Path) -> None:
    installed("zsh")
    with pexpect.spawn("zsh", ["-i"], encoding="utf-8", timeout=60, dimensions=(24, 200)) as zsh:
        zsh.sendline("echo begun")
        zsh.expect("begun\r\n")
        zsh.send("tunewise show tw-\t")
        zsh.expect_exact(RUN.removeprefix("tw-"))
        zsh.send("\x15")


def test_fish_completes_a_run(folder: Path) -> None:
    installed("fish")
    done = subprocess.run(["fish", "-c", "complete -C 'tunewise show tw-'"], capture_output=True, text=True, check=True)
    assert done.stdout.split()[:1] == [RUN]


def test_what_is_offered_depends_on_what_stands_before(folder: Path) -> None:
    assert offered("tunewise la") == ["launch"]
    assert offered("tunewise prices re") == ["refresh"]
    assert offered("tunewise help eva") == ["evaluate"]
    assert offered("tunewise launch --backend local --model tin") == [
        *("tiny", "tiny-llama", "tiny-qwen", "tiny-gemma", "TinyLlama/TinyLlama-1.1B"),
    ]
    assert offered("tunewise launch --backend together --model tin") == []
    assert "--max-examples" in offered("tunewise evaluate --max-")
    assert offered("tunewise evaluate --metric rou") == ["rouge_l"]
    assert offered("tunewise plan --task summ") == ["summarisation"]
    assert offered("tunewise plan --backend anth") == ["anthropic"]  # is priced, though nothing can be tuned there


def test_it_imports_nothing_that_computes(folder: Path) -> None:
    code = (
        "import os, sys; from advisor.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'pydantic', 'rich', 'numpy', 'torch', 'tiktoken', 'advisor.runs'} & set(sys.modules)))"
    )
    for line in ("tunewise show tw-", "tunewise launch --model Qwen", "tunewise fit --gpu rtx", "tunewise check --"):
        asked = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" ")), "_TUNEWISE_COMPLETE": "bash_complete"}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=os.environ | asked, check=True
        )
        assert done.stdout.splitlines()[-1] == "[]", line
        assert len(done.stdout.splitlines()) > 1, line


def test_it_never_fails_loudly(folder: Path, home: Path) -> None:
    (home / "ledger.sqlite3").write_bytes(b"no ledger at all, and longer than a header of SQLite would have to be" * 40)
    assert offered("tunewise show tw-") == []
    (folder / "work" / "tunewise.yaml").write_text("modle: x\n", encoding="utf-8")
    offered("tunewise nonsense --backend ")


@pytest.mark.parametrize("shell", SHELLS)
def test_install_says_what_it_writes_asks_and_writes_it_once(folder: Path, shell: str) -> None:
    refused = tunewise("completion", "install", "--shell", shell)
    assert refused.returncode == 2 and "--yes" in refused.stderr
    assert not list(folder.glob(".*rc")) and not (folder / "config").exists()
    for _ in range(2):
        done = tunewise("completion", "install", "--shell", shell, "--yes", "--json")
        assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["script"] in done.stderr
    shown = tunewise("completion", "show", shell).stdout
    assert Path(found["script"]).read_text(encoding="utf-8") == shown != ""
    if found["startup"] is not None:
        assert Path(found["startup"]).read_text(encoding="utf-8").count(found["script"]) == 2  # one line names it twice


def test_install_takes_the_shell_in_use_or_asks_for_one(folder: Path) -> None:
    assert json.loads(tunewise("completion", "install", "--yes", "--json", SHELL="/bin/zsh").stdout)["shell"] == "zsh"
    other = tunewise("completion", "install", "--yes", SHELL="/bin/tcsh")
    assert other.returncode == 2 and "no completion for tcsh" in other.stderr and "fish" in other.stderr
