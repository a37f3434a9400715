"""A report to share: one self-contained page, and a comment for a pull request."""

from __future__ import annotations

from advisor.cli.render.report.figures import figures
from advisor.cli.render.report.markdown import markdown
from advisor.cli.render.report.page import page
from advisor.cli.render.report.slide import slide, svg
from advisor.cli.render.report.story import Story, Told

__all__ = ["Story", "Told", "figures", "markdown", "page", "slide", "svg"]
