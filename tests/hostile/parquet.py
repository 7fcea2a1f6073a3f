"""Hostile Parquet files: few bytes that stand for very many."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def _written(table: Any, **more: Any) -> bytes:
    made = io.BytesIO()
    pq.write_table(table, made, compression="zstd", **more)
    return made.getvalue()


def nulls(rows: int = 200_000_000) -> bytes:
    """Rows of nothing: some hundred bytes, whatever their number."""
    made = io.BytesIO()
    schema = pa.schema([("a", pa.null())])
    with pq.ParquetWriter(made, schema, write_statistics=False, store_schema=False) as writer:
        writer.write_table(pa.table([pa.nulls(rows)], schema=schema), row_group_size=rows)
    return made.getvalue()


def repeated_text(length: int = 2**20, rows: int = 3000) -> bytes:
    """One text of a mebibyte, kept once, in every row."""
    column = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["a" * length]))
    return _written(pa.table({"a": column}))


def long_list(items: int = 100_000_000) -> bytes:
    """A single row with a list of very many nulls."""
    column = pa.ListArray.from_arrays(pa.array([0, items], pa.int32()), pa.nulls(items, pa.int8()))
    return _written(pa.table({"a": column}))


def wide(columns: int = 20_000) -> bytes:
    """More columns than a table can have."""
    return _written(pa.table({f"c{number}": [1] for number in range(columns)}))


def many_groups(count: int = 20_000) -> bytes:
    """Very many groups of one row."""
    made = io.BytesIO()
    table = pa.table({"a": [1]})
    with pq.ParquetWriter(made, table.schema) as writer:
        for _ in range(count):
            writer.write_table(table)
    return made.getvalue()


def deep(depth: int = 60) -> bytes:
    """Lists within lists."""
    kind: Any = pa.int64()
    value: Any = 1
    for _ in range(depth):
        kind, value = pa.list_(kind), [value]
    return _written(pa.table({"a": pa.array([value], kind)}))


def footer_that_lies() -> bytes:
    """A footer that says it is as long as 2 GiB."""
    data = _written(pa.table({"a": [1]}))
    return data[:-8] + (2**31 - 1).to_bytes(4, "little") + data[-4:]


FILES: dict[str, Callable[[], bytes]] = {
    maker.__name__: maker
    for maker in (nulls, repeated_text, long_list, wide, many_groups, deep, footer_that_lies)
}
