"""What is found in the texts is right: personal data, cut answers, templates, fillers, conflicts, the task."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from advisor.dataset import Dataset
from advisor.dataset.scan import redact, scan
from advisor.tokens import Profile, profile
from advisor.tokens._answers import is_cut
from advisor.tokens._fillers import unfilled, why_filler

LABELLED = [json.loads(line) for line in (Path(__file__).parent / "data" / "personal.jsonl").read_text().splitlines()]


def personal(text: str) -> list[str]:
    return [hit.detail for hit in scan([text.encode()]) if hit.code == "personal_data"]


def of(tmp_path: Path, rows: list[tuple[str, str]]) -> Profile:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"prompt": asked, "completion": answer}) + "\n" for asked, answer in rows))
    return profile(Dataset.open(path))


def test_personal_data_of_eight_countries_is_found(tmp_path: Path) -> None:
    found, there = Counter[str](), Counter[str]()
    for row in LABELLED:
        for kind in (row["kind"], row["country"]) if row["kind"] else ():
            there[kind] += 1
            found[kind] += bool(personal(row["text"]))
    assert there.total() > 2 * 200
    assert {kind for kind in there if found[kind] < 0.85 * there[kind]} == set()
    assert sum(found[country] for country in ("US", "UK", "DE", "FR", "ES", "IT", "NL", "IN")) >= 0.95 * 228


def test_what_is_no_personal_data_is_left_alone() -> None:
    clean = [row["text"] for row in LABELLED if not row["kind"]]
    assert sum(bool(personal(text)) for text in clean) <= 0.03 * len(clean)
    for text in ("sum 4111 1111 1111 1111 divided by 2", "4 + 4111 1111 1111 1111 = ?", "version 1.2.3.4444",
                 "In 1984 and 1985, from 2000-2010", "ISBN 978-3-16-148410-0"):  # fmt: skip
        assert personal(text) == [], text


@pytest.mark.parametrize(
    "link", ["postgres://user:password@host/db", "https://user:pass@example.com", "mysql://root:<secret>@db.corp.net",
             "redis://:${REDIS_PASSWORD}@cache.corp.net", "ftp://me:xxxx@files.corp.net"],
)  # fmt: skip
def test_a_placeholder_is_no_password(link: str) -> None:
    assert [hit for hit in scan([link.encode()]) if hit.code == "secret"] == []
    assert [hit.code for hit in scan([b"postgres://admin:S3cr3t-9x@db.corp.net/x"])][:1] == ["secret"]


def test_redacting_leaves_nothing_that_is_known() -> None:
    for row in LABELLED:
        clean = redact(row["text"])
        assert [hit for hit in scan([clean.encode()]) if hit.code in ("personal_data", "secret")] == [], row["text"]
    assert redact("my account 749562111997, or call 07609011111") == (
        "my account [PERSONAL DATA], or call [PERSONAL DATA]"
    )


LONG = "The trial compared two groups of fifty people over twelve weeks and found a small difference between them. " * 5


def test_an_answer_is_cut_where_no_sentence_can_end() -> None:
    assert is_cut(f"{LONG}The second group was larger than the")
    assert is_cut(f"{LONG}It was seen in the first group,")
    for whole in ("Answer: yes", "Answer: no", "Best regards,", "The end", "- the second item", "See Table 4"):
        assert not is_cut(f"{LONG}\n{whole}"), whole
        assert not is_cut(f"{LONG}{whole}"), whole


def test_unfilled_fields_are_found_and_code_is_not() -> None:
    assert unfilled("I am {{name}}, made by {{author}}.", "Who are you?") == "{{name}}"
    assert unfilled("I was made by {author}.", "Who?") == "{author}"
    assert unfilled("Dear <NAME>, hello.", "Write.") == "<NAME>"
    assert unfilled("Dear [Your Name],", "Write.") == "[Your Name]"
    assert unfilled("Sure.", "Dear {{customer}}, where is it?") == "{{customer}}"
    for fine in (
        "```python\nprint(f'{name}')\n```",
        r"\frac{author}{year}",
        "a <BR> b",
        "see [first](http://x)",
        "{1, 2}",
    ):
        assert unfilled(fine, "?") == "", fine
    assert unfilled("Hallo {{name}}", "Translate: Hello {{name}}") == ""


def test_fillers_and_their_conflicts_are_explained(tmp_path: Path) -> None:
    assert why_filler("#VALUE!") and why_filler("Question N/A") and why_filler("nan")
    assert not why_filler("Is it null?") and not why_filler("Where is it?")
    found = of(tmp_path, [("#VALUE!", "answer one"), ("#VALUE!", "answer two"), ("Where is it?", "here")])
    said = {p.code: p.message for p in found.problems}
    assert "the prompt is '#VALUE!', an error value of a spreadsheet" in said["filler"]
    assert "the same prompt as line 1: '#VALUE!', an error value of a spreadsheet" in said["conflicting_answers"]
    often = of(tmp_path, [("What next?", f"answer {n}") for n in range(6)])
    (first, *_) = [p.message for p in often.problems if p.code == "conflicting_answers"]
    assert "'What next?', in 6 rows: a cell that was copied down" in first


YES = ("yes", "no")
ABSTRACT = "A trial with {n} people was done in {m} towns. It found that the new drug helped most of those over sixty."
TASKS = {
    "question_answering": lambda n: (
        f"Does it help? Context: {ABSTRACT.format(n=n, m=n + 2)}",
        f"The trial with {n} people found that the drug helped most of those over sixty. Answer: {YES[n % 2]}",
    ),
    "translation": lambda n: (
        f"The house number {n} is by the river and it was built for the miller and his wife.",
        f"Das Haus Nummer {n} ist am Fluss und es ist für den Müller und seine Frau gebaut.",
    ),
    "rewriting": lambda n: (
        f"Rewrite: i want parcel {n} back asap because the people in your shop never answer letters from customers",
        f"I would like parcel {n} back soon, because the people in your shop never answer letters from customers.",
    ),
}


@pytest.mark.parametrize("task", TASKS)
def test_the_task_is_told_apart(tmp_path: Path, task: str) -> None:
    found = of(tmp_path, [TASKS[task](n) for n in range(40)])
    assert found.task_type == task, found.task_reason


def test_plain_text_is_never_shown_as_examples(tmp_path: Path) -> None:
    from advisor.recommend.prospect import recipes
    from advisor.workload import Workload

    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": f"The harbour of town {n} is old."}) + "\n" for n in range(80)))
    assert [one.shots for one in recipes(profile(Dataset.open(path)), Workload())] == [0]


def test_cut_off_is_said_where_a_row_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from advisor.tokens import _profile

    rows = [("q", "word " * 40)] * 3
    monkeypatch.setattr(_profile, "offered_context", lambda aim, dataset: 20)
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"prompt": asked, "completion": answer}) + "\n" for asked, answer in rows))
    said = {
        backend: next(p.message for p in profile(Dataset.open(path), backend=backend, model="some/model").problems
                      if p.code == "over_token_limit")
        for backend in ("local", "together")
    }  # fmt: skip
    assert "left out of the training" in said["local"] and "cut off" not in said["local"]
    assert "cut off" in said["together"]


@pytest.mark.parametrize("score", [0.2, 0.3])
def test_the_task_is_asked_for_where_it_would_turn_the_advice(tmp_path: Path, score: float) -> None:
    from dataclasses import replace
    from datetime import date

    from advisor.pricing import PriceBook
    from advisor.recommend import Recommendation, recommend
    from advisor.task import TaskType
    from advisor.workload import Workload

    found = replace(of(tmp_path, [TASKS["question_answering"](n) for n in range(60)]), examples=800)
    said = {"requests_per_month": 100_000, "measured": {"prompt": score}}

    def advice(**more: object) -> Recommendation:
        workload = Workload.model_validate({**said, **more})
        return recommend(found, workload, PriceBook.load(), today=date(2026, 12, 1))

    first = advice()
    flips = [one for one in first.flips if one.variable == "task"]
    assert flips and {one.current for one in flips} == {"taken to be question_answering"}
    assert "--task KIND" in first.assumptions[0]
    for flip in flips:
        for task in flip.flips_at.split(" or "):
            then = advice(task=TaskType(task)).recommendation
            assert then and then.id == flip.to
    told = advice(task="question_answering")
    assert not [one for one in told.flips if one.variable == "task"]
