"""The two ways to Replicate: its SDK for files and models, plain HTTP for what the SDK reads wrongly or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from backends._base import Json
from backends._refusals import HttpRefusal
from backends._remote import CONNECT_TIMEOUT_S
from backends._replies import Unreadable, content, stumbling

if TYPE_CHECKING:
    from replicate.client import Client


def base_url() -> str:
    # SDK 1.x carries /v1 in its paths; 2.x wants it in the base URL.
    return (os.environ.get("REPLICATE_BASE_URL") or "https://api.replicate.com").rstrip("/").removesuffix("/v1")


class Line:
    """An open line: the SDK for uploads, and beside it requests that are sent once and follow no redirect."""

    def __init__(self, key: str, timeout_s: float) -> None:
        import httpx
        import replicate

        timeout = httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S))
        self._sdk: Client = replicate.Client(api_token=key, base_url=base_url(), timeout=timeout)
        self._http = httpx.Client(base_url=base_url(), headers={"authorization": f"Bearer {key}"}, timeout=timeout)

    def close(self) -> None:
        self._http.close()
        self._sdk._client.close()  # the SDK has no way of its own

    def send(self, method: str, path: str, body: Mapping[str, Json] | None = None) -> dict[str, object]:
        """Return the JSON object that came back, {} where there is none to send. Raises HttpRefusal, Unreadable.

        The key is never sent elsewhere: a path that leads away from the API is refused.
        """
        url = self._http.base_url.join(path)
        if (url.scheme, url.host, url.port) != (
            self._http.base_url.scheme, self._http.base_url.host, self._http.base_url.port
        ):  # fmt: skip
            raise Unreadable(f"its list goes on at another address, {url.host[:100]}")
        reply = self._http.request(method, url, json=body)
        if not reply.is_success:
            raise HttpRefusal(reply.status_code, reply.headers, reply.content)
        return {} if reply.status_code == 204 else content(reply)

    def upload(self, path: Path, metadata: Mapping[str, str]) -> dict[str, object]:
        """Upload a file and return what is said of it. Raises what the SDK raises, and Unreadable."""
        with stumbling("no file"):
            stored = self._sdk.files.create(path, metadata=dict(metadata))
            return {"id": stored.id, "urls": stored.urls}
