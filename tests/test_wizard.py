"""Whole conversations with the wizard in a real pseudo-terminal."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pexpect
import pytest

from advisor.cli.wizard.answers import Answers, workload_of
from advisor.recommend import read_plan
from advisor.runs import Ledger

ROOT = Path(__file__).parent.parent
TICKETS = str(ROOT / "examples" / "support_tickets.jsonl")
PROMPT = r"\(\? b q\): "


class Terminal:
    """A wizard in a pseudo-terminal: type an answer where it asks, read what it wrote."""

    def __init__(self, folder: Path, columns: int = 100, rows: int = 50, **environment: str) -> None:
        env = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | environment
        self.process = pexpect.spawn(
            sys.executable,
            ["-m", "advisor"],
            env=env,
            cwd=folder,
            encoding="utf-8",
            dimensions=(rows, columns),
            timeout=180,
        )
        self.seen = ""

    def answer(self, *answers: str) -> None:
        for text in answers:
            self.process.expect(PROMPT)
            self.seen += self.process.before
            self.process.sendline(text)

    def agree(self, word: str) -> None:
        """Answer what is asked before anything starts."""
        self.process.expect(r"Start\? \[y/N\]: ")
        self.seen += self.process.before
        self.process.sendline(word)

    def interrupt(self, where: str = PROMPT) -> None:
        """Press Ctrl-C where an answer is expected, until it ends.

        One press is lost when it comes after readline wrote the question and before it waits for the answer.
        """
        self.process.expect(where)
        self.seen += self.process.before
        self.process.sendintr()
        while self.process.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=15) == 1:
            self.process.sendintr()
        self.seen += self.process.before

    def finish(self) -> int:
        self.process.expect(pexpect.EOF)
        self.seen += self.process.before
        self.process.close()
        assert "Traceback" not in self.seen
        self.raw = self.seen
        # Sentences are wrapped at the width of the terminal, and styled line by line.
        self.seen = re.sub(r"\s+", " ", re.sub(r"\x1b\[[\d;?]*\w", "", self.seen))
        return int(self.process.exitstatus)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    yield work


def test_good_data_ends_in_a_rehearsal_and_a_saved_plan(folder: Path) -> None:
    terminal = Terminal(folder, columns=80)
    terminal.answer(TICKETS, "", "20000", "any", "other", "0.71", "5", "rehearse")
    terminal.agree("y")
    terminal.answer("save", "q")
    assert terminal.finish() == 0
    plan = read_plan(folder / "plan.yaml")
    assert f"REHEARSAL of {plan.option.backend}: nothing is trained or paid" in terminal.seen
    (run,) = Ledger.open().runs()
    assert run.rehearses == plan.option.backend
    # At 80 columns every reason and every option is one line: a question is its title, those, and the prompt.
    raw = re.sub(r"\x1b\[[\d;?]*\w", "", terminal.raw.replace("\r", ""))
    asked, _, told = raw.partition("$ tunewise plan")
    assert [len(screen.splitlines()) for screen in asked.split("\n\n")[2:7]] == [15, 4, 7, 4, 4]
    assert "400 examples" in terminal.seen
    assert "1 of 6" in terminal.seen and "7 of 7" in terminal.seen
    assert plan.workload.measured == {"prompt": 0.71}
    # The verdict is on a screen of 24 lines together with the menu, and nothing stands between the two.
    screen = told[: told.index("[why]")].splitlines()[-24:]
    assert any("FINE-TUN" in line for line in screen)
    menu = next(number for number, line in enumerate(screen) if line.startswith("1\u00a0why"))
    assert screen[menu - 1] == "" and screen[menu - 2].strip()


def test_no_data_plans_from_a_description(folder: Path) -> None:
    terminal = Terminal(folder)
    terminal.answer("60 x 300", "classification 4", "5000", "any", "gpt-6-luna 900", "93% 90%", "save", "q")
    assert terminal.finish() == 0
    plan = read_plan(folder / "plan.yaml")
    assert plan.option.id == "prompt:openai/gpt-6-luna"
    assert plan.workload.data is not None and plan.workload.data.labels == 4


def test_without_data_no_launch_is_offered_and_no_plan_is_replaced(folder: Path) -> None:
    (folder / "plan.yaml").write_text("mine", encoding="utf-8")
    terminal = Terminal(folder)
    terminal.answer("5000 x 300", "classification 4", "5000", "on_premises rtx-4090", "other")
    terminal.answer("0.4 0.9", "0.02", "launch", "save", "fit", "q")
    assert terminal.finish() == 0
    assert "Give a number from 1 to 6" in terminal.seen  # why, all, chart, save, page, fit
    assert "$ tunewise fit --model Qwen/Qwen3-8B --method lora --gpu rtx-4090" in terminal.seen
    assert (folder / "plan.yaml").read_text(encoding="utf-8") == "mine"
    assert read_plan(folder / "plan-2.yaml").option.strategy.tunes


def test_answers_that_lead_nowhere_are_asked_for_again_with_a_reason(folder: Path) -> None:
    terminal = Terminal(folder)
    terminal.answer("500 x 300", "other", "unknown", "on_premises", "on_premises none", "none", "none")
    terminal.answer("", "", "", "on_premises rtx-4090", "", "", "q")
    assert terminal.finish() == 0
    refused, _, then = terminal.seen.partition("These answers lead nowhere")
    assert "Name the GPU there" in refused and "you name no GPU there" in refused
    assert "[500 x 300]" in then and "[on_premises]" in then


def test_a_missing_file_is_asked_for_again(folder: Path) -> None:
    terminal = Terminal(folder)
    terminal.answer("nowhere.jsonl", TICKETS, "", "unknown", "any", "none", "none", "q")
    assert terminal.finish() == 0
    assert "nowhere.jsonl" in terminal.seen
    assert "Give another file" in terminal.seen


def test_a_line_is_completed_recalled_and_explained(folder: Path) -> None:
    (folder / "my tickets.jsonl").write_bytes(Path(TICKETS).read_bytes())
    terminal = Terminal(folder)
    terminal.answer("?", "my t\t", "q")
    assert terminal.finish() == 0
    assert "Tab completes a name." in terminal.seen and "400 examples" in terminal.seen
    again = Terminal(folder)
    again.answer("new", "\x1b[A\x1b[A\x1b[A", "q")  # the third line back: new, q, and the file
    assert again.finish() == 0
    assert "400 examples" in again.seen


def test_rows_that_cannot_be_read_are_said_before_the_second_question(folder: Path) -> None:
    row = '{"messages": [{"role": "user", "content": "is %d odd?"}, {"role": "assistant", "content": "%s"}]}\n'
    half = "".join(row % (number, ["no", "yes"][number % 2]) + "{broken\n" for number in range(60))
    (folder / "half.jsonl").write_text(half, encoding="utf-8")
    terminal = Terminal(folder)
    terminal.answer("half.jsonl", "q")
    assert terminal.finish() == 0
    assert "60 rows left out, 60 examples read" in terminal.seen.partition("2 of 6")[0]


def test_bad_data_says_the_line_and_the_remedy(folder: Path) -> None:
    (folder / "bad.jsonl").write_text('{"messages": [{"role": "user", "content": "hi"}\n', encoding="utf-8")
    terminal = Terminal(folder)
    terminal.answer("bad.jsonl")
    terminal.interrupt()
    assert terminal.finish() == 130
    assert "line 1" in terminal.seen


def test_a_key_in_the_data_is_said_before_its_errors(folder: Path) -> None:
    key = '{"prompt": "use sk-' + 'a1b2c3d4e5f6g7h8i9j0k1", "completion": "no"}'
    broken = ['{"prompt": 1}', '{"completion": ""}', "{", "[1]"]
    (folder / "keys.jsonl").write_text("\n".join([key, *broken, key.replace("use", "take")]) + "\n", encoding="utf-8")
    terminal = Terminal(folder)
    terminal.answer("keys.jsonl")
    terminal.interrupt()
    assert terminal.finish() == 130
    assert "4 errors" in terminal.seen and "lists them, here 3:" in terminal.seen
    listed = terminal.seen.split("here 3:", 1)[1]
    assert listed.index("looks like a key or password") < listed.index("line 2")


def test_columns_of_other_names_are_asked_for(folder: Path) -> None:
    rows = [f"a{i}@shop.example,Where is parcel {i}?,{('late', 'lost')[i % 2]}" for i in range(40)]
    (folder / "mails.csv").write_text("\n".join(["sender,E-Mail,category", *rows]) + "\n", encoding="utf-8")
    terminal = Terminal(folder)
    terminal.answer("mails.csv", "E-Mail", "category", "yes")
    terminal.interrupt()
    assert terminal.finish() == 130
    assert "such as Where is parcel 0?" in terminal.seen
    assert "$ tunewise check mails.csv --columns prompt=E-Mail,completion=category --fix " in terminal.seen
    assert "40 examples" in terminal.seen
    assert "Looks like classification" in terminal.seen
    assert [path.name for path in folder.iterdir()] == ["mails.csv"], "nothing is written there unasked"
    written = Path(os.environ["TUNEWISE_HOME"]) / "wizard" / "mails-chat.jsonl"
    assert "late" in written.read_text(encoding="utf-8")


def test_nonsense_answers_are_asked_again_with_a_sentence(folder: Path) -> None:
    terminal = Terminal(folder)
    terminal.answer("500 x many", "500 x 400", "99", "style", "lots", "1000 a day", "1000", "moon", "any gtx-1", "any")
    terminal.answer("gpt-99", "other", "1.7", "71%", "free", "nan", "$1,500", "b", "", "q")
    assert terminal.finish() == 0
    assert "[1500]" in terminal.seen
    for sentence in (
        "Give another file, or a number of examples",
        "There is no GPU 'gtx-1'",
        "Nothing is known of a model 'gpt-99'",
        "is not a whole number such as",
        "Behind the number may stand turns or conversations",
        "Give a number from 1 to 11",
        "is not a share from 0 to 1",
        "is not an amount of US dollars",
    ):
        assert sentence in terminal.seen


def test_a_changed_mind_goes_back_and_takes_the_new_answer(folder: Path) -> None:
    terminal = Terminal(folder)
    terminal.answer(TICKETS, "", "1000", "on_premises rtx-4090", "b", "any none", "gpt-4o-mini-2024-07-18 tuned")
    terminal.answer("b", "", "0.5", "unknown", "save", "q")
    assert terminal.finish() == 0
    workload = read_plan(folder / "plan.yaml").workload
    assert workload.privacy == "any" and workload.gpus == ()
    assert workload.current is not None and workload.current.strategy == "hosted"
    assert workload.standing == {"openai": "active"}  # a tuned model answers there today


def test_ctrl_c_keeps_the_answers_for_the_next_start(folder: Path) -> None:
    terminal = Terminal(folder)
    terminal.answer(TICKETS, "", "123456")
    terminal.interrupt()
    assert terminal.finish() == 130
    again = Terminal(folder)
    again.answer("", "b", "", "", "", "", "q")
    assert again.finish() == 0
    assert "123,456 requests a month" in again.seen
    assert "[123456]" in again.seen
    assert "Where is your data?" not in again.seen


def test_on_premises_never_asks_about_a_hosted_provider_and_ctrl_c_starts_nothing(folder: Path) -> None:
    terminal = Terminal(folder)
    terminal.answer(TICKETS, "", "1000", "on_premises rtx-4090", "other", "0.5", "unknown", "launch")
    terminal.interrupt(r"Start\? \[y/N\]: ")
    assert terminal.finish() == 130
    assert "Your answers are kept" in terminal.seen
    assert Ledger.open().runs() == ()
    again = Terminal(folder)
    again.interrupt()
    assert again.finish() == 130
    assert "You were here before" in again.seen
    assert "was never sent" not in again.seen


def test_a_tiny_terminal_and_no_colour(folder: Path) -> None:
    shutil.copy(TICKETS, folder / "t.jsonl")  # a line that wraps would be redrawn with the cursor's own codes
    terminal = Terminal(folder, columns=60, rows=15, NO_COLOR="1")
    terminal.answer("t.jsonl", "", "1000", "any", "other", "0.7", "unknown", "q")
    assert terminal.finish() == 0
    assert "\x1b[" not in terminal.raw.replace("\x1b[?", "")
    before, _, after = terminal.raw.replace("\r", "").partition("$ tunewise plan")
    screens = [*before.split("\n\n"), after[after.index("1\u00a0why") :]]
    assert all(len(screen.splitlines()) <= 15 for screen in screens)
    said = [line for line in "\n".join(screens).splitlines() if TICKETS not in line]
    assert max(map(len, said)) <= 60


def test_a_rehearsal_then_a_real_launch_on_this_machine(folder: Path) -> None:
    with (folder / "my data.jsonl").open("w", encoding="utf-8") as file:
        for row in Path(TICKETS).read_text(encoding="utf-8").splitlines()[:200]:
            file.write(json.dumps({"messages": json.loads(row)["messages"][1:]}) + "\n")  # short: no system prompt
    terminal = Terminal(folder)
    terminal.answer(*("my data.jsonl", "", "1000", "on_premises rtx-4090", "other", "0.4", "unknown", "rehearse"))
    terminal.answer("b", "100", "rehearse", "try")
    terminal.agree("y")
    terminal.answer("receipt", "q")
    assert terminal.finish() == 0
    assert "--dry-run" in terminal.seen
    assert "$ tunewise launch 'my data.jsonl' --backend local --model tiny" in terminal.seen
    (run,) = Ledger.open().runs()  # the rehearsals left none
    assert run.job.status == "succeeded", run.job.detail
    assert f"receipt of {run.id}" in terminal.seen.lower()


def test_what_a_request_is_counts_for_conversations_alone() -> None:
    chats = Answers(data=("chats.jsonl",), turns=7.5, requests_per_month=1000, requests_are="conversations")
    assert workload_of(chats)["requests_are"] == "conversations"
    assert "requests_are" not in workload_of(replace(chats, turns=1.0))


def test_the_team_with_a_dear_prompt_is_told_to_try_a_cheap_model(folder: Path) -> None:
    terminal = Terminal(folder)
    terminal.answer("3000 x 370+30", "classification 12", "2000000", "any", "gpt-6.1-sol examples 5000", "86%", "")
    terminal.answer("q")
    assert terminal.finish() == 0
    assert "The same prompt on gpt-6-luna costs $779 a month against $15,080 on gpt-6.1-sol" in terminal.seen
