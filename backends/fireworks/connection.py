"""The three ways to Fireworks: its SDK for control, OpenAI's for answers, plain HTTP for signed addresses."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

from backends._base import Json
from backends._refusals import HttpRefusal
from backends._remote import CONNECT_TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx
    from fireworks import Fireworks
    from openai import OpenAI


def base_url() -> str:
    return (os.environ.get("FIREWORKS_BASE_URL") or "https://api.fireworks.ai").rstrip("/")


class Line:
    """An open line. One key opens both planes; ``store`` carries none, since signed addresses belong to a store."""

    def __init__(self, key: str, timeout_s: float) -> None:
        import fireworks
        import httpx

        self._key = key
        self._timeout = httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S))
        self._reply = httpx.Response
        self.sdk: Fireworks = fireworks.Fireworks(
            api_key=key,
            base_url=base_url(),
            timeout=self._timeout,
            max_retries=0,
            http_client=fireworks.DefaultHttpxClient(timeout=self._timeout, follow_redirects=False),
        )
        self.store = httpx.Client(timeout=self._timeout, follow_redirects=False)

    @cached_property
    def answers(self) -> OpenAI:
        import openai

        timeout = openai.Timeout(self._timeout.read, connect=self._timeout.connect)
        return openai.OpenAI(
            api_key=self._key,
            base_url=f"{base_url()}/inference/v1",
            timeout=timeout,
            max_retries=0,
            http_client=openai.DefaultHttpxClient(timeout=timeout, follow_redirects=False),
        )

    # Requests go by path: one body is then shown, priced and sent, and newer fields need no newer SDK.

    def get(self, path: str) -> httpx.Response:
        reply: httpx.Response = self.sdk.get(path, cast_to=self._reply)
        return reply

    def post(self, path: str, body: Mapping[str, Json], **query: Json) -> httpx.Response:
        reply: httpx.Response = self.sdk.post(
            path, body=body, cast_to=self._reply, options={"params": query} if query else {}
        )
        return reply

    def delete(self, path: str, **query: Json) -> httpx.Response:
        reply: httpx.Response = self.sdk.delete(path, cast_to=self._reply, options={"params": query} if query else {})
        return reply

    def stored(self, method: str, address: str, **sent: Any) -> httpx.Response:
        """Ask the store by a signed address. Raises HttpRefusal."""
        reply = self.store.request(method, address, **sent)
        if reply.status_code >= 300:
            raise HttpRefusal(reply.status_code, reply.headers, reply.content)
        return reply

    def close(self) -> None:
        self.store.close()
        self.sdk.close()
        if "answers" in self.__dict__:
            self.answers.close()
