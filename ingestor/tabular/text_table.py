"""What parsers return for a slice: columns of text, and rejected records."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingestor.outcomes import RejectedRow


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
    """By `index`, ascending."""
    used_exact_reader: bool = False
    """True when the fast parser disagreed with the scan, so the slow one read the slice."""


def with_places(table: TextTable, byte_start: int) -> TextTable:
    """Add to the message of each failed record the byte at which it begins. `table` is a slice of the file's
    own text that begins at byte `byte_start` (from 0)."""
    if not table.rejected:
        return table
    rejected = list(table.rejected)
    for position, record in enumerate(rejected):
        if record.state == "failed" and record.byte_index is not None:
            at = f" It begins at byte {byte_start + record.byte_index} of the file's text."
            (error,) = record.errors
            rejected[position] = replace(record, errors=(replace(error, message=error.message + at),))
    return replace(table, rejected=rejected)
