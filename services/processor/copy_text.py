"""Good rows as the text that COPY (FORMAT csv) reads."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv

from services.processor.ports import GoodRows

PROCESS_COLUMN = "_process_id"
ROW_COLUMN = "_row_number"


def column_names(rows: GoodRows) -> list[str]:
    """The columns of the text, in order."""
    return [*(name for name, _ in rows.table.columns), ROW_COLUMN, PROCESS_COLUMN]


def copy_text(rows: GoodRows, process_id: str, start: int = 0, stop: int | None = None) -> memoryview:
    """The rows [start, stop) as CSV without a header: NULL is empty and not quoted, text is quoted.
    Times are in UTC without an offset: the session's time zone must be UTC."""
    stop = rows.data.num_rows if stop is None else stop
    data = rows.data.slice(start, stop - start)
    arrays: list[Any] = [_plain(column) for column in data.columns]
    arrays.append(pa.array(rows.row_numbers[start:stop]))
    arrays.append(pa.repeat(process_id, data.num_rows))
    sink = pa.BufferOutputStream()
    options = pacsv.WriteOptions(include_header=False, quoting_style="needed")
    pacsv.write_csv(pa.table(arrays, names=column_names(rows)), sink, options)
    return memoryview(sink.getvalue())


def _plain(column: Any) -> Any:
    """Arrow writes times with a time zone many times slower than the same times without."""
    if pa.types.is_timestamp(column.type):
        naive = pa.timestamp("us", None)
        return pa.chunked_array([chunk.view(naive) for chunk in column.chunks], naive)
    return column
