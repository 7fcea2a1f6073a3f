"""Failed rows of another process that are brought again: which rows a batch has, and which are left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute

from ingestor.columns.arrow import Int64s
from ingestor.outcomes import RejectedRow, RowError
from ingestor.reports import NOT_FAILED
from ingestor.services.processor.batches import BroughtRows
from ingestor.tabular.text_table import TextTable

pc: Any = compute  # the stubs know too few of its overloads


@dataclass(frozen=True, slots=True)
class Brought:
    """The rows of a batch as rows of the process that is repaired: `table` has its columns, and
    `numbers` (int64[records of the batch]) each record's number there, 0 where a record says none."""

    table: TextTable
    numbers: Int64s


def brought(rows: BroughtRows, table: TextTable) -> Brought:
    """Of what was read of a batch, the rows that are brought again. Raises ValueError when the batch has
    not what it says."""
    if rows.numbers:
        return _chosen(rows, table)
    if len(table.columns) != len(rows.columns) + 1:
        raise ValueError(f"{len(table.columns)} columns instead of {len(rows.columns) + 1}")
    numbers = np.zeros(table.record_count, np.int64)
    numbers[table.row_index] = pc.cast(table.columns[0], pa.int64()).to_numpy(zero_copy_only=False)
    return Brought(replace(table, columns=table.columns[1:]), numbers)


def _chosen(rows: BroughtRows, table: TextTable) -> Brought:
    """The records of the repaired process's own file that have these numbers."""
    numbers = np.array(rows.numbers, np.int64)
    wanted = numbers - rows.first_row
    if (np.diff(wanted) <= 0).any() or wanted[0] < 0 or wanted[-1] >= table.record_count:
        raise ValueError(f"{table.record_count} records from row {rows.first_row} on have not all the rows")
    keep = np.isin(table.row_index, wanted)
    mask = pa.array(keep)
    places = {int(index): place for place, index in enumerate(wanted.tolist())}
    made = TextTable(
        [column.filter(mask) for column in table.columns],
        np.searchsorted(wanted, table.row_index[keep]),
        table.line_index[keep],
        len(numbers),
        [replace(r, index=places[r.index]) for r in table.rejected if r.index in places],
    )
    return Brought(made, numbers)


def without_others(found: Brought, states: Mapping[int, str]) -> tuple[TextTable, list[RejectedRow]]:
    """The rows that have failed in the repaired process, by `states` of its rows, and the skipped others."""
    numbers = found.numbers
    failed = np.array([number for number, state in states.items() if state == "failed"], np.int64)
    other = (numbers > 0) & ~np.isin(numbers, failed)
    table = found.table
    if not other.any():
        return table, []
    leave = other[table.row_index]
    skipped = [
        RejectedRow(
            index, line, "skipped", (_not_failed(int(numbers[index]), states),),
            tuple(column[position].as_py() or "" for column in table.columns),
        )
        for position, index, line in zip(
            np.flatnonzero(leave).tolist(), table.row_index[leave].tolist(), table.line_index[leave].tolist(),
            strict=True,
        )
    ]  # fmt: skip
    skipped += [
        RejectedRow(r.index, r.line_index, "skipped", (_not_failed(int(numbers[r.index]), states),), r.cells)
        for r in table.rejected
        if other[r.index]
    ]
    mask = pa.array(~leave)
    kept = replace(
        table,
        columns=[column.filter(mask) for column in table.columns],
        row_index=table.row_index[~leave],
        line_index=table.line_index[~leave],
        rejected=[r for r in table.rejected if not other[r.index]],
    )
    return kept, skipped


def _not_failed(number: int, states: Mapping[int, str]) -> RowError:
    state = states.get(number)
    what = f"has {state} there" if state in ("succeeded", "failed") else f"is {state or 'unknown'} there"
    message = f"Row {number} of the process that is repaired {what}: only failed rows are brought again."
    return RowError(NOT_FAILED, "", str(number), message, "validate")


def repaired_meanwhile(number: int) -> RowError:
    """Why a row is left out that had failed when this batch looked, and was loaded since by another."""
    message = f"Row {number} of the process that is repaired was repaired meanwhile by another process."
    return RowError(NOT_FAILED, "", str(number), message, "load")
