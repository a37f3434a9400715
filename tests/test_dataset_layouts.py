"""Files of every layout and form are read rightly, or refused with a command that works on that very file."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from advisor.cli import tunewise
from advisor.dataset import Answers, Dataset, Format, write_for
from advisor.errors import DataError
from advisor.tokens import profile
from backends import Objective

ASKED = [{"prompt": f"question {n}?", "completion": f"answer {n}"} for n in range(3)]
TALK = [{"role": "user", "content": "Rate 1"}, {"role": "assistant", "content": "it is 1"}]


def said(path: Path, **more: object) -> list[list[tuple[str, object]]]:
    return [[(m["role"], m.get("content")) for m in one.messages] for one in Dataset.open(path, **more).examples()]


def lay(tmp_path: Path, text: str, name: str = "a.json") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def lines(row: dict[str, object]) -> str:
    return "".join(json.dumps(row) + "\n" for _ in range(3))


def cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def talk(row: list[str]) -> list[dict[str, str]]:
    return [{"role": role, "content": text} for role, text in zip(("user", "assistant"), row, strict=True)]


WANTED = [[("user", f"question {n}?"), ("assistant", f"answer {n}")] for n in range(3)]
COLUMNS = {key: [row[key] for row in ASKED] for key in ("prompt", "completion")}
LISTS = [list(row.values()) for row in ASKED]
READ = {
    "pandas columns": json.dumps({key: dict(enumerate(column)) for key, column in COLUMNS.items()}),
    "columns as lists": json.dumps(COLUMNS),
    "columns, pretty": json.dumps(COLUMNS, indent=2),
    "pandas split": json.dumps({"columns": ["prompt", "completion"], "index": [0, 1, 2], "data": LISTS}),
    "pandas table": json.dumps({"schema": {"fields": [{"name": "prompt"}]}, "data": ASKED}).replace(
        '{"name": "prompt"}', ""
    ),
    "rows by key": json.dumps({f"id{n}": row for n, row in enumerate(ASKED)}),
    "one split": json.dumps({"train": ASKED}),
    "wrapped, with more": json.dumps({"version": 1, "data": ASKED}),
    "wrapped twice": json.dumps({"data": {"train": ASKED}}),
    "lists under names": json.dumps([["prompt", "completion"], *LISTS]),
    "lists under names, one to a line": "\n".join(map(json.dumps, [["prompt", "completion"], *LISTS])),
    "several on one line": " ".join(map(json.dumps, ASKED)),
    "several on one line, with commas": ",".join(map(json.dumps, ASKED)),
    "two on the second line": "\n".join([json.dumps(ASKED[0]), json.dumps(ASKED[1]) + json.dumps(ASKED[2])]),
    "a comma after each line": ",\n".join(map(json.dumps, ASKED)) + ",",
    "a run of pretty objects": "\n".join(json.dumps(row, indent=1) for row in ASKED),
    "carriage returns": "\r\n".join(map(json.dumps, ASKED)),
    "a mark before columns": "\ufeff" + json.dumps(COLUMNS),
    "blank lines between": "\n\n".join(map(json.dumps, ASKED)),
    "rows by number": json.dumps(dict(enumerate(ASKED))),
    "rows by key, pretty": json.dumps({f"id{n}": row for n, row in enumerate(ASKED)}, indent=1),
    "an array of one row to a line": "[\n" + ",\n".join(map(json.dumps, ASKED)) + "\n]",
    "names in capitals": "Prompt,Completion\n" + "".join(f"{a},{b}\n" for a, b in LISTS),
    "semicolons": "prompt;completion\n" + "".join(f"{a};{b}\n" for a, b in LISTS),
    "tabs": "prompt\tcompletion\n" + "".join(f"{a}\t{b}\n" for a, b in LISTS),
    "a table of messages": "messages\n"
    + "".join('"' + json.dumps(talk(row)).replace('"', '""') + '"\n' for row in LISTS),
    "a table of Python's messages": "messages\n" + "".join('"' + repr(talk(row)) + '"\n' for row in LISTS),
    "Vertex's older pairs": "\n".join(json.dumps({"input_text": a, "output_text": b}) for a, b in LISTS),
    "turns of input and output": "\n".join(json.dumps({"conversation": [{"input": a, "output": b}]}) for a, b in LISTS),
    "turns of human and assistant": "\n".join(
        json.dumps({"conversation": [{"human": a, "assistant": b}]}) for a, b in LISTS
    ),
    "ShareGPT in capitals": "\n".join(
        json.dumps({"conversations": [{"from": "Human", "value": a}, {"from": "GPT", "value": b}]}) for a, b in LISTS
    ),
    "SQuAD as the hub has it": "\n".join(
        json.dumps({"id": "1", "question": a, "answers": {"text": [b], "answer_start": [0]}}) for a, b in LISTS
    ),
    "one answer in a list": "\n".join(json.dumps({"prompt": a, "completion": [b]}) for a, b in LISTS),
    "Gemini": "\n".join(
        json.dumps({"contents": [{"role": "user", "parts": [{"text": a}]}, {"role": "model", "parts": [{"text": b}]}]})
        for a, b in LISTS
    ),
    "pipes": "prompt|completion\n" + "".join(f"{a}|{b}\n" for a, b in LISTS),
    "conversations as lists": json.dumps(
        [[{"role": r, "content": c} for r, c in zip(("user", "assistant"), row, strict=True)] for row in LISTS]
    ),
}


@pytest.mark.parametrize("name", READ)
def test_a_layout_that_has_one_reading_is_read(tmp_path: Path, name: str) -> None:
    path = lay(tmp_path, READ[name])
    assert said(path) == WANTED
    assert profile(Dataset.open(path)).examples == 3


REFUSED = {
    "splits": (json.dumps({"test": ASKED[:1], "train": ASKED}), "a.json"),
    "splits under a field": (json.dumps({"data": {"test": ASKED[:1], "train": ASKED}}), "a.json"),
    "lists without names": (json.dumps(LISTS), "a.json"),
    "lists without names, one to a line": ("\n".join(map(json.dumps, LISTS)), "a.jsonl"),
    "a table without names": ("".join(f"{a},{b}\n" for a, b in LISTS), "a.csv"),
    "a table of labels without names": ('"I want a refund, please",refund\n"Where is it now?",parcel\n', "a.csv"),
    "pipes without names": ("".join(f"what is {a}|{b}\n" for a, b in LISTS), "a.psv"),
    "unknown fields": (lines({"id": 1, "ask": "what now?", "say": "go on"}), "a.jsonl"),
    "a known prompt alone": (lines({"id": 1, "prompt": "a b", "reply": "c d"}), "a.jsonl"),
    "a blank in the name": (json.dumps({"test": ASKED[:1], "train": ASKED}), "my file's.json"),
    "columns with blanks": (lines({"the ask": "what now?", "the say": "go on"}), "a.jsonl"),
    "messages by themselves": ("\n".join(map(json.dumps, TALK)), "a.jsonl"),
    "SQuAD": (json.dumps({"version": "2", "data": [{"title": "t", "paragraphs": [{"context": "Rome is old.", "qas": [
        {"id": "1", "question": "What is old?", "answers": [{"text": "Rome", "answer_start": 0}]},
        {"id": "2", "question": "Who?", "answers": []}]}]}]}), "a.json"),
    "a reward model": (lines({"prompt": TALK[:1], "reward_model": {"style": "rule", "ground_truth": "4"}}), "a.jsonl"),
    "Markdown": ("| prompt | completion |\n|---|:-:|\n| question 0? | answer 0 |\n| b? | c |\n", "a.md"),
    "CoNLL": ("EU\tB-ORG\nrejects\tO\ncall\tO\n\nPeter\tB-PER\nleft\tO\n", "a.conll"),
    "Python dicts": ("".join(f"{row}\n" for row in ASKED), "a.jsonl"),
    "YAML": ("- prompt: a b\n  completion: c d\n- prompt: e f\n  completion: g h\n", "a.yaml"),
    "UTF-16": (None, "a.jsonl"),
    "graded": (lines({"messages": TALK[:1], "target": 4, "numbers": [1]}), "a.jsonl"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_has_a_command_that_works_on_that_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    text, file = REFUSED[name]
    if text is not None:
        Path(file).write_text(text)
    else:
        Path(file).write_text("\n".join(map(json.dumps, ASKED)), encoding="utf-16")
    with pytest.raises(DataError) as refused:
        Dataset.open(file)
    out = run_as_told(str(refused.value))
    found = list(Dataset.open(out).examples())
    assert found
    assert all(one.messages[-1]["role"] == "assistant" and one.messages[-1]["content"] for one in found)


def run_as_told(message: str) -> str:
    """Run the command a message gives, as a shell would; return the file it wrote."""
    quoted = re.search(r"'(tunewise check .*?|jq .*?)' writes", message)
    command = quoted[1] if quoted else re.search(r"(?:sed|awk|iconv|python) .*> \S+", message)[0]  # type: ignore[index]
    if command.startswith("tunewise "):
        result = CliRunner().invoke(tunewise, shlex.split(command)[1:])
        assert result.exit_code == 0, result.output
        return "OUT.jsonl"
    command = command.replace("python -c", f"{shlex.quote(sys.executable)} -c")
    if sys.platform == "win32" or not shutil.which(command.split()[0]):
        pytest.skip(f"{command.split()[0]} is not on this machine")
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return command.split("> ")[-1]


CALL = {"name": "rate", "arguments": '{"n":1}'}
TOOL = {"type": "function", "function": {"name": "rate", "description": "d", "parameters": {"type": "object"}}}
CALLED = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Rate 1"},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": CALL}]},
    {"role": "tool", "tool_call_id": "call_1", "content": '{"v":2}'},
    {"role": "assistant", "content": "It is 2."},
]
PROVIDERS = {
    "Gemini": {
        "systemInstruction": {"role": "system", "parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Rate 1"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "rate", "args": {"n": 1}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "rate", "response": {"v": 2}}}]},
            {"role": "model", "parts": [{"text": "It is 2."}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "rate", "description": "d", "parameters": {"type": "OBJECT"}}]}],
    },
    "Anthropic": {
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [
            {"role": "user", "content": "Rate 1"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "call_1", "name": "rate", "input": {"n": 1}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": '{"v":2}'}]}]},
            {"role": "assistant", "content": "It is 2."},
        ],
        "tools": [{"name": "rate", "description": "d", "input_schema": {"type": "object"}}],
    },
    "Bedrock": {
        "schemaVersion": "bedrock-conversation-2024",
        "system": [{"text": "Be brief."}],
        "messages": [
            {"role": "user", "content": [{"text": "Rate 1"}]},
            {"role": "assistant", "content": [{"toolUse": {"toolUseId": "call_1", "name": "rate", "input": {"n": 1}}}]},
            {"role": "user", "content": [{"toolResult": {"toolUseId": "call_1", "content": [{"json": {"v": 2}}]}}]},
            {"role": "assistant", "content": [{"text": "It is 2."}]},
        ],
        "toolConfig": {"tools": [{"toolSpec": {
            "name": "rate", "description": "d", "inputSchema": {"json": {"type": "object"}}}}]},
    },
}  # fmt: skip


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_conversation_of_another_provider_is_read_whole(tmp_path: Path, provider: str) -> None:
    path = lay(tmp_path, json.dumps(PROVIDERS[provider]) + "\n" + json.dumps(PROVIDERS[provider]), "a.jsonl")
    data = Dataset.open(path)
    assert data.unread == ()
    for example in data.examples():
        assert example.messages == CALLED
        assert example.tools == [TOOL]
    assert not [p for p in data.problems() if p.level == "error"]


def test_history_comes_before_what_is_asked(tmp_path: Path) -> None:
    row = {"instruction": "and now?", "input": "", "output": "it is", "history": [["hi", "hello"]], "system": "kind"}
    turns = [
        ("system", "kind"),
        ("user", "hi"),
        ("assistant", "hello"),
        ("user", "and now?"),
        ("assistant", "it is"),
    ]
    path = lay(tmp_path, json.dumps([row, {**row, "history": []}]))
    assert said(path) == [turns, [turns[0], *turns[3:]]]
    assert Dataset.open(path).unread == ()


def test_conversations_in_pairs_and_capitals_are_read(tmp_path: Path) -> None:
    pairs = {"conversation": [{"system": "s", "input": "a", "output": "b"}, {"input": "c", "output": "d"}]}
    path = lay(tmp_path, json.dumps(pairs) + "\n" + json.dumps(pairs), "a.jsonl")
    turns = [("system", "s"), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]
    assert said(path) == [turns, turns]
    row = {"conversations": [{"from": "Human", "value": "a"}, {"from": "GPT", "value": "b"}]}
    assert said(lay(tmp_path, json.dumps(row))) == [[("user", "a"), ("assistant", "b")]]


def test_preference_pairs_of_sharegpt_are_messages(tmp_path: Path) -> None:
    row = {"conversations": [{"from": "human", "value": "q"}], "chosen": {"from": "gpt", "value": "good"},
           "rejected": {"from": "gpt", "value": "bad"}}  # fmt: skip
    path = lay(tmp_path, json.dumps(row) + "\n" + json.dumps(row), "a.jsonl")
    data = Dataset.open(path)
    assert data.format is Format.PREFERENCE
    example = next(data.examples())
    assert example.messages == [{"role": "user", "content": "q"}]
    assert (example.preferred, example.non_preferred) == (
        {"role": "assistant", "content": "good"}, {"role": "assistant", "content": "bad"})  # fmt: skip
    beside = {"messages": TALK[:1], "chosen": "a", "rejected": "b"}
    assert Dataset.open(lay(tmp_path, json.dumps([beside]))).format is Format.PREFERENCE


def test_several_labels_are_one_answer_and_none_is_one_too(tmp_path: Path) -> None:
    rows = [{"text": f"where is it {n}", "intents": ["find", "ask"][: n % 3]} for n in range(60)]
    path = lay(tmp_path, json.dumps(rows))
    answers = [talk[-1][1] for talk in said(path)]
    assert answers[:3] == ["[]", '["find"]', '["find","ask"]']
    found = profile(Dataset.open(path))
    assert found.examples == 60
    assert found.task_type == "multi_label"
    assert found.labels == {"find": 40, "ask": 20}
    assert not {"extra_answers", "unknown_field"} & {p.code for p in found.problems}
    joined = [talk[-1][1] for talk in said(path, columns={"joined_labels": "intents"})]
    assert joined[:3] == ["none", "find", "find, ask"]
    assert profile(Dataset.open(path, columns={"joined_labels": "intents"})).task_type == "multi_label"


def test_several_answers_that_are_as_good_are_not_labels(tmp_path: Path) -> None:
    rows = [{"question": f"who was it {n}", "answers": [f"Person Number {n}", f"P. Number {n}"]} for n in range(20)]
    found = profile(Dataset.open(lay(tmp_path, json.dumps(rows))))
    assert found.task_type != "multi_label"
    assert [p.level for p in found.problems if p.code == "extra_answers"][:1] == ["warning"]


KTO = [{"messages": [{"role": "user", "content": f"q{n // 2}"}, {"role": "assistant", "content": f"a{n}"}],
        "label": bool(n % 2)} for n in range(6)]  # fmt: skip


@pytest.mark.parametrize("form", ["messages", "fields", "numbers", "csv"])
def test_rows_judged_bad_are_not_learnt_as_good(tmp_path: Path, form: str) -> None:
    flat = [{"prompt": r["messages"][0]["content"], "completion": r["messages"][1]["content"], "label": r["label"]}
            for r in KTO]  # fmt: skip
    if form == "csv":
        lines = ["prompt,completion,label", *(f"{r['prompt']},{r['completion']},{r['label']}" for r in flat)]
        path = lay(tmp_path, "\n".join(lines), "a.csv")
    else:
        rows = (
            KTO if form == "messages" else flat if form == "fields" else [{**r, "label": int(r["label"])} for r in KTO]
        )
        path = lay(tmp_path, json.dumps(rows))
    with pytest.raises(DataError, match=r"'label' says which answers are good \(3 of 6\)"):
        Dataset.open(path)
    good = [one.messages[-1]["content"] for one in Dataset.open(path, answers=Answers.GOOD).examples()]
    assert good == ["a1", "a3", "a5"]
    pairs = list(Dataset.open(path, answers=Answers.PAIRS).examples())
    assert [(p.preferred["content"], p.non_preferred["content"]) for p in pairs if p.preferred and p.non_preferred] == [
        ("a1", "a0"), ("a3", "a2"), ("a5", "a4")]  # fmt: skip


def test_what_is_said_of_judged_rows_works_when_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.json").write_text(json.dumps(KTO))
    with pytest.raises(DataError) as refused:
        Dataset.open("a.json")
    commands = re.findall(r"'(tunewise .*?)' writes", str(refused.value))
    assert len(commands) == 2
    for command, format in zip(commands, (Format.OPENAI_CHAT, Format.PREFERENCE), strict=True):
        assert CliRunner().invoke(tunewise, shlex.split(command)[1:]).exit_code == 0
        data = Dataset.open("OUT.jsonl")
        assert (data.format, len(list(data.examples()))) == (format, 3)


def test_scores_are_a_warning_and_can_be_used(tmp_path: Path) -> None:
    rows = [{"prompt": f"q{n // 3}", "response": f"a{n}", "score": n % 3} for n in range(12)]
    path = lay(tmp_path, json.dumps(rows))
    assert [p.level for p in profile(Dataset.open(path)).problems if p.code == "rated_answers"] == ["warning"]
    good = [one.messages[-1]["content"] for one in Dataset.open(path, answers=Answers.GOOD).examples()]
    assert good == ["a2", "a5", "a8", "a11"]
    pairs = Dataset.open(path, answers=Answers.PAIRS)
    first = next(pairs.examples())
    assert first.preferred and first.non_preferred
    assert (first.preferred["content"], first.non_preferred["content"]) == ("a2", "a0")


SEVERAL: dict[str, Callable[[int], dict[str, object]]] = {
    "objects with a score": lambda n: {"instruction": f"q{n}", "completions": [
        {"model": "x", "response": f"bad{n}", "overall_score": 1.5}, {"response": f"good{n}", "overall_score": 4}]},
    "objects with a rank": lambda n: {"prompt": f"q{n}", "answers": [
        {"answer": f"good{n}", "rank": 1.0}, {"answer": f"bad{n}", "rank": 2.0}]},
    "texts beside their scores": lambda n: {
        "prompt": f"q{n}", "responses": [f"bad{n}", f"good{n}"], "scores": [2, 3]},
    "a chat with generations": lambda n: {
        "messages": [{"role": "user", "content": f"q{n}"}], "generations": [f"good{n}", f"bad{n}"],
        "rewards": [0.9, -0.1]},
}  # fmt: skip


@pytest.mark.parametrize("form", SEVERAL)
def test_several_rated_answers_in_a_row_are_refused_with_commands_that_work(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_text("".join(json.dumps(SEVERAL[form](n)) + "\n" for n in range(3)))
    with pytest.raises(DataError, match="several answers to one prompt") as refused:
        Dataset.open("a.jsonl")
    commands = re.findall(r"'(tunewise .*?)' writes", str(refused.value))
    for command, format in zip(commands, (Format.OPENAI_CHAT, Format.PREFERENCE), strict=True):
        assert CliRunner().invoke(tunewise, shlex.split(command)[1:]).exit_code == 0
        data = Dataset.open("OUT.jsonl")
        found = list(data.examples())
        assert (data.format, len(found)) == (format, 3)
        for n, one in enumerate(found):
            if format is Format.PREFERENCE:
                assert one.preferred and one.non_preferred
                assert (one.preferred["content"], one.non_preferred["content"]) == (f"good{n}", f"bad{n}")
            else:
                assert [turn["content"] for turn in one.messages] == [f"q{n}", f"good{n}"]


@pytest.mark.parametrize("form", SEVERAL)
def test_a_row_whose_answers_are_not_rated_as_the_others_is_named(form: str, tmp_path: Path) -> None:
    held, rated = {
        "objects with a score": ("completions", "overall_score"), "objects with a rank": ("answers", "rank"),
        "texts beside their scores": ("responses", "scores"), "a chat with generations": ("generations", "rewards"),
    }[form]  # fmt: skip
    rows = [json.dumps(SEVERAL[form](n)) for n in range(60)]
    spoilt = [json.dumps({**SEVERAL[form](60), held: value}) for value in ("text", None, [], [{"text": "x"}], [7])]
    path = lay(tmp_path, "\n".join([*rows, *spoilt, '{"cut', "[1]"]) + "\n", "a.jsonl")
    lines = ", ".join(map(str, range(61, 68)))
    for answers in Answers:
        with pytest.raises(DataError, match=f"a.jsonl, lines {lines}: '{held}' .* rated by '{rated}'.*; correct or"):
            Dataset.open(path, answers=answers)
    path.write_text("\n".join(rows + spoilt * 3), encoding="utf-8")
    with pytest.raises(DataError, match="69, 70 and 5 more: "):
        Dataset.open(path, answers=Answers.GOOD)
    marked = lay(tmp_path, "\ufeff" + "\n".join(rows), "b.jsonl")
    assert len(list(Dataset.open(marked, answers=Answers.GOOD).examples())) == 60


@pytest.mark.parametrize(("field", "good"), [("label", True), ("score", 4)])
def test_a_row_without_a_judged_answer_is_named(field: str, good: object, tmp_path: Path) -> None:
    rows = [json.dumps({"prompt": f"q{n // 2}", "completion": f"a{n}", field: good if n % 2 else 0}) for n in range(60)]
    spoilt = [json.dumps({"prompt": "q", "completion": "a", field: "maybe"}), json.dumps({"prompt": "q", field: good})]
    path = lay(tmp_path, "\ufeff" + "\n".join([*rows, *spoilt, '{"cut']) + "\n", "a.jsonl")
    for answers in Answers:
        with pytest.raises(DataError, match=f"a.jsonl, lines 61, 62, 63: there is no answer that '{field}' judges, as"):
            Dataset.open(path, answers=answers)
    path.write_text("\ufeff" + "\n".join(rows), encoding="utf-8")
    assert len(list(Dataset.open(path, answers=Answers.GOOD).examples())) == 30


def test_lists_that_are_no_rated_answers_stay_what_they_are(tmp_path: Path) -> None:
    parts = {"prompt": "q", "completion": [{"text": "a", "page": 1}, {"text": "b", "page": 2}]}
    assert Dataset.open(lay(tmp_path, lines(parts), "a.jsonl")).format is Format.PROMPT_COMPLETION
    answered = {"messages": TALK, "generations": ["x", "y"], "scores": [1, 2]}
    assert Dataset.open(lay(tmp_path, lines(answered), "b.jsonl")).format is Format.OPENAI_CHAT


def test_a_finding_in_an_array_of_one_line_names_the_row(tmp_path: Path) -> None:
    rows = [{"messages": [{"role": "user", "content": f"q{n}"}, TALK[1]]} for n in range(60)]
    path = lay(tmp_path, json.dumps([*rows, rows[0]]))
    (twice,) = [p for p in profile(Dataset.open(path)).problems if p.code == "exact_duplicate"]
    assert (twice.line, twice.unit) == (61, "row")
    assert twice.message == "Exact duplicates: the same as row 1."
    page = CliRunner().invoke(tunewise, ["check", str(path)]).output
    assert "row 61, the same as row 1" in " ".join(page.split())
    told = json.loads(CliRunner().invoke(tunewise, ["check", str(path), "--json"]).stdout)
    assert [p["line"] for p in told["problems"] if p["code"] == "exact_duplicate"] == [61]
    spread = lay(tmp_path, json.dumps([*rows, rows[0]], indent=0), "b.json")
    assert {p.unit for p in profile(Dataset.open(spread)).problems} == {"line"}


def test_text_parts_in_a_tools_answer_are_written_as_text(tmp_path: Path) -> None:
    talk = [dict(message) for message in CALLED]
    talk[3]["content"] = [{"type": "text", "text": '{"v":2}'}]
    path = lay(tmp_path, json.dumps({"messages": talk, "tools": [TOOL]}), "a.jsonl")
    for backend in ("openai", "together", "local", "nebius", "azure"):
        write_for(Dataset.open(path), backend, Objective.SFT, tmp_path / "out.jsonl")
        row = json.loads((tmp_path / "out.jsonl").read_text())
        assert row["messages"][3]["content"] == '{"v":2}', backend
