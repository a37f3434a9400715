"""Values that show themselves in a notebook, by the page's own renderer."""

from __future__ import annotations

import importlib


class Shown:
    """Mixed into a value that people look at.

    The renderer lies above the thinking and is found by its name when a notebook asks, so that no value imports it.
    """

    __slots__ = ()

    def _repr_html_(self) -> str:
        html = importlib.import_module("advisor.notebook").html(self)
        assert isinstance(html, str)
        return html
