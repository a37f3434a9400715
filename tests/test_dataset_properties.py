"""What must hold for any data: conversion and back, repair twice, lines, splits, and no traceback for any bytes."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.dataset import Dataset, fix, split, write_for
from advisor.errors import DataError
from advisor.tokens import profile
from backends import Objective

words = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=60).filter(
    lambda text: text.strip() == text and any(map(str.isprintable, text))
)
turn = st.tuples(words, words)
talk = st.builds(
    lambda system, turns: {
        "messages": [
            *([{"role": "system", "content": system}] if system else []),
            *[m for q, a in turns for m in ({"role": "user", "content": q}, {"role": "assistant", "content": a})],
        ]
    },
    st.none() | words,
    st.lists(turn, min_size=1, max_size=3),
)
pair = st.builds(
    lambda q, good, bad: {
        "input": {"messages": [{"role": "user", "content": q}]},
        "preferred_output": [{"role": "assistant", "content": good}],
        "non_preferred_output": [{"role": "assistant", "content": bad}],
    },
    words,
    words,
    words,
)
quick = settings(max_examples=30, deadline=None)


def lay(folder: str, rows: list[object], name: str = "a.jsonl") -> Path:
    path = Path(folder) / name
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8", newline="\n")
    return path


def rows(path: Path) -> list[object]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


@quick
@given(st.lists(talk, min_size=1, max_size=8), st.sampled_from(["openai", "together", "local"]))
def test_chat_to_a_backend_and_back_is_the_identity(given_rows: list[object], backend: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "b.jsonl"
        assert write_for(Dataset.open(lay(folder, given_rows)), backend, Objective.SFT, out) == ()
        assert rows(out) == given_rows


@quick
@given(st.lists(pair, min_size=1, max_size=8), st.sampled_from(["openai", "together", "local"]))
def test_pairs_to_a_backend_and_back_is_the_identity(given_rows: list[object], backend: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "b.jsonl"
        write_for(Dataset.open(lay(folder, given_rows)), backend, Objective.DPO, out)
        assert rows(out) == given_rows


@quick
@given(st.lists(turn, min_size=1, max_size=8))
def test_chat_to_prompt_and_completion_and_back_is_the_identity(turns: list[tuple[str, str]]) -> None:
    chat = [{"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]} for q, a in turns]
    with tempfile.TemporaryDirectory() as folder:
        middle, back = Path(folder) / "b.jsonl", Path(folder) / "c.jsonl"
        assert write_for(Dataset.open(lay(folder, chat)), "replicate", Objective.SFT, middle) == ()
        assert rows(middle) == [{"prompt": q, "completion": a} for q, a in turns]
        assert write_for(Dataset.open(middle), "openai", Objective.SFT, back) == ()
        assert rows(back) == chat


dirt = st.sampled_from(
    [
        "", "  ", "{broken", "[1]", '{"messages": []}',
        '{"messages": [{"role": "user", "content": "a"}]}',
        '{"messages": [{"role": "developer", "content": "s"}, {"role": "user", "content": "q", "weight": 1},'
        ' {"role": "assistant", "content": "a\\r\\nb\\u0007", "id": 3}]}',
        '{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "tool_calls":'
        ' [{"id": "c", "type": "function", "function": {"name": "f", "arguments": {"x": 1}}}]}]}',
    ]
)  # fmt: skip


@quick
@given(st.lists(talk.map(lambda row: json.dumps(row)) | dirt, min_size=1, max_size=12), talk, st.booleans())
def test_repair_is_idempotent_and_leaves_the_input_alone(lines: list[str], good: object, bom: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jsonl"
        path.write_bytes((b"\xef\xbb\xbf" if bom else b"") + "\n".join([json.dumps(good), *lines]).encode())
        before = path.read_bytes()
        once, twice = Path(folder) / "once.jsonl", Path(folder) / "twice.jsonl"
        first = fix(Dataset.open(path), once)
        second = fix(Dataset.open(once), twice)
        assert path.read_bytes() == before
        assert once.read_bytes() == twice.read_bytes()
        assert not second.dropped
        assert not second.mended
        assert first.rows_written == second.rows_read
        assert first.rows_read == first.rows_written + sum(change.rows for change in first.dropped.values())
        assert not [p for p in profile(Dataset.open(once)).problems if p.level == "error"]


@quick
@given(st.lists(st.sampled_from(["", " \t", "\r"]), max_size=6), st.integers(0, 5), st.booleans())
def test_lines_are_right_after_blank_lines_and_a_byte_order_mark(blanks: list[str], at: int, bom: bool) -> None:
    good = '{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}'
    lines = [good, *blanks, good, *blanks]
    lines.insert(min(at, len(lines)) + 1, "{broken")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jsonl"
        path.write_bytes((b"\xef\xbb\xbf" if bom else b"") + "\n".join(lines).encode())
        data = Dataset.open(path)
        assert [p.line for p in data.problems() if p.code == "invalid_json"] == [lines.index("{broken") + 1]
        assert [e.line for e in data.examples()] == [n for n, line in enumerate(lines, 1) if line == good]


@quick
@given(st.lists(st.integers(0, 12), min_size=2, max_size=60), st.floats(0.05, 0.5), st.integers(0, 3))
def test_split_never_leaks_and_loses_nothing(prompts: list[int], share: float, seed: int) -> None:
    chat = [
        {"messages": [{"role": "user", "content": f"Q {n}"}, {"role": "assistant", "content": "ab"[n % 2]}]}
        for n in prompts
    ]
    with tempfile.TemporaryDirectory() as folder:
        data = Dataset.open(lay(folder, chat))
        try:
            train, held = split(data, Path(folder), held_out=share, seed=seed)
        except DataError:
            assert len(set(prompts)) == 1
            return
        left, right = rows(train), rows(held)
        assert sorted(map(json.dumps, [*left, *right])) == sorted(map(json.dumps, chat))
        assert left
        assert right
        asked = [{row["messages"][0]["content"] for row in side} for side in (left, right)]
        assert not asked[0] & asked[1]


SEEDS = [
    b'{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}\n' * 3,
    b'{"prompt": "a", "completion": "b"}\n{"prompt": "c", "completion": "d"}\n',
    b'[{"instruction": "a", "input": "", "output": "b"},\n {"instruction": "c", "output": null}]',
    b'prompt,completion\n"a,b",c\nd,e\n',
    b"text\tlabel\na\tb\nc\td\n",
    b'{"conversations": [{"from": "human", "value": "x"}, {"from": "gpt", "value": "y"}]}\n',
    b'{"prompt": "a", "chosen": "b", "rejected": "c"}\n',
    b'{"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function":'
    b' {"name": "f", "arguments": "{}"}}]}], "tools": [{"type": "function", "function":'
    b' {"name": "f", "parameters": {}}}]}\n',
    b'{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]}]}\n',
]
PIECES = [b"{", b"}", b"[", b"]", b'"', b",", b"\n", b"\x00", b"\xff", b"\xef\xbb\xbf", b"null", b"1e999", b"NaN",
          b"\\ud83d",
          b'"role": 3', b'"content": {}', b'"tool_calls": [3]', b'"weight": "x"', b"\r", b"\t", b"PAR1", b"\x1f\x8b",
          b"-1", b"true", b'"messages"', b'"function": null']  # fmt: skip


USER, ANSWER = {"role": "user", "content": "Where?"}, {"role": "assistant", "content": "There."}
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {
    "type": "object", "properties": {"city": {"type": "string", "enum": ["R"]}}, "required": ["city"]}}}  # fmt: skip
CALL = {"role": "assistant", "tool_calls": [
    {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"city": "R"}'}}]}  # fmt: skip
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO", "detail": "low"}}
CHATS: list[dict[str, object]] = [
    {"messages": [{"role": "system", "content": "Be kind."}, USER, ANSWER]},
    {"messages": [USER, CALL, {"role": "tool", "tool_call_id": "c", "content": "ok"}, ANSWER], "tools": [TOOL],
     "parallel_tool_calls": False},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "Look."}, IMAGE]}, {**ANSWER, "weight": 1}]},
    {"messages": [{**USER, "name": "bob"}, {**ANSWER, "refusal": None}]},
]  # fmt: skip
PAIRS: list[dict[str, object]] = [
    {"input": {"messages": [USER], "tools": [TOOL], "parallel_tool_calls": True}, "preferred_output": [ANSWER],
     "non_preferred_output": [{**ANSWER, "content": "Here."}]},
]  # fmt: skip
OTHERS: list[dict[str, object]] = [
    {"conversations": [{"from": "human", "value": "x"}, {"from": "gpt", "value": "y"}], "tools": [TOOL]},
    {"prompt": [USER], "chosen": [ANSWER], "rejected": [ANSWER], "weight": 1.5},
    {"instruction": "a", "input": "b", "output": "c"},
    {"prompt": "a", "completion": ["b", "c"]},
    {"text": "words"},
]
ODD: list[object] = [
    None,
    3,
    1.5,
    True,
    "",
    [],
    {},
    "x",
    [1],
    [[]],
    {"a": 1},
    ["x"],
    -1,
    0,
    [{"a": [{}]}],
    "\u0000",
    1e300,
]


def grafted(row: dict[str, object], dice: random.Random) -> dict[str, object]:
    """The row with something of the wrong kind in one place, with something missing, or with too much."""
    made = json.loads(json.dumps(row))
    at: object = made
    while True:
        inner = list(at) if isinstance(at, dict) else list(range(len(at))) if isinstance(at, list) else []
        key = dice.choice(inner)
        below = at[key]  # type: ignore[index]
        if not isinstance(below, dict | list) or not below or dice.random() < 0.2:
            break
        at = below
    kind = dice.random()
    if kind < 0.3:
        del at[key]  # type: ignore[attr-defined]
    elif kind < 0.9 or not isinstance(at, dict):
        at[key] = json.loads(json.dumps(dice.choice(ODD)))  # type: ignore[index]
    else:
        at["extra"] = dice.choice(ODD)
    return made


def mutated(dice: random.Random) -> bytes:
    """A valid file with pieces cut out, put in and changed, in its bytes or in its rows; or mere noise."""
    if dice.random() < 0.15:
        return dice.randbytes(dice.randint(1, 300))
    if dice.random() < 0.5:
        row = dice.choice([*CHATS, *PAIRS, *OTHERS])
        return "".join(json.dumps(one) + "\n" for one in (row, *(grafted(row, dice) for _ in range(4)))).encode()
    content = bytearray(dice.choice(SEEDS))
    for _ in range(dice.randint(1, 5)):
        at = dice.randrange(len(content) + 1)
        kind = dice.random()
        if kind < 0.3:
            del content[at : at + dice.randint(1, 12)]
        elif kind < 0.8:
            content[at:at] = dice.choice(PIECES)
        elif at < len(content):
            content[at] = dice.randrange(256)
    return bytes(content) or b"x"


def survives(path: Path) -> None:
    """Everything that reads must end, or raise DataError in one line."""
    try:
        data = Dataset.open(path)
        list(data.problems())
        backend = ("openai", "together", "replicate", "local")[data.bytes % 4]
        profile(data)
        write_for(data, backend, Objective.SFT, path.with_name("out.jsonl"))
        fix(data, path.with_name("fixed.jsonl"), redacted=True)
    except DataError as error:
        assert "\n" not in str(error)
        assert str(path) in str(error)


def fuzz(folder: Path, seed: int, count: int) -> None:
    dice = random.Random(seed)
    path = folder / "noise"
    for number in range(count):
        path.write_bytes(mutated(dice))
        try:
            survives(path)
        except BaseException:
            print(f"seed {seed}, file {number}: {path.read_bytes()!r}")
            raise


def test_what_is_written_for_openai_keeps_to_its_own_schema(shared: Path) -> None:
    import yaml
    from jsonschema import Draft202012Validator
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT202012

    from advisor.dataset import Example
    from advisor.dataset.checks import level_of
    from advisor.dataset.dataset import judge
    from advisor.dataset.shape import shape_of
    from advisor.dataset.write import Losses, line_for

    text = (shared / "specs" / "openai-finetune-lines.yaml").read_text()
    lines = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    known = Registry().with_resource("urn:lines", Resource(contents=lines, specification=DRAFT202012))
    dice, written = random.Random(3), 0
    for name, seeds, objective in (("Chat", CHATS, Objective.SFT), ("Preference", PAIRS, Objective.DPO)):
        schema = {"$ref": f"urn:lines#/components/schemas/FineTune{name}RequestInput"}
        valid = Draft202012Validator(schema, registry=known)
        shape = shape_of(seeds[0], {})
        assert shape is not None
        for row in (*seeds, *(grafted(dice.choice(seeds), dice) for _ in range(700))):
            talk, found = judge(row, shape, {})
            if talk is None or any(level_of(code, "openai") == "error" for code, _ in found):
                continue
            example = Example(1, "a", talk.messages, talk.tools, talk.preferred, talk.non_preferred, talk.extra or {})
            line = line_for(example, shape.format, "openai", objective, Losses())
            assert not [error.message for error in valid.iter_errors(line)], (row, line)
            written += 1
    assert written > 200


def test_no_bytes_cause_a_traceback(tmp_path: Path) -> None:
    fuzz(tmp_path, 1, 200)


@pytest.mark.slow
def test_no_bytes_of_many_cause_a_traceback(tmp_path: Path) -> None:
    fuzz(tmp_path, 2, 1_000)


@quick
@given(st.binary(min_size=1, max_size=200))
def test_no_noise_causes_a_traceback(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "noise"
        path.write_bytes(content)
        survives(path)
