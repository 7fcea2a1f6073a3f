"""Reads Parquet files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.parquet as pq

from ingestor.plugins import TableParser
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.limits import Limits
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.text_table import TextTable

pc: Any = compute  # the stubs know too few of its overloads
AnyArray = Any
_ROWS = 10_000


class ParquetTable:
    """A Parquet file; a record's line is its row number."""

    def __init__(self, file: pq.ParquetFile, limits: Limits) -> None:
        self._file = file
        self.columns: tuple[str, ...] = tuple(file.schema_arrow.names)
        if not self.columns:
            raise UnreadableFileError("FILE_EMPTY", "The file has no columns.")
        if len(self.columns) > limits.max_columns:
            raise UnreadableFileError(
                "TOO_MANY_COLUMNS",
                f"The file has {len(self.columns)} columns; at most {limits.max_columns} can be loaded.",
            )

    def blocks(self) -> Iterator[TextTable]:
        first = 0
        try:
            for batch in self._file.iter_batches(batch_size=_ROWS, use_threads=False):
                count = batch.num_rows
                index = np.arange(count, dtype=np.int64)
                yield TextTable([_text(column) for column in batch.columns], index, index + first, count, [])
                first += count
        except (pa.ArrowException, OSError) as error:
            raise UnreadableFileError(
                "PARQUET_INVALID", f"The file is damaged after record {first}."
            ) from error


def _text(column: AnyArray) -> AnyArray:
    """A column as text: numbers exactly, times in ISO 8601, bytes as PostgreSQL writes them."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _text(column.dictionary_decode())
    if pa.types.is_string(kind):
        return column
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_null(kind):
        return column.cast(pa.string())
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        return column.cast(pa.string())
    if pa.types.is_date32(kind) and column.null_count < len(column):
        return column.cast(pa.string())
    if pa.types.is_timestamp(kind) and kind.unit in ("s", "ms", "us"):
        zone = "" if kind.tz is None else "Z"  # Parquet stores values with a zone in UTC
        return pc.strftime(column.cast(pa.timestamp("us", kind.tz and "UTC")), f"%Y-%m-%dT%H:%M:%S{zone}")
    if pa.types.is_timestamp(kind):
        zone = "" if kind.tz is None else "Z"
        numbers = column.cast(pa.int64()).to_pylist()
        texts = [None if number is None else f"{np.datetime64(number, 'ns')}{zone}" for number in numbers]
        return pa.array(texts, pa.string())
    return pa.array([_value(value) for value in column.to_pylist()], pa.string())


def _value(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, (dict, list)):
        return json.dumps(value, default=_value, ensure_ascii=False, separators=(",", ":"))
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value)


class ParquetParser(TableParser):
    name = "parquet"

    def recognises(self, head: bytes, file_name: str) -> bool:
        """Whether it begins with the magic bytes."""
        return head.startswith(b"PAR1")

    @contextmanager
    def open(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Iterator[ParquetTable]:
        try:
            opened = pq.ParquetFile(file, pre_buffer=False, thrift_string_size_limit=2**26)
        except (pa.ArrowException, OSError) as error:
            raise UnreadableFileError("PARQUET_INVALID", "The file cannot be read as Parquet.") from error
        with opened:
            yield ParquetTable(opened, limits)
