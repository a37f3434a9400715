"""The GitHub Action: its steps run as its runner would, on a repository, against a loopback that plays GitHub's API."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from loopback import answering

ROOT = Path(__file__).parent.parent
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
GOLDEN = ROOT / "tests" / "golden" / "github_comment.md"
RENEW = os.environ.get("TUNEWISE_RENEW_GOLDEN")
STEPS = ACTION["runs"]["steps"]
NUMBER, REPOSITORY, TOKEN, BOT = 7, "acme/models", "planted-token", "github-actions[bot]"
EXAMPLE = {"messages": [{"role": "user", "content": "Where is order 5?"}, {"role": "assistant", "content": "shipping"}]}


class GitHub(HTTPServer):
    """Keeps comments as GitHub's API does, a page at a time."""

    def __init__(self) -> None:
        self.comments: list[dict[str, Any]] = []
        self.refuses = 0
        self.heard: list[tuple[str, str]] = []
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"

    def add(self, body: str, login: str) -> dict[str, Any]:
        made = {"id": 100 + len(self.comments), "body": body, "user": {"login": login, "type": "Bot"}}
        self.comments.append(made)
        return made


class _Handler(BaseHTTPRequestHandler):
    server: GitHub

    def do_GET(self) -> None:
        found = re.fullmatch(rf"/repos/{REPOSITORY}/issues/{NUMBER}/comments\?per_page=(\d+)&page=(\d+)", self.path)
        assert found is not None, self.path
        size, page = int(found[1]), int(found[2])
        self._answer(200, self.server.comments[size * (page - 1) : size * page])

    def do_POST(self) -> None:
        assert self.path == f"/repos/{REPOSITORY}/issues/{NUMBER}/comments"
        self._answer(201, self.server.add(self._body(), BOT))

    def do_PATCH(self) -> None:
        (one,) = [one for one in self.server.comments if self.path.endswith(f"/issues/comments/{one['id']}")]
        one["body"] = self._body()
        self._answer(200, one)

    def _body(self) -> str:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))["body"]
        assert isinstance(body, str) and len(body) <= 65_536
        return body

    def _answer(self, status: int, value: object) -> None:
        self.server.heard.append((self.command, self.headers["authorization"]))
        status = self.server.refuses or status
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps({"message": "no"} if status >= 400 else value).encode())

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def github() -> Iterator[GitHub]:
    with answering(GitHub()) as server:
        yield server


class Checkout:
    """A repository whose base has one file of data, with the runner's folders beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.runner = folder / "checkout", folder / "runner"
        self.folder.mkdir()
        self.runner.mkdir()
        (self.runner / "tunewise").symlink_to(sys.prefix)  # what the step of installation would have made
        self.git("init", "-q")
        self.write("data/train.jsonl", 60)
        (self.folder / "work.yaml").write_text("requests_per_month: 20000\nmeasured: {prompt: 0.71}\n", "utf-8")
        self.base = self.commit()

    def write(self, name: str, examples: int, more: str = "") -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        rows = [json.dumps(EXAMPLE).replace("5", str(place)) + "\n" for place in range(examples)]
        path.write_text("".join(rows) + more, encoding="utf-8")

    def commit(self) -> str:
        self.git("add", "-A")
        self.git("-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-q", "-m", "data")
        return self.git("rev-parse", "HEAD")

    def git(self, *words: str) -> str:
        done = subprocess.run(["git", *words], cwd=self.folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def act(self, github: GitHub | None, *, code: int = 0, **inputs: str) -> str:
        """Run the action's last step for a pull request, and return the log."""
        event = {"pull_request": {"number": NUMBER, "base": {"sha": self.base}}} if github else {"ref": "x"}
        (self.runner / "event.json").write_text(json.dumps(event), encoding="utf-8")
        given = {name: str(one.get("default", "")) for name, one in ACTION["inputs"].items()}
        given |= {"token": TOKEN, "backend": "together", "arguments": "--backend together"}
        given |= {name.replace("_", "-"): value for name, value in inputs.items()}
        assert set(given) == set(ACTION["inputs"])
        step = STEPS[-1]
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "TUNEWISE_TODAY") if name in os.environ},
            **{name: _inputs(value, given) for name, value in step["env"].items()},
            "TUNEWISE_TODAY": "2026-11-22", "RUNNER_TEMP": str(self.runner), "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_EVENT_PATH": str(self.runner / "event.json"), "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_API_URL": github.url if github else "http://127.0.0.1:9",
            "GITHUB_STEP_SUMMARY": str(self.runner / "summary.md"), "GITHUB_OUTPUT": str(self.runner / "output"),
        }  # fmt: skip
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
        return done.stdout


def _inputs(value: str, given: dict[str, str]) -> str:
    return re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: given[found[1]], value)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_the_golden_comment_says_what_was_found_and_what_changed(checkout: Checkout, github: GitHub) -> None:
    checkout.write("data/train.jsonl", 80)
    for place in range(100):
        github.add(f"comment {place}", "someone")
    forged = github.add("<!-- tunewise: plan -->\nforged", "someone")
    log = checkout.act(github, data="data/train.jsonl", workload="work.yaml")
    assert len(github.comments) == 102 and forged["body"].endswith("forged")
    assert {said for _, said in github.heard} == {f"Bearer {TOKEN}"} and TOKEN not in log
    outputs = dict(line.split("=", 1) for line in (checkout.runner / "output").read_text("utf-8").splitlines())
    made = github.comments[-1]["body"]
    assert Path(outputs["plan"]).is_file() and Path(outputs["comment"]).read_text("utf-8") == made
    assert checkout.git("worktree", "list").count("\n") == 0, "the base's checkout is gone"
    (report,) = checkout.runner.glob("tunewise-*/report.md")
    told = report.read_text("utf-8").rpartition("<sub>")[0].strip()  # held by a golden file of its own
    assert told.startswith("### ") and told in made
    made = made.replace(told, "(the report)")
    made = re.sub(r"(- Said (before|now): |The advice is the same: ).*", r"\1(its words)", made)  # the advice's own
    if RENEW:
        GOLDEN.write_text(made, encoding="utf-8")
    assert made == GOLDEN.read_text(encoding="utf-8"), "renew with TUNEWISE_RENEW_GOLDEN=1 and read the diff"


def test_errors_fail_and_nothing_in_the_data_gives_commands(checkout: Checkout, github: GitHub) -> None:
    """Hostile text stands in the data, in a file's name and in the checkout, where a shell or the runner would obey."""
    name = "data/a`touch pwned`$(touch pwned);'--> @octocat <img src=x>.jsonl"
    checkout.write(name, 60, '"</sub>\\n::error::x\\n### Approved @octocat"\n::set-output name=plan::/etc\n')
    (checkout.folder / "yaml.py").write_text("open('pwned', 'w')\n", encoding="utf-8")
    github.add("<!-- tunewise: plan -->\nof the push before", BOT)
    log = checkout.act(github, code=1, data=name, workload="work.yaml", max_cost="0.000001")
    (comment,) = github.comments
    said = comment["body"]
    assert "Errors in the data: 2" in said and "line 62" in said and "Over the limit" in said
    assert "There is no plan of it." in said, "the base has no such file"
    plain = re.sub(r"(?<!\\)`[^`\n]*`", "", said)  # within a code span nothing is markup
    assert said.count("<!--") == 1 and "<img" not in plain.replace("\\<img", "") and "@octocat" not in plain
    assert not any(line.startswith(("### Approved", "::")) for line in said.splitlines())
    assert not list(checkout.folder.rglob("pwned"))
    outside = re.sub(r"::stop-commands::(\w+)\n.*?\n::\1::", "", log, flags=re.DOTALL)
    commands = [line for line in outside.splitlines() if line.strip()]
    assert [line.split("::")[1].split(" ")[0] for line in commands] == ["error"] * 3, commands
    assert commands[0].startswith("::error file=data/a`touch pwned`") and ",line=61,title=" in commands[0]


def test_a_push_leaves_the_summary_and_a_limit_ends_with_four(checkout: Checkout) -> None:
    planned = "task: extraction\ndata: {examples: 900, tokens_per_example: 300}\nrequests_per_month: 9000\n"
    (checkout.folder / "planned.yaml").write_text(planned, encoding="utf-8")
    checkout.act(None, code=4, workload="planned.yaml", backend="", max_cost="0.000001")
    summary = (checkout.runner / "summary.md").read_text("utf-8")
    assert summary.startswith("**Over the limit.** ") and "base branch" not in summary


@pytest.fixture
def comment(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "action"))
    return importlib.import_module("comment")


def test_a_comment_is_not_sent_again_unchanged_and_a_refusal_names_the_permission(
    comment: ModuleType, github: GitHub
) -> None:
    client = comment.GitHub(github.url, REPOSITORY, TOKEN)
    for _ in range(2):
        client.keep(str(NUMBER), "<!-- m -->", "<!-- m -->\nsame", author=BOT)
    assert [method for method, _ in github.heard] == ["GET", "POST", "GET"]
    github.refuses = 403
    with pytest.raises(comment.Refused, match=r"answered 403 .*pull-requests: write"):
        client.keep(str(NUMBER), "<!-- m -->", "new", author=BOT)
    with pytest.raises(comment.Refused, match="could not be asked"):
        comment.GitHub("http://127.0.0.1:9", REPOSITORY, TOKEN).keep(str(NUMBER), "m", "new", author=BOT)


def test_a_long_text_is_cut_at_a_line_and_a_name_cannot_end_the_mark(comment: ModuleType) -> None:
    cut = comment.shortened("line\n" * 20_000)
    assert len(cut) < 65_536 and set(cut.splitlines()[:-2]) == {"line"}
    assert comment.marker("a-->b") == "<!-- tunewise: a___b -->"


def test_no_input_is_written_into_a_shell_and_each_is_documented() -> None:
    guide = (ROOT / "docs" / "guides" / "github-action.md").read_text(encoding="utf-8")
    assert all("${{" not in step["run"] for step in STEPS)
    for name, one in ACTION["inputs"].items():
        assert one["description"] and f"`{name}`" in guide, name
