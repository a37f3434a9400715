"""One command trains the same data at several places, and one compares what came of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import cache
from pathlib import Path

import pytest
from backend_cases import CASES, HOSTED, Case, write_rows
from click.testing import CliRunner, Result
from emulator_base import Emulator
from emulator_huggingface import HuggingFaceEmulator

import backends
from advisor.cli import tunewise
from advisor.errors import RunError
from advisor.paths import home
from advisor.runs import Ledger, Watch
from advisor.runs.evaluation.variants import launched_with
from backends import Backend, JobStatus

PLACES = ("together", "fireworks", "bedrock")
MODELS = ("Qwen/Qwen3.5-9B", "Qwen/Qwen3-8B", "amazon.nova-2-lite-v1:0")
SOLD = {"nebius": "meta-llama/Llama-3.3-70B-Instruct"}  # where the case's model is not in the price book
DAY = ("--today", "2026-11-22")


@pytest.fixture
def emulators(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Emulator]]:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    with ExitStack() as held:
        found = {}
        for name in PLACES:
            case = CASES[name]
            assert case.emulator is not None
            found[name] = held.enter_context(case.emulator())
            for variable, value in case.environment(found[name]).items():
                monkeypatch.setenv(variable, value)
            for knob, setting in case.knobs.items():
                setattr(found[name], knob, setting)
        yield found


def run(*words: object) -> Result:
    return CliRunner().invoke(tunewise, [str(word) for word in words], catch_exceptions=False)


def follow_to_the_end() -> None:
    ledger = Ledger.open()
    with ExitStack() as held:

        @cache
        def backend_of(name: str) -> Backend:
            return held.enter_context(closing(backends.get(name)))

        names = [one.id for one in ledger.runs()]
        for _ in Watch(ledger, names, backend_of, shortest_s=0.01, per_second=200).updates():
            pass


def launch(data: Path, *more: object) -> Result:
    named = [word for name, model in zip(PLACES, MODELS, strict=True) for word in ("--backend", name, "--model", model)]
    return run("launch", data, *named, "--epochs", 2, "--yes", "--max-cost", 5, *DAY, "--json", *more)


def test_three_places_train_the_same_rows_and_are_compared(emulators: dict[str, Emulator], tmp_path: Path) -> None:
    launched = launch(write_rows(tmp_path / "rows.jsonl", 60))
    assert launched.exit_code == 0, launched.output
    first = json.loads(launched.stdout)["runs"][0]["run"]
    assert f"compare them: tunewise evaluate {first} --against base,group" in launched.stderr
    assert {name: one.paid_jobs for name, one in emulators.items()} == dict.fromkeys(PLACES, 1)
    runs = Ledger.open().runs()
    assert {one.spec.backend for one in runs} == set(PLACES) and len({one.origin.group for one in runs}) == 1
    held_out = {one.origin.held_out.read_bytes() for one in runs if one.origin.held_out is not None}
    assert len(held_out) == 1, "all answer the same questions afterwards"
    assert all(one.quote.usd is not None and one.quote.serving for one in runs)
    for one in runs:
        assert one.quote.serving in " ".join(run("receipt", one.id).output.split())
    follow_to_the_end()
    found = run("evaluate", first, "--against", "group", "--metric", "exact", *DAY, "--json")
    assert found.exit_code == 0, found.output
    card = json.loads(found.stdout)
    assert card["examples"] == 6
    others = {one.id for one in Ledger.open().runs()} - {first}
    assert {row["name"] for row in card["rows"]} == {"tuned", *others}
    assert all(row["answers"] == 6 for row in card["rows"])
    assert all(one.violations == [] for one in emulators.values())


def test_what_a_rented_machine_trained_is_compared_and_talked_to(
    emulators: dict[str, Emulator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine is a child process, the model a toy made there; the rest is the way of any run."""
    data = write_rows(tmp_path / "rows.jsonl", 40)
    paid = ("--yes", "--max-cost", 5, *DAY, "--json")
    beside = run("launch", data, "--backend", "together", "--model", MODELS[0], "--epochs", 1, *paid)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with HuggingFaceEmulator() as hub:
        hub.real = tmp_path / "machines"
        for variable, value in CASES["huggingface"].environment(hub).items():
            monkeypatch.setenv(variable, value)
        asked = ("machine=a10g-small", "max_minutes=45", "device=cpu", "threads=1", "max_steps=2")
        options = [word for one in asked for word in ("-o", one)]
        launched = run("launch", data, "--backend", "huggingface", "--model", "tiny", *options, *paid)
        assert launched.exit_code == 0, launched.output
        other, name = (json.loads(one.stdout)["run"] for one in (beside, launched))
        follow_to_the_end()
        made = next(hub.real.glob("*/home/models"))
        (home() / "models").symlink_to(made)  # where the base is that a machine has from the hub
        found = run("evaluate", name, "--against", f"base,{other}", "--metric", "exact", *DAY, "--json")
        assert found.exit_code == 0, found.output
        rows = {row["name"]: row for row in json.loads(found.stdout)["rows"]}
        assert set(rows) == {"base", "tuned", other}
        assert (rows["tuned"]["usd"], rows["base"]["usd"]) == ("0", "0")  # they answered here
        said = run("chat", name, "What comes after 7 ?", "--max-tokens", 2, "--json")
        assert json.loads(said.stdout)["model"] == f"acme/tunewise-{name}"
        exported = run("export", name, "--adapter", tmp_path / "adapter", "--json")
        assert exported.exit_code == 0, exported.output
        assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()
        assert hub.paid_jobs == 1 and hub.violations == []


@pytest.mark.parametrize("case", HOSTED, ids=lambda case: case.name)
def test_how_a_tune_is_served_is_in_every_proposal(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert case.emulator is not None
    data = write_rows(tmp_path / "rows.jsonl", 60)
    alone = () if case.validates else ("--held-out", 0)
    with case.emulator() as emulator:
        for variable, value in case.environment(emulator).items():
            monkeypatch.setenv(variable, value)
        shown = run(
            "launch",
            data,
            "--backend",
            case.name,
            "--model",
            SOLD.get(case.name, case.model),
            *alone,
            *DAY,
            "--dry-run",
        )
    assert shown.exit_code == 0, shown.output
    (said,) = [line for line in shown.output.splitlines() if line.strip().startswith("serving ")]
    known = ("Served by the token:", "Served on a machine of its own", "not served there", "is not known")
    assert any(word in said for word in known)


def test_one_that_fails_is_named_and_left_out(emulators: dict[str, Emulator], tmp_path: Path) -> None:
    emulators["bedrock"].ends_as = "Failed"  # type: ignore[attr-defined]
    first = json.loads(launch(write_rows(tmp_path / "rows.jsonl", 60)).stdout)["runs"][0]["run"]
    follow_to_the_end()
    by_place = {one.spec.backend: one for one in Ledger.open().runs()}
    assert by_place["bedrock"].job.status is JobStatus.FAILED
    found = run("evaluate", first, "--against", "group", "--metric", "exact", *DAY, "--json")
    assert f"note: {by_place['bedrock'].id} on bedrock is failed, so it is left out." in found.stderr
    assert {row["name"] for row in json.loads(found.stdout)["rows"]} == {"tuned", by_place["fireworks"].id}
    with pytest.raises(RunError, match="was launched alone"):
        launched_with(by_place["together"], [by_place["together"]])
