"""Batches for the sinks' contract tests."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from ingestor.outcomes import RejectedRow
from ingestor.services.processor.batches import BatchKey, BatchOutcome, BatchRange, outcome_of
from ingestor.services.processor.ports import GoodRows, Refused, Table

PEOPLE = Table("public", "people", (("id", "bigint"), ("name", "text")), ("id",))


_NUMBERS = itertools.count()


def new_process() -> str:
    """The id of a process that comes after all before it."""
    milliseconds = time.time_ns() // 1_000_000
    return str(uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | 0x2 << 62 | next(_NUMBERS)))


def process_after_all_this() -> str:
    """The id of a process that is made in another millisecond than whatever was done before."""
    now = new_process()
    while (found := new_process())[:13] == now[:13]:
        continue
    return found


def key(number: int = 1, rows: int = 3, process: str | None = None) -> BatchKey:
    """A batch of a process of its own."""
    first = (number - 1) * rows + 1
    return BatchKey(process or new_process(), "default", BatchRange(number, first, rows, first + 1, 0, 9))


def good(
    of: BatchKey, values: Sequence[tuple[int | None, str | None]], table: Table = PEOPLE
) -> GoodRows:  # fmt: skip
    """Rows of a batch."""
    data = pa.table(
        {
            "id": pa.array([value[0] for value in values], pa.int64()),
            "name": pa.array([value[1] for value in values], pa.string()),
        }
    )
    return GoodRows(table, data, np.arange(len(values), dtype=np.int64) + of.range.first_row)


def concluding(of: BatchKey) -> Callable[[Sequence[Refused]], BatchOutcome]:
    """As the service concludes."""

    def conclude(refused: Sequence[Refused]) -> BatchOutcome:
        first = of.range.first_row
        rows = [
            RejectedRow(first + row.position, 1, row.state, (row.error, *row.more), ("cell",))
            for row in refused
        ]
        return outcome_of(of, rows)

    return conclude
