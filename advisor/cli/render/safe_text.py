"""Text from elsewhere made harmless: data, file names and what models and providers say must not steer a terminal."""

from __future__ import annotations

import re

# What a terminal obeys instead of showing it: control characters (escape sequences begin with one, also in their
# one-byte form), marks that turn the direction of writing, line separators, invisible operators and tags. A tab and a
# line break are text; so are the joiners that scripts and emoji need.
_OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_MARKUP = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_[]<>|#~!"} | {"&": "&amp;", "@": "@\u200b"})


def for_terminal(text: str) -> str:
    """Return ``text`` with what a terminal would obey written out, such as \\x1b."""
    return _OBEYED.sub(lambda found: ascii(found[0])[1:-1], text)


def for_markdown(text: str) -> str:
    """Return ``text`` on one line, in which nothing is markup and no name calls a person."""
    return " ".join(for_terminal(text).split()).translate(_MARKUP)
