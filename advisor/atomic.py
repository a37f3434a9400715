"""How a file that may be read at any moment is written: whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, content: bytes, *, private: bool = True) -> None:
    """Write aside, then take the place of what was there.

    ``private``: readable by its owner alone, as everything in the state folder is. What a person names to be written is
    not: it has the rights that person's files have.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)  # Windows would add carriage returns
    try:
        with os.fdopen(os.open(partial, flags, 0o600 if private else 0o666), "wb") as file:
            file.write(content)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
