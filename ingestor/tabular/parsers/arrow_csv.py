"""Splits whole records into columns of text, with pyarrow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import IO, Any, Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from ingestor.tabular.records.scan import Int64Array
from ingestor.tabular.records.syntax import UTF8_BOM, Dialect

Nulls = Sequence[frozenset[str]]
"""For each column the texts that are null without quotes."""


@dataclass(frozen=True, slots=True)
class Parsed:
    columns: list[pa.StringArray]
    wrong_width: Int64Array
    """Positions, among the parsed records, of those with the wrong number of cells; ascending."""


@lru_cache(maxsize=64)
def _convert_options(
    column_count: int, columns: tuple[int, ...], nulls: frozenset[str] | None
) -> pacsv.ConvertOptions:
    names = _names(column_count)
    return pacsv.ConvertOptions(
        check_utf8=False,  # done for the slice as a whole
        column_types={name: pa.string() for name in names},
        include_columns=[names[column] for column in columns],
        null_values=sorted(nulls or ()),
        strings_can_be_null=nulls is not None,
        quoted_strings_can_be_null=False,
    )


def _names(column_count: int) -> list[str]:
    return [str(position) for position in range(column_count)]


def parse_fast(
    data: bytes,
    column_count: int,
    record_count: int,
    dialect: Dialect,
    nulls: Nulls | None,
) -> Parsed | None:
    """Parse with pyarrow; None when it does not find exactly `record_count` records."""
    if record_count == 0:
        return Parsed([text_array([])] * column_count, np.zeros(0, np.int64))
    if data.startswith(UTF8_BOM):
        # pyarrow drops a BOM, but here it is part of a cell; double it.
        data = UTF8_BOM + data
    # pyarrow has one set of nulls for all columns that it reads.
    groups: dict[frozenset[str] | None, list[int]] = {}
    for column in range(column_count):
        groups.setdefault(nulls[column] if nulls else None, []).append(column)
    columns: dict[int, pa.StringArray] = {}
    wrong_width = np.zeros(0, np.int64)
    for words, group in groups.items():
        options = _convert_options(column_count, tuple(group), words)
        parsed = _parse_columns(data, column_count, record_count, dialect, options)
        if parsed is None:
            return None
        columns.update(zip(group, parsed.columns, strict=True))
        wrong_width = parsed.wrong_width
    return Parsed([columns[column] for column in range(column_count)], wrong_width)


def _parse_columns(
    data: bytes, column_count: int, record_count: int, dialect: Dialect, options: pacsv.ConvertOptions
) -> Parsed | None:
    wrong_width: list[int] = []

    def skip(row: pacsv.InvalidRow) -> Literal["skip"]:
        # With one thread, rows are numbered from 1, skipped ones included.
        wrong_width.append(-1 if row.number is None else row.number - 1)
        return "skip"

    try:
        table = pacsv.read_csv(
            cast(IO[bytes], pa.BufferReader(data)),  # the stubs do not know that this works
            read_options=pacsv.ReadOptions(
                use_threads=False,
                block_size=len(data) + 1,  # one block gives one chunk and continuous row numbers
                column_names=_names(column_count),
            ),
            parse_options=pacsv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char=dialect.quote,
                double_quote=True,
                escape_char=False,
                newlines_in_values=True,
                ignore_empty_lines=True,  # blank records are cut out already
                invalid_row_handler=skip,
            ),
            convert_options=options,
        )
    except pa.ArrowInvalid:
        return None
    positions = np.array(wrong_width, np.int64)
    if table.num_rows + len(positions) != record_count or _out_of_order(positions, record_count):
        return None
    return Parsed([one_chunk(column) for column in table.columns], positions)


def _out_of_order(positions: Int64Array, record_count: int) -> bool:
    """Whether the positions fail to ascend within [0, record_count)."""
    if not positions.size:
        return False
    return bool(positions[0] < 0 or positions[-1] >= record_count or (np.diff(positions) <= 0).any())


def one_chunk(column: pa.ChunkedArray[Any]) -> pa.StringArray:
    chunks = column.chunks
    array = chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)
    assert isinstance(array, pa.StringArray)
    return array


def text_array(cells: Sequence[bytes]) -> pa.StringArray:
    array = pa.array([cell.decode() for cell in cells], pa.string())
    assert isinstance(array, pa.StringArray)
    return array
