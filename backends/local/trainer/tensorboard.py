"""The metrics once more, in the file that TensorBoard reads, by the protocol buffers and checksums of tensorboardX.

Its ``SummaryWriter`` writes from a thread that may lag behind ``flush``, and a trainer may be killed at any moment.
Each line here is in the file when ``add`` returns.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tensorboardX.proto.event_pb2 import Event

Line = tuple[int, float, Mapping[str, float]]  # step, Unix seconds, values by name


def begin(folder: Path, lines: Iterable[Line]) -> Path:
    """Write a new event file that holds ``lines``, drop those of the run's earlier lives, and return it."""
    from tensorboardX.proto.event_pb2 import Event

    folder.mkdir(exist_ok=True)
    for old in folder.glob("events.out.tfevents.*"):
        old.unlink()
    now = time.time()
    path = folder / f"events.out.tfevents.{now:.6f}.tunewise"
    head = _record(Event(wall_time=now, file_version="brain.Event:2"))
    path.write_bytes(head + b"".join(_record(_event(line)) for line in lines))
    return path


def add(path: Path, line: Line) -> None:
    """Add one line to the event file."""
    with path.open("ab") as file:
        file.write(_record(_event(line)))


def _event(line: Line) -> Event:
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.summary_pb2 import Summary

    step, when, values = line
    scalars = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
    return Event(wall_time=when, step=step, summary=Summary(value=scalars))


def _record(event: Event) -> bytes:
    """Frame an event as TFRecord does: its length and its bytes, each with a checksum."""
    from tensorboardX.record_writer import masked_crc32c

    content = event.SerializeToString()
    length = struct.pack("<Q", len(content))
    return b"".join(
        (length, struct.pack("<I", masked_crc32c(length)), content, struct.pack("<I", masked_crc32c(content)))
    )
