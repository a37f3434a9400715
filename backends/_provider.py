"""Who stands behind a hosted backend: what it is called, and what a person needs to reach it."""

from __future__ import annotations

from dataclasses import dataclass

from backends._install import install_extra


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider as messages and ``doctor`` name it. ``closed`` explains what a closed organisation can do instead.

    ``package`` is the vendor's SDK on the registry, which our extra of the same name, or ``extra``, brings;
    ``variable`` holds another address than ``default_url`` (None: only the user knows it).
    """

    backend: str
    title: str
    key_name: str
    package: str
    variable: str
    default_url: str | None = None
    extra: str = ""
    closed: str = ""

    @property
    def key_advice(self) -> str:
        return f"Set {self.key_name}, or keep it in the system keyring by 'tunewise keys set {self.backend}'."

    @property
    def install(self) -> str:
        return install_extra(self.extra or self.package)
