"""A model is asked at the revision it was trained at, and its own code is run only where a run was told to trust it."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from test_local import rows, write
from test_serving import two_runs

from advisor.runs.serving import serving
from backends.local import LocalBackend, ScoredExample
from backends.local.model_path import at_revision, split_revision, to_load
from backends.local.options import Options
from backends.local.trainer import tiny


def a_run(home: Path, name: str, model: str, **options: object) -> Path:
    """Write as much of a run's folder as is read, with an adapter in it; return the tuned folder."""
    tuned = home / "runs" / name / "tuned"
    tuned.mkdir(parents=True)
    (tuned.parent / "config.json").write_text(json.dumps({"model": model, "options": options}))
    (tuned / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": model}))
    return tuned


def test_a_tuned_folder_is_loaded_as_its_run_was(home: Path) -> None:
    tuned = a_run(home, "tw-1", "me/mine", revision="v1", trust_remote_code=True)
    assert to_load(str(tuned)) == ("me/mine", Options(revision="v1", trust_remote_code=True))
    assert to_load(str(a_run(home, "tw-2", "me/mine"))) == ("me/mine", Options())


def test_code_is_trusted_for_one_model_at_one_revision(home: Path) -> None:
    a_run(home, "tw-1", "me/mine", revision="v1", trust_remote_code=True)
    assert to_load("me/mine@v1")[1].trust_remote_code
    for other in ("me/mine", "me/mine@v2", "me/other@v1"):
        assert not to_load(other)[1].trust_remote_code


def test_a_folder_with_an_at_sign_is_no_revision(tmp_path: Path) -> None:
    folder = tmp_path / "me@home"
    folder.mkdir()
    assert split_revision(str(folder)) == (str(folder), None)
    assert at_revision(str(folder), "v1") == str(folder)
    assert split_revision(at_revision("me/mine", "v1")) == ("me/mine", "v1")


def test_vllm_is_given_the_revision_of_the_base(tmp_path: Path) -> None:
    from dataclasses import replace

    run, _ = two_runs(tmp_path)
    pinned = replace(
        run,
        spec=replace(run.spec, options={"revision": "v1", "trust_remote_code": True}),
        job=replace(run.job, extra={"base": "a/base@v1"}),
    )
    command = serving([pinned], "vllm", port=1, place=tmp_path).command
    assert command[:8] == (
        "vllm", "serve", "a/base", "--revision", "v1", "--tokenizer-revision", "v1", "--trust-remote-code",
    )  # fmt: skip


def test_the_revision_that_is_asked_is_the_one_that_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two revisions with other weights lie in the hub's cache; offline, each answers for itself."""
    data = write(tmp_path / "train.jsonl", rows(12, 1))
    cache = tmp_path / "hub" / "models--me--mine"
    (cache / "refs").mkdir(parents=True)
    for seed, (name, commit) in enumerate((("main", "a" * 40), ("v1", "b" * 40))):
        (cache / "refs" / name).write_text(commit)
        tiny.make(tmp_path / f"tiny-llama-{seed}", data, seed)
        (cache / "snapshots").mkdir(exist_ok=True)
        (tmp_path / f"tiny-llama-{seed}").rename(cache / "snapshots" / commit)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    example = ScoredExample(rows(1, 5)[0]["messages"])
    with closing(LocalBackend()) as local:
        names = ["me/mine", "me/mine@v1", *(str(cache / "snapshots" / (letter * 40)) for letter in "ab")]
        main, pinned, first, second = (local.score(name, [example])[0].nll_sum for name in names)
    assert (main, pinned) == (first, second)
    assert main != pinned
