"""The command that adds a package to this copy of tunewise, in the way in which the copy itself was installed.

Only errors ask for it, so what it needs is imported then: all of it would take a tenth of the time of --help.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import Distribution

_NAME = "tunewise"


@dataclass(frozen=True, slots=True)
class Copy:
    """How tunewise came here: the installer's command, what it was given (a name, folder or address), its extras."""

    command: str
    source: str = _NAME
    extras: tuple[str, ...] = ()
    others: tuple[str, ...] = ()  # what a tool's environment was given beside it, which it would drop unless named
    add: str | None = None  # the command that adds a package alone; None: the same as ``command``
    repair: str | None = None  # the command that installs all of it anew; None: a package at a time


def install_extra(*extras: str) -> str:
    """Return the command that adds extras to this copy, such as "pip install 'tunewise[openai]'"."""
    from shlex import quote

    copy = this_copy()
    wanted = ",".join(dict.fromkeys((*copy.extras, *extras)))
    named = _NAME if copy.source.startswith(_NAME) else copy.source  # behind a name, a version or an address follows
    source = f"{named}[{wanted}]{copy.source.removeprefix(named)}"
    return " ".join((copy.command, quote(source), *copy.others))


def install_package(*requirements: str) -> str:
    """Return the command that adds other packages to where this copy is."""
    from shlex import quote

    copy = this_copy()
    return " ".join((copy.add or copy.command.removesuffix(" -e"), *map(quote, requirements)))


def reinstall(package: str) -> str:
    """Return the command that installs a package anew whose files are damaged."""
    copy = this_copy()
    return copy.repair or f"{copy.command.removesuffix(' -e')} --force-reinstall {package}"


def this_copy() -> Copy:
    """Find out how the running copy was installed, from what the installer left behind."""
    import json
    from importlib.metadata import PackageNotFoundError, distribution

    prefix = Path(sys.prefix)
    if (left := prefix / "pipx_metadata.json").is_file():
        return _by_pipx(json.loads(left.read_text(encoding="utf-8"))["main_package"])
    if (left := prefix / "uv-receipt.toml").is_file():
        return _by_uv_tool(left.read_text(encoding="utf-8"))
    try:
        found = distribution(_NAME)
    except PackageNotFoundError:
        return Copy(_pip("pip"))
    return _by_pip(found)


def _by_pipx(package: dict[str, object]) -> Copy:
    name, extras = _parted(str(package["package_or_url"]))
    editable = " --editable" if "--editable" in (package.get("pip_args") or ()) else ""  # type: ignore[operator]
    add, repair = f"pipx inject {package['package']}", f"pipx reinstall {package['package']}"
    return Copy(f"pipx install --force{editable}", name, extras, add=add, repair=repair)


def _by_uv_tool(receipt: str) -> Copy:
    import tomllib
    from shlex import quote

    wanted = tomllib.loads(receipt)["tool"]["requirements"]
    (own,) = (one for one in wanted if one["name"] == _NAME)
    others = [_requirement(one) for one in wanted if one is not own]
    editable = " --editable" if "editable" in own else ""
    with_others = tuple(f"--with {quote(one)}" for one in others)
    install = f"uv tool install{editable}"
    add = " ".join((install, quote(_requirement(own)), *with_others, "--with"))
    bare, extras = _requirement({**own, "extras": ()}), tuple(own.get("extras", ()))
    return Copy(install, bare, extras, with_others, add, f"uv tool upgrade --reinstall {_NAME}")


def _requirement(entry: dict[str, object]) -> str:
    """Write an entry of uv's receipt as a requirement."""
    extras = entry.get("extras") or ()
    named = f"[{','.join(extras)}]" if extras else ""  # type: ignore[arg-type]
    for kind in ("editable", "directory", "path"):
        if kind in entry:
            return f"{entry[kind]}{named}"
    for kind, scheme in (("git", "git+"), ("url", "")):
        if kind in entry:
            return f"{entry['name']}{named} @ {scheme}{entry[kind]}"
    return f"{entry['name']}{named}{entry.get('specifier', '')}"


def _by_pip(found: Distribution) -> Copy:
    import json
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    pip = _pip((found.read_text("INSTALLER") or "pip").strip())
    origin = json.loads(found.read_text("direct_url.json") or "{}")
    address = str(origin.get("url", ""))
    if "dir_info" in origin:
        folder = Path(url2pathname(urlsplit(address).path))
        source = "." if folder == Path.cwd() else str(folder)
        return Copy(f"{pip} -e" if origin["dir_info"].get("editable") else pip, source)
    if "vcs_info" in origin:
        vcs = origin["vcs_info"]
        return Copy(pip, f"{_NAME} @ {vcs['vcs']}+{address}@{vcs.get('requested_revision') or vcs['commit_id']}")
    return Copy(pip, f"{_NAME} @ {address}" if address else _NAME)


def _pip(installer: str) -> str:
    """Return how pip is called so that it installs into this environment and no other."""
    import shutil
    from importlib.util import find_spec
    from shlex import quote

    python = quote(sys.executable)
    if installer == "uv" and (find_spec("pip") is None or shutil.which("uv")):
        return f"uv pip install --python {python}"
    found = shutil.which("pip")
    beside = found is not None and Path(found).parent == Path(sys.executable).parent
    return "pip install" if beside else f"{python} -m pip install"


def _parted(requirement: str) -> tuple[str, tuple[str, ...]]:
    """Part what pipx was given into what it is without extras, and the extras."""
    import re

    found = re.fullmatch(r"([^\[\]]+)\[([^\]]*)\](.*)", requirement)
    if found is None:
        return requirement, ()
    return found[1] + found[3], tuple(part.strip() for part in found[2].split(",") if part.strip())
