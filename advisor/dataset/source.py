"""Where the bytes come from: files, globs, stdin; gzip and zstandard; blocks that end at a line end."""

from __future__ import annotations

import glob
import gzip
import hashlib
import io
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, cast

from advisor.errors import DataError
from backends import install_extra

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK_BYTES = 4 << 20
MAX_LINE_BYTES = 256 << 20
_STDIN = "-"
SPOOLED = "tunewise-stdin-"  # how the file begins that stdin is read into

Progress: TypeAlias = Callable[[int], None]  # called with the bytes of the file that were done


@dataclass(frozen=True, slots=True)
class Layout:
    """How rows stand in a file, where its container alone does not tell.

    ``field`` is the path of what holds them within one JSON object; ``names`` are those of the columns where the rows
    are lists, or a table has no line of names; ``by_row`` means that several share a line, so that rows are numbered.
    """

    field: str = ""
    names: tuple[str, ...] = ()
    delimiter: str = ""
    by_row: bool = False


PLAIN = Layout()


@dataclass(frozen=True, slots=True)
class Source:
    """One file. ``name`` is what people call it; ``compression`` is gzip, zstd or empty."""

    path: Path
    name: str
    bytes: int
    compression: str = ""
    layout: Layout = PLAIN

    @property
    def unit(self) -> str:
        """What its places are counted in."""
        return "row" if self.layout.by_row else "line"


def find(given: tuple[str | Path, ...]) -> tuple[Source, ...]:
    """Turn paths, globs and '-' (stdin) into sources. Raises DataError for what is not a readable file."""
    if not given:
        raise DataError("No data file was given; name one, such as 'tunewise check train.jsonl'.")
    return tuple(_source(path, name) for item in given for path, name in _expand(item))


def _expand(item: str | Path) -> Iterator[tuple[Path, str]]:
    text = str(item)
    if text == _STDIN:
        yield _spooled_stdin(), "stdin"
    elif glob.has_magic(text) and not Path(text).exists():
        matches = sorted(glob.glob(text, recursive=True))  # noqa: PTH207  the pattern may be absolute
        files = [match for match in matches if Path(match).is_file()]
        if not files:
            raise DataError(f"{text}: no file matches this pattern; check the folder and the quotes around it.")
        for match in files:
            yield Path(match), match
    else:
        yield Path(text), text


def _source(path: Path, name: str) -> Source:
    try:
        if path.is_dir():
            inside = sorted(
                item.name for item in path.iterdir() if item.suffix in (".jsonl", ".json", ".csv", ".parquet")
            )
            hint = f"name a file in it, such as {path / inside[0]}" if inside else "name the data file itself"
            raise DataError(f"{name}: this is a folder, not a data file; {hint}.")
        with path.open("rb") as stream:
            magic = stream.read(4)
        size = path.stat().st_size
    except FileNotFoundError:
        raise DataError(f"{name}: there is no such file; check the spelling and the folder you are in.") from None
    except PermissionError:
        raise DataError(f"{name}: you may not read this file; change its permissions (chmod u+r) or copy it.") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{name}: this cannot be read ({error}); check the path.") from None
    if size == 0:
        raise DataError(f"{name}: the file is empty; write at least one training example to it.")
    compression = {b"\x1f\x8b": "gzip", b"\x28\xb5": "zstd"}.get(magic[:2], "")
    return Source(path, name, size, compression)


def _spooled_stdin() -> Path:
    """Copy stdin to an unlinked-at-exit temporary file: sniffing, counting and hashing each need to read it."""
    import atexit

    handle, name = tempfile.mkstemp(prefix=SPOOLED)
    atexit.register(lambda: Path(name).unlink(missing_ok=True))
    with os.fdopen(handle, "wb") as target:
        while block := sys.stdin.buffer.read(BLOCK_BYTES):
            target.write(block)
    return Path(name)


class _Metered(io.FileIO):
    """A file that says how much of it was read, whatever is unpacked or decoded from it."""

    def __init__(self, path: Path, progress: Progress) -> None:
        super().__init__(path, "rb")
        self._progress = progress

    def readinto(self, buffer: WriteableBuffer, /) -> int:  # never None: a file on disk does not make us wait
        count = super().readinto(buffer) or 0
        self._progress(count)
        return count


class _Gzip(gzip.GzipFile):
    """A gzip file that closes the file it was given, too."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(fileobj=stream, mode="rb")
        self._stream = stream

    def close(self) -> None:
        super().close()
        self._stream.close()


def open_stream(source: Source, progress: Progress | None = None) -> BinaryIO:
    """Open the decompressed bytes."""
    if source.compression == "zstd":
        try:
            import zstandard
        except ModuleNotFoundError:
            raise DataError(
                f"{source.name}: reading .zst files needs the package 'zstandard': {install_extra('formats')}"
            ) from None
    stream = source.path.open("rb") if progress is None else io.BufferedReader(_Metered(source.path, progress), 1 << 16)
    if source.compression == "gzip":
        return cast(BinaryIO, _Gzip(stream))
    if source.compression == "zstd":
        return cast(BinaryIO, zstandard.ZstdDecompressor().stream_reader(stream, closefd=True))
    return stream


def read(stream: BinaryIO, size: int, source: Source) -> bytes:
    """Read up to ``size`` bytes; damage in a compressed file becomes a DataError."""
    try:
        return stream.read(size)
    except Exception as error:  # noqa: BLE001  zlib, gzip and zstandard each raise their own
        raise DataError(
            f"{source.name}: the compressed file is damaged or cut off ({error}); copy or compress it again."
        ) from None


def head(source: Source, size: int = 1 << 18) -> bytes:
    """Return the first bytes, decompressed: at least one whole line when the file has one within reach."""
    with open_stream(source) as stream:
        text = read(stream, size, source)
        while b"\n" not in text.lstrip() and len(text) < MAX_LINE_BYTES:
            more = read(stream, max(size, len(text)), source)
            if not more:
                break
            text += more
    return text


def blocks(
    source: Source, block_bytes: int = BLOCK_BYTES, progress: Progress | None = None
) -> Iterator[tuple[int, bytes]]:
    """Yield (number of the first line, bytes), each block ending at a line end; memory stays at about one block."""
    line = 1
    with open_stream(source, progress) as stream:
        rest: list[bytes] = []
        held = 0
        while block := read(stream, block_bytes, source):
            cut = block.rfind(b"\n") + 1
            if cut == 0:
                rest.append(block)
                held += len(block)
                if held > MAX_LINE_BYTES:
                    raise DataError(
                        f"{source.name}, line {line}: the line is longer than {MAX_LINE_BYTES >> 20} MB;"
                        " write one example per line."
                    )
                continue
            whole = b"".join((*rest, block[:cut]))
            yield line, whole
            line += whole.count(b"\n")
            rest = [block[cut:]] if cut < len(block) else []
            held = len(block) - cut
        if held:
            yield line, b"".join(rest)


def fingerprint(sources: tuple[Source, ...], progress: Progress | None = None) -> str:
    """Return the sha256 of the file as it lies on disk; of the list of digests when there are several files."""
    digests = [_digest(source.path, progress) for source in sources]
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _digest(path: Path, progress: Progress | None) -> str:
    with path.open("rb") if progress is None else _Metered(path, progress) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
