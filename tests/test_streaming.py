"""An answer that is heard part by part: what breaks while it comes is told apart, and never asked for again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from emulator_base import Call, Reply
from hosted_stage import Hosted, hosted

from backends import Message, ProviderUnavailable
from backends.local.inference import client
from backends.local.inference.client import Answerer

ASKED: list[Message] = [{"role": "user", "content": "what comes after 7 ?"}]
WORKER = """
import json, sys
for line in sys.stdin:
    question = json.loads(line)["asked"][0]["messages"][0]["content"]
    if question == "die":
        sys.exit("out of memory")
    for part in ("the answer ", "to ", question):
        print(json.dumps({"part": part}, separators=(",", ":")), flush=True)
    answer = {"text": f"the answer to {question}", "tool_calls": [], "prompt_tokens": 1, "completion_tokens": 3}
    print(json.dumps({"answers": [answer | {"latency_ms": 1.0, "finish_reason": "stop"}]}), flush=True)
"""


def leaves(part: str) -> None:
    raise BrokenPipeError("the reader of stdout has left")


@pytest.fixture
def openai(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosted]:
    with hosted("openai", tmp_path, monkeypatch) as stage:
        yield stage


@pytest.fixture
def answerer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answerer]:
    monkeypatch.setattr(client, "command", lambda *_: [sys.executable, "-c", WORKER])
    found = Answerer()
    yield found
    found.close()


def test_a_listener_that_leaves_is_no_unreadable_reply(openai: Hosted) -> None:
    with pytest.raises(BrokenPipeError):
        openai.backend.stream("gpt-4.1-mini-2025-04-14", ASKED, leaves)
    assert len(openai.asked("POST /chat/completions")) == 1


def test_a_connection_that_breaks_off_within_an_answer_is_read_as_such(openai: Hosted) -> None:
    def breaks(part: str) -> None:  # as the SDK does where the next part does not come
        raise httpx.ReadTimeout("the time is over")

    with pytest.raises(ProviderUnavailable, match="no reply came") as said:
        openai.backend.stream("gpt-4.1-mini-2025-04-14", ASKED, breaks)
    assert "could not be read" not in str(said.value) and "Nothing was spent" not in str(said.value)
    assert len(openai.asked("POST /chat/completions")) == 1


def test_a_stream_asks_for_nothing_that_a_compatible_server_may_refuse(openai: Hosted) -> None:
    bodies = list[dict[str, object]]()

    def look(call: Call, reply: Reply) -> Reply:
        bodies.append(call.json)
        return reply

    openai.emulator.spoil = look
    openai.backend.stream("gpt-4.1-mini-2025-04-14", ASKED, lambda _: None)
    assert bodies[0].keys() == {"model", "messages", "max_completion_tokens", "temperature", "stream"}


def test_a_local_answer_that_was_not_heard_to_its_end_is_not_the_next_one(answerer: Answerer) -> None:
    for _ in range(2):
        with pytest.raises(BrokenPipeError):
            answerer.stream("tiny", ASKED, leaves, max_tokens=8, temperature=0)
        other: list[Message] = [{"role": "user", "content": "another"}]
        answer = answerer.stream("tiny", other, lambda _: None, max_tokens=8, temperature=0)
        assert answer.text == "the answer to another"


def test_a_local_process_that_dies_says_why(answerer: Answerer) -> None:
    with pytest.raises(ProviderUnavailable, match="out of memory"):
        answerer.stream("tiny", [{"role": "user", "content": "die"}], leaves, max_tokens=8, temperature=0)
