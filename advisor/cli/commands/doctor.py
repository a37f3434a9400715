"""``tunewise doctor``: what works on this machine, and what to do about what does not."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from datetime import date
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from advisor.cli import render
from advisor.cli.checks import Check
from advisor.cli.flags import common
from advisor.cli.flags.command import Command
from advisor.cli.import_names import import_names
from advisor.cli.reachability import key_place
from backends import install_extra, reinstall

if TYPE_CHECKING:
    from advisor.cli.reachability import Place
    from backends import Backend


TRAINER = ("torch", "transformers", "peft", "safetensors")
OLD_DAYS = 45  # after which the price list wants a look


@click.command("doctor", cls=Command)
@click.option("--offline", is_flag=True, help="Ask no provider whether it answers.")
@common.today
@common.as_json
def command(offline: bool, today: date, as_json: bool) -> None:
    """Say what works on this machine, and what to do about what does not.

    Each provider's address is asked once, without a key. Exit code 1 when something is broken.

    \b
    tunewise doctor
    tunewise doctor --offline --json
    """
    checks = tuple(_checks(today, offline))
    if as_json:
        render.json_document({"checks": checks})
    else:
        from advisor.cli.render.doctor import show

        show(checks)
    if any(check.status == "broken" for check in checks):
        sys.exit(1)


def _checks(today: date, offline: bool) -> Iterator[Check]:
    yield Check("python", "ok", sys.version.split()[0])
    yield import_names(Path.cwd())
    yield _settings()
    yield _state_folder()
    yield _memory()
    yield _vocabulary()
    yield _open_tokenizers()
    yield _prices(today)
    yield from _providers(offline)
    yield _trainer()
    yield _gpus()


def _settings() -> Check:
    from advisor.cli.settings import ConfigError, files, in_force

    try:
        found = in_force()
    except ConfigError as error:
        return Check("settings", "broken", str(error), "correct the line, or remove it")
    read = [str(path) for path in files() if path.is_file()]
    if not read and not found:
        return Check("settings", "ok", "no tunewise.yaml; every setting has its default")
    return Check(
        "settings", "ok", f"{', '.join(found)} from {', '.join(read) or 'the environment'}; see 'tunewise config'"
    )


def _state_folder() -> Check:
    from advisor.errors import AdvisorError
    from advisor.paths import home

    try:
        folder = home()
    except AdvisorError as error:
        found, _, remedy = str(error).partition("; ")
        return Check("state folder", "broken", found, f"{remedy.removesuffix('.')}; launch needs it")
    free_gb = shutil.disk_usage(folder).free / 1e9
    if free_gb < 5:
        return Check("state folder", "warning", f"{folder}, {free_gb:.1f} GB free", "checkpoints need space: free some")
    return Check("state folder", "ok", f"{folder}, {free_gb:.0f} GB free")


def _memory() -> Check:
    try:
        total_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return Check("memory", "missing", "the amount could not be read", "'tunewise fit' says what is needed")
    limit = _first_number(Path("/sys/fs/cgroup/memory.max"))
    if limit is not None and limit < total_gb:
        return Check("memory", "ok", f"{limit:.0f} GB for this container, of {total_gb:.0f} GB")
    return Check("memory", "ok", f"{total_gb:.0f} GB")


def _first_number(path: Path) -> float | None:
    """Return the bytes a file names, in GB; None where it is not there or says 'max'."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) / 1e9 if text.isdigit() else None


def _vocabulary() -> Check:
    from advisor.errors import AdvisorError
    from advisor.paths import home
    from advisor.tokens import count

    try:
        home()
    except AdvisorError:
        return Check("token vocabulary", "warning", "not checked without a state folder", "see state folder")
    try:
        for name in ("o200k_base", "cl100k_base"):
            count("tunewise", name)
    except AdvisorError as error:
        return Check("token vocabulary", "broken", str(error), reinstall("bpe-openai"))
    return Check("token vocabulary", "ok", "o200k_base and cl100k_base, offline")


def _open_tokenizers() -> Check:
    """Say for which open models tokens are counted exactly: those whose tokenizer lies in the hub's cache."""
    name, cached = "open tokenizers", _hub_cache()
    found = sorted(
        place.name.removeprefix("models--").replace("--", "/")
        for place in cached.glob("models--*")
        if any(place.glob("snapshots/*/tokenizer.json"))
    )
    if not found:
        return Check(
            name, "missing", f"none in {cached}", "counts of open models are estimates until: hf download ORG/MODEL"
        )
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return Check(name, "ok", f"exact for {', '.join(found[:3])}{more}")


def _hub_cache() -> Path:
    cache = os.environ.get("HF_HUB_CACHE") or str(Path(os.environ.get("HF_HOME", "~/.cache/huggingface")) / "hub")
    return Path(cache).expanduser()


def _prices(today: date) -> Check:
    from advisor.errors import AdvisorError
    from advisor.pricing import PriceBook
    from advisor.pricing.entries import entries

    try:
        book = PriceBook.load()
    except AdvisorError as error:
        return Check("prices", "broken", str(error), "correct the file, or unset TUNEWISE_PRICING")
    found = entries(book)
    stale = sum(entry.stale(today) for entry in found)
    detail = f"{len(found)} figures of {book.as_of}, {stale} of them due to be checked again"
    if (today - book.as_of).days > OLD_DAYS:
        return Check("prices", "warning", detail, "upgrade tunewise, or put your own figures in pricing.local.yaml")
    return Check("prices", "ok", detail)


def _providers(offline: bool) -> Iterator[Check]:
    """Yield one check a provider: its package, a key, whether it answers; and one for each plugin."""
    import backends
    from advisor.cli.reachability import answers, place_of

    found: dict[str, backends.Backend | Exception] = {}
    for name in backends.names():
        try:
            found[name] = backends.get(name)
        except backends.BackendError as error:
            found[name] = error
    kinds = {name: one for name, one in found.items() if isinstance(one, backends.Backend)}
    places = {name: place_of(one.provider) for name, one in kinds.items() if one.provider is not None}
    reached = {} if offline else answers(places.values())
    for name, one in found.items():
        if isinstance(one, Exception):
            yield Check(name, "broken", str(one), "install or remove the package that brings it")
        elif name in places:
            yield _provider(one, places[name], reached.get(places[name]), offline)
        elif name != "local":
            yield Check(name, "ok", f"a plugin, {type(one).__module__}")


def _provider(backend: Backend, place: Place, problem: str | None, offline: bool) -> Check:
    name = backend.name
    extra = place.extra or place.package
    try:
        package = f"{place.package} {version(place.package)}"
    except PackageNotFoundError:
        return Check(name, "missing", "its package is not installed", install_extra(extra))
    wanted = _wanted(place.package)
    if not satisfies(version(place.package), wanted):
        detail = f"{package}, but {wanted} is needed"
        return Check(name, "warning", detail, install_extra(extra))
    if place.url is None:
        return Check(name, "missing", f"{package}, no {place.variable}", f"export {place.variable}=... to launch there")
    if place.in_the_clear:
        return Check(name, "warning", f"{place.url} would send the key unencrypted", f"make {place.variable} https")
    reach = "not checked" if offline else problem or "answers"
    key = key_place(name, place.key) or backend.credentials()
    if problem is not None:
        return Check(name, "warning", f"{package}, {key or 'no key'}, {reach}", "check the network, proxy or firewall")
    if key is None:
        fix = f"tunewise keys set {name}, or export {place.key}=... to launch there"
        return Check(name, "missing", f"{package}, {reach}, no key", fix)
    lacks = backend.lacks(offline=offline)
    if lacks is not None:
        return Check(name, "missing", f"{package}, {key}, {reach}, {lacks[0]}", lacks[1])
    return Check(name, "ok", f"{package}, {key}, {reach}")


def _wanted(package: str) -> str:
    """Return the versions of ``package`` that our own metadata asks for, such as '>=3.54,<4'."""
    from packaging.requirements import Requirement

    for requirement in map(Requirement, requires("tunewise") or ()):
        if requirement.name == package:
            return str(requirement.specifier)
    return ""


def satisfies(found: str, wanted: str) -> bool:
    """Tell whether version ``found`` is one of ``wanted``; what is no version counts as satisfied."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion

    try:
        return SpecifierSet(wanted).contains(found, prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return True


def _trainer() -> Check:
    found = []
    for package in TRAINER:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            return Check("local trainer", "missing", f"{package} is not installed", install_extra("local"))
        wanted = _wanted(package)
        if not satisfies(version(package), wanted):
            fix = install_extra("local")
            return Check("local trainer", "warning", f"{found[-1]}, but {wanted} is needed", fix)
    return Check("local trainer", "ok", ", ".join(found))


def _gpus() -> Check:
    from advisor.hardware import detect

    gpus = detect()
    if not gpus:
        if shutil.which("nvidia-smi"):
            fix = "run nvidia-smi; it says what is wrong with the driver"
            return Check("gpu", "warning", "there is a driver, but it lists no GPU", fix)
        return Check(
            "gpu", "missing", "none found", "small models train on the CPU; 'tunewise plan' prices rented GPUs"
        )
    listed = ", ".join(f"{gpu.name} {gpu.memory_gb:.0f} GB" for gpu in gpus)
    driver = _driver()
    detail = f"{listed}, driver {driver}" if driver else listed
    try:
        torch = version("torch")
    except PackageNotFoundError:
        torch = ""
    if driver and torch.endswith("+cpu"):
        return Check("gpu", "warning", f"{detail}; torch {torch} cannot use it", "install torch for CUDA: pytorch.org")
    return Check("gpu", "ok", detail)


def _driver() -> str | None:
    """Return the version of the NVIDIA driver; None without one."""
    import subprocess

    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    asked = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=False)
    return next(iter(done.stdout.split()), None) if done.returncode == 0 else None
