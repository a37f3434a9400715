"""What this machine's processor can do, read without torch."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_BF16_FLAGS = frozenset(("avx512_bf16", "amx_bf16", "bf16", "svebf16"))  # the first two of x86, the others of ARM


@cache
def processor_computes_bf16() -> bool:
    """Tell whether this processor multiplies matrices in bf16, rather than pretends to (at a fifth of fp32's speed)."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line.split() for line in lines if line.startswith(("flags", "Features"))), [])
    return not _BF16_FLAGS.isdisjoint(flags)
