"""Rows that did not simply succeed, in the ledger's tables: records of their own, and runs of neighbours.

A row is what its own record says, else its run, else its batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ingestor.outcomes import RejectedRow, RowError
from ingestor.runs import RejectedRun
from ingestor.services.status.adapters.pg_values import (
    array_literal,
    errors_from,
    errors_json,
    state_number,
    text,
)
from ingestor.services.status.processes import RowState
from ingestor.services.status.rows import Row
from ingestor.states import ROW_STATE_WORDS

if TYPE_CHECKING:
    from ingestor.services.status.adapters.pg_account import Work

BY_KEY = (
    "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off; "
    "SET LOCAL plan_cache_mode = force_generic_plan"
)
"""With what transactions begin whose statements look up by keys. Else a connection that has made its plan
while a table was small goes through all of it when it has grown, until it is analyzed."""

# Joins, as u, the run of a row of process $1; `row` is its column. Most processes have no runs: then nothing
# is looked up.
RUN_OF_ROW = """
LEFT JOIN LATERAL (
    SELECT * FROM row_runs WHERE (SELECT EXISTS (SELECT FROM row_runs WHERE process_id = $1))
    AND process_id = $1 AND first_row <= {row} ORDER BY first_row DESC LIMIT 1
) u ON {row} < u.first_row + u.row_count
"""
# The run that row $2 + 1 is in, or one before it. It is joined by LATERAL with a subquery that is planned on
# its own (OFFSET 0, or a LIMIT): else every run before may be read.
FIRST_RUN = """
first_run AS MATERIALIZED (
    SELECT coalesce((SELECT first_row FROM row_runs WHERE process_id = $1 AND first_row <= $2::bigint + 1
                     ORDER BY first_row DESC LIMIT 1), 0) AS first_row)
"""
# The line of a row of run u.
LINE_IN_RUN = """
CASE WHEN u.lines IS NULL THEN u.first_line + {row} - u.first_row
     ELSE u.lines[({row} - u.first_row + 1)::integer] END
"""
# What `run_from` reads of run u.
RUN = """
u.first_row AS run_first_row, u.row_count AS run_row_count, u.batch_number AS run_batch_number,
u.state AS run_state, u.first_line AS run_first_line, u.lines AS run_lines, u.errors AS run_errors,
u.cells AS run_cells, u.rest AS run_rest, u.rest_size AS run_rest_size, u.repairs_rows AS run_repairs_rows
"""


def find_rows(numbers: str = "unnest($2::bigint[]) AS n (number)", more: str = "") -> str:
    """The query for state, errors and cells of rows of process $1. Rows that were never read are missing.
    `numbers` is where the row numbers stand, as n.number; `more` are other columns of n, each after a comma:
    a join with the result would go through all rows for each."""
    return f"""
SELECT n.number AS row_number, b.batch_number, coalesce(e.state, u.state, b.default_state) AS state,
       coalesce(e.errors, u.errors, CASE WHEN b.error IS NULL THEN '[]' ELSE jsonb_build_array(b.error) END)
           AS errors,
       coalesce(e.cells, u.cells, '{{}}') AS cells{more}
FROM {numbers}
CROSS JOIN LATERAL (
    SELECT * FROM batches WHERE process_id = $1 AND first_row <= n.number ORDER BY first_row DESC LIMIT 1) b
LEFT JOIN row_exceptions e ON e.process_id = $1 AND e.row_number = n.number
{RUN_OF_ROW.format(row="n.number")}
WHERE n.number < b.first_row + b.row_count AND b.processed_at IS NOT NULL
"""  # noqa: S608


FIND_ROWS = find_rows()

# Many records by one statement: COPY into tables with row-level security is only for their owner.
_INSERT_ROWS = """
INSERT INTO row_exceptions
    (process_id, batch_number, tenant, row_number, line_number, state, errors, cells, repairs_row)
SELECT $1, $2, $3, row_number, line_number, state, errors, cells::text[], repairs_row
FROM unnest($4::bigint[], $5::bigint[], $6::smallint[], $7::jsonb[], $8::text[], $9::bigint[])
    AS r (row_number, line_number, state, errors, cells, repairs_row)
"""
_INSERT_RUNS = """
INSERT INTO row_runs
    (process_id, batch_number, tenant, first_row, row_count, first_line, state, errors, cells, lines, rest,
     rest_size, repairs_rows)
SELECT $1, $2, $3, first_row, row_count, first_line, state, errors, cells::text[], lines::bigint[], rest,
       rest_size, repairs_rows::bigint[]
FROM unnest($4::bigint[], $5::integer[], $6::bigint[], $7::smallint[], $8::jsonb[], $9::text[], $10::text[],
            $11::bytea[], $12::integer[], $13::text[])
    AS r (first_row, row_count, first_line, state, errors, cells, lines, rest, rest_size, repairs_rows)
"""


async def insert_rows(
    work: Work, batch_number: int, rows: Sequence[RejectedRow], repairs_rows: Sequence[int | None]
) -> None:
    """Insert rows of a batch; `repairs_rows` are their numbers in the repaired process."""
    if rows:
        await work.connection.execute(
            _INSERT_ROWS, work.process_id, batch_number, work.tenant,
            [row.row_number for row in rows],
            [row.line_number for row in rows],
            [state_number(row) for row in rows],
            [errors_json(row.errors) for row in rows],
            [array_literal(row.cells) for row in rows],
            repairs_rows,
        )  # fmt: skip


async def insert_runs(
    work: Work, batch_number: int, runs: Sequence[RejectedRun], repairs_rows: Sequence[Sequence[int] | None]
) -> None:
    """Insert runs of a batch; `repairs_rows` are the numbers of the rows of each in the repaired process."""
    if runs:
        await work.connection.execute(
            _INSERT_RUNS, work.process_id, batch_number, work.tenant,
            [run.first.row_number for run in runs],
            [run.row_count for run in runs],
            [run.first.line_number for run in runs],
            [state_number(run.first) for run in runs],
            [errors_json(run.first.errors) for run in runs],
            [array_literal(run.first.cells) for run in runs],
            [_numbers(run.lines) if run.lines else None for run in runs],
            [run.rest or None for run in runs],
            [run.rest_size for run in runs],
            [_numbers(numbers) if numbers is not None else None for numbers in repairs_rows],
        )  # fmt: skip


def _numbers(values: Sequence[int]) -> str:
    """Numbers as a literal of an array; runs of different lengths are no array of arrays."""
    return "{" + ",".join(map(str, values)) + "}"


def run_from(record: Any) -> RejectedRun:
    """The run of a record with the columns RUN."""
    first = RejectedRow(
        record["run_first_row"], record["run_first_line"],
        ROW_STATE_WORDS[record["run_state"]],  # type: ignore[arg-type]
        errors_from(record["run_errors"]), tuple(record["run_cells"]),
    )  # fmt: skip
    return RejectedRun(
        first, record["run_row_count"], tuple(record["run_lines"] or ()), record["run_rest"] or b"",
        record["run_rest_size"],
    )  # fmt: skip


def rows_of(record: Any, first: int, last: int | None = None) -> Iterator[Row]:
    """The rows of a run's record, see `run_from`, from number `first` up to `last`, in order."""
    state, batch = RowState(record["run_state"]), record["run_batch_number"]
    repairs, begin = record["run_repairs_rows"], record["run_first_row"]
    for row in run_from(record).rows(first, last):
        yield Row(
            row.row_number, row.line_number, batch, state, tuple(map(_clean, row.errors)),
            tuple(map(text, row.cells)), repairs[row.row_number - begin] if repairs else 0,
        )  # fmt: skip


def _clean(error: RowError) -> RowError:
    """The error without U+0000, as in rows with records of their own."""
    if "\0" not in error.value and "\0" not in error.message:
        return error
    return RowError(error.code, error.field, text(error.value), text(error.message), error.phase)
