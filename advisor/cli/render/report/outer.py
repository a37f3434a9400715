"""What every page has around its content: style, script, the policy that asks no network, contents, footer, figures."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from advisor.cli.render.report.markup import Html, join, tag
from backends import Json


def document(title: str, content: Sequence[str], footer: Sequence[str], figures: str, *, live: bool = False) -> str:
    """Return the whole page. ``figures`` is the text of ``embedded``: what the script reads values from.

    ``live``: it is served, and asks for itself every few seconds.
    """
    body = join(
        (
            tag("a", "Skip to the answer", href="#answer", class_="skip"),
            tag("main", *content),
            tag("footer", *(tag("p", line) for line in footer)),
        )
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy(live=live)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f"{tag('title', title)}\n<style>{_asset('report.css')}</style>\n</head>\n<body>\n{body}\n"
        f'<script type="application/json" id="figures">{figures}</script>\n'
        f"{''.join(f'<script>{_asset(name)}</script>' for name in _scripts(live=live))}\n</body>\n</html>\n"
    )


def policy(*, live: bool) -> str:
    """Return the content security policy: it names the hashes of our own style and scripts, and refuses all else."""
    scripts = " ".join(f"'{_hash(name)}'" for name in _scripts(live=live))
    asks = " connect-src 'self';" if live else ""
    return f"default-src 'none'; style-src '{_hash('report.css')}'; script-src {scripts};{asks} base-uri 'none'"


def _scripts(*, live: bool) -> tuple[str, ...]:
    return ("live.js", "report.js") if live else ("report.js",)


def contents(parts: Sequence[tuple[str, str, Html]]) -> Html:
    """Return the table of contents of (id, name, content)."""
    links = [tag("li", tag("a", name, href=f"#{id}")) for id, name, _ in parts]
    return tag("nav", tag("ul", *links), aria_label="Contents")


def embedded(figures: dict[str, Json]) -> str:
    """Return figures for a script element of the page: no text in them can end that element."""
    import orjson

    text = orjson.dumps(figures).decode()  # which writes null for an end of an interval that is not finite
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


@cache
def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(name: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(_asset(name).encode()).digest()).decode()}"
