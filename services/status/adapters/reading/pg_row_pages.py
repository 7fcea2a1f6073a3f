"""Reads single rows, and pages of rows by number.

What a row is stands in up to three tables. Each is looked up once for a whole page, by its key, and they are
put together here: a join of them looked each row up in each.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ingestor.access.scope import tenant
from ingestor.services.status.adapters.pg_rows import FIRST_RUN, RUN, rows_of
from ingestor.services.status.adapters.pg_values import error_from, errors_from
from ingestor.services.status.processes import TERMINAL, RowState
from ingestor.services.status.rows import Row

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection

# State of a batch's rows without own records. Without an outcome they are QUEUED, or UNPROCESSED once the
# process has ended.
RANGE_STATE = f"""
CASE WHEN b.processed_at IS NOT NULL THEN b.default_state
     WHEN p.state IN ({", ".join(str(int(s)) for s in sorted(TERMINAL))})
     THEN {int(RowState.UNPROCESSED)} ELSE {int(RowState.QUEUED)} END
"""
# The last process that repaired row `e`.
REPAIRED_BY = """
(SELECT h.repair_process_id FROM row_history h
 WHERE h.process_id = e.process_id AND h.row_number = e.row_number ORDER BY h.replaced_at DESC LIMIT 1)
"""

# A process with a row of it, if that has been read (then it has a batch).
_ROW = f"""
SELECT p.*, b.batch_number, b.error AS batch_error, {RANGE_STATE} AS batch_state, $2::bigint AS row_number,
       e.line_number, e.state AS row_state, e.errors, e.cells, e.repairs_row, {REPAIRED_BY} AS repaired_by,
       {RUN}
FROM processes p
LEFT JOIN LATERAL (
    SELECT * FROM batches WHERE process_id = $1 AND tenant = $3 AND first_row <= $2
    ORDER BY first_row DESC LIMIT 1) b ON $2 < b.first_row + b.row_count
LEFT JOIN LATERAL (
    SELECT * FROM row_exceptions WHERE process_id = $1 AND tenant = $3 AND row_number = $2 LIMIT 1) e ON true
LEFT JOIN LATERAL (
    SELECT * FROM row_runs WHERE process_id = $1 AND tenant = $3 AND first_row <= $2
    ORDER BY first_row DESC LIMIT 1) u ON $2 < u.first_row + u.row_count
WHERE p.process_id = $1 AND p.tenant = $3
"""  # noqa: S608

# Batches from the one with row $2 + 1, or before it, up to the one with row $3. For the first, see FIRST_RUN.
_BATCHES = f"""
WITH first_batch AS MATERIALIZED (
    SELECT coalesce((SELECT first_row FROM batches WHERE process_id = $1 AND first_row <= $2::bigint + 1
                     ORDER BY first_row DESC LIMIT 1), 0) AS first_row)
SELECT b.first_row, b.first_row + b.row_count - 1 AS last_row, b.batch_number, b.error AS batch_error,
       {RANGE_STATE} AS batch_state
FROM first_batch f
CROSS JOIN LATERAL (
    SELECT * FROM batches WHERE process_id = $1 AND tenant = $4 AND first_row >= f.first_row
    AND first_row <= $3 OFFSET 0) b
JOIN processes p ON p.process_id = $1 AND p.tenant = $4
ORDER BY b.first_row
"""  # noqa: S608
_OWN = """
SELECT batch_number, row_number, line_number, state AS row_state, errors, cells, repairs_row
FROM row_exceptions WHERE process_id = $1 AND tenant = $4 AND row_number > $2 AND row_number <= $3
"""
_REPAIRED = """
SELECT DISTINCT ON (row_number) row_number, repair_process_id
FROM row_history WHERE process_id = $1 AND tenant = $4 AND row_number > $2 AND row_number <= $3
ORDER BY row_number, replaced_at DESC
"""
_RUNS = f"""
WITH {FIRST_RUN}
SELECT {RUN} FROM first_run f
CROSS JOIN LATERAL (
    SELECT * FROM row_runs WHERE process_id = $1 AND tenant = $4 AND first_row >= f.first_row
    AND first_row <= $3 OFFSET 0) u
"""  # noqa: S608


async def find_row(
    fetch: Callable[..., Awaitable[Sequence[Any]]], process_id: str, number: int
) -> tuple[Any, Row | None]:
    """The record of a process, and a row of it; None for what does not exist or has not been read. One
    statement, because most of the time is that of round trips."""
    found = await fetch(_ROW, process_id, number, tenant())
    if not found:
        return None, None
    [record] = found
    if record["batch_number"] is None:
        return record, None
    if record["row_state"] is not None:
        return record, own_row(record, str(record["repaired_by"] or ""))
    if record["run_first_row"] is not None:
        return record, await asyncio.to_thread(lambda: next(rows_of(record, number, number)))
    return record, next(_plain(record, number, number))


async def find_rows(connection: PgConnection, process_id: str, after: int, upto: int) -> list[Row]:
    """The rows after row `after` and up to `upto` that have been read, in order: as many as fit a page."""
    arguments = (process_id, after, upto, tenant())
    batches = await connection.fetch(_BATCHES, *arguments)
    own = await connection.fetch(_OWN, *arguments)
    repaired = await connection.fetch(_REPAIRED, *arguments) if own else []
    runs = await connection.fetch(_RUNS, *arguments)
    # In a thread, because what runs hold is inflated.
    return await asyncio.to_thread(_put_together, batches, own, repaired, runs, after, upto)


def _put_together(
    batches: Sequence[Any],
    own: Sequence[Any],
    repaired: Sequence[Any],
    runs: Sequence[Any],
    after: int,
    upto: int,
) -> list[Row]:
    repairs = {row["row_number"]: str(row["repair_process_id"]) for row in repaired}
    recorded: Mapping[int, Row] = {
        row.row_number: row for run in runs for row in rows_of(run, after + 1, upto)
    } | {row["row_number"]: own_row(row, repairs.get(row["row_number"], "")) for row in own}
    return [
        recorded.get(row.row_number, row)
        for batch in batches
        for row in _plain(batch, max(batch["first_row"], after + 1), min(batch["last_row"], upto))
    ]


def _plain(batch: Any, first: int, last: int) -> Iterator[Row]:
    """The rows of a batch from one number to another, as they are without records of their own."""
    state, number = RowState(batch["batch_state"]), batch["batch_number"]
    failed = state is RowState.FAILED and batch["batch_error"] is not None
    errors = (error_from(json.loads(batch["batch_error"])),) if failed else ()
    for row in range(first, last + 1):
        yield Row(row, 0, number, state, errors, ())


def own_row(record: Any, repaired_by: str) -> Row:
    """The row of a record of its own."""
    return Row(
        record["row_number"], record["line_number"], record["batch_number"], RowState(record["row_state"]),
        errors_from(record["errors"]), tuple(record["cells"]), record["repairs_row"] or 0,
        repaired_by,
    )  # fmt: skip
