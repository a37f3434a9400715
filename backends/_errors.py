"""What can go wrong at a provider, as a tree; every message says what happened and what to do next.

BackendError
├── BackendMissing        no such backend, or its package is not installed
├── SpecRefused           the job cannot be expressed or is invalid here; nothing was sent
├── AuthenticationFailed  no key, or a wrong one
├── AccessClosed          the provider no longer sells this to this organisation
├── FundsMissing          out of credit, or over the provider's own limit
├── ModelNotTunable       the model is unknown there, or cannot be tuned or asked
├── FileRejected          the provider refused the training or validation file
├── QuestionRefused       the model may not or cannot answer this one question: content filter, or too long
├── RateLimited           too many requests; ``retry_after_s`` when the provider says
├── JobNotFound           the provider knows no such job
├── ProviderUnavailable   no answer that can be read, or a 5xx; nothing happened that costs money
└── OutcomeUnknown        a paid request was sent and its reply was lost: look it up before trying again
"""

from __future__ import annotations


class BackendError(Exception):
    """Root of everything a backend raises on purpose."""


class BackendMissing(BackendError): ...


class SpecRefused(BackendError): ...


class AuthenticationFailed(BackendError): ...


class AccessClosed(BackendError): ...


class FundsMissing(BackendError): ...


class ModelNotTunable(BackendError): ...


class FileRejected(BackendError): ...


class QuestionRefused(BackendError):
    """This one question gets no answer; ``reason`` is ``content_filter`` or ``too_long``. Others may be asked."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class _AskLater(BackendError):
    """``retry_after_s`` is how long the provider wants to be left alone, at most a day; None: it does not say."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RateLimited(_AskLater): ...


class JobNotFound(BackendError): ...


class ProviderUnavailable(_AskLater): ...


class OutcomeUnknown(BackendError): ...


LONGEST_WAIT_S = 300.0


def wait_s(error: BackendError, at_least: float) -> float:
    """Return how many seconds to wait before asking again: what the provider wants, but never above five minutes.

    A provider that still wants to be left alone then says so again; who waits stays able to say what for.
    """
    wanted = error.retry_after_s if isinstance(error, _AskLater) else None
    return min(max(at_least, wanted or 0.0), LONGEST_WAIT_S)
