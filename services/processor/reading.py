"""Reads and checks the rows of a batch, of a file or of a repair."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute

from ingestor.checking.quoted_text import unquoted_nulls, without_missing_values
from ingestor.checking.rows import CheckedRows, check_rows
from ingestor.checking.typed_cells import TypedCells
from ingestor.columns.arrow import Int64s
from ingestor.outcomes import RejectedRow, RowError
from ingestor.pipelines.document import Pipeline
from ingestor.reports import NOT_FAILED
from ingestor.runtime.observability.spans import span
from ingestor.runtime.observability.stage_cpu import cpu_of
from ingestor.runtime.observability.stages import stage
from ingestor.services.processor.batches import RepairedRows, RowBatch
from ingestor.services.processor.ports import Refused
from ingestor.tabular.cell_limit import reject_long_cells
from ingestor.tabular.normal_form import from_normal_form
from ingestor.tabular.parsers.csv import read_csv_slice
from ingestor.tabular.records.syntax import EXTRA_COLUMNS, Dialect
from ingestor.tabular.text_table import TextTable
from ingestor.tabular.words import words_within

pc: Any = compute  # the stubs know too few of its overloads


@cpu_of("parse")
def read_batch(batch: RowBatch, data: bytes, pipeline: Pipeline | None = None) -> TextTable:
    """The records of a batch as columns of text; where quotes matter, with the pipeline's missing values as
    nulls. Raises ValueError when the data do not have the form that the batch states."""
    width, bounds = len(batch.columns), batch.key.range
    row, line = bounds.first_row, bounds.first_line
    if batch.normal_form:
        table = from_normal_form(
            read_csv_slice(
                data,
                width + len(EXTRA_COLUMNS),
                Dialect(),
                empty_is_null=True,
                first_row=row,
                first_line=line,
            )
        )
    else:
        table = read_csv_slice(
            data, width, Dialect(batch.delimiter, batch.quote),
            nulls=unquoted_nulls(pipeline, batch.columns) if batch.quoted_is_text else None,
            drop_empty_cells=batch.drop_empty_cells, first_row=row, first_line=line,
            byte_start=bounds.byte_start,
        )  # fmt: skip
    return reject_long_cells(table, len(data))


def check(batch: RowBatch, data: bytes, pipeline: Pipeline | None) -> CheckedRows:
    """Parse and check a batch (CPU-bound). Raises ValueError when the data do not match the batch."""
    return check_table(batch, parse(batch, data, pipeline), pipeline)


def line_shifts(table: TextTable) -> tuple[tuple[int, int], ...]:
    """Where the rows of a batch begin, as in BatchOutcome.lines."""
    later = table.line_index - table.row_index
    changes = np.flatnonzero(np.diff(later, prepend=0))
    return tuple(zip(table.row_index[changes].tolist(), later[changes].tolist(), strict=True))


def parse(batch: RowBatch, data: bytes, pipeline: Pipeline | None) -> TextTable:
    """The records of a batch. Raises ValueError when the data do not match it."""
    with stage("parse"), span("parse"):
        table = read_batch(batch, data, pipeline)
    if table.record_count != batch.key.range.row_count:
        raise ValueError(f"{table.record_count} records instead of {batch.key.range.row_count}")
    return table


def check_table(batch: RowBatch, table: TextTable, pipeline: Pipeline | None) -> CheckedRows:
    """Check the records of a batch."""
    with stage("check"), span("check"):
        return check_rows(table, batch.columns, pipeline_of_text(batch, pipeline), typed=typed_of(batch))


def typed_of(batch: RowBatch) -> TypedCells:
    """Whether cells of a batch are values that its file keeps typed. Of a repair file nobody knows."""
    if not batch.typed_cells:
        return "none"
    return "perhaps" if batch.repairs is not None and not batch.repairs.numbers else "marked"


def pipeline_of_text(batch: RowBatch, pipeline: Pipeline | None) -> Pipeline | None:
    """The pipeline for the text of a batch: where quotes matter, the reader has found the missing values."""
    if pipeline is None or not batch.quoted_is_text:
        return pipeline
    return without_missing_values(pipeline, only_empty=batch.normal_form)


def refused_rows(table: TextTable, good_index: Int64s, refused: Sequence[Refused]) -> Iterator[RejectedRow]:
    """The rows that the sink refused, with their lines and cells, which are those of `table`; `good_index` as
    in CheckedRows."""
    positions = np.searchsorted(table.row_index, good_index[[row.position for row in refused]])
    for row, position in zip(refused, positions.tolist(), strict=True):
        yield RejectedRow(
            table.row_number(position), table.line_number(position), row.state, (row.error, *row.more),
            _cells(table, position),
        )  # fmt: skip


def _cells(table: TextTable, position: int) -> tuple[str, ...]:
    return tuple(column[position].as_py() or "" for column in table.columns)


@dataclass(frozen=True, slots=True)
class RepairTable:
    """The rows of a batch as rows of the repaired process: `table` has its columns; `numbers`
    (int64[records of the batch]) are the row numbers there, 0 for a record that names none."""

    table: TextTable
    numbers: Int64s


def read_repair(
    batch: RowBatch, rows: RepairedRows, data: bytes, pipeline: Pipeline | None = None
) -> RepairTable:
    """Read a batch of a repair. Raises ValueError when the data do not match the batch."""
    found = repair_table(rows, read_batch(batch, data, pipeline))
    if found.table.record_count != batch.key.range.row_count:
        raise ValueError(f"{found.table.record_count} records instead of {batch.key.range.row_count}")
    return found


def repair_table(rows: RepairedRows, table: TextTable) -> RepairTable:
    """The rows to repair among the records of a batch. Raises ValueError when they do not match the batch."""
    if rows.numbers:
        return _chosen(rows, table)
    if len(table.columns) != len(rows.columns) + 1:
        raise ValueError(f"{len(table.columns)} columns instead of {len(rows.columns) + 1}")
    numbers = np.zeros(table.record_count, np.int64)
    numbers[table.row_index] = pc.cast(table.columns[0], pa.int64()).to_numpy(zero_copy_only=False)
    return RepairTable(replace(table, columns=table.columns[1:]), numbers)


def _chosen(rows: RepairedRows, table: TextTable) -> RepairTable:
    """The records with the given row numbers, of the file of the repaired process."""
    numbers = np.array(rows.numbers, np.int64)
    wanted = numbers - rows.first_row
    if (np.diff(wanted) <= 0).any() or wanted[0] < 0 or wanted[-1] >= table.record_count:
        raise ValueError(f"{table.record_count} records from row {rows.first_row} on lack some of the rows")
    keep = np.isin(table.row_index, wanted)
    places = {int(index): place for place, index in enumerate(wanted.tolist())}
    rejected = []
    for row in table.rejected:
        place = places.get(row.row_number - table.first_row)
        if place is not None:
            rejected.append(row._replace(row_number=table.first_row + place))
    kept = table.keeping(keep)
    chosen = replace(
        kept,
        row_index=np.searchsorted(wanted, kept.row_index),
        record_count=len(numbers),
        rejected=rejected,
        cell_notes=tuple(
            replace(note, row_index=places[note.row_index])
            for note in table.cell_notes
            if note.row_index in places
        ),
        words=words_within(table.words, wanted),
        notices=(),  # the repaired process has them
    )
    return RepairTable(chosen, numbers)


def failed_rows(found: RepairTable, states: Mapping[int, str]) -> tuple[TextTable, list[RejectedRow]]:
    """The rows that have failed in the repaired process, by the `states` of its rows, and all others, as
    skipped."""
    numbers = found.numbers
    failed = np.array([number for number, state in states.items() if state == "failed"], np.int64)
    other = (numbers > 0) & ~np.isin(numbers, failed)
    table = found.table
    if not other.any():
        return table, []
    leave = other[table.row_index]
    skipped, rejected = [], []

    def skip(row: int, line: int, cells: tuple[str, ...]) -> None:
        error = _not_failed(int(numbers[row - table.first_row]), states)
        skipped.append(RejectedRow(row, line, "skipped", (error,), cells))

    for position in np.flatnonzero(leave).tolist():
        skip(table.row_number(position), table.line_number(position), _cells(table, position))
    for row in table.rejected:
        if other[row.row_number - table.first_row]:
            skip(row.row_number, row.line_number, row.cells)
        else:
            rejected.append(row)
    return replace(table, rejected=rejected).rejecting(leave, ()), skipped


def _not_failed(number: int, states: Mapping[int, str]) -> RowError:
    state = states.get(number)
    what = f"has {state}" if state in ("succeeded", "failed") else f"is {state or 'unknown'}"
    message = f"Row {number} of the repaired process {what}: only failed rows can be repaired."
    return RowError(NOT_FAILED, "", str(number), message, "validate")


def repaired_meanwhile(number: int) -> RowError:
    """The error of a row that another repair has loaded since this batch looked up its state."""
    message = f"Row {number} of the repaired process has been repaired by another process in the meantime."
    return RowError(NOT_FAILED, "", str(number), message, "load")
