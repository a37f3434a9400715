"""The two ways to Hugging Face: its SDK for files and repositories, a plain line for jobs.

The SDK sends everything through one client of the whole process, which follows redirects; the request that rents a
machine must not. So jobs go over a client of ours, in the SDK's own shapes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from backends._base import Json
from backends._refusals import HttpRefusal
from backends._remote import CONNECT_TIMEOUT_S
from backends._replies import Unreadable

if TYPE_CHECKING:
    import httpx2
    from huggingface_hub import HfApi

QUIET_S = 3.0  # the log of a running job has no end: after so long a silence all of it has been read
_LONGEST_LOG = 64_000_000  # bytes


def endpoint() -> str:
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


class Line:
    """An open line; ``sdk`` is the vendor's, for what costs nothing."""

    def __init__(self, key: str, timeout_s: float) -> None:
        import httpx2
        import huggingface_hub
        from huggingface_hub import constants

        # It would ask the hub for a list of agents, unasked, and keep whatever was answered for a day.
        constants.HF_HUB_DISABLE_TELEMETRY = True
        self.endpoint = endpoint()
        self.sdk: HfApi = huggingface_hub.HfApi(endpoint=self.endpoint, token=key, library_name="tunewise")
        self._quiet = httpx2.ReadTimeout
        self._http: httpx2.Client = httpx2.Client(
            base_url=self.endpoint,
            headers={"authorization": f"Bearer {key}"},
            timeout=httpx2.Timeout(timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S)),
            follow_redirects=False,
        )

    def get(self, path: str, **query: str) -> httpx2.Response:
        return _checked(self._http.get(path, params=query or None))

    def next_page(self, reply: httpx2.Response) -> str | None:
        """Return where a list goes on, as a path here; the key goes to no other address. Raises Unreadable."""
        link: str | None = reply.links.get("next", {}).get("url")
        if link is None:
            return None
        if not link.startswith(f"{self.endpoint}/"):
            raise Unreadable("its list goes on at another address")
        return link.removeprefix(self.endpoint)

    def post(self, path: str, body: Mapping[str, Json]) -> httpx2.Response:
        return _checked(self._http.post(path, json=dict(body)))

    def stored_bytes(self, path: str) -> int | None:
        """Return the size of a stored file; a large one answers with the address of its store."""
        reply = self._http.head(path, headers={"accept-encoding": "identity"})
        stated = reply.headers.get("x-linked-size")
        if stated is None:
            stated = _checked(reply).headers.get("content-length")
        return int(stated) if stated is not None and stated.isdigit() else None

    def snapshot(self, model: str) -> str:
        """Fetch what of a model is not in the hub's cache on this machine, and return its folder there."""
        from huggingface_hub.errors import LocalEntryNotFoundError
        from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

        shown = not are_progress_bars_disabled()
        disable_progress_bars()
        try:
            return str(self.sdk.snapshot_download(model))
        except LocalEntryNotFoundError as error:  # it hides what went wrong
            raise error.__cause__ or error from None
        finally:
            if shown:
                enable_progress_bars()

    def log(self, path: str, quiet_s: float) -> list[str]:
        """Return the lines of a job's log so far, oldest first."""
        lines, size = list[str](), 0
        with self._http.stream("GET", path, timeout=quiet_s) as reply:
            if reply.status_code != 200:
                reply.read()
                _checked(reply)
            try:
                for line in reply.iter_lines():
                    size += len(line)
                    if size > _LONGEST_LOG:
                        break
                    if line.startswith("data:"):
                        lines.extend(_said(line[5:]))
            except self._quiet:
                pass
        return lines

    def close(self) -> None:
        self._http.close()


def _said(data: str) -> Iterator[str]:
    try:
        found = json.loads(data)
    except ValueError:
        return
    if isinstance(found, dict) and isinstance(found.get("data"), str):
        yield found["data"]


def refusal(reply: httpx2.Response) -> HttpRefusal:
    """Return an error reply in the shape that is read here: the hub says its reason in a header or as ``error``."""
    found = HttpRefusal(reply.status_code, reply.headers, reply.content)
    said = found.body.get("error") if isinstance(found.body, dict) else None
    reason = said if isinstance(said, str) else reply.headers.get("x-error-message")
    if reason:
        found.body = {"error": {"message": reason, "code": reply.headers.get("x-error-code", "")}}
    return found


def _checked(reply: httpx2.Response) -> httpx2.Response:
    if reply.status_code >= 300:
        raise refusal(reply)
    return reply
