"""A backend in somebody else's package is found by its entry point and used like ours."""

from __future__ import annotations

import json
import tomllib
from datetime import date
from pathlib import Path

import pytest
from backend_cases import write_rows
from click.testing import CliRunner
from conftest import ROOT

import backends
from advisor import Options, check, evaluate, launch, watch
from advisor.cli import tunewise
from advisor.dataset import Dataset, write_for
from advisor.pricing import PriceBook
from advisor.recommend import recommend
from advisor.recommend.hyperparameters import settings_for
from advisor.workload import Workload
from backends import Backend, BackendMissing, JobSpec, JobStatus, Objective

PLUGIN = ROOT / "examples" / "plugin_backend"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put on the path what an installer would: the module, and the metadata made from its pyproject."""
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    site = tmp_path / "site"
    info = site / f"tunewise_memorise-{project['version']}.dist-info"
    info.mkdir(parents=True)
    lines = [f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"]
    (info / "METADATA").write_text("".join(lines), encoding="utf-8")
    points = [
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in entries.items())
        for group, entries in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("".join(points), encoding="utf-8")
    module = "tunewise_memorise.py"
    (site / module).write_text((PLUGIN / module).read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.syspath_prepend(str(site))


@pytest.mark.usefixtures("installed")
def test_a_plugin_is_a_backend_like_ours(tmp_path: Path) -> None:
    assert "memorise" in backends.names()
    backend = backends.get("memorise")
    assert isinstance(backend, Backend)
    train = write_rows(tmp_path / "train.jsonl", 5)
    spec = JobSpec("run-1", "memorise", "memory", train)
    assert backend.find(spec) is None
    job = backend.submit(spec)
    assert backend.find(spec) == job
    done = backend.refresh(job)
    assert done.status is JobStatus.SUCCEEDED and done.tuned_model is not None
    assert [event.metrics for event in backend.events(done)] == [{"train_loss": 0.0}]
    answer = backend.complete(done.tuned_model, [{"role": "user", "content": "what comes after 3 ?"}])
    assert answer.text == "4"


@pytest.mark.usefixtures("installed")
def test_its_data_is_checked_written_and_limited_by_what_it_says_of_itself(tmp_path: Path) -> None:
    chat = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "reasoning": "since"}]
    path = tmp_path / "one.jsonl"
    path.write_text(json.dumps({"messages": chat, "weight": 1}) + "\n", encoding="utf-8")
    found = check(path, backend="memorise", model="anything")
    said = {problem.code: problem.message for problem in found.problems}
    assert "1, and memorise takes no fewer than 2" in said["too_few_examples"]
    assert "unknown_model" not in said
    pairs = tmp_path / "pairs.jsonl"
    row = {"input": {"messages": chat[:1]}, "preferred_output": chat[1:], "non_preferred_output": chat[1:]}
    pairs.write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert "not_trained_there" in {one.code for one in check(pairs, backend="memorise", objective="dpo").problems}
    dataset = Dataset.open(path)
    lost = {one.code for one in write_for(dataset, "memorise", Objective.SFT, tmp_path / "out.jsonl")}
    assert {"reasoning_text", "setting_dropped"} <= lost
    assert "since" not in (tmp_path / "out.jsonl").read_text(encoding="utf-8")


@pytest.mark.usefixtures("installed")
def test_it_gets_its_line_in_doctor_its_settings_and_a_launch(tmp_path: Path) -> None:
    shown = json.loads(CliRunner().invoke(tunewise, ["doctor", "--offline", "--json"]).output)
    assert [one["status"] for one in shown["checks"] if one["name"] == "memorise"] == ["ok"]
    train = write_rows(tmp_path / "train.jsonl", 12)
    settings = settings_for("memorise", None, Objective.SFT, check(train), None)
    assert settings.epochs and (settings.batch_size, settings.learning_rate, settings.lora_rank) == (None, None, None)
    (run,) = launch(train, backends=["memorise"], models=["anything"], max_usd=0)
    (ended,) = watch(run)
    assert ended.job.status is JobStatus.SUCCEEDED and ended.job.tuned_model
    with pytest.raises(backends.SpecRefused, match="no setting 'lora_rank'"):
        launch(
            train,
            backends=["memorise"],
            models=["any"],
            max_usd=0,
            hyperparameters=backends.Hyperparameters(lora_rank=8),
        )
    card = evaluate(run, options=Options(against=("base",)))
    assert {row.name for row in card.rows} == {"base", "tuned"}


@pytest.mark.usefixtures("installed")
def test_what_it_sells_is_weighed_like_the_rest(tmp_path: Path) -> None:
    source = "the plugin's own page"
    price = "source: page, checked: 2026-11-20, confidence: high"
    prices = tmp_path / "plugin.yaml"
    prices.write_text(
        f"""
sources: {{page: "{source}"}}
providers:
  memorise:
    name: Memorise
    billing: {{rule: processed_tokens, validation_billed: false, granularity: token, {price}}}
    serving: [tokens]
    models:
      elephant:
        objectives: [sft]
        training: [{{method: lora, objectives: [sft], train_usd_per_mtok: 0.05, {price}}}]
        tuned: {{input_usd_per_mtok: 0.05, output_usd_per_mtok: 0.05, {price}}}
"""
    )
    book = PriceBook.load(overlays=(prices,))
    described = check(write_rows(tmp_path / "train.jsonl", 60))
    found = recommend(described, Workload.model_validate({}), book, today=date(2026, 11, 22))
    (option,) = [one for one in found.options if one.backend == "memorise"]
    assert option.model == "elephant" and option.ruled_out_by is None
    assert option.estimate is not None and option.estimate.one_off_usd is not None


def test_without_the_package_there_is_no_such_backend() -> None:
    with pytest.raises(BackendMissing, match="no backend called 'memorise'"):
        backends.get("memorise")
