"""Rejects rows with an oversized cell, in any format."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow.compute as compute

from ingestor.outcomes import RejectedRow
from ingestor.tabular.limits import DEFAULT_LIMITS, Limits
from ingestor.tabular.text_table import TextTable

pc: Any = compute  # the stubs know too few of its overloads


def reject_long_cells(table: TextTable, data_size: int, limits: Limits = DEFAULT_LIMITS) -> TextTable:
    """Reject rows that have a cell of more than `max_cell_bytes` bytes of UTF-8, as `cell-too-long` and
    without their cells. Returns `table` itself when none has, or when the whole slice (`data_size` bytes) is
    smaller."""
    if data_size <= limits.max_cell_bytes:
        return table
    row_count = len(table.row_index)
    first_long = np.full(row_count, -1, np.int64)
    for position in reversed(range(len(table.columns))):
        lengths = pc.fill_null(pc.binary_length(table.columns[position]), 0).to_numpy(zero_copy_only=False)
        first_long[lengths > limits.max_cell_bytes] = position
    rows = np.flatnonzero(first_long >= 0)
    if not rows.size:
        return table
    rejected = []
    for row in rows.tolist():
        position = int(first_long[row])
        text = table.columns[position][row].as_py()
        message = f"The cell in column {position + 1} is longer than {limits.max_cell_bytes} bytes."
        rejected.append(
            RejectedRow.by_reader(
                table.row_number(row), table.line_number(row), "failed", "cell-too-long", message, (), text
            )
        )  # fmt: skip
    return table.rejecting(first_long >= 0, rejected)
