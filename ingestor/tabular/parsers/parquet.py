"""Reads Parquet files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from itertools import islice, repeat
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.parquet as pq

from ingestor.columns.arrow import Int64s
from ingestor.plugins import TableParser
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.limits import Limits
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.text_table import TextTable
from ingestor.tabular.words import column_looks_typed

pc: Any = compute  # the stubs know too few of its overloads
AnyArray = Any
# A batch is read, and a block made of it, with at most so many rows and about so many bytes.
_ROWS = 10_000
_READ_BYTES = 2**18  # of a column at a time; without it the whole chunk of a column is read at once
_BYTES = 8 * 2**20
_GROUPS = 1000  # row groups whose sizes are looked at
_PROBED = 16  # rows that are read for their size


class ParquetTable:
    """A Parquet file; a record's line is its row number."""

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        """Raises UnreadableFileError."""
        self._file = _open(file)
        self.columns: tuple[str, ...] = tuple(self._file.schema_arrow.names)
        if not self.columns:
            raise UnreadableFileError("FILE_EMPTY", "The file has no columns.")
        if len(self.columns) > limits.max_columns:
            raise UnreadableFileError(
                "TOO_MANY_COLUMNS",
                f"The file has {len(self.columns)} columns; at most {limits.max_columns} can be loaded.",
            )
        # INT96 holds nanoseconds over more years than Arrow's do. So it is read twice: in microseconds, and
        # in nanoseconds for the last three digits.
        leaves = map(self._file.schema.column, range(len(self._file.schema)))
        self._wide = [
            leaf.path
            for leaf in leaves
            if leaf.physical_type == "INT96" and self.columns.count(leaf.path) == 1
        ]
        self._nanoseconds = self._file
        if self._wide:
            self._file = _open(file, coerce_int96_timestamp_unit="us")
        self._batch_rows = _batch_rows(self._file)

    def close(self) -> None:
        """Close what is open of the file."""
        self._file.close()
        self._nanoseconds.close()

    def blocks(self) -> Iterator[TextTable]:
        first = 0
        try:
            for whole, whole_exact in zip(self._batches(self._file), self._exact_batches(), strict=False):
                for start, count in _pieces(whole):
                    batch = whole.slice(start, count)
                    columns = list(map(_text, batch.columns))
                    for name in self._wide:
                        position = self.columns.index(name)
                        exact = whole_exact.column(name).slice(start, count)
                        columns[position] = _wide_text(batch.column(position), exact)
                    index = np.arange(count, dtype=np.int64)
                    words = _words(batch, columns)
                    yield TextTable(columns, index, index + first, count, [], words=words)
                    first += count
        except MemoryError:
            raise
        except (pa.ArrowException, OSError) as error:
            raise _damaged(first) from error

    def _batches(self, file: pq.ParquetFile, columns: list[str] | None = None) -> Iterator[Any]:
        return iter(file.iter_batches(batch_size=self._batch_rows, use_threads=False, columns=columns))

    def _exact_batches(self) -> Iterator[Any]:
        return self._batches(self._nanoseconds, self._wide) if self._wide else repeat(None)


def _batch_rows(file: pq.ParquetFile) -> int:
    """Rows of a batch, by the sizes of the groups of rows before they are compressed, and by those of the
    first rows: a value that is in the file once may stand in every row. Raises UnreadableFileError."""
    largest = 1
    metadata = file.metadata
    for number in range(min(metadata.num_row_groups, _GROUPS)):
        group = metadata.row_group(number)
        largest = max(largest, group.total_byte_size // max(group.num_rows, 1))
    try:
        first = next(iter(file.iter_batches(batch_size=_PROBED, use_threads=False)), None)
    except MemoryError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise _damaged(0) from error
    if first is not None and first.num_rows:
        largest = max(largest, int(_row_sizes(first).sum()) // first.num_rows)
    return max(1, min(_ROWS, _BYTES // largest))


def _pieces(batch: Any) -> Iterator[tuple[int, int]]:
    """Where to cut a batch so that no piece has many more bytes than a block: first row and number of rows of
    each piece."""
    sizes = _row_sizes(batch)
    start = size = 0
    if int(sizes.sum()) > _BYTES:
        for row, more in enumerate(sizes.tolist()):
            if size and size + more > _BYTES:
                yield start, row - start
                start, size = row, 0
            size += more
    if start < batch.num_rows:
        yield start, batch.num_rows - start


def _row_sizes(batch: Any) -> AnyArray:
    """About how many bytes each row has as text; shape [rows]."""
    sizes = np.zeros(batch.num_rows, np.int64)
    for column in batch.columns:
        if pa.types.is_dictionary(column.type):
            sizes += _text_sizes(column)
        elif pa.types.is_string(column.type) or pa.types.is_binary(column.type):
            sizes += pc.fill_null(pc.binary_length(column), 0).to_numpy(zero_copy_only=False)
        else:
            sizes += column.nbytes // max(batch.num_rows, 1)
    return sizes


def _text_sizes(column: AnyArray) -> AnyArray:
    """Bytes of each text of a column that is indices into a dictionary; of other values a guess."""
    kind = column.type.value_type
    if not (pa.types.is_string(kind) or pa.types.is_binary(kind)):
        return np.full(len(column), 8)
    values = column.dictionary
    indices = pc.fill_null(column.indices, 0).to_numpy()
    if not len(values):
        return np.zeros(len(column), np.int64)
    # Not pc.binary_length: a dictionary may be much larger than a batch.
    offsets = np.frombuffer(values.buffers()[1], np.int32)[values.offset :]
    return offsets[indices + 1].astype(np.int64) - offsets[indices]


def _damaged(after: int) -> UnreadableFileError:
    return UnreadableFileError("PARQUET_INVALID", f"The file is damaged after record {after}.")


def _open(file: BinaryIO, **more: Any) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(
            file, pre_buffer=False, buffer_size=_READ_BYTES, thrift_string_size_limit=2**26, **more
        )
    except MemoryError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise UnreadableFileError("PARQUET_INVALID", "The file cannot be read as Parquet.") from error


def _text(column: AnyArray) -> AnyArray:
    """A column as text: numbers exactly, moments, times and durations in ISO 8601, binary data as PostgreSQL
    writes it (\\x and hexadecimal digits), nested values as JSON."""
    kind = column.type
    types = pa.types
    if types.is_dictionary(kind):
        return _text(column.dictionary_decode())
    if types.is_string(kind):
        return column
    if types.is_large_string(kind) or types.is_string_view(kind) or types.is_null(kind):
        return column.cast(pa.string())
    if types.is_boolean(kind) or types.is_integer(kind):
        return column.cast(pa.string())
    if types.is_date(kind):
        return column.cast(pa.date32()).cast(pa.string())
    if types.is_timestamp(kind):
        zone = "" if kind.tz is None else "Z"  # Parquet stores values with a zone in UTC
        if kind.unit != "ns":
            texts = _moment_text(column.cast(pa.timestamp("us")))
            return pc.binary_join_element_wise(texts, zone, "") if zone else texts
        return _each(lambda number: f"{np.datetime64(number, 'ns')}{zone}", column)
    if types.is_time(kind):
        size = _PER_UNIT[kind.unit]
        return _each(lambda number: _clock(number * size), column.cast(f"int{kind.bit_width}"))
    if types.is_duration(kind):
        size = _PER_UNIT[kind.unit]
        return _each(lambda number: _duration(number * size), column)
    if types.is_nested(kind):
        return pa.array([None if value is None else _json(value) for value in _values(column)], pa.string())
    if types.is_float32(kind) or types.is_float16(kind):
        shortest = column.to_numpy(zero_copy_only=False)
        valid = column.is_valid().to_pylist()
        texts = [
            repr(float(str(value))) if there else None for value, there in zip(shortest, valid, strict=True)
        ]
        return pa.array(texts, pa.string())
    if types.is_float64(kind):
        return _float_text(column)
    return pa.array([_value(value) for value in column.to_pylist()], pa.string())


def _moment_text(moments: AnyArray) -> AnyArray:
    """Moments without a zone in ISO 8601, in a tenth of the time of strftime."""
    return pc.replace_substring(moments.cast(pa.string()), " ", "T")


def _float_text(column: AnyArray) -> AnyArray:
    """Floats as Python writes them: the fewest digits that mean the same float."""
    texts = column.cast(pa.string())
    whole = pc.equal(pc.trunc(column), column)
    if pc.any(whole).as_py():
        texts = pc.if_else(whole, pc.binary_join_element_wise(texts, ".0", ""), texts)
    size = pc.abs(column)
    # Others have exponents, or none in Arrow's text.
    alike = pc.or_(pc.equal(size, 0), pc.and_(pc.greater_equal(size, 1e-4), pc.less(size, 1e9)))
    odd = pc.invert(pc.fill_null(alike, fill_value=True))
    if not pc.any(odd).as_py():
        return texts
    return pc.replace_with_mask(texts, odd, pa.array(map(repr, column.filter(odd).to_pylist()), pa.string()))


def _words(batch: Any, texts: Sequence[AnyArray]) -> dict[int, Int64s]:
    found = {}
    for position, text in enumerate(texts):
        if _is_text(batch.column(position).type) and (rows := np.flatnonzero(column_looks_typed(text))).size:
            found[position] = rows
    return found


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    if isinstance(kind, pa.DictionaryType):
        return _is_text(kind.value_type)
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def _wide_text(microseconds: AnyArray, nanoseconds: AnyArray) -> AnyArray:
    """Moments of INT96, read in microseconds and in nanoseconds, which overflow: the difference is still the
    last three digits."""
    micros = pc.fill_null(microseconds.cast(pa.int64()), 0).to_numpy()
    nanos = pc.fill_null(nanoseconds.cast(pa.int64()), 0).to_numpy()
    with np.errstate(over="ignore"):
        last = pa.array(nanos - micros * 1000)
    texts = _moment_text(microseconds)
    digits = pc.utf8_lpad(last.cast(pa.string()), 3, "0")
    return pc.if_else(pc.equal(last, 0), texts, pc.binary_join_element_wise(texts, digits, ""))


_PER_UNIT = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}  # nanoseconds


def _each(text: Callable[[int], str], column: AnyArray) -> AnyArray:
    numbers = column.cast(pa.int64()).to_pylist()
    return pa.array([None if number is None else text(number) for number in numbers], pa.string())


def _clock(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{_fraction(rest)}"


def _duration(nanoseconds: int) -> str:
    seconds, rest = divmod(abs(nanoseconds), 10**9)
    parts = (f"{seconds // 3600}H", f"{seconds // 60 % 60}M", f"{seconds % 60}{_fraction(rest)}S")
    text = "".join(part for part in parts if part not in ("0H", "0M", "0S"))
    return f"{'-' if nanoseconds < 0 else ''}PT{text or '0S'}"


def _fraction(nanoseconds: int) -> str:
    return f".{nanoseconds:09}".rstrip("0") if nanoseconds else ""


def _values(column: AnyArray) -> list[Any]:
    """A column as values that JSON has; moments, times and durations as text."""
    kind = column.type
    types = pa.types
    there = column.is_valid().to_pylist()
    if types.is_struct(kind):
        names = [field.name for field in kind]
        rows = zip(*map(_values, column.flatten()), strict=True) if names else repeat(())
        return [
            dict(zip(names, row, strict=True)) if valid else None
            for valid, row in zip(there, rows, strict=False)
        ]
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        items = iter(_values(column.flatten()))
        lengths = column.value_lengths().to_pylist()
        return [None if length is None else list(islice(items, length)) for length in lengths]
    if types.is_temporal(kind):
        return list(_text(column).to_pylist())
    return list(column.to_pylist())


def _json(value: Any) -> str:
    return json.dumps(value, default=_value, ensure_ascii=False, separators=(",", ":"))


def _value(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    return str(value)


class ParquetParser(TableParser):
    name = "parquet"

    def recognises(self, head: bytes, file_name: str) -> bool:
        """Whether it begins with the magic bytes."""
        return head.startswith(b"PAR1")

    @contextmanager
    def open(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Iterator[ParquetTable]:
        table = ParquetTable(file, limits)
        try:
            yield table
        finally:
            table.close()
