"""The caller's end of the answering process: JSON lines over pipes, so that no model enters the caller's process."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, cast

from backends import Completion, Json, Message, ModelNotTunable, ProviderUnavailable, ToolCall
from backends.local.workers.process import command, environment

_PART = '{"part":'  # how a line begins that holds a part of an answer
_GATHER_S = 0.005  # between two looks whether more questions have come


@dataclass(frozen=True, slots=True)
class ScoredExample:
    """One conversation whose assistant turns are to be scored; ``tools`` are those the model may call."""

    messages: Sequence[Message]
    tools: Sequence[Mapping[str, Json]] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class TokenLoss:
    """Negative log-likelihood, in nats, summed over ``tokens`` tokens of assistant turns."""

    nll_sum: float
    tokens: int


@dataclass(slots=True, eq=False)
class _Waiting:
    """One question on its way: what it must share with others to be asked together, itself, and its reply."""

    kind: tuple[str, int, float, int | None]  # model, longest answer, temperature, seed
    asked: dict[str, Json]
    reply: dict[str, Json] | None = None


class Answerer:
    """A process that holds one base model and its adapters, started at the first question.

    Questions that several threads ask at once go through it together: a batch takes little longer than one.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._said: IO[str] | None = None
        self._turn = threading.Lock()  # one line at a time goes through the pipe
        self._waiting: list[_Waiting] = []

    def complete(
        self,
        model: str,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Json]],
        *,
        max_tokens: int,
        temperature: float,
        seed: int | None,
    ) -> Completion:
        """Generate one answer; greedy when ``temperature`` is 0. ``latency_ms`` is that of the batch it was in."""
        asked: dict[str, Json] = {
            "messages": [cast("dict[str, Json]", message) for message in messages],
            "tools": [dict(tool) for tool in tools],
        }
        # A greedy answer draws nothing, so its seed need not part it from the others.
        mine = _Waiting((model, max_tokens, temperature, seed if temperature > 0 else None), asked)
        self._waiting.append(mine)
        with self._turn:
            if mine.reply is None:
                self._ask_all_like(mine)
        assert mine.reply is not None
        return _completion(mine.reply)

    def stream(
        self,
        model: str,
        messages: Sequence[Message],
        heard: Callable[[str], None],
        *,
        max_tokens: int,
        temperature: float,
    ) -> Completion:
        """Generate one answer alone and call ``heard`` with each part of its text as it comes."""
        asked: dict[str, Json] = {
            "messages": [cast("dict[str, Json]", message) for message in messages],
            "tools": [],
        }
        question: dict[str, Json] = {
            "do": "stream",
            "model": model,
            "max_tokens": max_tokens,
            "temperature": temperature,
            "seed": None,
            "asked": [asked],
        }
        with self._turn:
            answers = self._ask(question, heard)["answers"]
        assert isinstance(answers, list) and isinstance(answers[0], dict)
        return _completion(answers[0])

    def _ask_all_like(self, mine: _Waiting) -> None:
        """Ask ``mine`` and all that wait and may share a batch with it; a failure is everyone's own to meet again."""
        known = 0
        while mine.kind[2] == 0 and known < len(self._waiting):  # others are just coming
            known = len(self._waiting)
            time.sleep(_GATHER_S)
        batch = [one for one in self._waiting if one.kind == mine.kind] if mine.kind[2] == 0 else [mine]
        for one in batch:
            self._waiting.remove(one)
        model, max_tokens, temperature, seed = mine.kind
        try:
            answers = self._ask(
                {
                    "do": "complete",
                    "model": model,
                    "max_tokens": max_tokens,
                    "temperature": temperature,
                    "seed": seed,
                    "asked": [one.asked for one in batch],
                }
            )["answers"]
        except BaseException:
            self._waiting += [one for one in batch if one is not mine]  # they ask for themselves when their turn comes
            raise
        assert isinstance(answers, list)
        for one, reply in zip(batch, answers, strict=True):
            assert isinstance(reply, dict)
            one.reply = reply

    def score(self, model: str, examples: Sequence[ScoredExample]) -> tuple[TokenLoss, ...]:
        """Return the loss of each example, in the order given."""
        rows: list[Json] = [
            {
                "messages": [cast("dict[str, Json]", message) for message in example.messages],
                "tools": [dict(tool) for tool in example.tools],
            }
            for example in examples
        ]
        with self._turn:
            losses = self._ask({"do": "score", "model": model, "examples": rows})["losses"]
        assert isinstance(losses, list)
        return tuple(TokenLoss(float(str(loss[0])), int(str(loss[1]))) for loss in losses if isinstance(loss, list))

    def close(self) -> None:
        """End the process; its memory is free again when this returns."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        if self._said is not None:
            self._said.close()

    def _ask(self, question: Mapping[str, Json], heard: Callable[[str], None] = lambda part: None) -> dict[str, Json]:
        """Send one line and read the one that answers it, and the parts before that; whoever calls has the turn."""
        process = self._started()
        try:
            line = _next_line(process, json.dumps(question) + "\n")
            while line.startswith(_PART):
                heard(str(json.loads(line)["part"]))
                line = _next_line(process)
        except BaseException:  # what is still to come would be read as the next answer
            process.kill()
            self.close()
            raise
        if not line:
            said = self._last_words()
            self.close()
            raise ProviderUnavailable(f"The answering process ended: {said} Ask again to start it anew.")
        reply = json.loads(line)
        if not isinstance(reply, dict):
            raise ProviderUnavailable("The answering process sent an invalid reply; ask again.")
        if "error" in reply:
            raise ModelNotTunable(str(reply["error"]))
        return reply

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115  closed in close
            self._process = subprocess.Popen(
                command("inference.worker", str(os.getpid())),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                text=True,
                encoding="utf-8",
                env=environment(),
            )
        return self._process

    def _last_words(self) -> str:
        if self._said is None:
            return ""
        self._said.seek(0)
        lines = [line.strip() for line in self._said.read().splitlines() if line.strip()]
        return " | ".join(lines[-3:]) or "it left no message (killed, or out of memory)."


def _next_line(process: subprocess.Popen[str], question: str = "") -> str:
    """Send ``question`` and return the line that comes next; "" where the process has ended."""
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(question)
        process.stdin.flush()
        return process.stdout.readline()
    except OSError:
        return ""


def _completion(reply: Mapping[str, Json]) -> Completion:
    """Read one answer. Raises ModelNotTunable when it is an error."""
    if "error" in reply:
        raise ModelNotTunable(str(reply["error"]))
    calls = reply["tool_calls"]
    assert isinstance(calls, list)
    return Completion(
        text=str(reply["text"]),
        tool_calls=tuple(_tool_call(call) for call in calls if isinstance(call, dict)),
        prompt_tokens=int(str(reply["prompt_tokens"])),
        completion_tokens=int(str(reply["completion_tokens"])),
        latency_ms=float(str(reply["latency_ms"])),
        finish_reason=str(reply["finish_reason"]),
    )


def _tool_call(call: Mapping[str, Json]) -> ToolCall:
    return {
        "id": str(call["id"]),
        "type": "function",
        "function": {"name": str(call["name"]), "arguments": str(call["arguments"])},
    }
