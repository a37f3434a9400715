"""The local page that follows the runs: read-only, on loopback, with a secret in its address."""

from __future__ import annotations

from advisor.cli.ui.pages import Pages
from advisor.cli.ui.server import Server

__all__ = ["Pages", "Server"]
