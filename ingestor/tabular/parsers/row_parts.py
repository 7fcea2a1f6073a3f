"""Rows of a block that were read in parts, such as those that were split at once and those read alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ingestor.columns.arrow import Int64s
from ingestor.outcomes import RejectedRow
from ingestor.tabular.text_table import TextTable


@dataclass(frozen=True, slots=True)
class RowPart:
    """Some rows of a block."""

    lines: Int64s
    """Their lines or records, by position in the block; shape [n]."""
    columns: list[pa.StringArray]
    """For each column the cells; shape [n]."""
    words: dict[int, Int64s]
    """By position of the column, the lines with a word (see ingestor.tabular.words), ascending."""

    @classmethod
    def of_table(cls, table: TextTable, positions: Int64s) -> RowPart:
        """The rows of a table of records that were read one by one; `positions` are those of its records."""
        words = {column: positions[records] for column, records in table.words.items()}
        return cls(positions[table.row_index], table.columns, words)

    def of(self, names: Sequence[str], columns: Sequence[str]) -> RowPart:
        """The same rows with the columns of a table, where those of other names are missing."""
        if tuple(names) == tuple(columns):
            return self
        places = {name: position for position, name in enumerate(names)}
        missing = pa.nulls(len(self.lines), pa.string())
        wide = [self.columns[places[name]] if name in places else missing for name in columns]
        words = {}
        for position, name in enumerate(columns):
            if name in places and places[name] in self.words:
                words[position] = self.words[places[name]]
        return RowPart(self.lines, wide, words)


def renumbered(rejected: Sequence[RejectedRow], positions: Int64s) -> list[RejectedRow]:
    """The rejected records of a table, as they are numbered in another, where its records have these
    positions."""
    return [record._replace(row_number=int(positions[record.row_number - 1]) + 1) for record in rejected]


def in_order(parts: Sequence[RowPart]) -> RowPart:
    """The rows of all parts by line; the parts have the same columns."""
    used = [part for part in parts if len(part.lines)]
    if len(used) <= 1:
        return (used or parts)[0]
    lines = np.concatenate([part.lines for part in used])
    order = np.argsort(lines)
    columns = [
        pa.concat_arrays(column).take(pa.array(order))
        for column in zip(*(part.columns for part in used), strict=True)
    ]
    words: dict[int, list[Int64s]] = {}
    for part in used:
        for position, found in part.words.items():
            words.setdefault(position, []).append(found)
    return RowPart(
        lines[order], columns, {position: np.sort(np.concatenate(found)) for position, found in words.items()}
    )
