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


# A folder from the root on (also C:\\), as far as the name behind it; within quotes also one with spaces. What follows
# a word, a dot or another slash is part of an address or of a model's name.
_FOLDER = re.compile(
    r"(?<=')(?:/|[A-Za-z]:\\)[^']*[/\\](?=[^'/\\])"
    r"|(?<![\w/<.:\\])(?:/|[A-Za-z]:\\)(?:[^\s/\\<>\"'&]+[/\\])+"
)


def without_folders(text: str) -> str:
    """Return ``text`` with the names of files alone: where they lie on this machine is nobody else's concern."""
    return _FOLDER.sub("", text)


def for_terminal(text: str) -> str:
    """Return ``text`` with what a terminal would obey written out, such as \\x1b."""
    return _OBEYED.sub(lambda found: ascii(found[0])[1:-1], text)


def for_markdown(text: str) -> str:
    """Return ``text`` on one line, in which nothing is markup and no name calls a person."""
    return " ".join(for_terminal(text).split()).translate(_MARKUP)
