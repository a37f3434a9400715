"""How a provider is reached: where its key is, and whether its address answers.

One request each, without a key, all at once, with a short wait.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backends import Provider

WAIT_S = 4.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a provider is asked: its SDK, the variables of its key and its address, and the address without one."""

    package: str
    key: str
    variable: str
    default: str | None
    extra: str = ""  # what pip installs it by, where that is not the package's name

    @property
    def url(self) -> str | None:
        """Return the address in force; None where only the user knows it."""
        return os.environ.get(self.variable) or self.default

    @property
    def in_the_clear(self) -> bool:
        """Tell whether a key sent there could be read on the way."""
        from urllib.parse import urlsplit

        parts = urlsplit(self.url or "")
        return parts.scheme != "https" and parts.hostname not in _LOOPBACK


def place_of(provider: Provider) -> Place:
    """Return where a backend's provider is asked."""
    return Place(
        provider.package, provider.key_name, provider.variable, provider.default_url, provider.extra or provider.package
    )


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where a backend's key is kept, in words; ``place`` is None where it is not set."""

    backend: str
    variable: str
    set: bool
    place: str | None


def key_place(backend: str, variable: str) -> str | None:
    """Return where a backend's key is, never the key; None where there is none."""
    from backends import stored_key

    if key := os.environ.get(variable, "").strip():
        around = ", without the space or line break around it" if key != os.environ[variable] else ""
        return f"key in {variable}{around}"
    return "key in the keyring" if stored_key(backend) else None


HUB = Place("huggingface-hub", "HF_TOKEN", "HF_ENDPOINT", "https://huggingface.co")


def hub_answers() -> bool:
    """Tell whether the hub that model ids are loaded from can be reached, and may be."""
    if os.environ.get("HF_HUB_OFFLINE", "0").lower() not in ("", "0", "false", "no", "off"):
        return False
    return answers([HUB]).get(HUB, "not asked") is None


def answers(places: Iterable[Place]) -> dict[Place, str | None]:
    """Ask every place at once; a place maps to None when it answered, whatever it said, else to what went wrong."""
    from concurrent.futures import ThreadPoolExecutor

    asked = [place for place in places if place.url is not None and not place.in_the_clear]
    with ThreadPoolExecutor(max_workers=max(1, len(asked))) as pool:
        return dict(zip(asked, pool.map(_problem, asked), strict=True))


def _problem(place: Place) -> str | None:
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    request = Request(str(place.url), headers={"User-Agent": "tunewise-doctor"}, method="HEAD")
    try:
        urlopen(request, timeout=WAIT_S).close()
    except HTTPError:
        return None  # 401, 404 ...: somebody is there
    except URLError as error:
        return f"does not answer ({_words(error.reason)})"
    except (OSError, HTTPException, ValueError) as error:
        return f"does not answer ({_words(error)})"
    return None


def _words(error: object) -> str:
    return str(getattr(error, "strerror", None) or error)
