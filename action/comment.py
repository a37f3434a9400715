"""One comment on a pull request, over GitHub's REST API: found by a mark that nobody sees, then made or replaced."""

from __future__ import annotations

import http.client
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import Message
from typing import IO

_LONGEST = 60_000  # characters; GitHub refuses 65,536
_PAGE = 100
_TIMEOUT_S = 30


class Refused(Exception):
    """The comment was not written; the text says why."""


def marker(name: str) -> str:
    """Return the first line by which the comment of the action called ``name`` is found again."""
    return f"<!-- tunewise: {re.sub(r'[^A-Za-z0-9._ -]', '_', name).replace('--', '__')} -->"


def shortened(body: str) -> str:
    """Return the text, cut at a line where it is too long for a comment."""
    if len(body) <= _LONGEST:
        return body
    return body[: body.rindex("\n", 0, _LONGEST)] + "\n\nThe rest is in the summary of the job.\n"


class GitHub:
    """Comments of one repository. ``url`` is the address of the API, ``repository`` OWNER/NAME."""

    def __init__(self, url: str, repository: str, token: str) -> None:
        self._url = f"{url.rstrip('/')}/repos/{repository}/issues"
        self._token = token
        self._open = urllib.request.build_opener(_NoRedirect).open

    def keep(self, number: str, mark: str, body: str, *, author: str) -> None:
        """Replace the comment of ``author`` that begins with ``mark``, or make it. Raises Refused."""
        found = next((one for one in self._comments(number) if _is_ours(one, mark, author)), None)
        if found is None:
            self._ask("POST", f"{self._url}/{number}/comments", body)
        elif found["body"] != body:
            self._ask("PATCH", f"{self._url}/comments/{found['id']}", body)

    def _comments(self, number: str) -> Iterator[dict[str, object]]:
        page = 1
        while found := self._ask("GET", f"{self._url}/{number}/comments?per_page={_PAGE}&page={page}"):
            assert isinstance(found, list)
            yield from found
            page += 1
            if len(found) < _PAGE:
                return

    def _ask(self, method: str, url: str, body: str | None = None) -> object:
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
            "User-Agent": "tunewise",
        }
        data = None if body is None else json.dumps({"body": body}).encode()
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with self._open(request, timeout=_TIMEOUT_S) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            with error:
                hint = " Give the job 'permissions: {pull-requests: write}'." if error.code in (401, 403, 404) else ""
                raise Refused(f"GitHub answered {error.code} {error.reason} to the comment.{hint}") from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Refused(f"GitHub could not be asked for the comment ({error}).") from error


def _is_ours(comment: dict[str, object], mark: str, author: str) -> bool:
    """Tell our comment from that of a person who wrote the mark into one."""
    user = comment.get("user")
    return isinstance(user, dict) and user.get("login") == author and str(comment.get("body")).startswith(mark)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nothing: the token is for one host."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        return None
