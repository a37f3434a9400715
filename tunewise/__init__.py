"""The front under the product's own name: ``import tunewise`` gives what ``import advisor`` gives."""

from __future__ import annotations

import advisor

__all__ = advisor.__all__


def __getattr__(name: str) -> object:
    return getattr(advisor, name)
