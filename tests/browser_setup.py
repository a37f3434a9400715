"""Puts what the tests of pages need under a folder: axe-core, and a Chromium where none is installed.

Both come from npm, which asks no root, and are compared with the hashes below. Where a part cannot be had this says why
and ends well: the tests that need it skip with a reason.

    python tests/browser_setup.py .venv/browser
"""

from __future__ import annotations

import base64
import hashlib
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from report_browser import AXE, CHROMIUM_FOLDER, installed_chromium

AXE_CORE = (
    "axe-core@4.14.1",
    "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
)
CHROMIUM = (
    "@sparticuz/chromium@153.0.0",
    "sha512-jiGWqSvPMdu4+P9TilYqAR7yEGPEHINx+lCvE/NqNO/EHYzF/x1hUiI5T6ioVIt7dEy7n88byyT0vk+dnsgQwA==",
)
_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>/usr/share/fonts</dir><dir>{fonts}</dir><cachedir>{cache}</cachedir></fontconfig>
"""
_UNPACK = "const z=require('zlib');process.stdin.pipe(z.createBrotliDecompress()).pipe(process.stdout)"


class Unavailable(Exception):
    """A part cannot be had here."""


def main(folder: Path) -> None:
    """Fetch both parts; say of each that it is there or why not."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, fetch in (("axe-core", _axe), ("Chromium", _chromium)):
        try:
            print(f"{name}: {fetch(folder)}")
        except Unavailable as reason:
            print(f"{name}: not here, so tests that need it skip: {reason}")


def _axe(folder: Path) -> str:
    with _package(*AXE_CORE) as packed:
        (folder / AXE).write_bytes(_member(packed, "package/axe.min.js"))
    return AXE_CORE[0]


def _chromium(folder: Path) -> str:
    if found := installed_chromium():
        return found
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise Unavailable("no Chromium is installed, and npm's is for Linux on x86-64")
    with _package(*CHROMIUM) as packed, tempfile.TemporaryDirectory(dir=folder) as scratch:
        target = Path(scratch) / "chromium"
        target.mkdir()
        program = target / "chromium"
        program.write_bytes(_brotli(_member(packed, "package/bin/chromium.br")))
        program.chmod(0o755)
        for name in ("al2023", "fonts", "swiftshader"):
            archive = Path(scratch) / f"{name}.tar"
            archive.write_bytes(_brotli(_member(packed, f"package/bin/{name}.tar.br")))
            with tarfile.open(archive) as inside:
                inside.extractall(target, filter="data")
        # Its own list of font folders names places of a cloud machine.
        fonts = (folder / CHROMIUM_FOLDER / "fonts").absolute()
        (target / "fonts.conf").write_text(_FONTS.format(fonts=fonts, cache=fonts / "cache"), encoding="utf-8")
        shutil.rmtree(folder / CHROMIUM_FOLDER, ignore_errors=True)
        target.rename(folder / CHROMIUM_FOLDER)
    return CHROMIUM[0]


def _package(name: str, integrity: str) -> tarfile.TarFile:
    """Return npm's archive of a package, compared with its hash."""
    if shutil.which("npm") is None:
        raise Unavailable("npm is not installed")
    with tempfile.TemporaryDirectory() as scratch:
        words = ["npm", "pack", "--silent", "--pack-destination", scratch, name]
        done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
        archives = list(Path(scratch).glob("*.tgz"))
        if done.returncode or not archives:
            raise Unavailable(f"npm could not fetch {name}: {done.stderr.strip()[-200:]}")
        digest = base64.b64encode(hashlib.sha512(archives[0].read_bytes()).digest()).decode()
        if f"sha512-{digest}" != integrity:
            sys.exit(f"{name} is not the package whose hash is pinned in {Path(__file__).name}; nothing was unpacked.")
        return tarfile.open(archives[0])


def _member(packed: tarfile.TarFile, name: str) -> bytes:
    found = packed.extractfile(name)
    assert found is not None, name
    return found.read()


def _brotli(packed: bytes) -> bytes:
    return subprocess.run(["node", "-e", _UNPACK], input=packed, capture_output=True, check=True).stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]))
