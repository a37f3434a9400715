"""How models are asked many questions: each once, several at a time, every answer kept the moment it arrives."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import IO

from advisor.evaluate.metrics import Answer
from advisor.evaluate.scorecard import Answered, TokenLosses
from advisor.runs.evaluation.question import Conversation, Question, Scores, Variant
from advisor.runs.evaluation.spend_cap import SpendCap
from advisor.serialization import to_json
from backends import Backend, Completion, Json, ProviderUnavailable, QuestionRefused, RateLimited, wait_s

_RETRIES_S = (1.0, 4.0, 15.0)


@dataclass(slots=True)
class Answers:
    """The readable file of every answer given so far; what is in it is never asked again."""

    path: Path
    _known: dict[str, dict[str, Json]] = field(default_factory=dict)
    _file: IO[bytes] | None = None
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Answers:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.path.is_file():
            for line in self.path.read_text(encoding="utf-8", errors="replace").split(
                "\n"
            ):  # not splitlines: answers may hold U+2028
                try:
                    row = json.loads(line)
                except ValueError:
                    continue
                if isinstance(row, dict) and isinstance(row.get("key"), str):
                    self._known[row["key"]] = row
        self._file = self.path.open("ab+")
        self.path.chmod(0o600)
        if self._file.tell() > 0:
            self._file.seek(-1, 2)
            if self._file.read(1) != b"\n":
                self._file.write(b"\n")
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def get(self, key: str) -> Answered | None:
        """Return the answer kept under ``key``."""
        row = self._known.get(key)
        return None if row is None else _answered(row)

    def keep(self, key: str, row: Mapping[str, object]) -> None:
        """Write one answer down; it is on its way to the disk when this returns."""
        saved = to_json({"key": key, **row})
        assert isinstance(saved, dict) and self._file is not None
        with self._turn:
            self._known[key] = saved
            self._file.write(json.dumps(saved, ensure_ascii=False).encode(errors="replace") + b"\n")
            self._file.flush()


def ask_all(
    contestant: Variant,
    questions: Sequence[Question],
    answers: Answers,
    *,
    max_tokens: int,
    at_once: int | None = None,
    purse: SpendCap | None = None,
    pause: Callable[[float], None] = time.sleep,
    progress: Callable[[], None] = lambda: None,
    say: Callable[[str], None] = lambda text: None,
) -> list[Answered]:
    """Return one answer a question, in their order; only what is not in ``answers`` is asked.

    ``at_once`` questions are on their way together; None leaves the number to the backend.

    ``purse`` counts what each answer cost, those kept from before included, and raises OverLimit to stop; what is on
    its way is then still kept. A question that is refused for what it holds has no answer, which is its result. ``say``
    hears what is waited for, and until when.
    """
    purse, at_once = purse or SpendCap(None), at_once or contestant.backend.at_once
    keys = [_key(contestant, question, max_tokens) for question in questions]
    todo: dict[str, Question] = {}
    for key, question in zip(keys, questions, strict=True):
        known = answers.get(key)
        if known is None:
            todo[key] = question
        else:
            purse.count(key, known.usd)
    for _ in range(len(questions) - len(todo)):
        progress()
    purse.check(len(todo))

    def ask(key: str, question: Question) -> tuple[str, Decimal | None, int]:
        completion, lost = _once(contestant, question, max_tokens, pause, say)
        usd = contestant.price(completion)
        answers.keep(key, _row(contestant, question, completion, usd))
        return key, usd, lost

    with ThreadPoolExecutor(max_workers=max(1, at_once)) as pool:
        waiting: Iterator[tuple[str, Question]] = iter(todo.items())
        running = {pool.submit(ask, *item) for item in islice(waiting, at_once)}
        try:
            for left in range(len(todo) - 1, -1, -1):
                done = next(as_completed(running))
                running.remove(done)
                key, usd, lost = done.result()
                purse.count(key, usd)
                for number in range(lost):  # no answer came, but it may be billed
                    purse.count(f"{key} {number}", None)
                progress()
                purse.check(left)
                following = next(waiting, None)
                if following is not None:
                    running.add(pool.submit(ask, *following))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    found = [answers.get(key) for key in keys]
    return [one for one in found if one is not None]


def losses(backend: Backend, model: str, conversations: Sequence[Conversation]) -> TokenLosses | None:
    """Return each conversation's loss, where the backend can score; None where it cannot."""
    if not isinstance(backend, Scores):
        return None
    found = backend.score(model, conversations)
    return TokenLosses(tuple(one.nll_sum for one in found), tuple(one.tokens for one in found))


def _once(
    contestant: Variant,
    question: Question,
    max_tokens: int,
    pause: Callable[[float], None],
    say: Callable[[str], None],
) -> tuple[Completion, int]:
    """Ask, and ask again when no answer came; return the answer, and how often none came though one may be billed."""
    lost = 0
    for wait in (*_RETRIES_S, None):
        try:
            answer = contestant.backend.complete(
                contestant.model,
                contestant.messages(question),
                tools=question.tools,
                max_tokens=max_tokens,
                temperature=0.0,
                seed=0,
            )
            return answer, lost
        except QuestionRefused as error:
            return Completion("", prompt_tokens=0, completion_tokens=0, finish_reason=error.reason), lost
        except (ProviderUnavailable, RateLimited) as error:
            if wait is None:
                raise
            lost += isinstance(error, ProviderUnavailable)
            seconds = wait_s(error, wait)
            until = datetime.now().astimezone() + timedelta(seconds=seconds)
            say(f"{contestant.name}: {error} Asked again at {until:%H:%M:%S}.")
            pause(seconds)
    raise AssertionError("unreachable")


def _key(contestant: Variant, question: Question, max_tokens: int) -> str:
    """Return what makes an answer the same: backend, model, every message, tools and limits."""
    asked = [
        contestant.backend.name,
        contestant.model,
        list(contestant.messages(question)),
        list(question.tools),
        max_tokens,
    ]
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=dict).encode()).hexdigest()[:32]


def _row(contestant: Variant, question: Question, completion: Completion, usd: Decimal | None) -> Mapping[str, object]:
    return {
        "option": contestant.name,
        "backend": contestant.backend.name,
        "model": contestant.model,
        "example": question.id,
        "asked": question.messages[-1].get("content"),
        "reference": question.reference.get("content") or question.reference.get("tool_calls"),
        "answer": completion.text,
        "tool_calls": list(completion.tool_calls),
        "prompt_tokens": completion.prompt_tokens,
        "completion_tokens": completion.completion_tokens,
        "latency_ms": round(completion.latency_ms, 1),
        "finish_reason": completion.finish_reason,
        "usd": usd,
    }


def _answered(row: Mapping[str, Json]) -> Answered:
    calls, usd = row.get("tool_calls"), row.get("usd")
    prompt, completion, reason = row.get("prompt_tokens"), row.get("completion_tokens"), row.get("finish_reason")
    return Answered(
        answer=Answer(str(row.get("answer") or ""), tuple(calls) if isinstance(calls, list) else ()),  # type: ignore[arg-type]
        latency_ms=float(str(row.get("latency_ms") or 0)),
        prompt_tokens=prompt if isinstance(prompt, int) else None,
        completion_tokens=completion if isinstance(completion, int) else None,
        usd=None if usd is None else Decimal(str(usd)),
        finish_reason=str(reason) if reason else None,
    )
