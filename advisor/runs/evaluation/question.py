"""What is asked, and who is asked it in which way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, runtime_checkable

from backends import Backend, Completion, Json, Message


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
class Variant:
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
