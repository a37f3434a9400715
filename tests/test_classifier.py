"""The plain classifier: its score on held-out rows, in check and in the advice, and the folder that answers."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest
from click.testing import CliRunner, Result

from advisor.cli import tunewise
from advisor.dataset import Dataset
from advisor.errors import DataError
from advisor.evaluate import classifier
from advisor.evaluate.classifier import cross_validated, labelled
from advisor.runs.evaluation.plain_classifier import MODEL, SERVER

TOPICS = {
    "delivery": ("parcel", "courier", "late", "tracking"),
    "payment": ("card", "refund", "charge", "invoice"),
    "account": ("password", "login", "email", "profile"),
}


@pytest.fixture
def tickets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """240 rows whose words give the label away, save for every tenth."""
    monkeypatch.setenv("TUNEWISE_HOME", str(tmp_path / "home"))
    draw = random.Random(1)
    rows = []
    for number in range(240):
        label = draw.choice(list(TOPICS))
        words = TOPICS[draw.choice(list(TOPICS))] if number % 10 == 0 else TOPICS[label]
        text = f"About my {draw.choice(words)} and the {draw.choice(words)}, case {number}"
        rows.append({"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": label}]})
    path = tmp_path / "tickets.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run(*words: object) -> Result:
    return CliRunner().invoke(tunewise, [*map(str, words)], catch_exceptions=False)


def plan(data: Path, *words: object) -> dict[str, object]:
    found = json.loads(run("plan", data, *words, "--today", "2026-11-22", "--json").stdout)
    assert isinstance(found, dict)
    return found


def test_the_score_is_of_rows_it_had_not_seen(tickets: Path) -> None:
    texts, labels = labelled(Dataset.open(tickets))
    found = cross_validated(texts, labels)
    assert found and found.examples == 240 and found.labels == 3
    assert 0.85 <= found.score <= 0.97 and found.low < found.score < found.high  # a tenth cannot be known
    drawn = random.Random(2)
    shuffled = [drawn.choice(labels) for _ in labels]
    chance = cross_validated(texts, shuffled)
    assert chance and chance.score < 0.5  # by heart it would know them all


def test_too_little_tells_nothing() -> None:
    assert cross_validated(["a"] * 5, list("abcde")) is None
    assert cross_validated([str(n) for n in range(50)], ["same"] * 50) is None


def test_check_shows_it_and_says_how_to_get_it(tickets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "a plain classifier (TF-IDF and a linear model) gets 9" in " ".join(run("check", tickets).stdout.split())
    found = json.loads(run("check", tickets, "--json").stdout)["classifier"]
    assert found["low"] < found["score"] < found["high"]
    monkeypatch.setattr(classifier.importlib.util, "find_spec", lambda name: None)  # type: ignore[attr-defined]
    assert "[baseline]'" in " ".join(run("check", tickets).stdout.split())


def test_where_it_meets_the_target_it_is_the_advice_with_a_command_that_does_it(tickets: Path, tmp_path: Path) -> None:
    found = plan(tickets, "--quality-target", 0.8, "--requests-per-month", 100_000)
    option = found["recommendation"]
    assert isinstance(option, dict) and option["strategy"] == "classifier"
    assert option["estimate"]["monthly_usd"]["mid"] == "0" and "cross-validated" in option["quality"]["basis"]
    assert str(found["next_step"]).startswith(f"tunewise classifier {tickets} --out ")
    alone = plan(tickets, "--privacy", "on_premises")["recommendation"]
    assert isinstance(alone, dict) and alone["strategy"] == "classifier"
    for words in (("--quality-target", 0.99), ("--measured", "prompt=0.99"), ("--measured", "classifier=0.5")):
        other = plan(tickets, *words)["recommendation"]
        assert isinstance(other, dict) and other["strategy"] != "classifier"


def test_the_folder_answers_on_the_command_line_and_over_http(tickets: Path, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    assert "on rows it had not seen" in run("classifier", tickets, "--out", folder).stdout
    assert (folder / MODEL).is_file()
    asked = run(
        "classifier", "--ask", folder, "--text", "the courier is late with my parcel", "--text", "refund my card"
    )
    assert asked.stdout.split() == ["delivery", "payment"]
    with pytest.raises(DataError, match="exists already"):
        run("classifier", tickets, "--out", folder)
    with subprocess.Popen(
        [sys.executable, folder / SERVER, "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout
        with urlopen(server.stdout.readline().strip(), data=b'{"text": "my password and login"}') as reply:
            assert json.load(reply) == {"label": "account"}
        server.terminate()
