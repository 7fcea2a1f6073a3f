"""What parsers return for a slice: columns of text, and rejected records."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """A record that could not be read, or is skipped."""

    index: int
    """Position in the slice, from 0."""
    line_index: int
    """Physical line on which it starts, from 0 at the slice's first line."""
    state: Literal["failed", "skipped"]
    code: str
    """A code of Frictionless where it has one: "blank-row" (skipped), "extra-cell", "missing-cell",
    "encoding-error"; else "quote-error", "record-too-long" or "cell-too-long"."""
    message: str
    """One sentence for a person."""
    cells: tuple[str, ...] | None
    """All of its cells, if it could be split ("extra-cell", "missing-cell")."""
    text: str
    """The record as it stands in the file, without its line end: the first 1024 characters; bytes
    that are not UTF-8, and NUL, as \\xNN."""
    byte_index: int | None = None
    """Offset in the slice of its first byte, where the slice is the file's own text."""


@dataclass(frozen=True, slots=True)
class TextTable:
    """A slice as text. Every record of it is either a row of the columns or in `rejected`."""

    columns: list[pa.StringArray]
    """One for each column of the header; all of length n. Null only in formats with nulls."""
    row_index: npt.NDArray[np.int64]
    """Position in the slice of each row's record, from 0, ascending; shape [n]."""
    line_index: npt.NDArray[np.int64]
    """Physical line on which each row's record starts, from 0 at the slice's first line; shape [n]."""
    record_count: int
    """Records of the slice: n + len(rejected)."""
    rejected: list[RejectedRecord]
    """By `index`, ascending."""
    used_exact_reader: bool = False
    """True when the fast parser disagreed with the scan, and the slow one read the slice instead."""


def with_places(table: TextTable, byte_start: int) -> TextTable:
    """The table of a slice of a file's own text that begins at byte `byte_start` (from 0): failed records
    say at which byte they begin."""
    if not table.rejected:
        return table
    rejected = list(table.rejected)
    for place, record in enumerate(rejected):
        if record.state == "failed" and record.byte_index is not None:
            at = f" It begins at byte {byte_start + record.byte_index} of the file's text."
            rejected[place] = replace(record, message=record.message + at)
    return replace(table, rejected=rejected)
