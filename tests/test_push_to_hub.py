"""`export --push-to-hub`: nothing leaves without a yes, the repository is private, and no data or path goes along."""

from __future__ import annotations

import base64
import errno
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hosted_stage import Hosted, hosted
from test_runs_ledger import a_run

from advisor.cli import render, tunewise
from advisor.cli.commands import export
from advisor.errors import RunError
from advisor.runs import Ledger, Run
from advisor.runs.serving.hub import prepared
from backends import JobStatus
from backends.huggingface.hub import Hub

SECRET = "Where is my parcel 4711?"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosted]:
    with hosted("huggingface", tmp_path, monkeypatch) as stage:
        yield stage


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A finished, evaluated LoRA run on a base in a folder of this machine, in the ledger."""
    base, tuned = tmp_path / "models" / "My-Base-1B", tmp_path / "tuned"
    base.mkdir(parents=True)
    (base / "README.md").write_text("---\nlicense: mit\n---\n", encoding="utf-8")
    tuned.mkdir()
    (tuned / "adapter_config.json").write_text(json.dumps({"r": 16, "base_model_name_or_path": str(base)}))
    (tuned / "adapter_model.safetensors").write_bytes(b"weights")
    train = tmp_path / "train.jsonl"
    train.write_text(json.dumps({"messages": [{"role": "user", "content": SECRET}]}) + "\n", encoding="utf-8")
    card = {
        "examples": 40, "metric": "label",
        "rows": [{"name": "tuned", "score": 0.925, "low": 0.8, "high": 0.974}],
    }  # fmt: skip
    found = a_run()
    job = replace(
        found.job, backend="local", status=JobStatus.SUCCEEDED, tuned_model=str(tuned), extra={"base": str(base)}
    )
    found = replace(
        found, spec=replace(found.spec, backend="local", model=str(base)), job=job, scorecard=card,
        origin=replace(found.origin, train=train),
    )  # fmt: skip
    ledger = Ledger.open()
    ledger.add(found)
    ledger.save(found.job)
    ledger.append(found.id, "scorecard", card)
    return found


def push(run: Run, name: str, *more: str, code: int = 0) -> Result:
    done = CliRunner().invoke(tunewise, ["export", run.id, "--push-to-hub", name, *more])
    assert done.exit_code == code, f"{done.output}{done.exception}"
    return done


def sent(hub: Hosted, name: str) -> dict[str, str]:
    """Return the files of a repository by their path."""
    start = f"{name}:"
    return {
        key.removeprefix(start): base64.b64decode(one["content"]).decode()
        for key, one in hub.emulator.state["others"].items()
        if key.startswith(start)
    }


def test_what_is_pushed_is_private_and_holds_card_and_weights_but_no_data(hub: Hosted, run: Run) -> None:
    said = json.loads(push(run, "tickets", "--yes", "--json").stdout)
    assert said["pushed"].endswith("/acme/tickets") and hub.emulator.state["public"] == []
    files = sent(hub, "acme/tickets")
    assert set(files) == {"README.md", "adapter_config.json", "adapter_model.safetensors"}
    card = files["README.md"]
    assert "license: mit" in card and f"| data, sha256 | {'ab' * 32} |" in card
    assert "| tuned | 0.925 | 0.800 to 0.974 |" in card
    assert json.loads(files["adapter_config.json"])["base_model_name_or_path"] == "My-Base-1B"
    assert not any(SECRET in text or str(hub.folder) in text for text in files.values())
    assert not any(hub.emulator.key in text for text in files.values())


def test_nothing_is_sent_without_a_yes(hub: Hosted, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    out = hub.folder / "out"
    refused = push(run, "tickets", "--merged", str(out), "--adapter", str(out), "--card", str(out), code=1)
    assert "without a terminal, give --yes" in str(refused.exception)
    assert hub.emulator.requests == [] and not out.exists(), "nothing is made, and thrown away, before it is said"
    asked: list[str] = []
    monkeypatch.setattr(sys, "stdin", type("Terminal", (), {"isatty": staticmethod(lambda: True)}))
    monkeypatch.setattr(render, "confirm", lambda question, **_: asked.append(question))
    with pytest.raises(RunError, match="Nothing was uploaded"):
        export._push(run, "tickets", public=False, merged=None, yes=False)
    assert asked == [f"Upload to {hub.emulator.origin}/acme/tickets (a new repository, private)?"]
    assert sent(hub, "acme/tickets") == {} and hub.emulator.state["repos"] == {}


def test_what_is_public_is_said_and_never_so_by_surprise(hub: Hosted, run: Run) -> None:
    hub.emulator.may_be_public = ("acme/open",)
    push(run, "acme/open", "--public", "--yes")
    assert hub.emulator.state["public"] == ["acme/open"]
    assert "exists already and is public" in str(push(run, "acme/open", "--yes", code=1).exception)
    assert "is not a repository name" in str(push(run, "a b/c", "--yes", code=1).exception)
    assert "are for --push-to-hub" in CliRunner().invoke(tunewise, ["export", run.id, "--yes", "--card", "x"]).output


def test_a_hosted_model_is_refused_before_the_hub_is_asked(hub: Hosted, run: Run) -> None:
    there = replace(run, spec=replace(run.spec, backend="openai"))
    with (
        Hub() as line,
        pytest.raises(RunError, match="was trained by openai"),
        prepared(there, line, "tickets", public=False, merged=None),
    ):
        pass
    assert hub.emulator.requests == []


@pytest.mark.parametrize("links", [True, False])
def test_a_merged_model_is_pushed_as_it_was_written(
    hub: Hosted, run: Run, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def merge(_: Run, out: Path) -> tuple[str, ...]:
        out.mkdir()
        (out / "model.safetensors").write_bytes(b"whole")
        (out / "config.json").write_text(json.dumps({"_name_or_path": run.spec.model}))
        return ()

    def refuses(source: str, target: str) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    copied = list[str]()
    copy = shutil.copy2
    monkeypatch.setattr("advisor.runs.serving.hub.shutil.copy2", lambda *paths: copied.append(copy(*paths)))
    if not links:
        monkeypatch.setattr("advisor.runs.serving.hub.os.link", refuses)
    monkeypatch.setattr("advisor.runs.serving.export_merged", merge)
    push(run, "whole", "--merged", str(hub.folder / "out"), "--yes")
    assert sent(hub, "acme/whole") == {"model.safetensors": "whole", "config.json": '{"_name_or_path": "My-Base-1B"}'}
    assert run.spec.model in (hub.folder / "out" / "config.json").read_text(), "the folder here stays as it is"
    assert len(copied) == (0 if links else 2), "weights are not written twice where they can be linked"
    assert [path.name for path in hub.folder.glob("tunewise-*")] == []
