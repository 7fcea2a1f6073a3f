"""What every step of the transforms gets and gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from ingestor.checking.arrow import Mask, pc, texts_at, to_mask
from ingestor.outcomes import Problem, capped, quoted

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


@dataclass(frozen=True, slots=True)
class Made:
    """What a step made: columns by label, and problems of rows, each with the row's position. The cells
    that a refused row gets do not matter."""

    columns: Mapping[str, Texts]
    problems: Sequence[tuple[int, Problem]] = ()


# The step is of the class that the registry has under the same name.
Operation = Callable[[Any, Inputs], Made]


def faults(label: str, column: Texts, rows: Mask, reason: str) -> list[tuple[int, Problem]]:
    """A problem for each marked row: the column, its value, and a sentence without its subject."""
    return list(_faults(label, column, rows, reason))


def _faults(label: str, column: Texts, rows: Mask, reason: str) -> Iterator[tuple[int, Problem]]:
    positions = np.flatnonzero(rows)
    for position, value in zip(positions.tolist(), texts_at(column, positions), strict=True):
        text = value or ""
        yield position, Problem(CODE, label, capped(text), f"{label}: {quoted(text)} {reason}", "validate")
