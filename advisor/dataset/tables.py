"""Rows of tables: CSV with any delimiter, with or without a line of names, and Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import cast

from advisor.dataset.cells import MAX_ELEMENT, Fault, Row, undecoded
from advisor.dataset.source import Progress, Source, open_stream
from advisor.errors import DataError
from backends import Json, install_extra


def csv_rows(source: Source, progress: Progress | None) -> Iterator[tuple[int, Row | Fault]]:
    """Yield (line, row) of a table whose delimiter, and names where it has none, the source's layout tells."""
    csv.field_size_limit(MAX_ELEMENT)
    stream = io.TextIOWrapper(
        io.BufferedReader(cast(io.RawIOBase, open_stream(source, progress)), 1 << 16),
        "utf-8-sig",
        errors="surrogateescape",
        newline="",
    )
    with stream:
        line = 1
        try:
            reader = csv.reader(stream, delimiter=source.layout.delimiter)
            header = list(source.layout.names) or [name.strip() for name in next(reader)]
            line = reader.line_num + 1
            for cells in reader:
                after = reader.line_num + 1
                if bad := undecoded("".join(cells)):
                    yield line, ("invalid_utf8", bad)
                elif len(cells) == len(header):
                    yield line, cast(Row, dict(zip(header, cells, strict=True)))
                elif any(cell.strip() for cell in cells):
                    count = f"{len(cells)} cell{'s' * (len(cells) > 1)}"
                    over = f" over {after - line:,} lines" if after - line > 1 else ""
                    yield line, ("wrong_columns", f"{count}{over}, and the header has {len(header)}")
                line = after
        except csv.Error as error:
            yield line, ("wrong_columns", str(error))


def parquet_rows(source: Source, progress: Progress | None) -> Iterator[tuple[int, Row | Fault]]:
    """Yield rows by number, starting at 1: a Parquet file has no lines."""
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ModuleNotFoundError:
        remedy = install_extra("formats")
        raise DataError(f"{source.name}: reading Parquet needs the package 'pyarrow': {remedy}") from None
    number = 0
    try:
        with parquet.ParquetFile(source.path) as file:
            told, total = 0, max(1, file.metadata.num_rows)
            for batch in file.iter_batches(batch_size=512):
                for row in batch.to_pylist():
                    number += 1
                    yield number, {key: _without_nulls(value) for key, value in row.items()}
                if progress:  # its columns lie apart: the bytes done are told from the rows done
                    done = source.bytes * number // total
                    progress(done - told)
                    told = done
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"{source.name}: this Parquet file is damaged ({str(error)[:120]}); write it again.") from None


def _without_nulls(value: Json) -> Json:
    """Leave out what a column's other rows have and this one does not: a Parquet struct gives it as null."""
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_nulls(inner) for inner in value]
    return value
