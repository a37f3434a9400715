"""Serving: exact commands of existing servers, and what the check of a server makes of answers that differ."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from loopback import answering
from paper_backend import PaperBackend
from test_export import local_run

from advisor.cli import tunewise
from advisor.errors import RunError
from advisor.runs import Ledger, Run
from advisor.runs.evaluation.question import Conversation, Question
from advisor.runs.serving import Endpoint, serving
from advisor.runs.serving.verify import Compared, _weighed, judged
from backends.local import TokenLoss
from backends.local.inference.export import Turns


def named(run: Run, name: str) -> Run:
    return replace(run, id=name, spec=replace(run.spec, run=name), job=replace(run.job, run=name))


def two_runs(tmp_path: Path, **second: object) -> list[Run]:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    return [named(local_run(tmp_path / "a"), "tw-a"), named(local_run(tmp_path / "b", **second), "tw-b")]


def test_vllm_serves_several_adapters_on_one_base(tmp_path: Path) -> None:
    way = serving(two_runs(tmp_path, r=24), "vllm", port=8001, place=tmp_path)
    assert way.command == (
        "vllm", "serve", "a/base", "--enable-lora", "--max-lora-rank", "32", "--max-loras", "2",
        "--lora-modules", f"tw-a={tmp_path}/a/tuned", f"tw-b={tmp_path}/b/tuned",
        "--host", "127.0.0.1", "--port", "8001", "--chat-template", f"{tmp_path}/a/tuned/chat_template.jinja",
    )  # fmt: skip
    assert way.models == ("tw-a", "tw-b") and way.merges is None
    assert way.missing is not None and "pip install vllm" in way.missing


def test_vllm_stops_where_the_adapter_was_trained_to(tmp_path: Path) -> None:
    runs = two_runs(tmp_path)
    (tmp_path / "a" / "tuned" / "generation_config.json").write_text('{"eos_token_id": [2, 7]}')
    assert serving(runs, "vllm", port=8001).command[-2:] == ("--generation-config", f"{tmp_path}/a/tuned")


def test_vllm_refuses_runs_that_cannot_share_a_server(tmp_path: Path) -> None:
    one, two = two_runs(tmp_path)
    other = replace(two, job=replace(two.job, extra={"base": "b/base"}))
    with pytest.raises(RunError, match="different bases"):
        serving([one, other], "vllm", port=1)
    (tmp_path / "b" / "tuned" / "chat_template.jinja").write_text("{{ another }}")
    with pytest.raises(RunError, match="different chat templates"):
        serving([one, two], "vllm", port=1)
    with pytest.raises(RunError, match="only vllm"):
        serving([one, two], "transformers", port=1)


def test_an_adapter_with_whole_layers_is_served_merged(tmp_path: Path) -> None:
    run = local_run(tmp_path, modules_to_save=["lm_head"])
    way = serving([run], "vllm", port=8000, place=tmp_path)
    assert way.merges == run.folder / "merged"
    assert way.command[:5] == ("vllm", "serve", str(way.merges), "--served-model-name", run.id)
    assert any("whole layers" in said for said in way.notes)
    assert "--enable-lora" not in way.command


def test_llamacpp_is_given_a_gguf_file_or_makes_one_first(tmp_path: Path) -> None:
    run = local_run(tmp_path)
    way = serving([run], "llamacpp", port=8000, place=tmp_path / "llama.cpp")
    assert way.converts == run.folder / f"{run.id}.gguf" and way.merges is None
    assert way.missing is not None and "llama-server is not installed" in way.missing
    server = tmp_path / "llama.cpp" / "build" / "bin" / "llama-server"
    server.parent.mkdir(parents=True)
    server.write_text("#!/bin/sh\n")
    server.chmod(0o755)
    way = serving([run], "llamacpp", port=8000, place=tmp_path / "llama.cpp")
    assert way.command[0] == str(server)
    assert way.missing is not None and "There is no convert_hf_to_gguf.py in" in way.missing
    (tmp_path / "llama.cpp" / "convert_hf_to_gguf.py").write_text("")
    assert serving([run], "llamacpp", port=8000, place=tmp_path / "llama.cpp").missing is None
    file = tmp_path / "mine.gguf"
    file.write_bytes(b"GGUF")
    way = serving([run], "llamacpp", port=8000, place=tmp_path, gguf=file)
    assert way.converts is None
    assert way.command == (
        "llama-server", "-m", str(file), "--alias", run.id, "--host", "127.0.0.1", "--port", "8000", "--jinja",
        "--chat-template-file", str(tmp_path / "tuned" / "chat_template.jinja"),
    )  # fmt: skip


def test_a_run_trained_whole_is_served_as_it_is(tmp_path: Path) -> None:
    run = local_run(tmp_path)
    (tmp_path / "tuned" / "adapter_config.json").unlink()
    (tmp_path / "tuned" / "config.json").write_text("{}")
    way = serving([run], "transformers", port=8000)
    assert way.merges is None
    assert way.command[1:] == ("serve", str(tmp_path / "tuned"), "--host", "127.0.0.1", "--port", "8000")


def test_serve_becomes_the_server_that_is_installed(tmp_path: Path) -> None:
    run = local_run(tmp_path)
    Ledger.open().add(run)
    Ledger.open().save(run.job)
    program = tmp_path / "env" / "bin" / "vllm"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "served: $*"\nexit 7\n')
    program.chmod(0o755)
    line = [sys.executable, "-m", "advisor", "serve", run.id, "--with", "vllm", "--installed-in", str(tmp_path / "env")]
    done = subprocess.run(line, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 7
    printed, served = done.stdout.splitlines()
    assert printed.startswith(f"{program} serve a/base --enable-lora --max-lora-rank 16 --lora-modules {run.id}=")
    assert served == "served: " + printed.removeprefix(f"{program} ")
    dry = subprocess.run([*line, "--dry-run", "--json"], capture_output=True, text=True, check=True)
    assert json.loads(dry.stdout)["missing"] is None
    dry = subprocess.run([*line[:-1], str(tmp_path), "--dry-run"], capture_output=True, text=True, check=True)
    assert dry.stdout.startswith("vllm serve") and "vllm is not installed" in dry.stderr


def test_serve_runs_one_server_for_several_adapters(tmp_path: Path) -> None:
    runs, ledger = two_runs(tmp_path), Ledger.open()
    for run in runs:
        ledger.add(run)
        ledger.save(run.job)
    program = tmp_path / "env" / "bin" / "vllm"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n')
    program.chmod(0o755)
    line = [sys.executable, "-m", "advisor", "serve", "tw-a", "tw-b", "--with", "vllm"]
    done = subprocess.run(
        [*line, "--installed-in", str(tmp_path / "env")],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    words = done.stdout.splitlines()[1:]
    at = words.index("--lora-modules")
    assert words[at + 1 : at + 3] == [f"tw-a={tmp_path}/a/tuned", f"tw-b={tmp_path}/b/tuned"]
    assert words[words.index("--max-loras") + 1] == "2"
    assert "It answers at http://127.0.0.1:8000/v1 as: tw-a, tw-b" in done.stderr


def test_what_is_not_installed_is_printed_and_said(tmp_path: Path) -> None:
    run = local_run(tmp_path)
    Ledger.open().add(run)
    Ledger.open().save(run.job)
    done = CliRunner().invoke(tunewise, ["serve", run.id, "--with", "vllm", "--installed-in", str(tmp_path)])
    assert done.exit_code == 1
    assert done.stdout.startswith("vllm serve a/base")
    assert "vllm is not installed" in done.stderr
    assert CliRunner().invoke(tunewise, ["serve", run.id]).exit_code == 2


SEEN = Turns("", "<|im_end|>", ("<|im_end|>",), "<s>", None, (), ())


def row(served: str = "yes", **more: Any) -> Compared:
    return replace(Compared("held.jsonl:1", "Is it?", "yes", served, served == "yes", 12, 12, "stop", "stop"), **more)


@pytest.mark.parametrize(
    ("rows", "template", "end", "cause"),
    [
        ([row(), row()], "same", "same", None),
        ([row(), row("no", plain="yes")], "different", "same", "only when the prompt is sent as plain text"),
        ([row("no", served_prompt_tokens=15, plain="no")], "different", "unknown", "15 tokens of a prompt that had 12"),
        ([row(served_prompt_tokens=13)] * 2, "different", "same", "puts '<s>' twice"),
        ([row("yes<|im_end|>\nuser", served_end="length", plain="yes<|im_end|>\nuser")], "same", "different",
         "does not stop at '<|im_end|>'"),
        ([row(served_end="length")], "same", "different", "does not stop at '<|im_end|>'"),
        ([row(), row("no", plain="no")], "same", "same", "weights, precision or decoding differ"),
        ([row("no", served_prompt_tokens=None)], "unknown", "unknown", "does not let the chat template be told"),
    ],
    ids=["alike", "template", "length", "start twice", "runs on", "cut off", "weights", "unknown"],
)  # fmt: skip
def test_the_cause_of_a_difference_is_named(rows: list[Compared], template: str, end: str, cause: str | None) -> None:
    found = judged("tw-a", "http://x/v1", "m", rows, SEEN)
    assert (found.template, found.end_of_turn, found.passed) == (template, end, cause is None)
    assert cause is None or cause in (found.cause or "")
    assert (found.advice is None) == found.passed


def test_rounding_is_allowed_for_only_when_asked_and_never_excuses_a_template() -> None:
    rows = [row()] * 9 + [row("no", plain="no")]
    assert not judged("r", "u", "m", rows, SEEN).passed
    assert judged("r", "u", "m", rows, SEEN, at_least=0.9).passed
    wrong = [row()] * 9 + [row("no", plain="yes")]
    assert not judged("r", "u", "m", wrong, SEEN, at_least=0.9).passed


def test_one_answer_that_runs_on_is_no_missing_end_and_equal_likelihood_is_rounding() -> None:
    """A lossy merge makes single answers run on; a server that knows no end token lets them all."""
    rows = [row()] * 7 + [row("yes and so on", served_end="length", plain="yes and so on", less_likely=1.4)]
    found = judged("r", "u", "m", rows, SEEN)
    assert (found.end_of_turn, found.passed) == ("same", False) and "weights, precision" in (found.cause or "")
    assert judged("r", "u", "m", [row()] * 7 + [row("yeah", plain="yeah", less_likely=0.04)], SEEN).passed
    assert not judged("r", "u", "m", [row()] * 7 + [row("no", plain="no", less_likely=0.4)], SEEN).passed


def test_the_trainer_weighs_the_answers_that_differ(tmp_path: Path) -> None:
    class Scoring(PaperBackend):
        def score(self, model: str, examples: Sequence[Conversation]) -> list[TokenLoss]:
            said = [str(one.messages[-1].get("content")) for one in examples]
            return [TokenLoss({"yes": 1.0, "yeah": 1.1, "no": 9.0}[text], 2) for text in said]

    asked = [Question(str(place), ({"role": "user", "content": "?"},), {"role": "assistant"}) for place in range(3)]
    found = _weighed([row(), row("yeah"), row("no")], asked, Scoring(tmp_path), "tuned")
    assert [one.less_likely for one in found] == [None, pytest.approx(0.05), pytest.approx(4.0)]


class Server(ThreadingHTTPServer):
    """A small OpenAI-compatible server that knows one model and keeps the headers it was sent."""

    known = "the-model"
    listed: tuple[str, ...] = ()
    seen: list[Mapping[str, str]]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self._reply(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in self.server.listed]})

    def do_POST(self) -> None:
        self.server.seen.append(dict(self.headers))
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/v1/chat/completions":
            self._reply(404, {"error": {"message": "no such path"}})
        elif body["model"] != self.server.known:
            self._reply(404, {"error": {"message": f"no model {body['model']}"}})
        else:
            answer = {"message": {"role": "assistant", "content": " yes\n"}, "finish_reason": "stop", "index": 0}
            usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
            self._reply(200, {"id": "1", "object": "chat.completion", "choices": [answer], "usage": usage})

    def _reply(self, code: int, value: object) -> None:
        content = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(("127.0.0.1", 0), Handler)
    made.seen = []
    with answering(made):
        yield made


def test_an_endpoint_is_asked_by_the_name_it_knows_and_never_sees_a_providers_key(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-secret")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gateway: header-secret")
    url = f"http://127.0.0.1:{server.server_port}"
    for listed, names in (
        ((), ("tw-a", "the-model")),
        (("the-model", "x"), ("tw-a", "the-model")),
        (("the-model",), ("a", "b")),
    ):
        server.listed = listed
        with closing(Endpoint(url, names)) as endpoint:
            answer = endpoint.chat([{"role": "user", "content": "?"}], (), 4)
            assert (answer.text, answer.prompt_tokens, answer.finish_reason) == ("yes", 5, "stop")
            assert endpoint.model == "the-model"
            assert endpoint.continued("?", 4) is None
    assert not [value for headers in server.seen for value in headers.values() if "secret" in value]


def test_an_endpoint_that_does_not_answer_is_an_error_that_says_what_to_do(server: Server) -> None:
    url = f"http://127.0.0.1:{server.server_port}/v1"
    with (
        closing(Endpoint(url, ("other",))) as endpoint,
        pytest.raises(RunError, match=r"no model other.*Another name is given with --model"),
    ):
        endpoint.chat([{"role": "user", "content": "?"}], (), 4)


def test_a_server_that_is_not_there_is_said_before_anything_is_loaded() -> None:
    with pytest.raises(RunError, match=r"did not answer for model 'one' .*; is the server up"):
        Endpoint("http://127.0.0.1:9/v1", ("one",))
