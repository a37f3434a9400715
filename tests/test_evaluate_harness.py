"""Tasks of lm-evaluation-harness: what its files say is read right, and what cannot be run is said."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from paper_backend import PaperBackend

from advisor.runs.evaluation.compare import Options
from advisor.runs.evaluation.lm_eval import harness, read_samples
from advisor.runs.evaluation.question import Variant

# As lm-eval 0.4.13 writes them: one folder a model, one file a task, one row a document and filter.
STAMP = "2026-11-22T18-43-16.620558"


def logged(
    folder: Path, task: str, scores: list[float], metric: str = "acc", better: bool = True, filters: int = 1
) -> None:
    place = folder / "__models__tiny"
    place.mkdir(parents=True, exist_ok=True)
    results = {"results": {task: {f"{metric},none": 0.5}}, "higher_is_better": {task: {metric: better}}}
    (place / f"results_{STAMP}.json").write_text(json.dumps(results))
    rows = [
        {"doc_id": number, "filter": f"filter-{place}", "metrics": [metric], metric: score if place == 0 else 9.0}
        for number, score in enumerate(scores)
        for place in range(filters)
    ]
    (place / f"samples_{task}_{STAMP}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize(("better", "filters", "sign"), [(True, 1, 1), (False, 1, -1), (True, 2, 1)])
def test_the_samples_of_a_task_are_read_by_document(tmp_path: Path, better: bool, filters: int, sign: int) -> None:
    logged(tmp_path, "my_capitals_2", [1.0, 0.0, 1.0], better=better, filters=filters)
    assert read_samples(tmp_path) == {"my_capitals_2": {"0": sign * 1.0, "1": 0.0, "2": sign * 1.0}}


def test_samples_without_single_numbers_are_passed_over(tmp_path: Path) -> None:
    logged(tmp_path, "words", [1.0])
    path = next(tmp_path.rglob("samples_*.jsonl"))
    path.write_text(json.dumps({"doc_id": 0, "metrics": ["perplexity"], "perplexity": [3.0, 2]}) + "\n")
    assert read_samples(tmp_path) == {}
    assert read_samples(tmp_path / "nowhere") == {}


def two(tmp_path: Path, backend: PaperBackend | None = None) -> tuple[Variant, Variant]:
    place = backend or Local(tmp_path / "p")
    return Variant("base", place, str(tmp_path / "base")), Variant("tuned", place, str(tmp_path / "tuned"))


class Local(PaperBackend):
    name = "local"


def test_what_is_not_installed_is_said_and_nothing_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("lm_eval") is not None:
        pytest.skip("lm-eval is installed")
    monkeypatch.setenv("PATH", str(tmp_path))
    found, notes = harness(("hellaswag",), *two(tmp_path), tmp_path / "out", Options())
    assert found == [] and "not installed" in notes[0] and "lm-eval[hf]" in notes[0] and "hellaswag" in notes[0]
    assert not (tmp_path / "out").exists()


def test_a_hosted_model_is_left_out(tmp_path: Path) -> None:
    _, notes = harness(("hellaswag",), *two(tmp_path, PaperBackend(tmp_path / "p")), tmp_path / "out", Options())
    assert notes == ["lm-eval tasks run on local models alone: hellaswag left out for paper."]
    assert harness((), *two(tmp_path), tmp_path / "out", Options()) == ([], [])


@dataclass(frozen=True)
class Tool:
    """A program called lm_eval on the PATH that notes how it was called, and fails."""

    path: Path

    @classmethod
    def at(cls, folder: Path) -> Tool:
        folder.mkdir()
        tool = folder / "lm_eval"
        tool.write_text('#!/bin/sh\necho "$@" > "$(dirname "$0")/called"\necho Tasks not found: hellaswag\nexit 3\n')
        tool.chmod(0o755)
        return cls(folder)

    @property
    def called(self) -> str:
        return (self.path / "called").read_text()


def test_a_base_is_loaded_at_the_revision_it_was_trained_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("lm_eval") is not None:
        pytest.skip("lm-eval is installed")
    tool = Tool.at(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tool.path}:/usr/bin:/bin")
    base, tuned = two(tmp_path)
    harness(("hellaswag",), replace(base, model="owner/name@v2"), tuned, tmp_path / "out", Options())
    assert "pretrained=owner/name,revision=v2 " in tool.called


def test_a_failing_run_is_told_with_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("lm_eval") is not None:
        pytest.skip("lm-eval is installed")
    tool = Tool.at(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tool.path}:/usr/bin:/bin")
    task = tmp_path / "mine.yaml"
    task.write_text("task: mine\n")
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "/models/whole"}))
    monkeypatch.chdir(tmp_path)
    found, notes = harness(("hellaswag", "mine.yaml"), *two(tmp_path), tmp_path / "out", Options(max_examples=7))
    assert found == [] and "it ended with 3: Tasks not found: hellaswag." in notes[0]
    assert f"--tasks hellaswag,{task} " in tool.called and "--limit 7" in tool.called
    assert f"pretrained=/models/whole,peft={tmp_path / 'base'},tokenizer={tmp_path / 'base'} " in tool.called


@pytest.mark.slow
def test_a_local_task_runs_on_a_real_model(tmp_path: Path) -> None:
    """Where lm-evaluation-harness is installed: a task of our own over a local file, on a model made on the spot."""
    if importlib.util.find_spec("lm_eval") is None and shutil.which("lm_eval") is None:
        pytest.skip("lm-evaluation-harness is not installed")
    from backend_cases import write_rows

    from backends.local.trainer.tiny import make

    rows = [{"question": f"{n} plus one is", "choices": [f" {n + 1}", f" {n}"], "answer": 0} for n in range(8)]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config: Mapping[str, object] = {
        "task": "sums",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(tmp_path / "sums.jsonl")}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "{{question}}",
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "{{answer}}",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    }
    task = tmp_path / "sums.yaml"
    task.write_text(json.dumps(config))  # JSON is YAML
    model = tmp_path / "tiny-llama-1"
    make(model, write_rows(tmp_path / "train.jsonl", 20), seed=0)
    place = Local(tmp_path / "p")
    (found,), notes = harness(
        (str(task),), Variant("base", place, str(model)), Variant("tuned", place, str(model)), tmp_path, Options()
    )
    assert (found.suite, found.items, found.change, found.verdict, notes) == ("lm-eval sums", 8, 0.0, "fine", [])
