"""The command line's habits: help, exit codes, suggestions, what goes to which stream, what is imported when."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pexpect
import pytest

from advisor.cli import COMMANDS

ROOT = Path(__file__).parent.parent


def tunewise(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "advisor", *arguments],
        capture_output=True,
        encoding=environment.get("PYTHONIOENCODING", "utf-8"),
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
        command = group.get_command(click.Context(group), name)
        for part in command.commands if isinstance(command, click.Group) else ():
            result = CliRunner().invoke(group, [name, part, "--help"])
            assert f"tunewise {name} {part}" in result.output.split("\n", 1)[1], f"{name} {part} shows no example"


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


def unmade(folder: Path) -> Path:
    (folder / "file").touch()
    return folder / "file" / "home"


def unwritable(folder: Path) -> Path:
    found = folder / "read-only"
    found.mkdir(mode=0o500, exist_ok=True)
    found = Path("/proc/self") if os.access(found, os.W_OK) else found  # root writes into the first
    if os.access(found, os.W_OK):
        pytest.skip("this user may write everywhere")
    return found


@pytest.mark.parametrize("home_of", [unmade, unwritable])
@pytest.mark.parametrize(
    ("command", "code"), [("check examples/intents_small.jsonl", 0), ("jobs", 1), ("doctor --offline", 1)]
)
def test_a_home_that_cannot_be_used_is_said_and_stops_only_what_needs_one(
    command: str, code: int, home_of: Callable[[Path], Path], tmp_path: Path
) -> None:
    done = tunewise(*command.split(), TUNEWISE_HOME=str(home_of(tmp_path)))
    assert done.returncode == code
    assert "set TUNEWISE_HOME" in done.stderr + " ".join(done.stdout.split())
    assert "Traceback" not in done.stderr
    assert code == 1 or tunewise(*command.split(), "--quiet", TUNEWISE_HOME=str(home_of(tmp_path))).stderr == ""


def test_a_cache_that_cannot_be_written_costs_no_answer(home: Path) -> None:
    home.mkdir()
    (home / "cache").touch()
    done = tunewise("check", "examples/intents_small.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["examples"] == 240


def test_verbose_tells_files_times_and_the_end_on_stderr_alone(home: Path) -> None:
    quiet = tunewise("check", "examples/intents_small.jsonl", "--json")
    done = tunewise("check", "examples/intents_small.jsonl", "--json", "--verbose", OPENAI_API_KEY="planted-12345678")
    assert json.loads(done.stdout) == json.loads(quiet.stdout)
    lines = done.stderr.splitlines()
    assert any(line.endswith("s  reads examples/intents_small.jsonl") for line in lines), done.stderr
    assert "exit code 0 after" in lines[-1]
    assert quiet.stderr == ""


def test_what_verbose_tells_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    from advisor.cli.trace import hidden

    monkeypatch.setenv("TOGETHER_API_KEY", "planted-12345678")
    told = hidden(
        "PUT https://files.example.com/a/b?X-Signature=abc&v=1 Bearer abc.def planted-12345678 sk-proj-0123456789 end"
    )
    assert told == "PUT https://files.example.com/a/b?<hidden> <secret> <TOGETHER_API_KEY> <secret> end"


def test_verbose_traces_an_error_and_keeps_its_exit_code() -> None:
    done = tunewise("--verbose", "show", "tw-0000-00000000")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert done.stderr.count("\nerror: ") == 1


def test_talk_and_colour_are_chosen_before_or_behind_the_command(tmp_path: Path) -> None:
    plan = ("plan", "examples/intents_small.jsonl", "--out", str(tmp_path / "plan.yaml"), "--json")
    assert "plan written" in tunewise(*plan).stderr
    assert "plan written" not in tunewise(*plan, "--quiet").stderr
    assert "plan written" not in tunewise("--quiet", *plan).stderr
    for words in (("--pricing", "absent.yaml"), ("--pricing=absent.yaml",)):
        assert "absent.yaml" in tunewise(*plan, *words).stderr
    assert tunewise("jobs", "--pricing").returncode == 2


WITHOUT_POSIX = """
import os, signal, sys
import platformdirs.unix, subprocess, tempfile  # which need some of it here
for name in ("fcntl", "resource", "termios", "tty", "pty", "pwd", "grp", "readline", "syslog"):
    sys.modules[name] = None
for name in ("fork", "getuid", "geteuid", "killpg", "setsid", "sysconf", "sched_getaffinity", "uname", "O_DIRECTORY"):
    if hasattr(os, name): delattr(os, name)
for name in ("SIGKILL", "SIGHUP", "SIGALRM", "SIGUSR1"):
    if hasattr(signal, name): delattr(signal, name)
sys.modules["sklearn"] = None  # whose build for this system needs what is taken away here
from advisor.cli import main
main()
"""


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ("check examples/intents_small.jsonl", 0, ""),
        ("plan examples/intents_small.jsonl", 0, ""),
        ("doctor --offline", 0, ""),
        ("jobs", 0, ""),
        ("launch examples/intents_small.jsonl --backend together --model Qwen/Qwen3.5-9B --dry-run", 0, ""),
        ("launch examples/intents_small.jsonl --backend local --model tiny --yes --max-cost 1", 1, "inside WSL"),
    ],
)
def test_a_system_without_posix_modules_does_all_but_train(arguments: str, code: int, words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_POSIX, *arguments.split()],
        capture_output=True,
        encoding="cp1252",
        env={**os.environ, "TOGETHER_API_KEY": "none", "PYTHONIOENCODING": "cp1252"},
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert words in done.stderr


def test_what_an_output_cannot_say_neither_stops_a_command_nor_is_lost_in_json(tmp_path: Path) -> None:
    rows = [{"prompt": f"\u6f22\u5b57 {'on ' * number}", "completion": "\u306f\u3044"} for number in range(9)]
    data = tmp_path / "kanji.jsonl"
    data.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    page = tunewise("check", str(data), "--all", PYTHONIOENCODING="cp1252")
    assert page.returncode == 0, page.stderr
    assert "'??'" in page.stdout and "####" in page.stdout
    found = json.loads(tunewise("check", str(data), "--json", PYTHONIOENCODING="cp1252").stdout)
    assert any("\u306f\u3044" in problem["message"] for problem in found["problems"])


def test_a_file_name_that_is_not_utf_8_can_be_said(tmp_path: Path) -> None:
    data = tmp_path / os.fsdecode(b"\xff.jsonl")
    try:
        data.write_text('{"prompt": "a", "completion": "b"}\n', encoding="utf-8")
    except OSError:
        pytest.skip("this file system takes no such name")
    assert data.name in json.loads(tunewise("plan", str(data), "--json").stdout)["next_step"]
    assert "?.jsonl" in tunewise("check", str(data)).stdout


def test_no_word_of_an_error_is_broken_at_the_edge_of_a_terminal(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    words = ["-m", "advisor", "check", "absent.jsonl"]
    terminal = pexpect.spawn(sys.executable, words, env=environment, cwd=ROOT, encoding="utf-8", dimensions=(24, 30))
    terminal.expect(pexpect.EOF)
    lines = terminal.before.splitlines()
    assert len(lines) > 2 and max(map(len, lines)) <= 30
    assert " ".join(lines) == tunewise(*words[2:]).stderr.strip()


def test_one_is_no_plural(tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_text('{"prompt": "a", "completion": "b"}\n', encoding="utf-8")
    done = tunewise("plan", str(tmp_path / "one.jsonl"), "--requests-per-month", "1", "--why")
    assert "1 example is little" in done.stdout
    assert not re.search(r"\b1 (examples|requests|tokens|options|months)\b", " ".join(done.stdout.split()))


def test_completion_offers_commands_and_flags(tmp_path: Path) -> None:
    (tmp_path / "tunewise.yaml").write_text("modle: x\n", encoding="utf-8")  # is said by commands, not by the Tab key

    def offered(words: str, number: int) -> list[str]:
        asked = {"_TUNEWISE_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(number)}
        code = "from advisor.cli import main; main()"
        environment = {**os.environ, **asked, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path, check=False
        )
        assert done.stderr == ""
        return [line.split(",")[1] for line in done.stdout.splitlines() if line]

    assert offered("tunewise p", 1) == ["plan", "pilot", "prices"]
    assert offered("tunewise launch --dry", 2) == ["--dry-run"]
    assert offered("tunewise lanch --dry", 2) == []
    assert offered("tunewise launch x.jsonl --method ql", 4) == ["qlora"]


DATA = str(ROOT / "examples" / "intents_small.jsonl")


def in_a_shell(line: str) -> tuple[list[str], str]:
    """Run a line of bash; return the exit codes of its pipe, and what reached stderr."""
    reader, writer = os.pipe()
    done = subprocess.run(
        ["bash", "-c", f'{line}; echo "${{PIPESTATUS[@]}}" >&{writer}'],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=[writer],
        cwd=ROOT,
        text=True,
        check=False,
    )
    os.close(writer)
    with os.fdopen(reader) as codes:
        return codes.read().split(), done.stderr


@pytest.mark.skipif(os.name == "nt", reason="needs bash")
@pytest.mark.parametrize(
    "line",
    [
        f"tunewise check {DATA} --json | true",
        f"tunewise plan {DATA} | head -n 1",
        "tunewise prices list | head -n 1",
        f"tunewise check {DATA} >&-",
        f"tunewise check {DATA} 2>&-",
        f"tunewise check {DATA} <&-",
    ],
)
def test_a_reader_that_leaves_and_a_closed_stream_are_no_error(line: str) -> None:
    codes, said = in_a_shell(line.replace("tunewise", f"{sys.executable} -m advisor"))
    assert codes[0] == "0", said
    assert "Traceback" not in said and "Exception ignored" not in said


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("plna",), "plan"),
        (("prices", "lst"), "list"),
        (("keys", "set", "togehter"), "together"),
        (("plan", DATA, "--max-cots", "1"), "--max-cost"),
        (("plan", DATA, "--backend", "opnai"), "openai"),
        (("plan", DATA, "--own-gpu", "rtx-409"), "rtx-4090"),
        (("plan", DATA, "--task", "clasification"), "classification"),
        (("plan", DATA, "--model", "Qwen3.5-9"), "Qwen/Qwen3.5-9B"),
        (("plan", DATA, "--measured", "promt=0.7"), "prompt"),
        (("plan", DATA, "--standing", "opnai=active"), "openai"),
        (("fit", "--model", "Qwen3-8C"), "Qwen/Qwen3-8B"),
        (("launch", DATA, "--backend", "local", "--model", "tiny", "--method", "qlra"), "qlora"),
        (("launch", DATA, "--backend", "local", "--model", "tiny-lama"), "tiny-llama"),
        (("evaluate", DATA, "--backend", "local", "--model", "tiny", "--metric", "rogue_l"), "rouge_l"),
        (("prices", "list", "--provider", "tinkr"), "tinker"),
        (("prices", "show", "gpt-4.1-mni"), "gpt-4.1-mini"),
        (("prices", "refresh", "vats"), "vast"),
        (("check", DATA, "--explain", "duplicat"), "exact_duplicate"),
        (("check", DATA, "--columns", "promt=a"), "prompt"),
    ],
    ids=lambda words: words if isinstance(words, str) else " ".join(words),
)
def test_a_slip_of_the_pen_is_told_what_was_meant(
    words: tuple[str, ...], meant: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from advisor.cli import main

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["tunewise", *words])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code in (1, 2)
    said = " ".join(capsys.readouterr().err.split())
    assert re.search(rf"[Dd]id you mean[^?]*['\s]{re.escape(meant)}", said), said


@pytest.mark.parametrize(
    "words",
    [
        ("check", DATA, "--for", "nope"),
        ("check", DATA, "--objective", "nope"),
        ("check", "--explain", "nope"),
        ("plan", DATA, "--task", "nope"),
        ("plan", DATA, "--privacy", "nope"),
        ("plan", DATA, "--backend", "nope"),
        ("plan", DATA, "--own-gpu", "nope"),
        ("plan", DATA, "--standing", "openai=nope"),
        ("plan", DATA, "--standing", "nope=active"),
        ("plan", DATA, "--measured", "nope=0.5"),
        ("plan", DATA, "--workload", "examples/intents_small.yaml", "--privacy", "nope"),
        ("plan", DATA, "--workload", "examples/intents_small.yaml", "--backend", "nope"),
        ("budget", DATA, "--limit", "5", "--backend", "nope"),
        ("fit", "--model", "tiny", "--gpu", "nope"),
        ("fit", "--model", "tiny", "--method", "nope"),
        ("launch", DATA, "--backend", "nope", "--model", "x"),
        ("launch", DATA, "--backend", "local", "--model", "tiny", "--gpu", "nope"),
        ("launch", DATA, "--engine", "nope"),
        ("jobs", "--status", "nope"),
        ("jobs", "--backend", "nope"),
        ("evaluate", DATA, "--backend", "nope", "--model", "x"),
        ("evaluate", DATA, "--backend", "local", "--model", "tiny", "--metric", "nope"),
        ("pilot", DATA, "--model", "tiny", "--metric", "nope"),
        ("pilot", DATA, "--model", "tiny", "--backend", "nope"),
        ("chat", "x", "--backend", "nope", "hello"),
        ("keys", "set", "nope"),
        ("prices", "list", "--provider", "nope"),
        ("prices", "refresh", "nope"),
        ("serve", "x", "--with", "nope"),
    ],
    ids=" ".join,
)
def test_a_wrong_value_of_a_choice_exits_2_with_the_choices(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from advisor.cli import main

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["tunewise", *words])
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(SystemExit) as left:
        main()
    said = capsys.readouterr().err
    assert left.value.code == 2, said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("environment", "drawn"),
    [
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, True),  # no-color.org: only what is not empty
        ({"TERM": "dumb"}, False),
        ({}, True),
    ],
)
@pytest.mark.parametrize("flags", [(), ("--no-color",)])
def test_a_bar_is_drawn_only_where_escape_codes_are_wanted(
    environment: dict[str, str], drawn: bool, flags: tuple[str, ...]
) -> None:
    slowly = (
        "import sys, time; from advisor.cli import render; from advisor.cli.render import reading\n"
        f"render.configure(quiet=False, color={not flags})\n"
        "reading._PATIENCE = reading._EACH = 0\n"
        "with reading.reading(100) as advance:\n"
        "    [advance(10) for _ in range(10)] if advance else None\n"
        "print('done', file=sys.stderr)"
    )
    usual = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm-256color"}
    child = pexpect.spawn(sys.executable, ["-c", slowly], env=usual | environment)
    child.expect("done")
    assert (b"\x1b[" in child.before) is (drawn and not flags)
    child.expect(pexpect.EOF)
    child.close()
