"""What is computed of a dead letter's rows, in a process that may die of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ingestor.checking.rows import CheckedRows, check_rows
from ingestor.checking.typed_cells import TypedCells
from ingestor.outcomes import RejectedRow, RowError
from ingestor.pipelines.document import Pipeline
from ingestor.tabular.text_table import TextTable

# What the process runs; it imports their modules first.
PARSE = "ingestor.services.processor.reading:parse"
READ_REPAIR = "ingestor.services.processor.reading:read_repair"
CHECK = "ingestor.services.processor.checks.parts:check_part"
GUILTY = "batch-error"


def check_part(
    table: TextTable, columns: Sequence[str], pipeline: Pipeline | None, typed: TypedCells
) -> CheckedRows:
    """Check the rows of a part."""
    return check_rows(table, columns, pipeline, typed=typed)


def part(table: TextTable, first: int, end: int) -> TextTable:
    """The records from position `first` to `end` of a slice, which keep their positions; the notices are in
    the first part."""
    keep = (table.row_index >= first) & (table.row_index < end)
    return replace(
        table.keeping(keep),
        rejected=[row for row in table.rejected if first <= row.row_number - table.first_row < end],
        cell_notes=tuple(note for note in table.cell_notes if first <= note.row_index < end),
        notices=table.notices if first == 0 else (),
    )


def given_up(table: TextTable, message: str) -> list[RejectedRow]:
    """The records of a part as FAILED, those apart that the reader rejected."""
    error = RowError(GUILTY, "", "", message, "validate")
    return [
        *table.rejected,
        *(
            RejectedRow(
                table.row_number(position), table.line_number(position), "failed", (error,),
                tuple(column[position].as_py() or "" for column in table.columns),
            )
            for position in np.arange(len(table.row_index)).tolist()
        ),
    ]  # fmt: skip
