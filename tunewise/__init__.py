"""The front under the product's own name: ``import tunewise`` gives what ``import advisor`` gives."""

from __future__ import annotations

import advisor

if "recommend" not in getattr(advisor, "__all__", ()):
    raise ImportError(
        f"'import advisor' finds {advisor.__file__}, which is no part of tunewise: another package, or a folder that "
        "Python looks in first, has that name. Rename it, or give tunewise an environment of its own: "
        "uv tool install tunewise, or pipx install tunewise."
    )

__all__ = advisor.__all__


def __getattr__(name: str) -> object:
    return getattr(advisor, name)
