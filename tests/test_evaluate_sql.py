"""Execution accuracy: queries are the same when they return the same, whoever wrote them and whatever they try."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from advisor.errors import DataError
from advisor.evaluate import sql
from advisor.evaluate.metrics import METRICS, Answer, Reference, metric_for
from advisor.evaluate.sql import is_query, query_of, same_result, same_text, schema_of
from advisor.runs.evaluation.compare import Options, judged_by
from advisor.runs.evaluation.question import Question

PROMPT = """Answer with one query.

CREATE TABLE head (age INTEGER, name VARCHAR, born_state TEXT)
CREATE TABLE `dep` (id INT PRIMARY KEY, head_name VARCHAR(40) NOT NULL, budget DECIMAL(8, 2), opened DATE) ENGINE=X;

How many heads are older than 56?"""
SCHEMA = schema_of(PROMPT)
LONG = "replace(hex(zeroblob(450000)), '0', 'a')"  # one call of C that no time limit interrupts
BIG = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)"

# answer, reference, what is expected: None when nothing can be told
PAIRS = [
    ("select count(*) from head where age > 56;", "SELECT COUNT(*) FROM head WHERE age > 56", True),
    ("```sql\nselect count(1) from head where 56 < age\n```", "SELECT COUNT(*) FROM head WHERE age > 56", True),
    ("SELECT COUNT(*) FROM head WHERE age >= 56", "SELECT COUNT(*) FROM head WHERE age > 56", False),
    ("SELECT COUNT(*) FROM head WHERE age > 57", "SELECT COUNT(*) FROM head WHERE age > 56", False),
    ("SELECT COUNT(*) FROM head", "SELECT COUNT(*) FROM head WHERE age > 56", False),
    ("SELECT SUM(age) FROM head WHERE age > 56", "SELECT COUNT(*) FROM head WHERE age > 56", False),
    ("SELECT name FROM head WHERE born_state = 'Ohio'", 'SELECT name FROM head WHERE born_state = "Ohio"', True),
    ("SELECT name FROM head WHERE born_state LIKE 'Ohio%'", "SELECT name FROM head WHERE born_state = 'Ohio'", False),
    ("SELECT name FROM head WHERE age = -5", "SELECT name FROM head WHERE age = -5 AND 1", True),
    ("SELECT name FROM head WHERE age = 5", "SELECT name FROM head WHERE age = -5", False),
    ("SELECT name FROM head WHERE age BETWEEN 30 AND 40", "SELECT name FROM head WHERE age >= 30 AND age <= 40", True),
    ("SELECT name FROM head WHERE age BETWEEN 30 AND 39", "SELECT name FROM head WHERE age >= 30 AND age <= 40", False),
    (
        "SELECT h.name, d.budget FROM dep d JOIN head h ON h.name = d.head_name",
        "SELECT name, budget FROM head, dep WHERE head_name = name",
        True,
    ),
    (
        "SELECT h.name, d.budget FROM head h LEFT JOIN dep d ON h.name = d.head_name",
        "SELECT name, budget FROM head, dep WHERE head_name = name",
        False,
    ),
    ("SELECT budget, head_name FROM dep", "SELECT head_name, budget FROM dep", False),
    ("SELECT name FROM head ORDER BY age", "SELECT name FROM head", True),
    ("SELECT name FROM head", "SELECT name FROM head ORDER BY age, name DESC", False),
    ("SELECT name FROM head ORDER BY age, name DESC, 1", "SELECT name FROM head ORDER BY age, name DESC", True),
    ("SELECT DISTINCT name FROM head", "SELECT name FROM head", False),
    ("SELECT avg(budget) FROM dep", "SELECT sum(budget) / count(budget) FROM dep", True),
    ("SELECT opened FROM dep WHERE id = 3", "SELECT opened FROM dep WHERE id IN (3)", True),
    ("SELECT age FROM head GROUP BY 1 HAVING 2 < count()", "SELECT age FROM head GROUP BY 1 HAVING count() > 2", True),
    ("SELECT age FROM head GROUP BY 1 HAVING count() > 3", "SELECT age FROM head GROUP BY 1 HAVING count() > 2", False),
    ("SELECT 1234567891 FROM head", "SELECT 1234567890 FROM head", False),
    ("SELECT 3.0 FROM head", "SELECT 3 FROM head", True),
    ("no idea", "SELECT name FROM head", False),
    ("SELECT name FROM head; SELECT name FROM head", "SELECT name FROM head", False),
    ("SELECT \0", "SELECT name FROM head", False),
    ("SELECT name FROM head", "SELECT nme FROM head", None),
    ("SELECT name FROM head", "SELECT name FROM head WHERE age > 5 AND age < 5", None),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "reference", "expected"), PAIRS)
def test_queries_are_compared_by_what_they_return(answer: str, reference: str, expected: bool | None) -> None:
    assert same_result(answer, reference, schema=SCHEMA) is expected


@pytest.mark.parametrize(
    "attack",
    [
        "DROP TABLE head",
        "DELETE FROM head RETURNING name",
        "ATTACH 'stolen.sqlite3' AS other",
        "PRAGMA table_info(head)",
        "SELECT load_extension('x')",
        "SELECT name FROM head; DROP TABLE head",
        "VACUUM INTO 'copy.sqlite3'",
        "SELECT hex(zeroblob(900000000)) FROM head",
        f"{BIG} SELECT x FROM c",
        f"{BIG} SELECT count(*) FROM c",
        f"SELECT {LONG} LIKE '%' || substr({LONG}, 1, 9000) || 'b'",
        f"SELECT instr({LONG}, substr({LONG}, 1, 400000) || 'b')",
        f"{BIG} SELECT zeroblob(99000) FROM c LIMIT 9000",
    ],
)
def test_an_answer_can_neither_write_nor_run_for_ever(
    attack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "SECONDS", 0.1)
    monkeypatch.chdir(tmp_path)
    database = shop(tmp_path / "shop.sqlite3")
    before = database.read_bytes()
    start = time.process_time()
    assert same_result(attack, "SELECT name FROM head", schema=SCHEMA) is False
    assert same_result(attack, "SELECT name FROM item", database=database) is False
    assert time.process_time() - start < 2
    assert database.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["shop.sqlite3"]


def test_neither_can_the_schema_in_a_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "SECONDS", 0.1)
    schema = schema_of(f"CREATE TABLE head (age INT)\nINSERT INTO head {BIG} SELECT x FROM c LIMIT 90000000;")
    start = time.process_time()
    assert same_result("SELECT age FROM head", "SELECT age FROM head", schema=schema) is None
    assert time.process_time() - start < 2


def shop(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE item (name TEXT, price REAL)")
        connection.executemany("INSERT INTO item VALUES (?, ?)", [("lamp", 20.0), ("chair", 45.5), ("desk", 45.5)])
        connection.commit()
    return path


def test_a_real_database_is_asked_when_there_is_one(tmp_path: Path) -> None:
    database = shop(tmp_path / "a shop.sqlite3")

    def same(answer: str, reference: str) -> bool | None:
        return same_result(answer, reference, database=database)

    assert same("SELECT name FROM item WHERE price > 40", "SELECT name FROM item WHERE price = 45.5") is True
    assert same("SELECT name FROM item", "SELECT name FROM item WHERE price > 40") is False
    assert same("SELECT name FROM item WHERE price > 99", "SELECT name FROM item WHERE price > 500") is True
    assert same("SELECT name FROM item", "SELECT name FROM article") is None


CONCERTS = """CREATE TABLE singer (id INTEGER PRIMARY KEY, name TEXT, country TEXT, age INTEGER)
CREATE TABLE concert (id INTEGER PRIMARY KEY, title TEXT, year INTEGER, stadium TEXT)
CREATE TABLE sings (singer_id INTEGER, concert_id INTEGER, fee REAL)"""
JOINED = "singer s JOIN sings x ON s.id = x.singer_id JOIN concert c ON c.id = x.concert_id"
# A query, the same asked differently, and near misses of it; {n} and {m} are numbers.
FAMILIES = [
    (
        "SELECT name FROM singer WHERE age > {n}",
        "SELECT s.name FROM singer AS s WHERE NOT (s.age <= {n})",
        "SELECT name FROM singer WHERE age >= {n}",
        "SELECT name FROM singer WHERE age > {m}",
        "SELECT country FROM singer WHERE age > {n}",
        "SELECT DISTINCT name FROM singer WHERE age > {n}",
    ),
    (
        "SELECT count(*) FROM singer WHERE country = 'Peru'",
        "SELECT count(id) FROM singer WHERE country IN ('Peru')",
        "SELECT count(DISTINCT name) FROM singer WHERE country = 'Peru'",
        "SELECT count(*) FROM singer WHERE country LIKE '%Peru%'",
        "SELECT count(*) FROM singer WHERE country != 'Peru'",
        "SELECT count(*) FROM singer",
    ),
    (
        "SELECT name, age FROM singer WHERE country = 'Peru' ORDER BY age DESC, id LIMIT 3",
        "SELECT name, age FROM singer WHERE 'Peru' = country ORDER BY -age, id LIMIT 3 OFFSET 0",
        "SELECT name, age FROM singer WHERE country = 'Peru' ORDER BY age, id LIMIT 3",
        "SELECT name, age FROM singer WHERE country = 'Peru' ORDER BY age DESC, id LIMIT 2",
        "SELECT name, age FROM singer ORDER BY age DESC, id LIMIT 3",
    ),
    (
        "SELECT country, avg(age) FROM singer GROUP BY country HAVING count(*) > 4",
        "SELECT country, sum(age) * 1.0 / count(age) FROM singer GROUP BY 1 HAVING count(id) >= 5",
        "SELECT country, max(age) FROM singer GROUP BY country HAVING count(*) > 4",
        "SELECT country, avg(age) FROM singer GROUP BY country HAVING count(*) > 7",
        "SELECT country, avg(age) FROM singer GROUP BY country",
    ),
    (
        f"SELECT s.name FROM {JOINED} WHERE c.year = {{n}}",
        "SELECT s.name FROM concert c, sings x, singer s WHERE c.year = {n} AND concert_id = c.id AND singer_id = s.id",
        f"SELECT s.name FROM {JOINED} WHERE c.year > {{n}}",
        f"SELECT DISTINCT s.name FROM {JOINED} WHERE c.year = {{n}}",
        f"SELECT s.name FROM {JOINED}",
    ),
    (
        "SELECT name FROM singer s WHERE NOT EXISTS (SELECT 1 FROM sings x WHERE x.singer_id = s.id AND x.fee > {n})",
        "SELECT name FROM singer WHERE id NOT IN (SELECT ifnull(singer_id, 0) FROM sings WHERE fee > {n})",
        "SELECT name FROM singer WHERE id IN (SELECT singer_id FROM sings WHERE fee > {n})",
        "SELECT name FROM singer",
    ),
    (
        "SELECT title FROM concert WHERE year BETWEEN {n} AND {n} + 3 OR stadium = 'Arena'",
        "SELECT title FROM concert WHERE year >= {n} AND year <= 3 + {n} OR stadium = 'Arena'",
        "SELECT title FROM concert WHERE year BETWEEN {n} AND {n} + 3 AND stadium = 'Arena'",
        "SELECT title FROM concert WHERE year > {n} AND year < {n} + 3 OR stadium = 'Arena'",
    ),
]


def test_random_queries_are_told_from_near_misses_and_known_in_other_words() -> None:
    """30 random queries, each put differently once and missed narrowly two to four times."""
    random = Random(5)
    for _ in range(30):
        bound = random.randint(20, 90)
        query, same, *misses = (text.format(n=bound, m=bound + 1) for text in random.choice(FAMILIES))
        assert same_result(same, query, schema=CONCERTS) is True, same
        for miss in misses:
            assert same_result(miss, query, schema=CONCERTS) is False, miss


def test_schema_statements_are_found_in_any_prompt() -> None:
    assert SCHEMA.splitlines() == [
        "CREATE TABLE head (age INTEGER, name VARCHAR, born_state TEXT)",
        "CREATE TABLE `dep` (id INT PRIMARY KEY, head_name VARCHAR(40) NOT NULL, budget DECIMAL(8, 2), opened DATE)",
    ]
    assert schema_of("create a table of contents (short)") == ""
    assert schema_of("CREATE TABLE broken (a INT") == ""
    assert schema_of("INSERT INTO t VALUES (1)") == ""
    rows = schema_of("CREATE TABLE t (a INT, b TEXT);\nINSERT INTO t VALUES (1, 'x;y'), (2, 'z');\nHow many?")
    told = """```sql
    CREATE TABLE t (
      id INT,  -- the user's own
      /* as (typed) */ name TEXT DEFAULT 'a -- b'
    );
    INSERT INTO t VALUES (1, 'two  blanks')
    ```"""
    assert schema_of(told).splitlines() == [
        "CREATE TABLE t ( id INT, name TEXT DEFAULT 'a -- b' )",
        "INSERT INTO t VALUES (1, 'two  blanks')",
    ]
    assert rows.splitlines()[1] == "INSERT INTO t VALUES (1, 'x;y'), (2, 'z')"
    assert same_result("SELECT 2 FROM t LIMIT 1", "SELECT count(*) FROM t", schema=rows) is True


def test_queries_are_recognised_and_compared_as_text() -> None:
    assert is_query("SELECT a FROM b") and is_query("```sql\nwith x as (select 1) select * from x;\n```")
    assert not is_query("Select the best from these: a, b.".replace("from", "of")) and not is_query("DROP TABLE b")
    assert query_of("SQL: SELECT 1;") == "SELECT 1"
    assert same_text("select  A from b;", "SELECT a\nFROM b")
    assert not same_text("SELECT a FROM b WHERE c = 'X'", "SELECT a FROM b WHERE c = 'x'")


def test_the_metric_follows_what_is_at_hand(tmp_path: Path) -> None:
    answer = "SELECT count(*) FROM head"
    bare = [Question(str(n), ({"role": "user", "content": "How many?"},), said(answer)) for n in range(4)]
    told = [Question(str(n), ({"role": "user", "content": PROMPT},), said(answer)) for n in range(4)]
    assert judged_by(bare, (), None, Options())[1] == "sql_text"
    assert "no database is at hand" in judged_by(bare, (), None, Options())[2][0]
    references, metric, notes = judged_by(told, (), None, Options())
    assert metric == metric_for(None, references) == "sql_result"
    assert METRICS["sql_result"](Answer("select count(1) from head"), references[0]) == 1
    assert METRICS["sql_text"](Answer("select count(1) from head"), references[0]) == 0
    assert "on tables filled from the schema" in notes[0]
    database = shop(tmp_path / "shop.sqlite3")
    references, metric, notes = judged_by(bare, (), None, Options(database=database))
    assert metric == "sql_result" and "4 of 4 reference queries fail there" in notes[1]
    assert METRICS[metric](Answer("select COUNT(*) from head"), references[0]) == 1  # as text


def said(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("this is no database, whatever its name says\n" * 30)
    question = Question("1", ({"role": "user", "content": "?"},), said("SELECT a FROM b"))
    with pytest.raises(DataError, match=r"notes\.txt: cannot be read as an SQLite database"):
        judged_by([question], (), None, Options(database=path))


def test_a_reference_without_schema_or_database_is_compared_as_text() -> None:
    assert METRICS["sql_result"](Answer("SELECT a FROM b"), Reference("select A from B;")) == 1
