"""What a step of the transforms gets and returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from ingestor.columns.arrow import Mask, pc, texts_at, to_mask
from ingestor.columns.text_column import text_column
from ingestor.outcomes import RowError, capped, quoted

CODE = "transform-error"

Texts: TypeAlias = "pa.StringArray"


@dataclass(frozen=True, slots=True)
class Inputs:
    """The columns that a step asked for, of `count` values each, null where an earlier step made the
    value missing, and the pipeline's missingValues."""

    columns: Mapping[str, Texts]
    missing: Set[str]
    count: int

    def absent(self, label: str) -> Mask:
        """Where the column's value is missing (bool[count])."""
        column = self.columns[label]
        words = pc.is_in(column, value_set=pa.array(sorted(self.missing), pa.string()))
        return to_mask(pc.or_kleene(pc.is_null(column), words), null=True)

    def present(self, label: str) -> Texts:
        """The column with nulls for missing values."""
        return text_column(self.columns[label], self.missing).array


@dataclass(frozen=True, slots=True)
class Made:
    """What a step made: columns by label, and the errors of rows, each with the row's position. The cells of
    a refused row mean nothing."""

    columns: Mapping[str, Texts]
    errors: Sequence[tuple[int, RowError]] = ()


# Takes a step of the class that belongs to its `op`.
Operation = Callable[[Any, Inputs], Made]


def faults(label: str, column: Texts, rows: Mask, reason: str) -> list[tuple[int, RowError]]:
    """An error for each marked row: the column, its value, and a sentence without its subject."""
    return list(_faults(label, column, rows, reason))


def _faults(label: str, column: Texts, rows: Mask, reason: str) -> Iterator[tuple[int, RowError]]:
    positions = np.flatnonzero(rows)
    for position, value in zip(positions.tolist(), texts_at(column, positions), strict=True):
        text = value or ""
        yield position, RowError(CODE, label, capped(text), f"{label}: {quoted(text)} {reason}", "validate")
