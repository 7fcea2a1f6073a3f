"""What the outcome of a repair's batch changes in the process that it repairs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from services.status import ledger
from services.status.adapters.pg_account import Work, hold
from services.status.adapters.pg_values import error_values, text
from services.status.ledger import Outcome
from services.status.processes import RowState
from services.status.rows import RejectedRow, RepairedRows

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgConnection

# Of some rows: where they stand and what the ledger has of them. Rows that were never read are left out.
FIND_ROWS = """
SELECT n.number AS row_number, b.batch_number, coalesce(e.state, b.default_state) AS state,
       coalesce(e.errors, CASE WHEN b.error IS NULL THEN '[]' ELSE jsonb_build_array(b.error) END) AS errors,
       coalesce(e.cells, '{}') AS cells
FROM unnest($2::bigint[]) AS n (number)
CROSS JOIN LATERAL (
    SELECT * FROM batches WHERE process_id = $1 AND first_row <= n.number ORDER BY first_row DESC LIMIT 1) b
LEFT JOIN row_exceptions e ON e.process_id = $1 AND e.row_number = n.number
WHERE n.number < b.first_row + b.row_count AND b.processed_at IS NOT NULL
"""

_KEEP = """
INSERT INTO row_history (process_id, row_number, repair_process_id, errors, cells)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
"""

# A row of a batch that failed as a whole has no record of its own yet.
_REPLACE = """
INSERT INTO row_exceptions (process_id, row_number, line_number, batch_number, tenant, state, errors, cells)
VALUES ($1, $2, 0, $3, $4, $5, $6, $7)
ON CONFLICT (process_id, row_number) DO UPDATE SET state = $5, errors = $6, cells = $7
"""

_BATCH_COUNTS = """
UPDATE batches SET succeeded = succeeded + $3, failed = failed - $3
WHERE process_id = $1 AND batch_number = $2
"""

# The counts of a batch's errors, made anew from its rows.
_FORGET_COUNTS = "DELETE FROM error_counts WHERE process_id = $1 AND batch_number = ANY($2)"
_COUNT = f"""
INSERT INTO error_counts (process_id, batch_number, tenant, code, field, count, example, first_row)
SELECT process_id, batch_number, max(tenant), code, field, sum(count), (array_agg(example ORDER BY first_row))[1],
       min(first_row)
FROM (
    SELECT r.process_id, r.batch_number, r.tenant, x->>0 AS code, x->>1 AS field, count(*) AS count,
           (array_agg(x->>3 ORDER BY r.row_number))[1] AS example, min(r.row_number) AS first_row
    FROM row_exceptions r CROSS JOIN jsonb_array_elements(r.errors) x
    WHERE r.process_id = $1 AND r.batch_number = ANY($2) AND r.state = {int(RowState.FAILED)}
    GROUP BY 1, 2, 3, 4, 5
    UNION ALL
    SELECT b.process_id, b.batch_number, b.tenant, b.error->>0, b.error->>1, b.failed - own.failed,
           b.error->>3, b.first_row
    FROM batches b CROSS JOIN LATERAL (
        SELECT count(*) AS failed FROM row_exceptions r WHERE r.process_id = b.process_id
        AND r.batch_number = b.batch_number AND r.state = {int(RowState.FAILED)}) own
    WHERE b.process_id = $1 AND b.batch_number = ANY($2) AND b.error IS NOT NULL AND b.failed > own.failed
) found GROUP BY process_id, batch_number, code, field
"""  # noqa: S608


async def repair(
    connection: PgConnection,
    repairing: Work,
    outcome: Outcome,
    rows: Sequence[RejectedRow],
    repaired: RepairedRows,
) -> None:
    """Rows that have FAILED there and SUCCEEDED here succeed there; those that FAILED here too get
    their new reasons and cells there. Other rows are left alone."""
    here = {row.row_number: row for row in rows}
    first = outcome.batch.first_row
    news = {
        number: here.get(first + index) for index, number in enumerate(repaired.rows) if number
    }  # None: it succeeded
    news = {number: row for number, row in news.items() if row is None or row.state is RowState.FAILED}
    if not news:
        return
    async with hold(connection, repaired.process_id, repairing.tenant) as work:
        if work.expired:
            return
        found = [
            row
            for row in await connection.fetch(FIND_ROWS, repaired.process_id, sorted(news))
            if row["state"] == RowState.FAILED
        ]
        if not found:
            return
        await connection.executemany(
            _KEEP,
            [
                (repaired.process_id, row["row_number"], repairing.process_id, row["errors"], row["cells"])
                for row in found
            ],
        )
        succeeded: Counter[int] = Counter()
        replaced = []
        for row in found:
            number, batch = row["row_number"], row["batch_number"]
            new = news[number]
            if new is None:
                succeeded[batch] += 1
            state = RowState.SUCCEEDED if new is None else RowState.FAILED
            errors = [error_values(error) for error in new.errors] if new else []
            cells = [text(cell) for cell in new.cells] if new else []
            replaced.append(
                (
                    repaired.process_id, number, batch, work.tenant, int(state),
                    json.dumps(errors, ensure_ascii=False), cells,
                )
            )  # fmt: skip
        await connection.executemany(_REPLACE, replaced)
        await connection.executemany(
            _BATCH_COUNTS, [(repaired.process_id, batch, count) for batch, count in succeeded.items()]
        )
        batches = sorted({row["batch_number"] for row in found})
        await connection.execute(_FORGET_COUNTS, repaired.process_id, batches)
        await connection.execute(_COUNT, repaired.process_id, batches)
        count = succeeded.total()
        await work.apply(ledger.repaired(work.account, repairing.process_id, count, len(found) - count))
