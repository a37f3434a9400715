"""The two ways to Replicate: its SDK for files and models, plain HTTP for what the SDK reads wrongly or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from backends._base import Json
from backends._refusals import HttpRefusal, Unreadable

if TYPE_CHECKING:
    from replicate.client import Client

_MOST_PAGES = 10


def base_url() -> str:
    # SDK 1.x carries /v1 in its paths; 2.x wants it in the base URL.
    return (os.environ.get("REPLICATE_BASE_URL") or "https://api.replicate.com").rstrip("/").removesuffix("/v1")


class Line:
    """An open line: ``sdk``, and requests beside it that are sent once, without retries."""

    def __init__(self, key: str, timeout_s: float) -> None:
        import httpx
        import replicate

        self.sdk: Client = replicate.Client(api_token=key, base_url=base_url(), timeout=httpx.Timeout(timeout_s))
        self._http = httpx.Client(base_url=base_url(), headers={"authorization": f"Bearer {key}"}, timeout=timeout_s)

    def close(self) -> None:
        self._http.close()
        self.sdk._client.close()  # the SDK has no way of its own

    def send(self, method: str, path: str, body: Mapping[str, Json] | None = None) -> dict[str, Json]:
        """Return the JSON object that came back. Raises HttpRefusal, Unreadable."""
        reply = self._http.request(method, path, json=body)
        if reply.status_code >= 400:
            raise HttpRefusal(reply.status_code, reply.headers, reply.content)
        content = reply.json()
        if not isinstance(content, dict):
            raise Unreadable("not a JSON object")
        return content

    def rows(self, path: str) -> Iterator[dict[str, Json]]:
        """Yield the rows of a list, newest first; the SDK reads the first page of files only."""
        following: Json = path
        for _ in range(_MOST_PAGES):
            if not isinstance(following, str):
                return
            page = self.send("GET", following)
            rows = page.get("results")
            yield from (row for row in rows if isinstance(row, dict)) if isinstance(rows, list) else ()
            following = page.get("next")
