"""How a provider is asked: its client and key, and each request once, within a time, with whatever comes back read."""

from __future__ import annotations

import os
import re
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from backends._base import Backend
from backends._errors import (
    AuthenticationFailed,
    BackendError,
    BackendMissing,
    ProviderUnavailable,
    RateLimited,
    SpecRefused,
)
from backends._install import install_package
from backends._keyring import stored_key
from backends._provider import Provider
from backends._refusals import About, FileNotReady, Refusal, read, translate, unreadable
from backends._replies import Unreadable

T = TypeVar("T")
ANSWER_TIMEOUT_S = 600.0  # a long answer comes in one piece
CONNECT_TIMEOUT_S = 10.0  # far below the time for a whole answer: a request that was given up is never sent afterwards
_REQUEST_TIMEOUT_S = 60.0  # of one read or write, not of a whole upload; the SDK of OpenAI would wait ten minutes
_READS_IN_ALL = 3  # how many times the time for one read a whole answer may take
_SLOWEST_UPLOAD = 50_000  # bytes a second
_AGAIN_S = 0.5  # before a free request is asked again, then twice as long; longer waits are the caller's, who says them
_MOST_PAGES = 100


class Connection(Protocol):
    """What a backend holds open: a vendor SDK's client."""

    def close(self) -> None: ...


C = TypeVar("C", bound=Connection)


class Remote(Backend, Generic[C]):
    """A provider behind an HTTP API. ``timeout_s`` bounds one read or write; None means the defaults above.

    A subclass says in ``connect`` how its client is made: without retries, without following redirects.
    """

    provider: ClassVar[Provider]

    def __init__(
        self, *, timeout_s: float | None = None, retries: int = 2, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.timeout_s = timeout_s
        self.retries = retries  # of requests that cost nothing
        self.sleep = sleep
        self._opening = threading.RLock()  # answers are asked for from several threads; they share one client
        self._client: C | None = None

    @abstractmethod
    def connect(self) -> C:
        """Import the vendor's SDK and return its client."""

    def client(self) -> C:
        """Return the SDK's client, made on first use. Raises BackendMissing, AuthenticationFailed, SpecRefused."""
        with self._opening:
            if self._client is None:
                try:
                    self._client = self.connect()
                except ModuleNotFoundError as error:
                    raise BackendMissing(
                        f"Backend '{self.provider.backend}' needs the package '{error.name}': {self.provider.install}"
                    ) from None
                except (ImportError, ValueError) as error:
                    if "proxy" not in str(error).lower():
                        raise
                    raise _proxy_problem(error) from None
            return self._client

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def __del__(self) -> None:
        if getattr(self, "_client", None) is not None:  # not there when making it failed
            self.close()

    @property
    def patience_s(self) -> float:
        """Return how long one read or write may take."""
        return self.timeout_s or _REQUEST_TIMEOUT_S

    def upload_s(self, size: int) -> float:
        """Return how long an upload of ``size`` bytes may take in all."""
        return _READS_IN_ALL * self.patience_s + size / _SLOWEST_UPLOAD

    def key(self) -> str:
        """Return the API key from the environment or the system keyring, without what surrounds it.

        Raises AuthenticationFailed without one, or with one that no request can carry.
        """
        found = self._written_key().strip()
        if not found:
            raise AuthenticationFailed(f"There is no API key for {self.provider.title}. {self.provider.key_advice}")
        if not re.fullmatch(r"[!-~]+", found):
            raise AuthenticationFailed(
                f"The API key for {self.provider.title} contains a space, a line break or a character that no key has. "
                f"{self.provider.key_advice}"
            )
        return found

    def key_warnings(self) -> tuple[str, ...]:
        """Return what a person should know about the key that is used."""
        if self._written_key() == self.key():
            return ()
        return (f"The key in {self.provider.key_name} has a space or a line break around it, which is ignored.",)

    def ask(
        self,
        send: Callable[[], Any],
        read_reply: Callable[[Any], T] = lambda reply: reply,
        *,
        about: About = About.OTHER,
        paid: bool = False,
        again: bool = True,
        within_s: float | None = None,
    ) -> T:
        """Send a request and read its reply. Raises from the BackendError tree, whatever the server says.

        ``send`` may raise what the vendor's SDK raises. ``read_reply`` makes our values of the reply, and what it
        raises says that the reply is not what the API describes. A request is asked again when no readable answer
        came, unless it is ``paid`` or ``again`` is False. ``within_s`` bounds the whole answer, not one read of it.
        """
        tries = 1 if paid or not again else 1 + self.retries
        for number in range(tries):
            try:
                return self._once(send, read_reply, about, paid, within_s or _READS_IN_ALL * self.patience_s)
            except (ProviderUnavailable, RateLimited) as error:
                pause = _AGAIN_S * 2**number
                unsaid = pause + 1 if isinstance(error, RateLimited) else 0.0  # when it does not say how long
                stated = unsaid if error.retry_after_s is None else error.retry_after_s
                if number + 1 == tries or isinstance(error, FileNotReady) or stated > pause:
                    raise
            self.sleep(pause)
        raise AssertionError("unreachable")

    def read_error(self, error: Exception) -> Refusal | None:
        """Return what an error of the vendor's SDK says, or None when it is a mistake of ours."""
        return read(error)

    def pages(
        self,
        send: Callable[[str | None], Any],
        read_page: Callable[[Any], tuple[list[T], str | None]],
        *,
        about: About = About.OTHER,
        most: int = _MOST_PAGES,
    ) -> Iterator[T]:
        """Yield the rows of a list, page by page; ``read_page`` returns rows, and where the next page begins.

        Raises ProviderUnavailable when a page comes back, or when they do not end.
        """
        seen: set[str | None] = {None}
        at: str | None = None
        for _ in range(most):
            found, at = self.ask(lambda at=at: send(at), read_page, about=about)  # type: ignore[misc]
            yield from found
            if at is None:
                return
            if at in seen:
                raise self._endless("its list begins again at a page that was read before")
            seen.add(at)
        raise self._endless(f"its list does not end after {most} pages")

    def _endless(self, problem: str) -> BackendError:
        return translate(unreadable(Unreadable(problem)), self.provider)

    def _once(
        self, send: Callable[[], Any], read_reply: Callable[[Any], T], about: About, paid: bool, within_s: float
    ) -> T:
        """Ask once. The vendor's error is not chained: it carries the request, and with it the key."""
        asked = _beside(send)
        wait([asked], within_s)
        error = asked.exception() if asked.done() else None
        if not asked.done():
            refusal = Refusal(None, f"the answer did not end within {within_s:.0f} seconds")
        elif error is not None:
            known = (
                self.read_error(error) if isinstance(error, Exception) and not isinstance(error, BackendError) else None
            )
            if known is None:
                raise error
            refusal = known
        else:
            try:
                return read_reply(asked.result())
            except (BackendError, OSError):  # transports wrap theirs: an OSError is of whoever listens to a stream
                raise
            except ValueError as problem:  # which of a reply says nothing of our request
                refusal = unreadable(problem)
            except Exception as problem:  # noqa: BLE001  whatever a server says, reading it raises nothing else
                refusal = self.read_error(problem) or unreadable(problem)
        raise translate(refusal, self.provider, about=about, paid=paid, secret=self.key())

    def _written_key(self) -> str:
        return os.environ.get(self.provider.key_name) or stored_key(self.provider.backend) or ""


def _proxy_problem(error: ImportError | ValueError) -> BackendError:
    where = "ALL_PROXY, HTTPS_PROXY or HTTP_PROXY"
    if isinstance(error, ImportError):
        return BackendMissing(
            f"The environment sets a SOCKS proxy ({where}), which needs one more package: "
            + install_package("httpx[socks]", "httpx2[socks]")
        )
    return SpecRefused(f"The environment's proxy ({where}) is of a kind that cannot be used; correct or unset it.")


def _beside(work: Callable[[], T]) -> Future[T]:
    """Do ``work`` in a thread that nobody has to wait for: no read of a reply that never ends can be interrupted."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001  whoever waits for the future gets it
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future
