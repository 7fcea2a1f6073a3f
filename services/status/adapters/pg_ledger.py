"""Writes the ledger in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ingestor.outcomes import DisplacedRow, Notice, RejectedRow, RowError
from ingestor.runs import RejectedRun
from ingestor.runtime.errors import FailedPreconditionError
from ingestor.runtime.postgres.errors import transient_errors
from ingestor.services.status import ledger
from ingestor.services.status.adapters.pg_account import Work, deleted_error, hold
from ingestor.services.status.adapters.pg_displaced import displace, displaced_before
from ingestor.services.status.adapters.pg_notices import add_notices
from ingestor.services.status.adapters.pg_repair import repair
from ingestor.services.status.adapters.pg_rows import BY_KEY, insert_rows, insert_runs
from ingestor.services.status.adapters.pg_values import error_json, text
from ingestor.services.status.ledger import Account, Batch, ChangeFunction, Event, Outcome
from ingestor.services.status.ports import Ledger, Limits
from ingestor.services.status.processes import Info, ProcessState, RowState, Undo
from ingestor.services.status.rows import RepairedRows, with_displaced

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool

_START = """
UPDATE processes SET started = true, upload_id = $2, file_name = $3, size_bytes = $4,
       pipeline = $5, pipeline_version = $6, repairs = $7, updated_at = clock_timestamp()
WHERE process_id = $1
"""

# Inserts nothing when the batch exists.
_INSERT_BATCH = """
INSERT INTO batches (process_id, batch_number, tenant, first_row, row_count, first_line, byte_start, byte_end)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (process_id, batch_number) DO NOTHING RETURNING 1
"""

_BATCH = """
SELECT first_row, row_count, first_line, byte_start, byte_end, processed_at IS NOT NULL AS processed
FROM batches WHERE process_id = $1 AND batch_number = $2
"""

_INSERT_COUNTS = """
INSERT INTO error_counts (process_id, batch_number, tenant, code, field, count, example, first_row)
SELECT $1, $2, $3, * FROM unnest($4::text[], $5::text[], $6::bigint[], $7::text[], $8::bigint[])
"""

_OUTCOME = """
UPDATE batches SET processed_at = clock_timestamp(), default_state = $3, succeeded = $4, failed = $5,
       skipped = $6, error = $7, shift_positions = $8, shift_lines = $9
WHERE process_id = $1 AND batch_number = $2
"""


_REPAIRED = """
SELECT deleted_at IS NOT NULL AS deleted, expired_at IS NOT NULL AS expired
FROM processes WHERE process_id = $1 AND tenant = $2 FOR SHARE
"""

_UNDO = """
UPDATE processes SET undo_removed = $2, undo_restored = $3, undo_kept = $4 WHERE process_id = $1
"""


class PgLedger(Ledger):
    def __init__(self, pool: PgPool) -> None:
        # Each row of an outcome refers to its process. A connection that looked those up first while there
        # were few would go through all of them for each row.
        self._pool = pool.beginning(BY_KEY)

    async def start(self, info: Info) -> Account:
        async with self._process(info.process_id) as work:
            if not work.started:
                if info.repairs:
                    await _lock_parent(work, info.repairs)
                await work.connection.execute(
                    _START,
                    info.process_id,
                    info.upload_id,
                    info.file_name,
                    info.size_bytes,
                    info.pipeline,
                    info.pipeline_version,
                    info.repairs or None,
                )
                event = Event(
                    "ingestion.started",
                    {
                        "file_name": info.file_name,
                        "size_bytes": info.size_bytes,
                        "pipeline": info.pipeline,
                        "pipeline_version": info.pipeline_version,
                        **({"repairs": info.repairs} if info.repairs else {}),
                    },
                )
                work.apply((work.account, [event]))
            return work.account

    async def change(self, process_id: str, how: ChangeFunction) -> Account:
        async with self._process(process_id) as work:
            work.apply(how(work.account))
            return work.account

    async def read_header(
        self,
        process_id: str,
        columns: Sequence[str],
        dialect: str,
        content_bytes: int,
        limits: Limits,
        notices: Sequence[Notice] = (),
    ) -> Account:
        async with self._process(process_id) as work:
            if not work.account.header_read:
                await add_notices(work, notices)
            await work.connection.execute(
                "UPDATE processes SET columns = $2, dialect = $3, content_bytes = $4 WHERE process_id = $1",
                process_id, list(columns), dialect, content_bytes,
            )  # fmt: skip
            work.apply(ledger.header_read(work.account, limits.max_failed, limits.max_failed_share))
            return work.account

    async def dispatch(self, process_id: str, batch: Batch) -> Account:
        async with self._process(process_id) as work:
            if not work.expired:
                await self._dispatch(work, batch)
            return work.account

    async def _dispatch(self, work: Work, batch: Batch) -> bool:
        """Insert the batch unless it exists; return whether it has an outcome."""
        values = (
            batch.first_row, batch.row_count, batch.first_line, batch.byte_start, batch.byte_end
        )  # fmt: skip
        if await work.connection.fetchval(_INSERT_BATCH, work.process_id, batch.number, work.tenant, *values):
            work.apply(ledger.dispatched(work.account, batch))
            return False
        known = await work.connection.fetchrow(_BATCH, work.process_id, batch.number)
        assert known is not None
        if tuple(known)[:5] != values:
            raise ValueError(
                f"batch {batch.number} is recorded with other bounds: {tuple(known)[:5]}, {values}"
            )
        return bool(known["processed"])

    async def record(
        self,
        process_id: str,
        outcome: Outcome,
        error: RowError | None,
        rows: Sequence[RejectedRow],
        repaired: RepairedRows | None = None,
        displaced: Sequence[DisplacedRow] = (),
        notices: Sequence[Notice] = (),
        runs: Sequence[RejectedRun] = (),
    ) -> bool:
        _check_rows(outcome, rows, runs)
        _check_displaced(outcome, repaired, displaced)
        _check_repaired(outcome, repaired)
        async with self._process(process_id) as work:
            if work.expired or await self._dispatch(work, outcome.batch):
                return False
            number = outcome.batch.number
            displaced_early = await displaced_before(work, outcome)
            outcome, rows = with_displaced(outcome, rows, runs, displaced_early)
            await work.connection.execute(
                _OUTCOME,
                process_id,
                number,
                int(outcome.default_state),
                outcome.succeeded,
                outcome.failed,
                outcome.skipped,
                error_json(error) if error else None,
                *_shifts(outcome),
            )
            await insert_rows(
                work, number, rows,
                [_repaired_number(outcome, row.row_number, repaired) for row in rows]
                if repaired else [None] * len(rows),
            )  # fmt: skip
            await insert_runs(
                work, number, runs,
                [
                    [
                        _repaired_number(outcome, row, repaired)
                        for row in range(run.first.row_number, run.last_row + 1)
                    ]
                    if repaired else None
                    for run in runs
                ],
            )  # fmt: skip
            if counts := _counts(outcome, error, rows, runs):
                await work.connection.execute(
                    _INSERT_COUNTS, process_id, number, work.tenant, *map(list, zip(*counts, strict=True))
                )
            others = await displace(work, displaced)
            await add_notices(work, notices)
            work.apply(ledger.processed(work.account, outcome, others))
            if repaired is not None:
                every = [*rows, *await asyncio.to_thread(_rows_of, runs)]
                await repair(work.connection, work, outcome, every, repaired)
            return True

    async def undo(self, process_id: str, undo: Undo) -> Account:
        async with self._process(process_id) as work:
            if work.account.state is not ProcessState.UNDONE:
                work.apply(ledger.undone(work.account, undo))
                await work.connection.execute(_UNDO, process_id, undo.removed, undo.restored, undo.kept)
            return work.account

    @asynccontextmanager
    async def _process(self, process_id: str) -> AsyncIterator[Work]:
        """A transaction that holds the process."""
        async with (
            transient_errors("ledger"),
            self._pool.transaction() as connection,
            hold(connection, process_id) as work,
        ):
            yield work


async def _lock_parent(work: Work, process_id: str) -> None:
    """Lock a process while its repair is recorded, so that it is not removed. Raises NotFoundError
    (PROCESS_DELETED), FailedPreconditionError (RECORDS_EXPIRED)."""
    row = await work.connection.fetchrow(_REPAIRED, process_id, work.tenant)
    if row and row["deleted"]:
        raise deleted_error(process_id)
    if row and row["expired"]:
        raise FailedPreconditionError(
            "RECORDS_EXPIRED", f"The records of process {process_id} have been removed."
        )


def _shifts(outcome: Outcome) -> tuple[list[int] | None, list[int] | None]:
    if outcome.lines is None:
        return None, None
    return [position for position, _ in outcome.lines], [lines for _, lines in outcome.lines]


def _rows_of(runs: Sequence[RejectedRun]) -> list[RejectedRow]:
    return [row for run in runs for row in run.rows()]


def _check_rows(outcome: Outcome, rows: Sequence[RejectedRow], runs: Sequence[RejectedRun]) -> None:
    """Raise ValueError when the rows do not fit the batch's counts."""
    spans = [(row.row_number, row.row_number, row.state) for row in rows]
    spans += [(run.first.row_number, run.last_row, run.first.state) for run in runs]
    spans.sort()
    first, end = outcome.batch.first_row, outcome.batch.first_row + outcome.batch.row_count
    after = first
    count = {"failed": 0, "skipped": 0}
    for begin, last, state in spans:
        if not after <= begin <= last < end:
            raise ValueError(
                f"batch {outcome.batch.number}: a row is outside of {first}..{end - 1} or reported twice"
            )
        count[state] += last - begin + 1
        after = last + 1
    failed, skipped = count["failed"], count["skipped"]
    if outcome.default_state is RowState.FAILED:
        failed += outcome.batch.row_count - failed - skipped - outcome.succeeded
    if (failed, skipped) != (outcome.failed, outcome.skipped):
        raise ValueError(
            f"batch {outcome.batch.number}: {failed} failed and {skipped} skipped rows reported, "
            f"{outcome.failed} and {outcome.skipped} expected"
        )


def _check_displaced(
    outcome: Outcome, repaired: RepairedRows | None, displaced: Sequence[DisplacedRow]
) -> None:
    """Raise ValueError when the batch cannot have displaced the rows."""
    if not displaced:
        return
    name = f"batch {outcome.batch.number}"
    if repaired is not None:
        raise ValueError(f"{name}: a repair cannot displace rows")
    if len({row.row_number for row in displaced}) != len(displaced):
        raise ValueError(f"{name}: a displaced row is reported twice")
    first, last = outcome.batch.first_row, outcome.batch.first_row + outcome.batch.row_count - 1
    for row in displaced:
        if row.row_number < 1:
            raise ValueError(f"{name}: a displaced row has a number below 1")
        if first <= row.row_number <= last:
            raise ValueError(f"{name}: a displaced row is one of its own")


def _check_repaired(outcome: Outcome, repaired: RepairedRows | None) -> None:
    """Raise ValueError when the number of repaired rows is not that of the batch's rows."""
    if repaired and repaired.rows and len(repaired.rows) != outcome.batch.row_count:
        raise ValueError(
            f"batch {outcome.batch.number}: {len(repaired.rows)} repaired rows, "
            f"{outcome.batch.row_count} expected"
        )


def _repaired_number(outcome: Outcome, row_number: int, repaired: RepairedRows) -> int:
    """A row's number in the repaired process, 0 where it has none."""
    return repaired.rows[row_number - outcome.batch.first_row] if repaired.rows else 0


def _counts(
    outcome: Outcome, error: RowError | None, rows: Sequence[RejectedRow], runs: Sequence[RejectedRun]
) -> list[tuple[str, str, int, str, int]]:
    """(code, field, count, example, first row) for the errors of the batch's FAILED rows."""
    counter: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], tuple[str, int]] = {}
    own = 0
    for row, count in [*((row, 1) for row in rows), *((run.first, run.row_count) for run in runs)]:
        if row.state != "failed":
            continue
        own += count
        for found in row.errors:
            key = (text(found.code), text(found.field))
            counter[key] += count
            if key not in examples or row.row_number < examples[key][1]:
                examples[key] = (text(found.message), row.row_number)
    if error is not None and outcome.failed > own:
        key = (error.code, error.field)
        counter[key] += outcome.failed - own
        examples.setdefault(key, (error.message, outcome.batch.first_row))
    return [(code, field, count, *examples[code, field]) for (code, field), count in counter.items()]
