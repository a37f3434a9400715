"""Which GPUs there are, how much they hold and how fast they are; which of them this machine has."""

from __future__ import annotations

import csv
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources

from advisor.errors import WorkloadError
from advisor.nearest import no_such
from backends.local.processor import processor_computes_bf16


@dataclass(frozen=True, slots=True)
class Gpu:
    """One accelerator.

    ``memory_gb`` is in 10^9 bytes as the driver reports it; ``peak_tflops`` is the dense 16-bit peak with fp32
    accumulation, ``fp32_tflops`` what is left where the card does not compute in bf16; ``bandwidth_gbs`` is in 10^9
    bytes per second. None means: not known to us.
    """

    name: str
    title: str
    memory_gb: float
    peak_tflops: float | None
    bandwidth_gbs: float | None
    fp32_tflops: float | None = None
    bf16: bool = True
    arch: str = ""
    source: str = ""
    note: str = ""


def gpu(name: str) -> Gpu | None:
    """Return the GPU called ``name`` (ours, the driver's or a cloud's spelling), or ``cpu``; None when unknown."""
    if name.strip().lower() == "cpu":
        return _cpu()
    found = _by_spelling().get(_spelling(name))
    return found if found and found.memory_gb else None


def gpu_named(name: str) -> Gpu:
    """Return the GPU that a person means by ``name``; a part of its name is enough, such as 4090.

    Raises WorkloadError where it is no GPU of the table, or more than one.
    """
    known = gpu(name)
    part = "-".join(name.lower().split())
    ends = [card for card in gpus() if card.name.endswith(f"-{part}")]  # 4090 is no 4090 D
    near = [known] if known else ends or [card for card in gpus() if f"-{part}-" in f"-{card.name}-"]
    if len(near) != 1:
        if near:
            raise WorkloadError(f"'{name}' could be any of these GPUs: {', '.join(card.name for card in near)}.")
        raise WorkloadError(no_such("GPU", name, (card.name for card in gpus())))
    return near[0]


@cache
def gpus() -> tuple[Gpu, ...]:
    """Return every GPU of the table with memory of its own, smallest first."""
    found = {item.name: item for item in _by_spelling().values() if item.memory_gb}
    return tuple(sorted(found.values(), key=lambda item: item.memory_gb))


def detect() -> tuple[Gpu, ...]:
    """Return the accelerators that CUDA_VISIBLE_DEVICES leaves, without importing torch; () when there is none."""
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return _apple()
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    listing = _run(program, "--query-gpu=uuid,name,memory.total", "--format=csv,noheader,nounits")
    return tuple(found for line in _visible(listing.splitlines()) if (found := _from_driver(line)))


def _visible(lines: list[str]) -> list[str]:
    """Return the lines (uuid, name, memory) of the cards that CUDA shows a program, without their uuid.

    As CUDA reads the variable: numbers or beginnings of uuids; the first that names no card ends the list.
    """
    cards = [line.partition(",") for line in lines]
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return [card for _, _, card in cards]
    found: list[str] = []
    for name in chosen.replace(" ", "").split(","):
        numbers = [card for place, (_, _, card) in enumerate(cards) if name == str(place)]
        begin = [card for uuid, _, card in cards if name.startswith("GPU-") and uuid.startswith(name)]
        if len(numbers + begin) != 1:
            break
        found += numbers + begin
    return found


@cache
def _by_spelling() -> dict[str, Gpu]:
    found: dict[str, Gpu] = {}
    text = resources.files("advisor.hardware").joinpath("gpus.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        item = Gpu(
            name=row["name"],
            title=row["title"],
            memory_gb=round(int(row["memory_mib"] or 0) * 2**20 / 1e9, 3),
            peak_tflops=float(row["peak_tflops"]) if row["peak_tflops"] else None,
            bandwidth_gbs=float(row["bandwidth_gbs"]) if row["bandwidth_gbs"] else None,
            fp32_tflops=float(row["fp32_tflops"]) if row["fp32_tflops"] else None,
            bf16=row["bf16"] == "yes",
            arch=row["arch"],
            source=row["source"],
            note=row["note"],
        )
        for spelling in (row["name"], row["title"], *row["aliases"].split(";")):
            if spelling:
                found[_spelling(spelling)] = item
    return found


def _spelling(name: str) -> str:
    return re.sub(r"nvidia|geforce|tesla|amd|instinct|[^a-z0-9]", "", name.lower())


def _from_driver(line: str) -> Gpu | None:
    name, _, mib = line.rpartition(",")
    if not mib.strip().isdigit():
        return None
    memory_gb = round(int(mib) * 2**20 / 1e9, 3)
    # A100 and H100 come in several sizes under one name: the memory the driver reports decides.
    gib = round(memory_gb / 1.073741824)
    known = gpu(f"{name} {gib}gb") or gpu(name)
    if known is None:
        title = name.strip()
        return Gpu(_slug(title), title, memory_gb, None, None, note="speed unknown to us: no time estimate")
    return replace(known, memory_gb=memory_gb)


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"(?i)nvidia|geforce", "", title).lower()).strip("-")


def _apple() -> tuple[Gpu, ...]:
    title = _run("sysctl", "-n", "machdep.cpu.brand_string").strip() or "Apple silicon"
    size = _run("sysctl", "-n", "hw.memsize").strip()
    if not size.isdigit():
        return ()
    # Metal lets one process wire about three quarters of unified memory (recommendedMaxWorkingSetSize).
    known = _by_spelling().get(_spelling(title))
    usable = round(int(size) / 1e9 * 0.75, 3)
    if known is not None:
        return (replace(known, memory_gb=usable),)
    return (Gpu(_slug(title), title, usable, None, None, note="speed unknown to us: no time estimate"),)


def _cpu() -> Gpu:
    """Describe this machine's processor: memory is its RAM, speed a round figure per core.

    0.1 TFLOP/s a core is 3 GHz times 32 fp32 operations a cycle (two 256-bit fused multiply-adds); where it multiplies
    in bf16, products were 1.5 to 1.9 times faster. Memory bandwidth is left out because arithmetic dominates at the
    sizes one would train there.
    """
    cores = os.cpu_count() or 1
    try:
        memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (AttributeError, OSError, ValueError):
        memory_gb = 0.0
    bf16 = processor_computes_bf16()
    fast = 0.17 if bf16 else 0.1
    return Gpu(
        "cpu", f"CPU, {cores} cores", round(memory_gb, 3), fast * cores, None, bf16=bf16, arch="cpu",
        fp32_tflops=0.1 * cores,
    )  # fmt: skip


def _run(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
