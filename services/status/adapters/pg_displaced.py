"""Records displaced rows: loaded rows that lost their key to an earlier row of their file."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from ingestor.outcomes import DisplacedRow, RejectedRow
from ingestor.services.status.adapters.pg_account import Work
from ingestor.services.status.adapters.pg_rows import find_rows
from ingestor.services.status.adapters.pg_values import errors_from, errors_json
from ingestor.services.status.ledger import Outcome, line_at
from ingestor.services.status.processes import RowState

_REPORTED = find_rows(
    "unnest($2::bigint[], $3::jsonb[], $5::bigint[]) AS n (number, errors, line_number)",
    ", n.errors AS reported_errors, n.line_number",
)

# The batches of rows that tell where their rows begin.
_LINES = """
SELECT b.first_row, b.row_count, b.first_line, b.shift_positions, b.shift_lines FROM batches b
WHERE b.process_id = $1 AND b.shift_positions IS NOT NULL AND b.batch_number IN (
    SELECT found.batch_number FROM unnest($2::bigint[]) AS n (number) CROSS JOIN LATERAL (
        SELECT batch_number FROM batches WHERE process_id = $1 AND first_row <= n.number
        ORDER BY first_row DESC LIMIT 1) found)
"""
_AT_ONCE = 20

# Sets reported rows that have SUCCEEDED to FAILED: their own records, the counts of their batches and of
# errors. Returns them.
_FAIL = f"""
WITH found AS (
    SELECT row_number, batch_number, reported_errors AS errors, line_number
    FROM ({_REPORTED}) f WHERE state = {int(RowState.SUCCEEDED)}),
written AS (
    INSERT INTO row_exceptions
        (process_id, row_number, line_number, batch_number, tenant, state, errors, cells)
    SELECT $1, row_number, line_number, batch_number, $4, {int(RowState.FAILED)}, errors, '{{}}' FROM found
    ON CONFLICT (process_id, row_number) DO UPDATE
        SET state = excluded.state, errors = excluded.errors, cells = excluded.cells,
            line_number = excluded.line_number),
counted AS (
    UPDATE batches b SET succeeded = b.succeeded - c.count, failed = b.failed + c.count
    FROM (SELECT batch_number, count(*) AS count FROM found GROUP BY batch_number) c
    WHERE b.process_id = $1 AND b.batch_number = c.batch_number),
summed AS (
    INSERT INTO error_counts AS known
        (process_id, batch_number, tenant, code, field, count, example, first_row)
    SELECT $1, batch_number, $4, e->>0, e->>1, count(*), (array_agg(e->>3 ORDER BY row_number))[1],
           min(row_number)
    FROM found CROSS JOIN jsonb_array_elements(errors) e GROUP BY batch_number, e->>0, e->>1
    ON CONFLICT (process_id, batch_number, code, field) DO UPDATE
        SET count = known.count + excluded.count,
            example = CASE WHEN excluded.first_row < known.first_row THEN excluded.example
                      ELSE known.example END,
            first_row = least(known.first_row, excluded.first_row))
SELECT row_number FROM found
"""  # noqa: S608

# Keeps the others until the outcomes of their batches arrive.
_KEEP = """
INSERT INTO displaced_rows (process_id, row_number, tenant, errors)
SELECT $1, row_number, $2, errors FROM unnest($3::bigint[], $4::jsonb[]) AS r (row_number, errors)
ON CONFLICT (process_id, row_number) DO NOTHING
"""

_TAKE = """
DELETE FROM displaced_rows WHERE process_id = $1 AND row_number >= $2 AND row_number < $3
RETURNING row_number, errors
"""


async def displace(work: Work, rows: Sequence[DisplacedRow]) -> int:
    """Record rows of other batches of the held process as displaced; return how many had been counted as
    SUCCEEDED."""
    if not rows:
        return 0
    errors = {row.row_number: errors_json([row.error]) for row in rows}
    numbers = list(errors)
    lines = await _lines(work, numbers)
    found = await work.connection.fetch(
        _FAIL, work.process_id, numbers, list(errors.values()), work.tenant,
        [lines.get(number, 0) for number in numbers],
    )  # fmt: skip
    failed = {row["row_number"] for row in found}
    if others := [number for number in numbers if number not in failed]:
        await work.connection.execute(
            _KEEP, work.process_id, work.tenant, others, [errors[number] for number in others]
        )
    return len(failed)


async def _lines(work: Work, numbers: Sequence[int]) -> dict[int, int]:
    """The lines of rows whose batches tell them."""
    found: dict[int, int] = {}
    ordered = sorted(numbers)
    async for batch in work.connection.cursor(_LINES, work.process_id, ordered, prefetch=_AT_ONCE):
        first, count = batch["first_row"], batch["row_count"]
        start, end = bisect_left(ordered, first), bisect_left(ordered, first + count)
        shifts = list(zip(batch["shift_positions"], batch["shift_lines"], strict=True))
        for number in ordered[start:end]:
            found[number] = line_at(batch["first_line"], number - first, shifts)
    return found


async def displaced_before(work: Work, outcome: Outcome) -> list[RejectedRow]:
    """Take the rows of a batch that were displaced before its outcome arrived, by number, to add them to that
    outcome."""
    batch = outcome.batch
    found = await work.connection.fetch(
        _TAKE, work.process_id, batch.first_row, batch.first_row + batch.row_count
    )  # fmt: skip
    return [
        RejectedRow(
            row["row_number"], outcome.line_of(row["row_number"]), "failed", errors_from(row["errors"]), ()
        )
        for row in sorted(found, key=lambda row: int(row["row_number"]))
    ]
