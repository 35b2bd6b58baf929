"""Result rows in Parquet, as OpenRouter's harness writes them, read with pyarrow where it is there.

Owns the optional extra (`assay[parquet]`; the default install has no pyarrow) and the bounds of a
file that is small packed and large unpacked: by what its own directory says, and by never copying
a text that many rows share. Only the columns asked for are read. The rule others rely on: all
that goes wrong is `Unreadable`, and what comes out is what the same rows as JSON would be.
"""

import io
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from telemetry.benchmarks.bundle import MAX_FILE
from telemetry.benchmarks.errors import Unreadable
from telemetry.benchmarks.fields import MAX_VALUES, Field

MAGIC = b"PAR1"
_INSTALL = (
    "Install the extra assay[parquet] (uv sync --extra parquet), or export the rows: "
    "duckdb -c \"copy (from 'file.parquet') to 'file.jsonl' (format json)\"."
)
_AGAIN = "Copy or export it again."
_BATCH = 4096


def read_table(
    content: bytes, name: str, required: Sequence[str], optional: Sequence[str]
) -> list[Field]:
    """Return the rows with these columns, as far as they are there. Raises Unreadable."""
    try:
        import pyarrow  # an extra, and 150 MB of it
        import pyarrow.parquet as parquet
    except ImportError:
        raise Unreadable(name, "the file", "Parquet needs pyarrow", _INSTALL) from None
    try:
        file = parquet.ParquetFile(io.BytesIO(content))
        wanted = _columns(file, name, required, optional)
        file = parquet.ParquetFile(io.BytesIO(content), read_dictionary=wanted)
        batches = file.iter_batches(batch_size=_BATCH, columns=wanted, use_threads=False)
        rows = [row for batch in batches for row in _rows(batch)]
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        problem = f"damaged or cut short ({type(error).__name__})"
        raise Unreadable(name, "the file", problem, _AGAIN) from None
    return [Field(row, name, f"row {number}") for number, row in enumerate(rows, 1)]


def _columns(file: Any, name: str, required: Sequence[str], optional: Sequence[str]) -> list[str]:
    """Return the columns to read, once the file's directory says that they are not too much."""
    there = set(file.schema_arrow.names)
    missing = [column for column in required if column not in there]
    if missing:
        problem = f"not result rows of OpenRouter's harness: no column {missing[0]}"
        raise Unreadable(name, "the columns", problem, "Give the file the harness wrote.")
    wanted = [column for column in (*required, *optional) if column in there]
    if file.metadata.num_rows * len(wanted) > MAX_VALUES:
        raise _too_large(name, f"more than {MAX_VALUES} values")
    if _unpacked(file.metadata, set(wanted)) > MAX_FILE:
        raise _too_large(name, f"larger than {MAX_FILE // 1024 // 1024} MiB when unpacked")
    return wanted


def _unpacked(metadata: Any, wanted: set[str]) -> int:
    groups = (metadata.row_group(index) for index in range(metadata.num_row_groups))
    chunks = (group.column(index) for group in groups for index in range(group.num_columns))
    return sum(
        chunk.total_uncompressed_size
        for chunk in chunks
        if chunk.path_in_schema.partition(".")[0] in wanted
    )


def _too_large(name: str, problem: str) -> Unreadable:
    return Unreadable(name, "the file", problem, "Import a part of the run's rows.")


def _rows(batch: Any) -> Iterator[dict[str, Any]]:
    columns = [_values(column) for column in batch.columns]
    for values in zip(*columns, strict=True):
        yield dict(zip(batch.schema.names, values, strict=True))


def _values(column: Any) -> list[Any]:
    """Return a column's values; a text that many rows have is one object."""
    if hasattr(column, "dictionary"):
        texts = column.dictionary.to_pylist()
        return [None if at is None else texts[at] for at in column.indices.to_pylist()]
    return [_as_json(value) for value in column.to_pylist()]


def _as_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
