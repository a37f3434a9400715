"""One pass over a dataset: in this process when it is small, over line-aligned blocks in several when it is large.

Small: tiktoken, both vocabularies, ready in 0.2 s. Large: gigatoken where it is installed (its counts are proved equal
to tiktoken's by the tests), o200k_base alone unless another encoding is asked for, work shared out block by block.
"""

from __future__ import annotations

import gc
import importlib.util
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias, cast

from advisor.dataset.dataset import Dataset, judge, usable
from advisor.dataset.rows import Container, jsonl_rows, lines_of, rows
from advisor.dataset.source import BLOCK_BYTES, MAX_LINE_BYTES, Progress, Source, blocks
from advisor.errors import DataError
from advisor.tokens._counting import Counting
from advisor.tokens._minhash import Sketch, fast_sketch, sketch
from advisor.tokens._tally import Tally
from advisor.tokens._tokenizers import Codec, FastCodec

if TYPE_CHECKING:
    from concurrent.futures import Future

SMALL_BYTES = 8 << 20
_FAST_SKETCH_BYTES = 1 << 20  # from here on the fast sketch earns its import
MEMORY_BYTES = 500 << 20  # for the words that all processes together may remember
_LOOK_EVERY = 64  # in large data the form and language of every 64th example is looked at
_BUFFER_BYTES = 1 << 18  # read at once: stays in the processor's cache until its lines are parsed
_IN_FLIGHT = 3  # blocks per process that wait or are worked on: what bounds the memory

_Job: TypeAlias = tuple[int, int, int, bytes | None]  # file, offset, bytes, and the content where it is compressed
_Done: TypeAlias = tuple[Tally, int]  # tally with lines counted from 1 in the block, number of line ends


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read: all that a process needs to know. The first of ``encodings`` is counted in every detail."""

    dataset: Dataset
    encodings: tuple[str, ...]
    checks: bool
    large: bool
    share: int = MEMORY_BYTES  # what a process may keep of the words it met


def examine(
    dataset: Dataset,
    *,
    checks: bool = True,
    encodings: tuple[str, ...] = (),
    processes: int | None = None,
    progress: Progress | None = None,
) -> Tally:
    """Read everything once. ``encodings`` come beside o200k_base; each costs 0.1 s to load."""
    large = dataset.bytes > SMALL_BYTES
    wanted = ("o200k_base", *encodings)
    workers = processes or (min(8, _cores()) if large else 1)
    reading = Reading(dataset, tuple(dict.fromkeys(wanted)), checks, large, MEMORY_BYTES // workers)
    if workers > 1 and all(container is Container.JSONL for container in dataset.containers):
        return _shared_out(reading, workers, progress)
    return _alone(reading, progress)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _alone(reading: Reading, progress: Progress | None) -> Tally:
    """Read in this process: any container, in bounded memory."""
    worker = Worker(reading)
    tally = Tally()
    for file, (source, container) in enumerate(zip(reading.dataset.sources, reading.dataset.containers, strict=True)):
        if container is Container.JSONL:
            for first, block in blocks(source, progress=progress):
                tally.merge(worker.count(lines_of(block), file, first == 1)[0], first - 1)
        else:
            tally.merge(worker.count_rows(source, container, file, progress))
    return tally


def _shared_out(reading: Reading, workers: int, progress: Progress | None) -> Tally:
    """Read blocks in several processes; results are merged in the order of the data, so lines add up."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    # A forked child shares the vocabulary that is loaded once here; forking beside other threads may deadlock.
    fork = sys.platform == "linux" and threading.active_count() == 1
    if fork:
        _start(reading)
    tally, line, at_file = Tally(), 0, 0
    flying: deque[tuple[int, int, Future[_Done]]] = deque()
    jobs = _jobs(reading.dataset, progress)
    context = multiprocessing.get_context("fork" if fork else "spawn")
    pool = ProcessPoolExecutor(workers, context, _begin, (None if fork else reading,))
    try:
        while True:
            for job in islice(jobs, _IN_FLIGHT * workers - len(flying)):
                flying.append((job[0], job[2], pool.submit(_work, job)))
            if not flying:
                return tally
            file, size, future = flying.popleft()
            part, newlines = future.result()
            line = line if file == at_file else 0
            at_file = file
            tally.merge(part, line)
            line += newlines
            if progress and not reading.dataset.sources[file].compression:  # of these the reader tells
                progress(size)
    except BrokenProcessPool:
        raise DataError("A counting process was stopped (out of memory?); free some memory and try again.") from None
    finally:
        pool.shutdown(cancel_futures=True)


def _jobs(dataset: Dataset, progress: Progress | None) -> Iterator[_Job]:
    """Yield blocks: by offset where a process can read for itself, by content where the file is compressed."""
    for file, source in enumerate(dataset.sources):
        if source.compression:
            yield from (
                (file, int(first > 1), len(block), block) for first, block in blocks(source, BLOCK_BYTES, progress)
            )
        else:
            yield from ((file, at, BLOCK_BYTES, None) for at in range(0, source.bytes, BLOCK_BYTES))


_worker: Worker | None = None  # one per process, set before its first block


def _start(reading: Reading) -> None:
    global _worker
    _worker = Worker(reading)


def _begin(reading: Reading | None) -> None:
    """Prepare a child: Ctrl-C is left to the parent, which ends the pool; a walk over JSON leaves no cycles."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()
    if reading is not None:
        _start(reading)


def _work(job: _Job) -> _Done:
    file, offset, size, content = job
    worker = cast(Worker, _worker)
    source = worker.reading.dataset.sources[file]
    lines = aligned(source, offset, size) if content is None else lines_of(content)
    return worker.count(lines, file, offset == 0)


def aligned(source: Source, offset: int, size: int) -> list[bytes]:
    """Read the lines that begin within ``size`` bytes of ``offset``."""
    with source.path.open("rb", _BUFFER_BYTES) as stream:
        at, lines = offset, []
        if offset:
            stream.seek(offset - 1)
            at += len(stream.readline(MAX_LINE_BYTES)) - 1
        while at < offset + size and (line := stream.readline(MAX_LINE_BYTES)):
            lines.append(line)
            at += len(line)
        return lines


class Worker:
    """Counts blocks with vocabularies that are loaded once."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        fast = reading.large and importlib.util.find_spec("gigatoken") is not None
        self._codecs: dict[str, Codec] = {
            name: FastCodec(name, reading.share) if fast else Codec(name) for name in reading.encodings
        }
        self._sketch: Sketch | None = None
        if reading.checks:
            numpy = reading.dataset.bytes > _FAST_SKETCH_BYTES and importlib.util.find_spec("numpy") is not None
            self._sketch = fast_sketch() if numpy else sketch

    def _counting(self) -> Counting:
        """Return a fresh count."""
        for codec in self._codecs.values():
            codec.renew()
        return Counting(self._codecs, self._sketch, _LOOK_EVERY if self.reading.large else 1)

    def count(self, lines: list[bytes], file: int, first: bool) -> _Done:
        """Count JSON lines, each with its end; they are counted from 1."""
        newlines = len(lines) - bool(lines and not lines[-1].endswith(b"\n"))
        counting, dataset = self._counting(), self.reading.dataset
        tally = counting.tally
        # Only a file may begin with a byte order mark: a block that does not begin one starts at line 2, moved back.
        shift = 0 if first else 1
        for line, row in jsonl_rows(lines, 1 + shift, dataset.sources[file].layout):
            talk, found = judge(row, dataset.shape, dataset.columns)
            for fault in found:
                tally.note(file, line - shift, fault)
            if talk is not None and (not found or usable(found)):
                counting.add(talk, file, line - shift)
        if blank := sum(map(bytes.isspace, lines)):
            tally.fault_counts["blank_lines"] += blank
        if any(line.endswith(b"\r\n") for line in lines[:20]):
            tally.fault_counts["carriage_returns"] += sum(line.endswith(b"\r\n") for line in lines)
        return counting.finish(), newlines

    def count_rows(self, source: Source, container: Container, file: int, progress: Progress | None = None) -> Tally:
        """Count a file of any other container, a block's worth at a time."""
        total, counting, dataset = Tally(), self._counting(), self.reading.dataset
        for line, row in rows(source, container, progress):
            talk, found = judge(row, dataset.shape, dataset.columns)
            for fault in found:
                counting.tally.note(file, line, fault)
            if talk is not None and usable(found):
                counting.add(talk, file, line)
            if counting.full:
                total.merge(counting.finish())
                counting = self._counting()
        total.merge(counting.finish())
        return total
