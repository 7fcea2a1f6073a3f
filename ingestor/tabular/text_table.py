"""What parsers return for a slice: columns of text, and rejected records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingestor.outcomes import Notice, RejectedRow
from ingestor.tabular.words import Words

EMPTY_CELLS_DROPPED = (
    "empty-cells-dropped",
    "Rows have more cells than the table has columns; all of those cells are empty and were dropped.",
)
"""Code and message of the notice."""
BOM_IN_RECORD = (
    "The record begins with a byte order mark (U+FEFF): files were probably joined here. Remove the mark."
)


@dataclass(frozen=True, slots=True)
class CellNote:
    """What a workbook says of a cell besides its text: that it has no value, such as the error of a formula,
    or what it shows where the text is a number. A row is rejected for a cell without a value if the column is
    read; until then the cell holds what the file shows."""

    row_index: int
    """Position in the slice of the row's record, as in `TextTable.row_index`."""
    column: int
    """Position among the columns, from 0."""
    fault: str = ""
    """Why it has no value: one sentence that names the cell. "" for a cell with a value."""
    shown: str = ""
    """What a field of text gets instead of the cell's text; "" for the text itself."""


@dataclass(frozen=True, slots=True)
class TextTable:
    """A slice as text. Every record is either a row of the columns or in `rejected`."""

    columns: list[pa.StringArray]
    """One for each column of the header, all of length n. Only formats that have nulls give nulls."""
    row_index: npt.NDArray[np.int64]
    """Position in the slice of each row's record, from 0, ascending; shape [n]."""
    line_index: npt.NDArray[np.int64]
    """Physical line on which each row's record starts, from 0 at the slice's first line; shape [n]."""
    record_count: int
    """Records of the slice: n + len(rejected)."""
    rejected: list[RejectedRow]
    """By row number, ascending."""
    used_exact_reader: bool = False
    """True when the fast parser disagreed with the scan, so the slow one read the slice."""
    first_row: int = 1
    """Number in its file of the slice's first record; `rejected` count from here."""
    first_line: int = 1
    """Number in its file of the slice's first line; `rejected` count from here."""
    notices: tuple[Notice, ...] = ()
    """What a person should know of these records; of the file as a whole in its first slice only. Their
    `row_numbers` count like those of `rejected`."""

    cell_notes: tuple[CellNote, ...] = ()
    """By row. Of rows that are not in `columns` they mean nothing."""

    words: Words = field(default_factory=dict)
    """Of a file that keeps values typed, the cells of text that look typed; see ingestor.tabular.words. Of
    rows that are not in `columns` they mean nothing."""

    def row_number(self, position: int) -> int:
        """Number in its file of the row at a position in the columns."""
        return self.first_row + int(self.row_index[position])

    def line_number(self, position: int) -> int:
        """Line of its file on which the row at a position in the columns starts."""
        return self.first_line + int(self.line_index[position])

    def rejecting(self, rows: npt.NDArray[np.bool_], records: Iterable[RejectedRow]) -> TextTable:
        """The table without the rows of a mask (shape [n]), which are in `rejected` now as `records`."""
        rejected = sorted([*self.rejected, *records], key=lambda record: record.row_number)
        return replace(self.keeping(~rows), rejected=rejected)

    def keeping(self, rows: npt.NDArray[np.bool_]) -> TextTable:
        """The table with the rows of a mask (shape [n]) alone, and all that is known of the others."""
        mask = pa.array(rows)
        return replace(
            self,
            columns=[column.filter(mask) for column in self.columns],
            row_index=self.row_index[rows],
            line_index=self.line_index[rows],
        )
