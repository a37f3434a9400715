"""JSON that keeps its schema: one that is given, or the one the training answers imply."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.errors import DataError
from advisor.evaluate.metrics import METRICS, Answer, Reference
from advisor.evaluate.schema import inferred_schema, keeps, read_schema
from advisor.runs.evaluation.compare import Options, judged_by
from advisor.runs.evaluation.question import Question
from backends import Json

ROWS: list[Json] = [
    {"category": "billing", "order": None, "items": [{"id": 1}], "score": 2},
    {"category": "other", "order": "KL-1", "items": [], "score": 2.5, "note": "x"},
]


def test_a_schema_is_what_all_answers_keep() -> None:
    assert inferred_schema(ROWS) == {
        "type": "object",
        "properties": {
            "category": {"type": "string"},
            "order": {"type": ["null", "string"]},
            "items": {
                "type": "array",
                "items": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]},
            },
            "score": {"type": "number"},
            "note": {"type": "string"},
        },
        "required": ["category", "order", "items", "score"],
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"category": "new", "order": null, "items": [], "score": 1}', 1),
        ('```json\n{"category": "new", "order": null, "items": [], "score": 1}\n```', 1),
        ('{"category": "new", "order": null, "items": [], "score": 1, "more": true}', 1),
        ('{"category": "new", "items": [], "score": 1}', 0),
        ('{"category": 3, "order": null, "items": [], "score": 1}', 0),
        ('{"category": "new", "order": null, "items": [{"id": "1"}], "score": 1}', 0),
        ('{"category": "new", "order": null, "items": [], "score": true}', 0),
        ("[]", 0),
        ("sure, here it is", 0),
        ("[" * 100_000, 0),
    ],
)
def test_an_answer_keeps_the_schema_or_does_not(text: str, expected: float) -> None:
    assert METRICS["json_schema"](Answer(text), Reference("{}", schema=inferred_schema(ROWS))) == expected


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(known=st.lists(values, min_size=1, max_size=4), other=values)
def test_what_a_schema_was_inferred_from_keeps_it_and_the_library_agrees(known: list[Json], other: Json) -> None:
    schema = inferred_schema(known)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert all(keeps(value, schema) for value in known)
    assert keeps(other, schema) == jsonschema.Draft202012Validator(schema).is_valid(other)


def test_random_schemas_and_answers_are_judged_as_the_library_does() -> None:
    random = Random(4)
    for _ in range(200):
        schema: dict[str, Json] = {
            "type": "object",
            "properties": {"a": {"enum": [1, 2, "x"]}, "b": {"type": "string", "maxLength": random.randint(0, 3)}},
            "required": random.sample(["a", "b"], random.randint(0, 2)),
            "additionalProperties": random.random() < 0.5,
        }
        answer = {name: random.choice([1, 3, "x", "long"]) for name in random.sample("abc", random.randint(0, 3))}
        expected = float(jsonschema.Draft202012Validator(schema).is_valid(answer))
        assert METRICS["json_schema"](Answer(json.dumps(answer)), Reference("{}", schema=schema)) == expected


def written(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_schema_is_read_from_a_file_or_from_a_response_format(tmp_path: Path) -> None:
    schema = {"type": "object", "required": ["a"]}
    bare = written(tmp_path / "schema.json", schema)
    wrapped = written(tmp_path / "format.json", {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}})
    assert read_schema(bare) == read_schema(wrapped) == schema


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "this is not JSON"),
        ([1], "a JSON Schema is an object"),
        ({"type": "objekt"}, "not a valid JSON Schema, at type: 'objekt'"),
    ],
)
def test_a_schema_that_is_none_is_refused(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(DataError, match=rf"s\.json: .*{message}"):
        read_schema(written(tmp_path / "s.json", content))


def test_a_degenerate_answer_does_not_keep_a_schema_that_holds_itself() -> None:
    value: Json = {}
    for _ in range(600):
        value = {"child": value}
    assert keeps(value, {"properties": {"child": {"$ref": "#"}}, "type": "object"}) is False


def test_nothing_is_fetched_for_a_schema() -> None:
    with pytest.raises(DataError, match=r"put it under \$defs"):
        keeps(1, {"$ref": "http://127.0.0.1:9/schema.json"})
    assert keeps(1, {"$ref": "#/$defs/whole", "$defs": {"whole": {"type": "integer"}}})


def question(answer: Json) -> Question:
    return Question("1", ({"role": "user", "content": "?"},), {"role": "assistant", "content": json.dumps(answer)})


def test_the_scorecard_says_what_json_was_checked_against(tmp_path: Path) -> None:
    asked, shown = [question(ROWS[0])] * 10, [question(row) for row in ROWS] * 5
    references, metric, notes = judged_by(asked, shown, None, Options())
    assert metric == "json_fields"
    assert references[0].schema == inferred_schema(ROWS)
    assert notes == [
        "JSON is checked against what all 10 known answers have in common: category, order, items, score; "
        "--schema FILE replaces that."
    ]
    assert "all 10 known answers" in judged_by(asked, (), None, Options())[2][0]
    given = written(tmp_path / "mine.json", {"type": "object"})
    references, _, notes = judged_by(asked, shown, None, Options(schema=given))
    assert references[0].schema == {"type": "object"} and notes == ["JSON is checked against mine.json."]
    stricter = written(tmp_path / "mine.json", {"type": "object", "required": ["nowhere"]})
    _, _, notes = judged_by(asked, (), None, Options(schema=stricter))
    assert notes == ["JSON is checked against mine.json. 10 of 10 right answers break it themselves."]
    dangling = written(tmp_path / "mine.json", {"type": "object", "properties": {"order": {"$ref": "#/nowhere"}}})
    with pytest.raises(DataError, match=r"put it under \$defs"):
        judged_by(asked, (), None, Options(schema=dangling))
