"""A word when a run ends, sent through apprise to where its owner wants it; with no data and no key in it."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from advisor.errors import RunError, UsageError
from advisor.money import usd
from advisor.runs.receipt import bill
from advisor.runs.run import Run
from backends import install_extra

if TYPE_CHECKING:
    from apprise import NotifyBase

_DESKTOPS = {"darwin": "macosx://", "win32": "windows://"}
_WEBHOOKS = {"http": "json", "https": "jsons"}
_LONGEST_S = 10.0  # that the end of a watch waits for words on their way


class Notifier:
    """Sends a word to each of ``addresses``, beside what goes on; what fails is kept and said by ``finish``.

    An address is 'desktop', a webhook (http, https: the word is posted as JSON), or what apprise knows
    (mailto://, slack://...). Raises UsageError for one that is none of these, and where the package is missing.
    """

    def __init__(self, addresses: Sequence[str]) -> None:
        self._targets = [_target(address) for line in addresses for address in line.split()]
        self._sending: list[tuple[Thread, str]] = []
        self._failed: list[str] = []

    def tell(self, run: Run, *, given_up: bool = False) -> None:
        """Begin to say that ``run`` has ended, or that it can no longer be followed."""
        title, body = word(run, given_up=given_up)
        for name, target in self._targets:
            thread = Thread(target=self._send, args=(name, target, title, body), daemon=True)
            self._sending.append((thread, name))
            thread.start()

    def finish(self) -> tuple[str, ...]:
        """Wait for what is on its way, though not for long; return who got no word, a sentence each."""
        until = time.monotonic() + _LONGEST_S
        for thread, name in self._sending:
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                self._failed.append(name)
        return tuple(f"{name} could not be notified; the run is not affected." for name in dict.fromkeys(self._failed))

    def _send(self, name: str, target: NotifyBase, title: str, body: str) -> None:
        try:
            sent = bool(target.notify(body=body, title=title))
        except Exception:  # noqa: BLE001  whatever a notification trips over, the run goes on
            sent = False
        if not sent:
            self._failed.append(name)


def word(run: Run, *, given_up: bool = False) -> tuple[str, str]:
    """Return title and text: which run, where, how it ended, after how long, for how much.

    No model, file or message of the provider: those may hold what only its owner should read.
    """
    job = run.job
    where = f"(a REHEARSAL of {run.rehearses})" if run.rehearses else f"on {run.spec.backend}"
    if given_up:
        return f"tunewise: {run.id} is lost", f"{run.id} {where} can no longer be followed: tunewise show {run.id}"
    spent = ((job.finished or run.created) - (job.created or run.created)).total_seconds() / 60
    lasted = f" after {spent:.0f} min" if spent >= 1 else ""
    billed = bill(run)[0]
    cost = "" if billed is None else f", for {usd(billed)}"
    following = "evaluate" if run.askable else "show"
    text = f"{run.id} {where} {_ended(run)}{lasted}{cost}. Next: tunewise {following} {run.id}"
    return f"tunewise: {run.id} {_ended(run)}", text


def _ended(run: Run) -> str:
    return {"succeeded": "has succeeded", "failed": "has failed"}.get(run.job.status, "was cancelled")


def _target(address: str) -> tuple[str, NotifyBase]:
    """Return what sends to an address, and what it may be called: its kind and host, since the rest may be a key."""
    try:
        from apprise import Apprise, AppriseAsset
    except ImportError as error:
        raise RunError(f"--notify needs the package 'apprise': {install_extra('notify')}") from error
    logging.getLogger("apprise").propagate = False  # it warns with addresses; finish says what failed without
    logging.getLogger("apprise").addHandler(logging.NullHandler())
    asset = AppriseAsset(app_id="tunewise", app_desc="tunewise")
    url = _DESKTOPS.get(sys.platform, "dbus://") if address == "desktop" else address
    target = Apprise.instantiate(url, asset=asset) or Apprise.instantiate(_as_webhook(url), asset=asset)
    name = address if address == "desktop" else _name(address)
    if target is None:
        more = " (on Linux it needs the package dbus-python)" if url == "dbus://" else ""
        raise UsageError(
            f"--notify: nothing can be sent to {name}{more}. Give 'desktop', a webhook (https://...), or an address "
            "that apprise knows, such as mailto://user:password@host."
        )
    return name, target


def _as_webhook(url: str) -> str:
    """Return a web address as apprise's kind that posts JSON there; a query is marked as one to pass on."""
    parts = urlsplit(url)
    query = urlencode([(f"-{key}", value) for key, value in parse_qsl(parts.query, keep_blank_values=True)])
    return urlunsplit((_WEBHOOKS.get(parts.scheme, ""), parts.netloc, parts.path, query, ""))


def _name(address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme in _WEBHOOKS and parts.hostname:
        return f"{parts.scheme}://{parts.hostname}"
    return f"{parts.scheme}://..." if parts.scheme else "what is no address"
