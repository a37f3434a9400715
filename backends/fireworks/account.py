"""The account a key opens: everything at Fireworks lies below its path."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from backends._errors import AuthenticationFailed, SpecRefused
from backends._hosted import Hosted
from backends._replies import content, rows
from backends.fireworks.connection import Line


class Account(Hosted[Line]):
    """A hosted backend that knows its account."""

    def __init__(
        self, *, timeout_s: float | None = None, retries: int = 2, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        super().__init__(timeout_s=timeout_s, retries=retries, sleep=sleep)
        self._account: str | None = None

    def account(self) -> str:
        """Return the account's id: as the environment says, else the only one the key opens."""
        named = os.environ.get("FIREWORKS_ACCOUNT_ID") or self._account
        if named is None:
            line = self.client()
            found = self.ask(lambda: line.get("/v1/accounts"), _account_ids)
            if not found:
                raise AuthenticationFailed("This Fireworks key belongs to no account; create one in its console.")
            if len(found) > 1:
                ids = ", ".join(found[:5])
                raise SpecRefused(f"This key belongs to several accounts: set FIREWORKS_ACCOUNT_ID to one of {ids}.")
            named = self._account = found[0]
        return named

    def path(self, *parts: str) -> str:
        """Return the path of something of the account's."""
        return "/".join(("/v1/accounts", self.account(), *parts))


def _account_ids(reply: Any) -> list[str]:
    return [str(row.get("name")).removeprefix("accounts/") for row in rows(content(reply), "accounts")]
