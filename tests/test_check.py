"""``tunewise check`` as a user calls it: the document, the page, repair, explanations, and what goes wrong."""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from advisor.cli import tunewise
from advisor.cli.render.bars import histogram

ROOT = Path(__file__).parent.parent


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(tunewise, ["check", *map(str, words)])


def row(number: int) -> dict[str, object]:
    asked, told = f"Where is parcel {number}?", f"Parcel {number} is in depot {number % 7}, shelf {number * 13 % 101}."
    return {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": told}]}


def lay(path: Path, *lines: object, count: int = 60) -> Path:
    texts = [json.dumps(row(number)) for number in range(count)]
    texts += [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts) + "\n")
    return path


def document(result: Result) -> dict[str, object]:
    return json.loads(result.stdout)


def test_the_document_has_the_contracts_keys(tmp_path: Path) -> None:
    result = run(lay(tmp_path / "a.jsonl", "{oops"), "--json")
    assert result.exit_code == 1
    found = document(result)
    assert {"examples", "format", "fingerprint", "tokens", "billed_tokens_per_epoch", "longest", "task_type",
            "problems", "quality", "exact"} <= set(found)  # fmt: skip
    assert found["examples"] == 60
    assert set(found["tokens"]) == {"o200k_base", "cl100k_base"}
    errors = [problem for problem in found["problems"] if problem["level"] == "error"]
    assert [(problem["line"], problem["code"]) for problem in errors] == [(61, "invalid_json")]
    assert {"line", "code", "level", "message", "fix"} <= set(errors[0])


def test_a_clean_file_ends_with_0_and_the_next_step(tmp_path: Path) -> None:
    path = lay(tmp_path / "a.jsonl")
    result = run(path)
    assert result.exit_code == 0
    assert "60 examples" in result.stdout
    assert "no problems found" in result.stdout
    assert f"tunewise plan {path}" in result.stdout


def test_the_page_fits_80_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: Path) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for path in (lay(tmp_path / "a.jsonl", "{oops", row(3)), shared / "data/datasets/banking77/test.csv"):
        lines = run(path).stdout.splitlines()
        assert 10 < len(lines) <= 30
        paths = [line for line in lines if str(path) in line]  # a long path is not broken
        assert max(len(line) for line in lines if line not in paths) <= 80


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_no_line_is_wider_than_the_screen_but_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.chdir(tmp_path)
    lay(tmp_path / "a.jsonl", "{oops", row(3), {"messages": [], "note": 1}, count=600)
    page = run("a.jsonl", "--for", "openai").stdout
    assert max(len(line) for line in page.splitlines() if not line.startswith("  tunewise")) <= columns
    listed = run("--explain", "list").stdout
    assert max(map(len, listed.splitlines())) <= columns
    assert "\x1b" not in page  # no terminal, no colours


def test_one_is_no_plural(tmp_path: Path) -> None:
    page = run(lay(tmp_path / "a.jsonl", count=1)).stdout
    assert "1 example, chat" in page
    assert "Ready: 1 warning" in page
    assert "Very few examples: 1 [too_few_examples]" in page
    page = run(lay(tmp_path / "b.jsonl", "", "{oops", count=60), "--for", "openai").stdout
    assert "Not ready: 1 error, 1 note for openai. More: --all" in page
    assert "A line that is not JSON: line 62, expecting" in page
    assert "Blank lines: 1 line [blank_lines]" in page
    page = run(lay(tmp_path / "c.jsonl", *["{oops"] * 101)).stdout
    assert "lines 61, 62, 63, 64, 65, 66 and 95 more; the first:" in page
    few = run(lay(tmp_path / "d.jsonl", count=9), "--for", "openai").stdout
    assert "Very few examples: 9, and openai takes no fewer than 10" in few


def test_labels_are_shown_with_their_baseline_and_the_rarest(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    names = [f"kind {n}" for n in range(12) for _ in range(10 + n)]
    texts = [json.dumps({"prompt": f"Case {n * 37} of {n}", "completion": name}) for n, name in enumerate(names)]
    path.write_text("\n".join(texts))
    page = run(path, "--all").stdout
    assert "12, with 10 to 21 examples each; always 'kind 11' would be right 11% of the time" in " ".join(page.split())
    shown = [line.split()[1] for line in page.splitlines() if line.lstrip().startswith("kind ")]
    assert shown == ["11", "10", "9", "8", "7", "2", "1", "0"]
    assert "... 4 more ..." in page


def next_of(page: str) -> list[str]:
    whole = page.split("Next:")[1].replace(" \\\n    ", " ")  # a long command goes on behind a stroke
    return [line.strip() for line in whole.splitlines() if line.startswith("  tunewise")]


def test_the_next_steps_can_be_run_as_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lay(tmp_path / "my data.jsonl")
    assert next_of(run("my data.jsonl").stdout) == ["tunewise plan 'my data.jsonl'"]
    lay(tmp_path / "bad.jsonl", "{oops", {"messages": row(77)["messages"][:1]})
    mend = ["tunewise check bad.jsonl --fix clean.jsonl", "tunewise plan clean.jsonl"]
    assert next_of(run("bad.jsonl").stdout) == mend
    lay(tmp_path / "few.jsonl", "{oops", count=5)
    found = next_of(run("few.jsonl", "--for", "openai").stdout)
    assert found == ["tunewise check --explain too_few_examples", mend[0].replace("bad", "few")]
    (tmp_path / "c.jsonl").write_text("".join(json.dumps({"q": f"Q{n}?", "a": f"A{n}"}) + "\n" for n in range(60)))
    found = next_of(run("c.jsonl", "--columns", "prompt=q,completion=a").stdout)
    assert found == ["tunewise check c.jsonl --columns prompt=q,completion=a --fix clean.jsonl", mend[1]]
    lay(tmp_path / "valid.jsonl", count=2)
    found = next_of(run("my data.jsonl", "--validation", "valid.jsonl").stdout)
    both = "tunewise check 'my data.jsonl' valid.jsonl --fix clean.jsonl --held-out 0.1"
    assert found == ["tunewise check --explain leak", both]
    assert CliRunner().invoke(tunewise, shlex.split(both)[1:]).exit_code == 0
    assert (tmp_path / "clean.held_out.jsonl").exists()
    key = {"messages": [{"role": "user", "content": "key sk-a1b2c3d4e5f6g7h8i9j0k1"}, row(1)["messages"][1]]}
    lay(tmp_path / "key.jsonl", key)
    assert next_of(run("key.jsonl").stdout)[0] == "tunewise check key.jsonl --fix clean.jsonl --redact"


def test_much_data_is_not_asked_or_trained_on_without_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lay(tmp_path / "a.jsonl", count=600)
    plan, ask, tune = next_of(run("a.jsonl", "--for", "together", "--model", "Qwen/Qwen3-8B").stdout)
    assert plan == "tunewise plan a.jsonl"
    assert ask == "tunewise evaluate a.jsonl --backend together --model Qwen/Qwen3-8B --max-examples 200 --max-cost 1"
    assert tune == "tunewise pilot a.jsonl --backend together --model Qwen/Qwen3-8B --max-examples 200 --max-cost 1"
    long = {"messages": [{"role": "user", "content": "w " * 30_000}, {"role": "assistant", "content": "Yes."}]}
    (tmp_path / "long.jsonl").write_text((json.dumps(long) + "\n") * 600)
    ask = next_of(run("long.jsonl").stdout)[2]
    assert "--max-examples 200 --max-cost 100" in ask  # 200 x 30,000 tokens at 10 dollars a million are 60
    _, ask, _ = next_of(run("a.jsonl", "--fix", "clean.jsonl", "--held-out", "100").stdout)
    assert "evaluate clean.held_out.jsonl --backend BACKEND --model MODEL --max-examples 100 --max-cost" in ask


def test_levels_have_colours_in_a_terminal_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pexpect

    path = lay(tmp_path / "a.jsonl", "{oops")

    def screen(**more: str) -> str:
        plain = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        environment = {**plain, "TERM": "xterm-256color", **more}
        found, _ = pexpect.run(
            f"{sys.executable} -m advisor check {path}", withexitstatus=True, env=environment, cwd=str(ROOT)
        )
        return found.decode()

    assert "\x1b[31m  error      \x1b[0m A line" in screen() or "\x1b[31m  error      \x1b[0mA line" in screen()
    assert "\x1b[3" not in screen(NO_COLOR="1")


def test_the_bar_shows_bytes_rate_and_time_left_and_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    from advisor.cli.render import reading as bar

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    now = [0.0]
    monkeypatch.setattr(bar.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    with bar.reading(100_000_000, "reading") as advance:
        assert advance is not None
        for _ in range(10):
            now[0] += 0.5
            advance(10_000_000)
    shown = sys.stderr.getvalue()
    assert "reading" in shown
    assert "50.0/100.0 MB" in shown
    assert "20.0 MB/s" in shown  # ten megabytes each half second
    assert "0:00:0" in shown
    assert shown.endswith("\x1b[2K")  # the line is wiped

    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with bar.reading(100) as nothing:
        assert nothing is None


def test_bars_are_in_proportion() -> None:
    lines = histogram({10: 100, 20: 50, 30: 1}, 60)
    bars = {int(line.split()[-1]): line.count("█") for line in lines}
    assert bars[100] == 2 * bars[50]
    assert sum(int(line.split()[-1]) for line in lines) == 151
    wide = histogram({1: 5, 100: 2, 50_000: 1}, 60)
    assert len(wide) <= 12
    assert sum(int(line.split()[-1]) for line in wide) == 8


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.jsonl", None, "no such file"),
        ("empty.jsonl", b"", "empty"),
        ("other.pdf", b"%PDF-1.4", "PDF"),
        ("bad.jsonl", b"{bad\n", "line 1"),
        ("other.yaml", b"a: b\nc: d\n", "line 1"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_1(tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-m", "advisor", "check", path], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert says in done.stderr
    assert str(path) in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_stdin_is_read(tmp_path: Path) -> None:
    content = lay(tmp_path / "a.jsonl").read_bytes()
    done = subprocess.run(
        [sys.executable, "-m", "advisor", "check", "-", "--json"],
        cwd=ROOT,
        input=content,
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout)["examples"] == 60


def test_fix_writes_a_clean_file_and_says_what_changed(tmp_path: Path) -> None:
    strange = {"messages": [{"role": "user", "content": "a\u0007", "mood": 1}, {"role": "assistant", "content": "b"}]}
    path = lay(tmp_path / "a.jsonl", "{oops", "", row(3), strange)
    before, out = path.read_bytes(), tmp_path / "clean.jsonl"
    result = run(path, "--fix", out)
    assert result.exit_code == 1  # the data as given has an error
    assert "- 1 dropped: a line that is not JSON (line 61)" in result.stdout
    assert "- 1 dropped: exact duplicates (line 63)" in result.stdout
    assert "~ 1 mended: control characters in the text (line 64)" in result.stdout
    assert "+ 61 of 63 rows written" in result.stdout
    assert path.read_bytes() == before
    again = run(out)
    assert again.exit_code == 0
    assert "no problems" in again.stdout
    assert run(path, "--fix", path).exit_code == 1
    assert path.read_bytes() == before


def test_fix_divides_without_leaks(tmp_path: Path) -> None:
    path, out = lay(tmp_path / "a.jsonl", count=100), tmp_path / "clean.jsonl"
    result = run(path, "--fix", out, "--held-out", "0.2", "--json")
    made = document(result)["fixed"]
    held = Path(made["held_out"])
    assert held == tmp_path / "clean.held_out.jsonl"
    assert (len(out.read_text().splitlines()), len(held.read_text().splitlines())) == (80, 20)
    checked = run(out, "--validation", held, "--json")
    assert "leak" not in {problem["code"] for problem in document(checked)["problems"]}
    both = run(path, "--validation", held, "--json")
    leaks = [problem for problem in document(both)["problems"] if problem["code"] == "leak"]
    assert len(leaks) == 20
    assert {problem["file"] for problem in leaks} == {str(held)}
    assert both.exit_code == 1


def test_redact_replaces_keys_and_personal_data(tmp_path: Path) -> None:
    secret = {"messages": [{"role": "user", "content": "I am jo@acme.io, key sk-a1b2c3d4e5f6g7h8i9j0k1"},
                           {"role": "assistant", "content": "Noted."}]}  # fmt: skip
    out = tmp_path / "clean.jsonl"
    assert run(lay(tmp_path / "a.jsonl", secret), "--fix", out, "--redact").exit_code == 0
    last = json.loads(out.read_text().splitlines()[-1])
    assert last["messages"][0]["content"] == "I am [PERSONAL DATA], key [SECRET]"


def test_redact_reaches_arguments_and_reasoning(tmp_path: Path) -> None:
    key = "sk-a1b2c3d4e5f6g7h8i9j0k1"
    held = {"key": key, "card": 4111111111111111, "unit": 7}
    function = {"name": "pay", "arguments": json.dumps(held)}
    answer = {"role": "assistant", "content": "Done.", "reasoning_content": f"The key is {key}.",
              "tool_calls": [{"id": "c", "type": "function", "function": function}]}  # fmt: skip
    row = {"messages": [{"role": "user", "content": "Pay."}, answer]}
    out = tmp_path / "clean.jsonl"
    done = run(lay(tmp_path / "a.jsonl", row), "--fix", out, "--redact", "--json")
    assert {"secret", "personal_data"} <= set(document(done)["fixed"]["mended"])  # type: ignore[index,call-overload]
    last = json.loads(out.read_text().splitlines()[-1])["messages"][1]
    assert last["reasoning_content"] == "The key is [SECRET]."
    found = json.loads(last["tool_calls"][0]["function"]["arguments"])
    assert found == {"key": "[SECRET]", "card": "[PERSONAL DATA]", "unit": 7}
    assert {"secret", "personal_data"}.isdisjoint(p["code"] for p in document(run(out, "--json"))["problems"])


def test_no_file_that_was_given_is_written_over(tmp_path: Path) -> None:
    held, valid = lay(tmp_path / "a.held_out.jsonl"), lay(tmp_path / "v.jsonl")
    before = held.read_bytes()
    for words in (
        (held, "--fix", tmp_path / "a.jsonl", "--held-out", "0.1"),
        (held, "--validation", valid, "--fix", valid),
    ):
        result = run(*words)
        assert result.exit_code == 1
        assert "never overwritten; give --fix another name" in str(result.exception)
    assert held.read_bytes() == valid.read_bytes() == before


@pytest.mark.parametrize("share", ["nan", "inf", "0", "-1", "0.7", "1.5"])
def test_a_share_that_is_none_is_a_usage_error(tmp_path: Path, share: str) -> None:
    assert run(lay(tmp_path / "a.jsonl"), "--fix", tmp_path / "out.jsonl", "--held-out", share).exit_code == 2
    assert not (tmp_path / "out.jsonl").exists()


def test_what_could_not_be_held_out_or_written_is_said(tmp_path: Path) -> None:
    path, out = lay(tmp_path / "a.jsonl"), tmp_path / "out.jsonl"
    assert "30 examples are held out instead of 50" in run(path, "--fix", out, "--held-out", "50").stderr
    assert "instead of" not in run(path, "--fix", out, "--held-out", "30").stderr
    for place in (tmp_path, path / "out.jsonl"):
        result = run(path, "--fix", place)
        assert result.exit_code == 1
        assert "cannot be written" in str(result.exception)
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("flags", "known"),
    [
        (("--model", "gpt-9"), False), (("--for", "together", "--model", "nope"), False), (("--model", "gpt-4o"), True),
        (("--for", "openai", "--model", "Qwen/Qwen3.5-9B"), False), (("--model", "Qwen/Qwen3.5-9B"), True),
        (("--for", "azure", "--model", "gpt-4o-2024-08-06"), True), (("--for", "local", "--model", "tiny"), True),
    ],
)  # fmt: skip
def test_a_model_whose_limits_are_not_known_is_said(tmp_path: Path, flags: tuple[str, ...], known: bool) -> None:
    found = document(run(lay(tmp_path / "a.jsonl"), "--json", *flags))["problems"]
    assert ("unknown_model" in {problem["code"] for problem in found}) is not known  # type: ignore[union-attr,index]


def test_what_a_repair_did_is_named(tmp_path: Path) -> None:
    key = {"messages": [{"role": "user", "content": "key sk-a1b2c3d4e5f6g7h8i9j0k1"},
                        {"role": "assistant", "content": "Noted."}]}  # fmt: skip
    out = tmp_path / "clean.jsonl"
    repair = (lay(tmp_path / "a.jsonl", key, "{"), "--fix", out, "--redact")
    first = run(*repair)
    assert "~ 1 mended: something that looks like a key or password (line 61)" in first.stdout
    assert "personal data" not in first.stdout and "in place of" not in first.stdout
    assert first.exit_code == 1 and "Exit code 1, because the data has errors" in first.stderr
    assert run(out).exit_code == 0
    assert "in place of the file that was there" in " ".join(run(*repair).stdout.split())
    fixed = document(run(*repair, "--json"))["fixed"]
    assert isinstance(fixed, dict) and fixed["replaced"] is True


PAIR = {"prompt": "Well?", "chosen": "Yes, it is well indeed.", "rejected": "No."}
TEXT = {"text": "A whole page of text about wells."}


@pytest.mark.parametrize(
    ("extra", "flags", "code", "level", "says"),
    [
        (None, ("--objective", "dpo"), "no_pair", "error", "one answer each"),
        (TEXT, ("--objective", "dpo"), "no_pair", "error", "one answer each"),
        (PAIR, ("--objective", "sft"), "rejected_unused", "info", "60 pairs"),
        (PAIR, ("--for", "replicate"), "not_trained_there", "error", "replicate"),
        (PAIR, ("--for", "nebius"), "not_trained_there", "error", "nebius"),
        (PAIR, ("--for", "openai", "--model", "gpt-3.5-turbo-0125"), "not_trained_there", "error", "gpt-3.5"),
        (TEXT, ("--for", "openai"), "text_as_answer", "warning", "openai takes conversations"),
        (None, ("--objective", "sft"), None, None, ""),
        (PAIR, ("--objective", "dpo"), None, None, ""),
        (PAIR, ("--for", "together"), None, None, ""),
        (PAIR, ("--for", "replicate", "--objective", "sft"), "rejected_unused", "info", "60 pairs"),
    ],
)
def test_the_wrong_form_for_the_method_is_one_finding_of_the_whole(
    tmp_path: Path, extra: dict[str, str] | None, flags: tuple[str, ...], code: str | None, level: str, says: str
) -> None:
    path = tmp_path / "a.jsonl"
    rows = [row(n) if extra is None else {key: f"{text} {n}" for key, text in extra.items()} for n in range(60)]
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    result = run(path, *flags, "--json")
    about = {"no_pair", "rejected_unused", "not_trained_there", "text_as_answer"}
    found = [problem for problem in document(result)["problems"] if problem["code"] in about]
    assert [problem["code"] for problem in found] == ([code] if code else [])
    assert result.exit_code == (level == "error")
    for problem in found:
        assert (problem["line"], problem["level"]) == (None, level)
        assert says in problem["message"]


def test_an_objective_that_is_none_is_exit_2(tmp_path: Path) -> None:
    assert run(lay(tmp_path / "a.jsonl"), "--objective", "rlhf").exit_code == 2


def test_columns_and_their_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"q": f"Q{n}?", "a": f"A{n}"}) + "\n" for n in range(60)))
    assert run(path).exit_code == 1
    assert run(path, "--columns", "prompt").exit_code == 2
    assert "no field 'promt'" in (slip := run(path, "--columns", "promt=q,completion=a")).stderr and slip.exit_code == 2
    found = document(run(path, "--columns", "prompt=q,completion=a", "--json"))
    assert (found["examples"], found["format"]) == (60, "prompt_completion")


def test_explanations(tmp_path: Path) -> None:
    assert "validation score" in run("--explain", "leak").stdout
    assert json.loads(run("--explain", "leak", "--json").stdout)["level"] == "error"
    assert "exact_duplicate" in run("--explain", "list").stdout
    assert run("--explain", "leek").exit_code == 1


def test_misuse_is_exit_2(tmp_path: Path) -> None:
    path = lay(tmp_path / "a.jsonl")
    assert run().exit_code == 2
    assert run(path, "--held-out", "0.1").exit_code == 2
    assert run(path, "--fix", tmp_path / "b", "--held-out", "-1").exit_code == 2
    assert run(path, "--fix", tmp_path / "b", "--held-out", "2.5").exit_code == 2


def test_a_500_row_file_is_checked_in_little_time(tmp_path: Path) -> None:
    import resource

    path = lay(tmp_path / "a.jsonl", count=500)
    command = [sys.executable, "-m", "advisor", "check", str(path), "--json"]
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)  # fills the vocabulary cache
    for entry in (Path(os.environ["TUNEWISE_HOME"]) / "cache").glob("tally-*"):
        entry.unlink()
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 1.2  # 0.4 s on a quiet machine


def test_all_problems_are_one_document(tmp_path: Path) -> None:
    found = json.loads(run("--explain", "list", "--json").stdout)
    assert {"code", "level", "title", "why", "fix", "at"} == set(found[0]) and len(found) > 60
    rows = [{"messages": [*row(n)["messages"], *row(n + 1)["messages"]]} for n in range(30)]  # type: ignore[misc]
    out = tmp_path / "out.jsonl"
    said = run(lay(tmp_path / "a.jsonl", *rows, count=0), "--for", "replicate", "--fix", out).stdout
    assert "(lines 1, 2, 3, 4, 5 and 15 more)" in " ".join(said.split()) and said.count("\n!") == 2


def launch_notes(path: Path, backend: str, model: str, *more: str) -> str:
    words = ["launch", str(path), "--backend", backend, "--model", model, "--dry-run", "--json", *more]
    return " ".join(document(CliRunner().invoke(tunewise, words))["notes"])  # type: ignore[call-overload]


def test_launch_says_what_the_backend_refuses_before_anybody_agrees(tmp_path: Path) -> None:
    openai, together = ("openai", "gpt-4.1-mini-2025-04-14"), ("together", "Qwen/Qwen3.5-9B")
    marked = {"messages": [{"role": "developer", "content": "Stop at <|endoftext|>."}, *row(1)["messages"]]}  # type: ignore[misc]
    path = lay(tmp_path / "a.jsonl", *[marked] * 4, {**row(99), "response_format": {"type": "json_object"}})
    said = launch_notes(path, *openai)
    assert "openai refuses this, or the job fails there: A special-token string in the text." in said
    assert f"'tunewise check {path} --for openai' says where" in said
    assert "written as system" in said and "a response_format in 1 row" in said
    assert "refuses" not in launch_notes(path, *together)
    assert "Very few examples: 9, and openai takes no fewer than 10" in launch_notes(lay(path, count=10), *openai)
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text("".join(json.dumps({key: f"{text} {n}" for key, text in PAIR.items()}) + "\n" for n in range(60)))
    assert "refuses" not in launch_notes(pairs, *openai, "--objective", "sft")


@pytest.mark.parametrize(("text", "amount"), [("12.50", "12.50"), ("$1,250.5", "1250.5"), ("1,250,000", "1250000"),
                                              ("0.5", "0.5"), ("1,25", None), ("1,2500", None), ("-1", None),
                                              ("nan", None), ("1.250,00", None)])  # fmt: skip
def test_an_amount_is_what_it_says(text: str, amount: str | None) -> None:
    from decimal import Decimal

    import click

    from advisor.cli.flags.common import Usd

    if amount is None:
        with pytest.raises(click.BadParameter, match="US dollars such as"):
            Usd().convert(text, None, None)
    else:
        assert Usd().convert(text, None, None) == Decimal(amount)
