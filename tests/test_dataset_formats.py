"""Every container and every row format: sniffed from content, read alike, written back without loss."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from advisor.dataset import Dataset, Format, UnknownFields, split, write_for
from advisor.errors import DataError
from advisor.tokens import profile
from backends import Objective

PAIRS = [(f"What is {n} + {n}?", f"It is {n + n}.") for n in range(30)]
WANTED = [[{"role": "user", "content": q}, {"role": "assistant", "content": a}] for q, a in PAIRS]

SHAPES = {
    Format.OPENAI_CHAT: [{"messages": talk} for talk in WANTED],
    Format.PROMPT_COMPLETION: [{"prompt": q, "completion": a} for q, a in PAIRS],
    Format.INSTRUCTION: [{"instruction": q, "input": "", "output": a} for q, a in PAIRS],
    Format.SHAREGPT: [
        {"conversations": [{"from": "human", "value": q}, {"from": "gpt", "value": a}]} for q, a in PAIRS
    ],
}


def jsonl(rows: list[dict[str, object]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def table(rows: list[dict[str, object]], delimiter: str) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows({k: v if isinstance(v, str) else json.dumps(v) for k, v in row.items()} for row in rows)
    return text.getvalue().encode()


def parquet(rows: list[dict[str, object]]) -> bytes:
    import pyarrow
    from pyarrow import parquet as files

    sink = io.BytesIO()
    files.write_table(pyarrow.Table.from_pylist(rows), sink)
    return sink.getvalue()


def zstd(content: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor().compress(content)


CONTAINERS = {
    "jsonl": jsonl,
    "array": lambda rows: json.dumps(rows).encode(),
    "pretty array": lambda rows: json.dumps(rows, indent=2).encode(),
    "pretty objects": lambda rows: "\n".join(json.dumps(row, indent=2) for row in rows).encode(),
    "bom": lambda rows: b"\xef\xbb\xbf" + jsonl(rows),
    "windows": lambda rows: jsonl(rows).replace(b"\n", b"\r\n"),
    "no end": lambda rows: jsonl(rows).rstrip(b"\n"),
    "csv": lambda rows: table(rows, ","),
    "tsv": lambda rows: table(rows, "\t"),
    "semicolons": lambda rows: table(rows, ";"),
    "parquet": parquet,
    "gz": lambda rows: gzip.compress(jsonl(rows)),
    "zst": lambda rows: zstd(jsonl(rows)),
    "csv.gz": lambda rows: gzip.compress(table(rows, ",")),
}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_format_in_every_container(tmp_path: Path, shape: Format, container: str) -> None:
    path = tmp_path / "data.bin"  # the name says nothing
    path.write_bytes(CONTAINERS[container](SHAPES[shape]))
    data = Dataset.open(path)
    assert data.format is shape
    assert [example.messages for example in data.examples()] == WANTED


WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}  # fmt: skip


def called(number: int) -> dict[str, object]:
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": f'{{"city": "R{number}"}}'}}
    return {"role": "assistant", "tool_calls": [call]}


GOOD, BAD = {"role": "assistant", "content": "Good."}, {"role": "assistant", "content": "Bad."}
RICH: dict[str, list[dict[str, object]]] = {
    "tools": [
        {"messages": [{"role": "user", "content": q}, called(n), {"role": "tool", "tool_call_id": "c", "content": a},
                      {"role": "assistant", "content": a}], "tools": [WEATHER], "parallel_tool_calls": False}
        for n, (q, a) in enumerate(PAIRS)
    ],
    "weights": [
        {"messages": [*WANTED[n], {"role": "user", "content": q}, {"role": "assistant", "content": a, "weight": 0}]}
        for n, (q, a) in enumerate(PAIRS)
    ],
    "OpenAI's pairs": [
        {"input": {"messages": [{"role": "user", "content": q}], "tools": [WEATHER], "parallel_tool_calls": True},
         "preferred_output": [GOOD], "non_preferred_output": [BAD]} for q, _ in PAIRS
    ],
    "Together's pairs": [
        {"input": {"messages": [{"role": "user", "content": q}]}, "preferred_output": [GOOD],
         "non_preferred_output": [BAD], "weight": 1.5} for q, _ in PAIRS
    ],
    "chosen and rejected": [{"prompt": q, "chosen": a, "rejected": "No.", "weight": 2.0} for q, a in PAIRS],
    "instruction": [{"instruction": q, "output": a, "weight": 0.5, "tools": [WEATHER]} for q, a in PAIRS],
    "sharegpt": [
        {"conversations": [{"from": "human", "value": q}, {"from": "gpt", "value": a}], "tools": [WEATHER]}
        for q, a in PAIRS
    ],
    "text": [{"text": a, "weight": 0.5} for _, a in PAIRS],
}  # fmt: skip


@pytest.mark.parametrize("container", ["pretty array", "csv", "tsv", "parquet", "zst", "csv.gz"])
@pytest.mark.parametrize("kind", RICH)
def test_a_table_holds_what_json_lines_hold(tmp_path: Path, kind: str, container: str) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(jsonl(RICH[kind]))
    second.write_bytes(CONTAINERS[container](RICH[kind]))
    wanted, found = Dataset.open(first), Dataset.open(second)
    assert len(list(wanted.examples())) == len(PAIRS)
    assert [replace(e, line=0, file="", unit="line") for e in found.examples()] == [
        replace(e, line=0, file="") for e in wanted.examples()
    ]
    assert {p.code for p in found.problems()} == {p.code for p in wanted.problems()}


def test_the_text_pandas_makes_of_lists_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [{"messages": repr(talk), "tools": "", "weight": ""} for talk in WANTED]
    path.write_bytes(table(rows, ","))
    data = Dataset.open(path)
    assert [example.messages for example in data.examples()] == WANTED
    assert data.problems() == ()
    path.write_bytes(table([*rows, {"messages": "[{'role': __import__('os')}]", "tools": "", "weight": ""}], ","))
    assert [problem.code for problem in Dataset.open(path).problems()] == ["messages_not_list"]


def test_a_field_that_nothing_reads_is_said_wherever_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"prompt": f"{q} {n}", "completion": a, "id": n} for n in range(4) for q, a in PAIRS]
    rows[90]["note"] = "late"
    path.write_bytes(jsonl(rows))
    data = Dataset.open(path)
    assert data.unread == ("id",)
    assert [(p.line, p.code, "'note'" in p.message) for p in data.problems()] == [(91, "unknown_field", True)]
    turns = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a", "score": 3}]
    path.write_bytes(jsonl([{"conversations": turns}] * 2))
    assert [(p.line, p.code) for p in Dataset.open(path).problems()] == [
        (1, "unknown_message_key"), (2, "unknown_message_key")
    ]  # fmt: skip


@pytest.mark.parametrize("backend", ["openai", "azure", "together", "local", "replicate"])
@pytest.mark.parametrize("kind", ["tools", "chosen and rejected", "instruction", "text"])
def test_the_repair_writes_the_backends_own_form(tmp_path: Path, kind: str, backend: str) -> None:
    from advisor.dataset import fix

    path, launched, out, twice = (tmp_path / name for name in ("a", "launched.jsonl", "out.jsonl", "twice.jsonl"))
    path.write_bytes(jsonl(RICH[kind]))
    data = Dataset.open(path)
    objective = Objective.DPO if kind == "chosen and rejected" and backend != "replicate" else Objective.SFT
    if backend == "replicate" and kind in ("tools", "instruction"):  # whose rows describe a tool
        with pytest.raises(DataError, match="no row is left"):
            fix(data, out, backend=backend)
        assert not out.exists()
        return
    said = write_for(data, backend, objective, launched)
    done = fix(data, out, backend=backend, objective=objective)
    assert out.read_bytes() == launched.read_bytes()
    assert done.lost == said
    again = fix(Dataset.open(out), twice, backend=backend, objective=objective)
    assert twice.read_bytes() == out.read_bytes()
    assert again.lost == () or backend in ("openai", "azure", "replicate")


def test_rows_a_backend_cannot_hold_are_dropped_by_name_and_the_rest_is_divided(tmp_path: Path) -> None:
    from advisor.dataset import fix

    path, out = tmp_path / "a.jsonl", tmp_path / "out.jsonl"
    path.write_bytes(jsonl([*RICH["tools"][:2], *({"messages": talk} for talk in WANTED)]))
    done = fix(Dataset.open(path), out, backend="replicate", held_out=6, seed=1)
    assert done.dropped["not_expressible"].lines == [1, 2]
    assert [(p.line, p.code) for p in done.lost] == [(1, "not_expressible"), (2, "not_expressible")]
    assert done.held_out is not None
    sides = [[json.loads(line) for line in side.read_text().splitlines()] for side in (out, done.held_out)]
    assert [len(side) for side in sides] == [24, 6] == [done.rows_written - done.rows_held_out, done.rows_held_out]
    rows = [(row["prompt"], row["completion"]) for side in sides for row in side]
    assert sorted(rows) == sorted(PAIRS)


def test_together_takes_a_conversation_all_in_parts_or_all_in_text(tmp_path: Path) -> None:
    path, out = tmp_path / "a.jsonl", tmp_path / "out.jsonl"
    seen = [
        {"type": "text", "text": "Look."},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}},
    ]
    row = {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": seen}, GOOD]}
    path.write_bytes(jsonl([row]))
    assert write_for(Dataset.open(path), "together", Objective.SFT, out) == ()
    contents = [message["content"] for message in json.loads(out.read_text())["messages"]]
    assert contents == [[{"type": "text", "text": "s"}], seen, [{"type": "text", "text": "Good."}]]
    write_for(Dataset.open(path), "openai", Objective.SFT, out)
    assert json.loads(out.read_text()) == row


@pytest.mark.parametrize("container", ["jsonl", "bom", "windows", "no end", "gz", "csv", "pretty array"])
def test_lines_are_those_of_the_file(tmp_path: Path, container: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(CONTAINERS[container](SHAPES[Format.PROMPT_COMPLETION]))
    first = {"csv": 2, "pretty array": 2}.get(container, 1)
    step = 4 if container == "pretty array" else 1
    assert [e.line for e in Dataset.open(path).examples()] == [first + step * n for n in range(30)]


def test_lines_in_csv_follow_cells_of_several_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('prompt,completion\n"one\ntwo\nthree",x\nfour,y\nbroken\nfive,"z\nz"\nsix,w\n')
    data = Dataset.open(path)
    assert [example.line for example in data.examples()] == [2, 5, 7, 9]
    assert [(problem.line, problem.code) for problem in data.problems()] == [(6, "wrong_columns")]


def test_plain_text_is_divided_at_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("One line.\nAnother.\n\n\nA second text.\n\nA third")
    data = Dataset.open(path)
    assert data.format is Format.TEXT
    assert [(e.line, e.messages[0]["content"]) for e in data.examples()] == [
        (1, "One line.\nAnother."),
        (5, "A second text."),
        (7, "A third"),
    ]


@pytest.mark.parametrize("header", ["id,E-Mail", "Ticket-ID,E-Mail Text", "Größe (cm),Preis/Stück"])
def test_any_header_is_asked_which_column_is_which(tmp_path: Path, header: str) -> None:
    path = tmp_path / "support mails (Q3).csv"
    path.write_text(header + '\n"Hello,\nit broke",1\nbye,2\n', encoding="utf-8")
    first, second = header.split(",")
    with pytest.raises(UnknownFields, match=f"fields '{re.escape(first)}', '.*check \".*support mails") as found:
        Dataset.open(path)
    assert list(found.value.row) == [first, second]
    with pytest.raises(UnknownFields, match=f"completion=Rubrik names no column; there are '{re.escape(first)}'"):
        Dataset.open(path, columns={"prompt": first, "completion": "Rubrik"})
    assert len(list(Dataset.open(path, columns={"prompt": first, "completion": second}).examples())) == 2


@pytest.mark.parametrize("header", ["prompt,completion", "id,E-Mail"])
def test_a_table_in_another_encoding_is_told_how_to_save_it(tmp_path: Path, header: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(f"{header}\nhällo,b\ngrün,c\n".encode("cp1252"))
    with pytest.raises(DataError, match=r"line \d: this is not UTF-8 text .*save it as UTF-8: iconv") as found:
        Dataset.open(path)
    assert "JSON" not in str(found.value)


@pytest.mark.parametrize(
    ("row", "read"),
    [
        ({"question": "How many?", "sql": "SELECT 1"}, ("How many?", "SELECT 1")),
        ({"question": "How many?", "query": "SELECT 1"}, ("How many?", "SELECT 1")),
        ({"query": "How many?", "sql": "SELECT 1"}, ("How many?", "SELECT 1")),
        ({"query": "How many?", "answer": "one"}, ("How many?", "one")),
    ],
)
def test_a_query_is_the_answer_beside_a_question(tmp_path: Path, row: dict[str, str], read: tuple[str, str]) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(row) + "\n")
    example = next(Dataset.open(path).examples())
    assert tuple(message["content"] for message in example.messages) == read


def test_columns_are_named_by_the_user_or_guessed(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl([{"q": q, "a": a, "note": "x"} for q, a in PAIRS]))
    with pytest.raises(DataError, match="--columns"):
        Dataset.open(path)
    with pytest.raises(DataError, match="names no column"):
        Dataset.open(path, columns={"prompt": "question", "completion": "a"})
    with pytest.raises(DataError, match="no field 'promt'"):
        Dataset.open(path, columns={"promt": "q"})
    data = Dataset.open(path, columns={"prompt": "q", "completion": "a"})
    assert [example.messages for example in data.examples()] == WANTED
    assert data.unread == ("note",)


def test_preference_pairs_in_three_spellings(tmp_path: Path) -> None:
    good, bad = {"role": "assistant", "content": "Yes."}, {"role": "assistant", "content": "No."}
    user = {"role": "user", "content": "Well?"}
    spellings = [
        {"input": {"messages": [user]}, "preferred_output": [good], "non_preferred_output": [bad]},
        {"prompt": "Well?", "chosen": "Yes.", "rejected": "No."},
        {"chosen": [user, good], "rejected": [user, bad]},
    ]
    for number, row in enumerate(spellings):
        path = tmp_path / f"{number}.jsonl"
        path.write_bytes(jsonl([row] * 3))
        data = Dataset.open(path)
        assert data.format is Format.PREFERENCE
        example = next(data.examples())
        assert (example.messages, example.preferred, example.non_preferred) == ([user], good, bad)
        write_for(data, "openai", Objective.DPO, tmp_path / "out.jsonl")
        assert json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0]) == spellings[0]


def test_several_files_and_globs(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"part-{number}.jsonl").write_bytes(jsonl(SHAPES[Format.OPENAI_CHAT][number * 10 :][:10]))
    data = Dataset.open(str(tmp_path / "part-*.jsonl"))
    assert [example.messages for example in data.examples()] == WANTED
    assert len(data.paths) == 3
    assert data.fingerprint != Dataset.open(data.paths[0]).fingerprint
    (tmp_path / "other.jsonl").write_bytes(jsonl(SHAPES[Format.PROMPT_COMPLETION]))
    with pytest.raises(DataError, match="one format"):
        Dataset.open(data.paths[0], tmp_path / "other.jsonl")
    (tmp_path / "third.jsonl").write_bytes(jsonl([{"question": q, "answer": a} for q, a in PAIRS]))
    with pytest.raises(
        DataError, match=r"third\.jsonl: its fields are 'question', 'answer', those of .*other\.jsonl are"
    ):
        Dataset.open(tmp_path / "other.jsonl", tmp_path / "third.jsonl")
    (tmp_path / "pairs.jsonl").write_bytes(jsonl(RICH["OpenAI's pairs"]))
    (tmp_path / "texts.jsonl").write_bytes(jsonl(RICH["chosen and rejected"]))
    for two in (("pairs.jsonl", "texts.jsonl"), ("texts.jsonl", "pairs.jsonl")):
        with pytest.raises(DataError, match="give files of the same fields together"):
            Dataset.open(*(tmp_path / name for name in two))
    with pytest.raises(DataError, match="no file matches"):
        Dataset.open(str(tmp_path / "none-*.jsonl"))


def test_the_fingerprint_is_the_sha256_of_the_file(tmp_path: Path) -> None:
    import hashlib

    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl(SHAPES[Format.OPENAI_CHAT]))
    assert Dataset.open(path).fingerprint == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("cut", [20, 200])
def test_a_damaged_archive_is_one_sentence(tmp_path: Path, cut: int) -> None:
    for name, content in (
        ("a.gz", CONTAINERS["gz"]),
        ("a.parquet", CONTAINERS["parquet"]),
        ("a.zst", CONTAINERS["zst"]),
    ):
        path = tmp_path / name
        path.write_bytes(content(SHAPES[Format.OPENAI_CHAT])[:cut])
        with pytest.raises(DataError) as caught:
            list(Dataset.open(path).examples())
        assert str(path) in str(caught.value)


def test_replicate_says_what_it_flattens(tmp_path: Path) -> None:
    talk = [{"role": "system", "content": "Be kind."}, *WANTED[0], *WANTED[1]]
    tools = [{"type": "function", "function": {"name": "f"}}]
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl([{"messages": WANTED[0]}, {"messages": talk}, {"messages": WANTED[0], "tools": tools}]))
    said = write_for(Dataset.open(path), "replicate", Objective.SFT, tmp_path / "out.jsonl")
    assert [(problem.line, problem.code) for problem in said] == [(2, "flattened"), (3, "not_expressible")]
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert rows[0] == {"prompt": PAIRS[0][0], "completion": PAIRS[0][1]}
    assert rows[1]["prompt"].startswith("Be kind.\n\nUser: What is 0 + 0?\n\nAssistant: It is 0.")
    assert rows[1]["completion"] == "It is 2."


def test_row_settings_go_where_they_are_known(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl([{"messages": WANTED[0], "parallel_tool_calls": False, "weight": 2.0}]))
    data = Dataset.open(path)
    for backend, kept in (("openai", "parallel_tool_calls"), ("together", "weight")):
        said = write_for(data, backend, Objective.SFT, tmp_path / "out.jsonl")
        assert {problem.code for problem in said} == {"setting_dropped"}
        assert set(json.loads((tmp_path / "out.jsonl").read_text())) == {"messages", kept}


def test_a_split_of_plain_text_stays_plain_text(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl([{"text": f"Text number {n}"} for n in range(20)]))
    train, held = split(Dataset.open(path), tmp_path, held_out=5)
    assert Dataset.open(train).format is Format.TEXT
    assert len(held.read_text().splitlines()) == 5


def test_lists_objects_and_numbers_in_columns_become_text(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl([{"source": ["One.", "Two."], "target": ["A.", "B."]}, {"source": "x", "target": 3}] * 2))
    data = Dataset.open(path)
    assert [[m["content"] for m in e.messages] for e in data.examples()][:2] == [["One. Two.", "A."], ["x", "3"]]
    assert [(p.line, p.code) for p in data.problems()] == [(1, "extra_answers"), (3, "extra_answers")]


def test_profile_does_not_depend_on_the_container(tmp_path: Path) -> None:
    found = []
    for name in ("jsonl", "gz", "parquet", "array"):
        (tmp_path / name).write_bytes(CONTAINERS[name](SHAPES[Format.OPENAI_CHAT]))
        made = profile(Dataset.open(tmp_path / name))
        found.append((made.tokens, made.billed_tokens_per_epoch, made.labels, made.languages))
    assert found[1:] == found[:-1]


def told(path: Path) -> list[int]:
    """Return how far the reading was at each word of it, in bytes."""
    from advisor.tokens._blocks import examine

    done: list[int] = []
    examine(Dataset.open(path), progress=lambda more: done.append((done[-1] if done else 0) + more))
    return done


@pytest.mark.parametrize("container", ["jsonl", "array", "csv", "tsv", "parquet", "gz", "zst", "csv.gz"])
def test_progress_is_told_in_bytes_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, container: str) -> None:
    import random

    from advisor.dataset import json_rows

    monkeypatch.setattr(json_rows, "BLOCK_BYTES", 1 << 14)
    dice = random.Random(1)
    words = (" ".join(str(dice.getrandbits(40)) for _ in range(30)) for _ in range(1600))
    rows = [{"prompt": text, "completion": str(number)} for number, text in enumerate(words)]
    path = tmp_path / "a"
    path.write_bytes(CONTAINERS[container](rows))
    done = told(path)
    assert done[-1] == path.stat().st_size
    assert done == sorted(done)
    if container != "jsonl":  # which is one block here, told when it is counted
        assert len(done) >= 4
        assert any(0.2 < one / done[-1] < 0.8 for one in done)


def test_the_fingerprint_and_the_repair_tell_their_progress(tmp_path: Path) -> None:
    from advisor.dataset import fix

    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl(SHAPES[Format.OPENAI_CHAT]))
    done: list[int] = []
    Dataset.open(path).identify(done.append)
    assert sum(done) == path.stat().st_size
    done.clear()
    fix(Dataset.open(path), tmp_path / "out.jsonl", progress=done.append)
    assert sum(done) == path.stat().st_size


def test_compressed_blocks_tell_their_bytes_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from advisor.tokens import _blocks

    monkeypatch.setattr(_blocks, "SMALL_BYTES", 1000)
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(jsonl([{"messages": talk} for talk in WANTED * 40])))
    assert path.stat().st_size > 1000
    assert told(path)[-1] == path.stat().st_size


CALL = {"name": "weather", "arguments": {"city": "Rome"}}


@pytest.mark.parametrize(
    ("row", "asked"),
    [
        ({"question": "How tall?", "context": "It is 3 m tall.", "answer": "3 m"}, "How tall?\n\nIt is 3 m tall."),
        ({"instruction": "Sum up.", "context": "Long.", "response": "Short."}, "Sum up.\n\nLong."),
        ({"instruction": "Add.", "input": [3, 4], "output": "7"}, "Add.\n\n[3,4]"),
        ({"instruction": "Sum up.", "input": "Long.", "chosen": "Short.", "rejected": "No."}, "Sum up.\n\nLong."),
    ],
)
def test_the_text_a_question_is_about_is_part_of_the_prompt(tmp_path: Path, row: dict[str, object], asked: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl([row] * 2))
    data = Dataset.open(path)
    assert next(data.examples()).messages == [{"role": "user", "content": asked}, *next(data.examples()).messages[1:]]
    assert data.unread == ()


def test_what_only_some_rows_or_files_have_is_read_there(tmp_path: Path) -> None:
    bare = [{"instruction": f"Say {n}.", "output": "x"} for n in range(30)]
    rich = [{**row, "input": "given", "system": "Be brief."} for row in bare[:10]]
    one, two = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    one.write_bytes(jsonl([*bare, *rich]))
    two.write_bytes(jsonl(bare))
    for data in (Dataset.open(one), Dataset.open(two, one)):
        assert data.problems() == ()
        last = list(data.examples())[-1].messages
        assert [message["content"] for message in last] == ["Be brief.", "Say 9.\n\ngiven", "x"]


def test_a_system_prompt_beside_the_messages_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    own = {"role": "system", "content": "Mine."}
    path.write_bytes(jsonl([{"system": "Be kind.", "messages": WANTED[0]}, {"messages": [own, *WANTED[1]]}] * 2))
    first, second, *_ = Dataset.open(path).examples()
    assert first.messages == [{"role": "system", "content": "Be kind."}, *WANTED[0]]
    assert second.messages == [own, *WANTED[1]]


@pytest.mark.parametrize(
    "turns",
    [
        [("function_call", json.dumps(CALL)), ("observation", "sunny")],
        [("gpt", f"<tool_call>\n{CALL}\n</tool_call>"), ("tool", "<tool_response>\nsunny\n</tool_response>")],
    ],
)
def test_calls_in_sharegpt_get_the_ids_their_answers_need(tmp_path: Path, turns: list[tuple[str, str]]) -> None:
    path = tmp_path / "a.jsonl"
    talk = [("human", "Weather?"), *turns, ("gpt", "It is sunny.")] * 2
    row = {
        "conversations": [{"from": who, "value": said} for who, said in talk],
        "tools": json.dumps([WEATHER["function"]]),
    }
    path.write_bytes(jsonl([row]))
    data = Dataset.open(path)
    assert data.problems() == ()
    example = next(data.examples())
    assert example.tools == [WEATHER]
    calls = [call for message in example.messages for call in message.get("tool_calls", ())]
    assert [(call["id"], json.loads(call["function"]["arguments"])) for call in calls] == [
        ("call_1", CALL["arguments"]), ("call_2", CALL["arguments"])
    ]  # fmt: skip
    assert [m["tool_call_id"] for m in example.messages if m["role"] == "tool"] == ["call_1", "call_2"]


def test_a_column_that_is_there_twice_is_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("prompt,note,note,completion\nq,x,y,a\nr,x,y,b\n")
    assert len(list(Dataset.open(path).examples())) == 2
    path.write_text("prompt,completion,completion\nq,a,b\nr,a,b\n")
    with pytest.raises(DataError, match=r"line 1: two columns are called 'completion'"):
        Dataset.open(path)


def test_rows_wrapped_in_an_object_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for text in (json.dumps({"v": 1, "data": RICH["weights"]}), json.dumps({"data": RICH["weights"]}, indent=1)):
        path.write_text(text)
        assert len(list(Dataset.open(path).examples())) == len(RICH["weights"])


def test_a_bad_byte_in_an_array_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'[\n{"prompt": "a", "completion": "b"},\n{"prompt": "caf\xe9", "completion": "b"}\n]')
    assert [(p.line, p.code) for p in Dataset.open(path).problems()] == [(3, "invalid_utf8")]
    path.write_bytes(b'[\n\n{"prompt": "caf\xe9", "completion": "b"}\n]')
    with pytest.raises(DataError, match="line 3: this is not UTF-8 text"):
        Dataset.open(path)


def test_roles_and_reasoning_are_written_as_the_backend_knows_them(tmp_path: Path) -> None:
    path, out = tmp_path / "a.jsonl", tmp_path / "out.jsonl"
    thought = {"role": "assistant", "content": "42.", "reasoning": "6 x 7"}
    talk = [{"role": "developer", "content": "s"}, {"role": "user", "content": "q"}, thought]
    path.write_bytes(jsonl([{"messages": talk, "weight": 2}]))
    answers = {"openai": {}, "together": {"reasoning": "6 x 7"}, "local": {"reasoning_content": "6 x 7"}}
    for backend, more in answers.items():
        said = {problem.code for problem in write_for(Dataset.open(path), backend, Objective.SFT, out)}
        made = json.loads(out.read_text())
        answer = {"role": "assistant", "content": "42.", **more}
        assert made["messages"] == [{"role": "system", "content": "s"}, talk[1], answer]
        assert said == {"developer_role"} | ({"reasoning_text"} if backend == "openai" else set()) | (
            {"setting_dropped"} if backend != "together" else set()
        )
        assert made.get("weight") == (2 if backend == "together" else None)


def test_keys_that_are_refused_are_not_written(tmp_path: Path) -> None:
    path, out = tmp_path / "a.jsonl", tmp_path / "out.jsonl"
    dumped = {"role": "assistant", "content": "a", "refusal": None, "annotations": [], "tool_calls": [], "mood": "good"}
    path.write_bytes(jsonl([{"messages": [{"role": "user", "content": "q", "name": "Bob"}, dumped]}]))
    for backend in ("openai", "together", "local"):
        said = write_for(Dataset.open(path), backend, Objective.SFT, out)
        assert [problem.message for problem in said] == ["Keys in a message that no provider reads: mood: left out."]
        assert json.loads(out.read_text())["messages"] == [
            {"role": "user", "content": "q", "name": "Bob"}, {"role": "assistant", "content": "a"}
        ]  # fmt: skip
    old = {"role": "assistant", "function_call": {"name": "weather", "arguments": "{}"}}
    path.write_bytes(jsonl([{"messages": [WANTED[0][0], old]}, {"messages": WANTED[0]}]))
    assert [p.code for p in write_for(Dataset.open(path), "local", Objective.SFT, out)] == ["not_expressible"]
    assert write_for(Dataset.open(path), "openai", Objective.SFT, out) == ()


@pytest.mark.parametrize("backend", ["openai", "azure", "nebius", "together", "local", "replicate"])
def test_what_is_read_back_differs_only_where_that_was_said(tmp_path: Path, backend: str) -> None:
    path, out = tmp_path / "a.jsonl", tmp_path / "out.jsonl"
    asked, answer = WANTED[0]
    kinds = [*RICH.values(), *([{"messages": talk}] for talk in WANTED[:2]), *([{"messages": talk}] for talk in (
        [{**asked, "name": "Bob"}, answer], [asked, {**answer, "reasoning_content": "Hm."}],
        [asked, {**answer, "refusal": "No."}], [asked, {"role": "system", "content": "s"}, answer],
        [*WANTED[0], asked], [{**asked, "mood": "good"}, answer], [{**asked, "role": "developer"}, answer],
    ))]  # fmt: skip
    kept = 0
    for rows in kinds:
        path.write_bytes(jsonl(rows))
        data = Dataset.open(path)
        paired = data.format is Format.PREFERENCE and backend != "replicate"
        try:
            said = write_for(data, backend, Objective.DPO if paired else Objective.SFT, out)
        except DataError as error:
            assert backend == "replicate" and "nothing can be written" in str(error)
            continue
        wanted, found = list(data.examples()), list(Dataset.open(out).examples())
        assert said or [replace(one, file="") for one in found] == [replace(one, file="") for one in wanted]
        kept += not said
    assert kept >= (2 if backend == "replicate" else 6)


def test_no_setting_is_lost_in_silence(tmp_path: Path) -> None:
    path, out = tmp_path / "a.jsonl", tmp_path / "out.jsonl"
    path.write_bytes(jsonl(RICH["text"]))
    assert write_for(Dataset.open(path), "together", Objective.SFT, out) == ()
    assert json.loads(out.read_text().splitlines()[0])["weight"] == 0.5
    assert {p.code for p in write_for(Dataset.open(path), "local", Objective.SFT, out)} == {"setting_dropped"}
    assert {p.code for p in write_for(Dataset.open(path), "replicate", Objective.SFT, out)} == {"setting_dropped"}
    path.write_bytes(jsonl([*RICH["weights"][:1], {"messages": WANTED[1]}]))  # the last answer is not to be learnt
    said = write_for(Dataset.open(path), "replicate", Objective.SFT, out)
    assert [(problem.line, problem.code) for problem in said] == [(1, "not_expressible")]
    assert len(out.read_text().splitlines()) == 1


def test_a_quote_that_is_never_closed_is_told_from_a_quoted_text(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    rows = [f"film {n} was fine\tgood" for n in range(30)]
    path.write_text(
        "\n".join(["text\tlabel", *rows[:4], '"Great one\tgood', *rows[4:9], '"Great, too\tgood', *rows[9:]])
    )
    assert [(p.line, p.code) for p in Dataset.open(path).problems()] == [(6, "swallowed_rows")]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["prompt,completion", "a,b", '"open,x', "c,d", "e,f", "g,h", '"i"",j']) + "\n")
    assert ("swallowed_rows", 3) in [(p.code, p.line) for p in Dataset.open(path).problems()]
    path.write_text('prompt,completion\n"Dear Bob,\nthank you, yes\nwell, no, never\nBye",kind\n')
    assert Dataset.open(path).problems() == ()


def test_names_are_known_in_any_case(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Id,Question, Answer\n1,q,a\n2,r,b\n")
    data = Dataset.open(path)
    assert [example.messages[0]["content"] for example in data.examples()] == ["q", "r"]
    assert data.unread == ("Id",)
    path.write_text("Answer,answer,question\nx,a,q\ny,b,r\n")
    assert [example.messages[1]["content"] for example in Dataset.open(path).examples()] == ["a", "b"]


def test_messages_by_themselves_are_told_where_they_belong(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(message) + "\n" for message in WANTED[0]))
    with pytest.raises(DataError, match=r"these are messages by themselves"):
        Dataset.open(path)
    path.write_text("".join(json.dumps(talk) + "\n" for talk in WANTED))
    assert [example.messages for example in Dataset.open(path).examples()] == WANTED


@pytest.mark.parametrize(
    ("cell", "read"),
    [
        (Decimal("1.50"), "1.50"), (date(2026, 1, 31), "2026-01-31"), (datetime(2026, 1, 31), "2026-01-31T00:00:00"),
        (timedelta(seconds=3), "0:00:03"), (float("nan"), None), (0.5, "0.5"), (True, "true"), (b"\xff", None),
    ],
)  # fmt: skip
def test_what_only_parquet_holds_is_read_or_said(tmp_path: Path, cell: object, read: str | None) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(parquet([{"prompt": "q", "completion": cell}] * 2))
    data = Dataset.open(path)
    assert [example.messages[1]["content"] for example in data.examples()] == ([read] * 2 if read else [])
    assert {problem.code for problem in data.problems()} <= {"empty_answer", "bad_content"}
    profile(data)


def test_bytes_in_a_message_are_an_error_of_its_row(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    seen = [{"type": "image_url", "image_url": {"url": "https://x.org/a.png", "bytes": b"\xff"}}]
    talk = [{"role": "user", "content": seen}, {"role": "assistant", "content": [{"type": "text", "text": "a"}]}]
    path.write_bytes(parquet([{"messages": talk}] * 2))
    found = profile(Dataset.open(path))
    assert found.examples == 0
    assert [problem.line for problem in found.problems if problem.code == "bad_content"] == [1, 2]


def test_a_table_without_names_is_told_to_have_them(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('"I want a refund, please",refund\n"Where is my parcel now?",parcel\n')
    with pytest.raises(UnknownFields, match=r"the columns have no names.*--columns prompt=1,completion=2 --fix"):
        Dataset.open(path)
