"""Reads what became of the rows of a process from the ledger's tables."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from ingestor.access.scope import tenant
from ingestor.runtime.postgres.errors import transient_errors
from ingestor.services.status.ledger import Batch
from ingestor.services.status.outcomes.spans import BatchOutcome, OutcomeReader, Span, spans_of
from ingestor.services.status.processes import RowState

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool

_BATCH = """
SELECT * FROM batches WHERE process_id = $1 AND tenant = $2 AND batch_number > $3
ORDER BY batch_number LIMIT 1
"""
_RUNS = """
SELECT first_row, row_count, state, errors->0->>0 AS code, (errors->0->>4)::smallint AS phase
FROM row_runs WHERE process_id = $1 AND tenant = $2 AND first_row >= $3 AND first_row < $4 ORDER BY first_row
"""
_OWN = """
SELECT e.row_number, e.state, e.errors->0->>0 AS code, (e.errors->0->>4)::smallint AS phase,
       h.process_id IS NOT NULL AS repaired
FROM row_exceptions e LEFT JOIN LATERAL (
    SELECT process_id FROM row_history WHERE process_id = $1 AND tenant = $2 AND row_number = e.row_number
    LIMIT 1) h ON true
WHERE e.process_id = $1 AND e.tenant = $2 AND e.row_number >= $3 AND e.row_number < $4 ORDER BY e.row_number
"""


class PgOutcomes(OutcomeReader):
    def __init__(self, pool: PgPool) -> None:
        self._pool = pool

    async def after(self, process_id: str, number: int, *, ended: bool, rows: bool) -> BatchOutcome | None:
        async with transient_errors("ledger"), self._pool.transaction() as connection:
            row = await connection.fetchrow(_BATCH, process_id, tenant(), number)
            if row is None:
                return None
            batch = Batch(
                row["batch_number"], row["first_row"], row["row_count"], row["first_line"],
                row["byte_start"], row["byte_end"],
            )  # fmt: skip
            counts = row["succeeded"], row["failed"], row["skipped"]
            if not rows:
                return BatchOutcome(batch, *counts, None)
            waiting = RowState.UNPROCESSED if ended else RowState.QUEUED
            bounds = (process_id, tenant(), batch.first_row, batch.first_row + batch.row_count)
            runs = await connection.fetch(_RUNS, *bounds)
            own = await connection.fetch(_OWN, *bounds)
        return BatchOutcome(batch, *counts, await asyncio.to_thread(_spans, row, runs, own, waiting))


def _spans(batch: Any, runs: list[Any], own: list[Any], waiting: RowState) -> list[Span]:
    state = batch["default_state"]
    default = Span(batch["first_row"], batch["row_count"], waiting if state is None else RowState(state))
    if default.state is RowState.FAILED and batch["error"] is not None:
        error = json.loads(batch["error"])
        default = Span(default.first_row, default.row_count, default.state, error[0], error[4])
    return spans_of(
        default,
        [
            Span(
                run["first_row"], run["row_count"], RowState(run["state"]), run["code"] or "",
                run["phase"] or 0,
            )
            for run in runs
        ],
        [
            Span(
                row["row_number"], 1, RowState(row["state"]), row["code"] or "", row["phase"] or 0,
                row["repaired"],
            )
            for row in own
        ],
    )  # fmt: skip
