"""Good rows as the text that COPY (FORMAT csv) reads."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv

from ingestor.runtime.observability.stages import stage
from ingestor.services.processor.ports import GoodRows

PROCESS_COLUMN = "_process_id"
ROW_COLUMN = "_row_number"


def column_names(rows: GoodRows, *, lineage: bool = True) -> list[str]:
    """The columns of the text, in order."""
    names = [name for name, _ in rows.table.columns]
    return [*names, ROW_COLUMN, PROCESS_COLUMN] if lineage else names


def copy_text(rows: GoodRows, process_id: str, *, lineage: bool = True) -> memoryview:
    """The rows as CSV without a header: NULL is empty and not quoted, text is quoted.
    Times are in UTC without an offset: the session's time zone must be UTC."""
    with stage("encode"):
        arrays: list[Any] = [_plain(column) for column in rows.data.columns]
        if lineage:
            arrays.append(pa.array(rows.row_numbers))
            arrays.append(pa.repeat(process_id, rows.data.num_rows))
        sink = pa.BufferOutputStream()
        options = pacsv.WriteOptions(include_header=False, quoting_style="needed")
        pacsv.write_csv(pa.table(arrays, names=column_names(rows, lineage=lineage)), sink, options)
        return memoryview(sink.getvalue())


def _plain(column: Any) -> Any:
    """Arrow writes times with a time zone many times slower than the same times without."""
    if pa.types.is_timestamp(column.type):
        naive = pa.timestamp("us", None)
        return pa.chunked_array([chunk.view(naive) for chunk in column.chunks], naive)
    return column
