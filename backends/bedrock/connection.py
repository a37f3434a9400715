"""Where AWS is asked: one session, one client a service and region, none of which sends anything twice."""

from __future__ import annotations

import os
import threading
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from backends._refusals import Refusal, host_of, unreadable
from backends._remote import CONNECT_TIMEOUT_S

if TYPE_CHECKING:
    from boto3 import Session

# The codes of a wrong or ended key at one service or another; their status is 403, as that of a missing right.
_KEY_CODES = (
    *("UnrecognizedClientException", "InvalidSignatureException", "SignatureDoesNotMatch", "InvalidClientTokenId"),
    *("InvalidAccessKeyId", "ExpiredToken", "ExpiredTokenException", "IncompleteSignature"),
)
_NEVER_SENT = ("EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError", "SSLError")
_NO_KEY = ("NoCredentialsError", "PartialCredentialsError", "TokenRetrievalError", "SSOTokenLoadError")


class Line:
    """An open line to AWS."""

    def __init__(self, session: Session, timeout_s: float) -> None:
        self._session, self._timeout_s = session, timeout_s
        self._making = threading.Lock()
        self._clients: dict[tuple[str, str], Any] = {}

    def client(self, service: str, region: str) -> Any:
        """Return the client of a service; AWS_ENDPOINT_URL_SERVICE says where it is, if anything does."""
        from botocore.config import Config

        with self._making:  # making one is not safe in several threads, using it is
            if (service, region) not in self._clients:
                once = Config(
                    retries={"total_max_attempts": 1, "mode": "standard"},
                    connect_timeout=min(self._timeout_s, CONNECT_TIMEOUT_S),
                    read_timeout=self._timeout_s,
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                )
                self._clients[service, region] = self._session.client(service, region_name=region, config=once)
            return self._clients[service, region]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients.clear()


def chained() -> Any:
    """Return the credentials that AWS's own chain of places has (a profile, a login, the machine's role), or None."""
    import boto3
    from botocore.exceptions import BotoCoreError

    try:
        return boto3.Session().get_credentials()
    except BotoCoreError:
        return None


def address(service: str, region: str) -> str:
    """Return where a service is asked, for a dry run."""
    name = f"AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}"
    found = os.environ.get(name) or os.environ.get("AWS_ENDPOINT_URL")
    return (found or f"https://{service}.{region}.amazonaws.com").rstrip("/")


def refusal_of(error: Exception) -> Refusal | None:
    """Return what an error of botocore says, or None when it is none of its errors."""
    kind = type(error)
    frames = (frame for frame, _ in walk_tb(error.__traceback__))
    if any(frame.f_globals.get("__name__") == "botocore.parsers" for frame in frames):
        return unreadable(error)  # its readers trust the shape of a reply, and stumble in any way over another
    if kind.__module__.split(".")[0] not in ("botocore", "boto3", "urllib3"):
        return None
    response = getattr(error, "response", None)
    if isinstance(response, dict) and "ResponseMetadata" in response:
        said, about = response.get("Error") or {}, response["ResponseMetadata"]
        code, status = str(said.get("Code") or ""), int(about.get("HTTPStatusCode") or 0)
        if status < 300:
            return Refusal(None, "the reply could not be read")
        # A job of that name or token exists: 400 by the wire, a conflict by its meaning.
        status = 401 if code in _KEY_CODES else 409 if code == "ConflictException" else status
        status = 429 if code == "ThrottlingException" else status
        headers = {str(name).lower(): str(value) for name, value in (about.get("HTTPHeaders") or {}).items()}
        wait = headers.get("retry-after", "")
        message = f"{code}: {said.get('Message') or 'no reason given'}" if code and not code.isdigit() else str(error)
        return Refusal(
            status,
            message,
            code=code,
            retry_after_s=float(wait) if wait.isdecimal() else None,
            elsewhere=host_of(headers.get("location")) if 300 <= status < 400 else "",
        )
    if kind.__name__ in _NO_KEY:
        return Refusal(401, str(error))
    if kind.__name__ == "ParamValidationError":
        return Refusal(400, f"its package says: {error}", sent=False)
    never_sent = kind.__name__ in _NEVER_SENT
    return Refusal(None, "the connection failed" if never_sent else "no reply came", sent=not never_sent)
