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
from typing import IO, Protocol, runtime_checkable

from advisor.errors import OverLimit
from advisor.evaluate.metrics import Answer
from advisor.evaluate.scorecard import Answered, TokenLosses
from advisor.serialization import to_json
from backends import Backend, Completion, Json, Message, ProviderUnavailable, QuestionRefused, RateLimited, wait_s

_RETRIES_S = (1.0, 4.0, 15.0)


@dataclass(frozen=True, slots=True)
class Question:
    """One held-out example: what is asked, and the answer it should get."""

    id: str
    messages: tuple[Message, ...]
    reference: Message
    tools: tuple[Mapping[str, Json], ...] = ()

    @property
    def conversation(self) -> Conversation:
        """The example as it would be trained on."""
        return Conversation((*self.messages, self.reference), self.tools)


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages whose assistant turns are scored, not generated."""

    messages: Sequence[Message]
    tools: Sequence[Mapping[str, Json]] = ()


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to answer: a model of a backend, with what is put before each question.

    ``system`` takes the place of the question's own system prompt; ``note`` says why it is asked in this way;
    ``tuned_from`` is the base of a tuned model, as plans and prices name it, and None for a model asked as it is.
    """

    name: str
    backend: Backend
    model: str
    before: Callable[[Question], Sequence[Message]] = lambda question: ()
    price: Callable[[Completion], Decimal | None] = lambda completion: None
    system: str | None = None
    note: str = ""
    tuned_from: str | None = None

    def messages(self, question: Question) -> tuple[Message, ...]:
        """Return what is sent: the system prompt, the examples shown, then the question."""
        own = tuple(message for message in question.messages[:1] if message["role"] in ("system", "developer"))
        system: tuple[Message, ...] = own if self.system is None else ({"role": "system", "content": self.system},)
        return (*system, *self.before(question), *question.messages[len(own) :])


@runtime_checkable
class Scores(Protocol):
    """A backend that can read an answer and say how likely it finds it."""

    def score(self, model: str, examples: Sequence[Conversation]) -> Sequence[TokenLoss]: ...


class TokenLoss(Protocol):
    """A summed negative log-likelihood in nats, and the tokens it is summed over."""

    @property
    def nll_sum(self) -> float: ...
    @property
    def tokens(self) -> int: ...


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
    contestant: Contestant,
    questions: Sequence[Question],
    answers: Answers,
    *,
    max_tokens: int,
    at_once: int | None = None,
    purse: Purse | None = None,
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
    purse, at_once = purse or Purse(None), at_once or contestant.backend.at_once
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


@dataclass(slots=True)
class Purse:
    """What the answers of an evaluation may cost: told of every price once, it stops before the cap is passed.

    ``worst_usd`` is an upper bound of one answer's price; ``at_once`` answers are on their way together.
    """

    cap: Decimal | None
    worst_usd: Decimal = Decimal(0)
    at_once: int = 8
    spent: Decimal = Decimal(0)
    _counted: set[str] = field(default_factory=set)

    def expect(self, contestants: Sequence[Contestant], asked: Sequence[Question], longest: int) -> None:
        """Take in who is asked what next. Raises OverLimit when there is a cap and the price of one is not known."""
        worst = Decimal(0)
        for one in contestants:
            usd = _dearest(one, asked, longest)
            if usd is None and self.cap is not None:
                raise OverLimit(
                    f"What asking {one.model} on {one.backend.name} costs is not known, so --max-cost cannot be kept; "
                    "put its price in pricing.local.yaml, or leave --max-cost out."
                )
            worst = max(worst, usd or Decimal(0))
        self.worst_usd = worst

    def count(self, key: str, usd: Decimal | None) -> None:
        """Add what the answer kept under ``key`` cost, at worst where that is not known; each is counted once."""
        if key not in self._counted:
            self._counted.add(key)
            self.spent += self.worst_usd if usd is None else usd

    def check(self, left: int) -> None:
        """Raise OverLimit when the next of the ``left`` answers could pass the cap."""
        if self.cap is not None and left and self.spent + self.worst_usd * min(left, self.at_once) > self.cap:
            raise OverLimit(
                f"${self.spent:f} are spent so far, kept answers included, and going on could pass --max-cost "
                f"${self.cap:f}; the answers are kept, so that a higher --max-cost goes on from here."
            )


def _dearest(one: Contestant, asked: Sequence[Question], longest: int) -> Decimal | None:
    """Return an upper bound of one answer's price: the longest prompt at two bytes a token, the longest answer."""
    prompts = ([list(one.messages(question)), list(question.tools)] for question in asked)
    size = max(len(json.dumps(prompt, ensure_ascii=False, default=dict).encode(errors="replace")) for prompt in prompts)
    return one.price(Completion("", prompt_tokens=size // 2 + 1, completion_tokens=longest))


def _once(
    contestant: Contestant,
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


def _key(contestant: Contestant, question: Question, max_tokens: int) -> str:
    """Return what makes an answer the same: backend, model, every message, tools and limits."""
    asked = [
        contestant.backend.name,
        contestant.model,
        list(contestant.messages(question)),
        list(question.tools),
        max_tokens,
    ]
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=dict).encode()).hexdigest()[:32]


def _row(
    contestant: Contestant, question: Question, completion: Completion, usd: Decimal | None
) -> Mapping[str, object]:
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
