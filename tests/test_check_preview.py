"""A first answer on a huge file: a sample with its interval, said everywhere; exact as soon as it is counted."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from advisor.cli import tunewise
from advisor.cli.flags import common
from advisor.dataset import Dataset
from advisor.tokens import _preview, preview, profile

TRUE = ("low", "mid", "high")


def row(number: int, dice: random.Random) -> str:
    words = [dice.choice(["river", "train", "größe", "你好", "x = 1\n", "don't", "2024"]) for _ in range(120)]
    asked, answer = " ".join(words[: dice.randint(20, 120)]), f"Answer {number}: {words[0]} {words[-1]}."
    turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
    return json.dumps({"messages": turns}, ensure_ascii=number % 2 == 0) + "\n"


def rows(count: int, seed: int = 1) -> str:
    dice = random.Random(seed)
    return "".join(row(number, dice) for number in range(count))


def run(*words: object) -> Result:
    result = CliRunner().invoke(tunewise, [*map(str, words)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def plan(*words: object) -> dict[str, object]:
    return json.loads(run("plan", *words, "--json").stdout)


@pytest.fixture
def huge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of half a megabyte that is taken for a huge one: every threshold is lowered, nothing else."""
    monkeypatch.setattr(common, "PREVIEW_BYTES", 100_000)
    monkeypatch.setattr(_preview, "SMALL_BYTES", 100_000)
    monkeypatch.setattr(_preview, "_BLOCK_BYTES", 4_000)
    path = tmp_path / "huge.jsonl"
    path.write_text(rows(800), encoding="utf-8")
    return path


def test_a_file_over_64_mb_is_sampled(tmp_path: Path) -> None:
    part = tmp_path / "part.jsonl"
    part.write_text(rows(1500), encoding="utf-8")
    copies = common.PREVIEW_BYTES // part.stat().st_size + 1
    path = tmp_path / "huge.jsonl"
    path.write_bytes(part.read_bytes() * copies)
    known = profile(Dataset.open(part))
    true = known.tokens["o200k_base"] * copies

    result = run("plan", path, "--json")
    found = json.loads(result.stdout)
    tokens = found["tokens"]
    assert found["exact"] is False
    assert tokens["low"] <= true <= tokens["high"]
    assert tokens["low"] < tokens["mid"] < tokens["high"] < 1.1 * tokens["low"]
    assert tokens["confidence"] == 0.95
    assert tokens["share"] < 0.1
    said = next(text for text in found["assumptions"] if text.startswith("The data was sampled"))
    assert said == result.stderr.splitlines()[0]
    assert f"{tokens['low']:,} and {tokens['high']:,} tokens, with 95% confidence" in said
    assert "--exact" in said


def test_a_file_of_64_mb_at_most_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "part.jsonl"
    path.write_text(rows(60), encoding="utf-8")
    true = profile(Dataset.open(path)).tokens["o200k_base"]
    found = plan(path)
    assert found["exact"] is True
    assert [found["tokens"][key] for key in TRUE] == [true] * 3
    assert found["tokens"]["share"] == 1


def test_exact_counts_and_what_was_counted_is_not_sampled_again(huge: Path) -> None:
    assert "Taken for granted:\n- The data was sampled" in run("plan", huge, "--why").stdout
    counted = plan(huge, "--exact")
    true = profile(Dataset.open(huge)).tokens["o200k_base"]
    assert [counted["tokens"][key] for key in TRUE] == [true] * 3
    again = run("plan", huge, "--json")
    assert json.loads(again.stdout)["exact"] is True
    assert "sampled" not in again.stderr


def test_check_before_makes_the_plan_exact_until_the_file_changes(huge: Path) -> None:
    run("check", huge)
    assert plan(huge)["exact"] is True
    with huge.open("a", encoding="utf-8") as stream:
        stream.write(rows(3, seed=2))
    assert plan(huge)["exact"] is False


def test_launch_counts_everything(huge: Path) -> None:
    words = ("--backend", "together", "--model", "Qwen/Qwen3.5-9B", "--epochs", 1, "--held-out", 0)
    assert plan(huge)["exact"] is False
    quoted = json.loads(run("launch", huge, *words, "--dry-run", "--json").stdout)["quote"]
    told = next(text for text in quoted["assumptions"] if "tokens an epoch" in text)
    counted = profile(Dataset.open(huge), backend="together", model="Qwen/Qwen3.5-9B")
    assert counted.sampled is None
    assert f"{counted.tokens['Qwen/Qwen3.5-9B']:,} tokens" in told


def test_a_sample_widens_the_price(huge: Path) -> None:
    from datetime import date

    from advisor.estimate import Candidate, Strategy, estimate
    from advisor.pricing import PriceBook
    from advisor.workload import Workload
    from backends import Hyperparameters

    tuned = Candidate(
        strategy=Strategy.HOSTED,
        backend="openai",
        model="gpt-4.1-2025-04-14",
        hyperparameters=Hyperparameters(epochs=1),
    )
    terms = (tuned, preview(Dataset.open(huge)), Workload(), PriceBook.load())
    once = estimate(*terms, today=date(2026, 4, 1)).one_off_usd
    sampled = terms[1].sampled
    assert sampled is not None and once is not None
    middle = terms[1].tokens["o200k_base"]
    assert float(once.low / once.mid) == pytest.approx(sampled.low / middle, abs=0.001)
    assert float(once.high / once.mid) == pytest.approx(sampled.high / middle, abs=0.001)


@pytest.mark.parametrize("uneven", [False, True])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(huge: Path, uneven: bool) -> None:
    if uneven:  # the second half is of another language, so that blocks differ
        with huge.open("a", encoding="utf-8") as stream:
            for number in range(800):
                text = "这是一个相当长的句子" * (number % 7 + 1)
                turns = [{"role": "user", "content": text}, {"role": "assistant", "content": f"好的 {number}"}]
                stream.write(json.dumps({"messages": turns}, ensure_ascii=False) + "\n")
    data = Dataset.open(huge)
    found = [preview(data, seed=seed) for seed in range(8)]
    whole = profile(data)
    true = whole.tokens["o200k_base"]
    assert sum(one.sampled.low <= true <= one.sampled.high for one in found if one.sampled) >= 6
    assert not any(one.exact for one in found)
    assert found[0].examples == pytest.approx(whole.examples, rel=0.1)
    assert found[0].fingerprint == whole.fingerprint


def test_what_cannot_be_sampled_is_counted(huge: Path, tmp_path: Path) -> None:
    import gzip

    packed = tmp_path / "huge.jsonl.gz"
    packed.write_bytes(gzip.compress(huge.read_bytes(), 1))
    long = tmp_path / "long.jsonl"  # lines longer than many blocks: few blocks hold the start of one
    long.write_text("".join(json.dumps({"prompt": "a " * 60_000, "completion": f"{n}"}) + "\n" for n in range(8)))
    for path in (packed, long):
        assert preview(Dataset.open(path)).exact


def test_a_few_short_answers_in_a_sample_have_no_lines(huge: Path) -> None:
    lines = rows(800).splitlines(keepends=True)
    long = " ".join(f"word{number}" for number in range(40))
    lines = [line.replace('"Answer', f'"{long} Answer') for line in lines]
    lines[::40] = [json.dumps({"messages": [{"role": "user", "content": line[30:90]},
                                            {"role": "assistant", "content": "TODO"}]}) + "\n"
                   for line in lines[::40]]  # fmt: skip
    huge.write_text("".join(lines), encoding="utf-8")
    data = Dataset.open(huge)
    sampled = preview(data)
    assert sampled.sampled is not None
    assert "short_outliers" not in {problem.code for problem in sampled.problems}
    assert "short_outliers" in {problem.code for problem in profile(data).problems}
