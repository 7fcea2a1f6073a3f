"""Good rows as the bytes that COPY (FORMAT binary) reads.

Each row is joined from pieces: what has one size in all rows (numbers, moments, the lengths of texts) is
written for whole columns at once; between that are the texts. Arrow joins them without Python per row.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ingestor.columns.arrow import pc, to_mask
from ingestor.runtime.observability.stages import stage
from ingestor.services.processor.adapters.postgres.binary.fields import Fields, side_by_side
from ingestor.services.processor.adapters.postgres.binary.numerics import numeric_fields

if TYPE_CHECKING:
    from ingestor.services.processor.ports import GoodRows

_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TAIL = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"  # a length of -1
_JSONB_VERSION = b"\x01"
# Arrow counts bytes of the joined rows in 32 bits.
_MOST_BYTES = 2**30
# What Arrow counts from 1970, PostgreSQL counts from 2000.
_DAYS = 10_957
_MICROSECONDS = 946_684_800_000_000

# The types of columns whose values have a binary form here, and the types in which Arrow has such values.
_KINDS = {
    "text": pa.string(),
    "jsonb": pa.string(),
    "numeric": pa.string(),
    "boolean": pa.bool_(),
    "bigint": pa.int64(),
    "integer": pa.int64(),
    "date": pa.date32(),
    "timestamptz": pa.timestamp("us", "UTC"),
}
# How whole numbers are kept by Arrow, how they are written, and what is subtracted before.
_WHOLE = {
    "bigint": (pa.int64(), ">i8", 0),
    "integer": (pa.int64(), ">i4", 0),
    "date": (pa.int32(), ">i4", _DAYS),
    "timestamptz": (pa.int64(), ">i8", _MICROSECONDS),
}


def binary_rows(rows: GoodRows, process_id: str, *, lineage: bool = True) -> Sequence[memoryview] | None:
    """The rows in binary form, in parts, for columns that have just the types of `rows.table`. None if the
    type of a column, or one of its values, has no binary form here."""
    with stage("encode"):
        if rows.data.nbytes > _MOST_BYTES or not all(
            field.type == _KINDS.get(kind)  # values that were fitted to their column may be texts
            for (_, kind), field in zip(rows.table.columns, rows.data.schema, strict=True)
        ):
            return None
        joined = _Joined(rows.data.num_rows, len(rows.table.columns) + (2 if lineage else 0))
        for (_, kind), column in zip(rows.table.columns, rows.data.columns, strict=True):
            values = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
            if kind in ("text", "jsonb"):
                joined.add_texts(values, jsonb=kind == "jsonb")
            elif (fields := _fields(kind, values)) is None:
                return None
            else:
                joined.add(fields, values)
        if lineage:
            joined.add([(">i4", 8), (">i8", rows.row_numbers)])
            joined.add([(">i4", 16), ("V16", np.void(uuid.UUID(process_id).bytes))])
        return memoryview(_HEAD), joined.whole(), memoryview(_TAIL)


def _fields(kind: str, values: Any) -> Fields | None:
    """The length and the value of each of a column's values; some value for a missing one."""
    if kind == "numeric":
        return numeric_fields(values)
    if kind == "boolean":
        return [(">i4", 1), ("u1", to_mask(values, null=False))]
    kept, layout, since = _WHOLE[kind]
    whole = pc.fill_null(values.view(kept), 0).to_numpy(zero_copy_only=False)
    return [(">i4", np.dtype(layout).itemsize), (layout, whole - since if since else whole)]


class _Joined:
    """Rows that are joined from pieces; neighbours of one size are one piece."""

    def __init__(self, count: int, width: int) -> None:
        self._count = count
        self._pieces: list[Any] = []
        self._open: Fields = [(">i2", width)]

    def add(self, fields: Fields, values: Any = None) -> None:
        """Add a column of one size, but for those of `values` that are missing."""
        if values is None or not values.null_count:
            self._open += fields
            return
        self._close()
        some = side_by_side(fields, self._count)
        self._pieces.append(pc.if_else(values.is_valid(), some, pa.scalar(_NULL, pa.binary())))

    def add_texts(self, values: Any, *, jsonb: bool) -> None:
        """Add a column of texts."""
        if jsonb:
            values = pc.binary_join_element_wise(_JSONB_VERSION, values.view(pa.binary()), b"")
        lengths = pc.fill_null(pc.binary_length(values), -1).to_numpy(zero_copy_only=False)
        self._open.append((">i4", lengths))
        self._close()
        if values.null_count:
            values = pc.fill_null(values, pa.scalar("", values.type))
        self._pieces.append(values.view(pa.binary()))

    def _close(self) -> None:
        if self._open:
            self._pieces.append(side_by_side(self._open, self._count))
            self._open = []

    def whole(self) -> memoryview:
        """The rows, one after the other."""
        self._close()
        joined = pc.binary_join_element_wise(*self._pieces, b"")
        return memoryview(joined.buffers()[2] or b"")
