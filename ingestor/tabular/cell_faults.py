"""Rejects rows that have a cell without a value in a column that is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa

from ingestor.outcomes import RejectedRow
from ingestor.tabular.text_table import CellFault, TextTable


def reject_cell_faults(table: TextTable, matters: Callable[[CellFault], bool] = lambda _: True) -> TextTable:
    """Reject each row with a faulty cell that matters, as `cell-error`. The result has no cell faults."""
    if not table.cell_faults:
        return table
    by_row: dict[int, CellFault] = {}
    for fault in table.cell_faults:
        if matters(fault):
            by_row.setdefault(fault.row_index, fault)
    positions = np.flatnonzero(np.isin(table.row_index, np.fromiter(by_row, np.int64, len(by_row))))
    if not positions.size:
        return replace(table, cell_faults=())
    rejected = list(table.rejected)
    for position in positions.tolist():
        fault = by_row[int(table.row_index[position])]
        cells = tuple(column[position].as_py() or "" for column in table.columns)
        rejected.append(
            RejectedRow.by_reader(
                table.row_number(position), table.line_number(position), "failed", "cell-error",
                fault.message, cells, cells[fault.column],
            )
        )  # fmt: skip
    keep = np.ones(len(table.row_index), np.bool_)
    keep[positions] = False
    return replace(
        table,
        columns=[column.filter(pa.array(keep)) for column in table.columns],
        row_index=table.row_index[keep],
        line_index=table.line_index[keep],
        rejected=sorted(rejected, key=lambda record: record.row_number),
        cell_faults=(),
    )
