"""Uses what a workbook says of cells besides their text."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

import numpy as np

from ingestor.outcomes import RejectedRow
from ingestor.tabular.normal_form import text_column
from ingestor.tabular.text_table import CellNote, TextTable


def reject_faults(table: TextTable, matters: Callable[[CellNote], bool] = lambda _: True) -> TextTable:
    """Reject each row with a faulty cell that matters, as `cell-error`. The result has no cell notes."""
    if not table.cell_notes:
        return table
    by_row: dict[int, CellNote] = {}
    for note in table.cell_notes:
        if note.fault and matters(note):
            by_row.setdefault(note.row_index, note)
    rows = np.isin(table.row_index, np.fromiter(by_row, np.int64, len(by_row)))
    rejected = []
    for position in np.flatnonzero(rows).tolist():
        fault = by_row[int(table.row_index[position])]
        cells = tuple(column[position].as_py() or "" for column in table.columns)
        rejected.append(
            RejectedRow.by_reader(
                table.row_number(position), table.line_number(position), "failed", "cell-error",
                fault.fault, cells, cells[fault.column],
            )
        )  # fmt: skip
    known = replace(table, cell_notes=())
    return known.rejecting(rows, rejected) if rejected else known


def with_shown_texts(table: TextTable, columns: Collection[int]) -> TextTable:
    """The table with what its cells show in these columns, by position."""
    shown: dict[int, dict[int, str]] = {}
    for note in table.cell_notes:
        if note.shown and note.column in columns:
            shown.setdefault(note.column, {})[note.row_index] = note.shown
    if not shown:
        return table
    made = list(table.columns)
    for column, texts in shown.items():
        pairs = zip(table.row_index.tolist(), table.columns[column].to_pylist(), strict=True)
        made[column] = text_column([texts.get(index, text) for index, text in pairs])
    return replace(table, columns=made)
