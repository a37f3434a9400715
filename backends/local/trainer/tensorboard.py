"""The metrics once more, in the file that TensorBoard reads: two dozen bytes of format are not worth its 178 MB.

A file is a row of records: length (uint64), its checksum, the content, its checksum (each a masked CRC-32C, all little
endian). The content is the protocol buffer ``tensorflow.Event``: wall_time = 1 (double), step = 2 (int64), file_version
= 3 (string), summary = 5, which holds repeated value = 1 {tag = 1 (string), simple_value = 2 (float)}.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

_VERSION = b"brain.Event:2"


Line = tuple[int, float, Mapping[str, float]]  # step, Unix seconds, values by name


def begin(folder: Path, lines: Iterable[Line]) -> Path:
    """Write a new event file that holds ``lines``, drop those of the run's earlier lives, and return it."""
    folder.mkdir(exist_ok=True)
    for old in folder.glob("events.out.tfevents.*"):
        old.unlink()
    now = time.time()
    path = folder / f"events.out.tfevents.{now:.6f}.tunewise"
    head = record(_key(1, 1) + struct.pack("<d", now) + _bytes(3, _VERSION))
    path.write_bytes(head + b"".join(record(event(*line)) for line in lines))
    return path


def add(path: Path, line: Line) -> None:
    """Add one line to the event file."""
    with path.open("ab") as file:
        file.write(record(event(*line)))


def event(step: int, when: float, values: Mapping[str, float]) -> bytes:
    """Return one event with a scalar for each value."""
    scalars = b"".join(
        _bytes(1, _bytes(1, name.encode()) + _key(2, 5) + struct.pack("<f", value)) for name, value in values.items()
    )
    return _key(1, 1) + struct.pack("<d", when) + _key(2, 0) + _varint(step) + _bytes(5, scalars)


def record(content: bytes) -> bytes:
    """Return ``content`` as one record of the file."""
    length = struct.pack("<Q", len(content))
    return length + _masked(length) + content + _masked(content)


def crc32c(content: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of ``content``."""
    table, value = _table(), 0xFFFFFFFF
    for byte in content:
        value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


@cache
def _table() -> tuple[int, ...]:
    rows = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        rows.append(value)
    return tuple(rows)


def _masked(content: bytes) -> bytes:
    """A checksum of data that holds checksums: turned and shifted, so that it does not cancel itself out."""
    value = crc32c(content)
    return struct.pack("<I", (((value >> 15) | (value << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def _key(field: int, kind: int) -> bytes:
    return bytes([field << 3 | kind])


def _bytes(field: int, content: bytes) -> bytes:
    return _key(field, 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
