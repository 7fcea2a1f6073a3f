"""What became of every row, as a verification gets it: the same as the reader of the ledger says of it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from ingestor.access.scope import within
from ingestor.outcomes import RejectedRow, RowError
from ingestor.runs import packed
from ingestor.services.status import ledger
from ingestor.services.status.adapters.outcomes.pg_outcomes import PgOutcomes
from ingestor.services.status.adapters.pg_ledger import PgLedger
from ingestor.services.status.adapters.pg_reader import PgLedgerReader
from ingestor.services.status.ledger import Batch, Outcome
from ingestor.services.status.processes import Info, RowState
from ingestor.services.status.rows import RepairedRows

if TYPE_CHECKING:
    from tests.contract.conftest import OpenPool

BAD = RowError("type-error", "a", "x", "a: x is wrong", "validate")
BLANK = RowError("blank-row", "", "", "blank", "parse")
WHOLE = RowError("batch-error", "", "", "The batch died.", "load")
S, F, K, U = RowState.SUCCEEDED, RowState.FAILED, RowState.SKIPPED, RowState.UNPROCESSED


def batch(number: int, first: int, rows: int) -> Batch:
    return Batch(number, first, rows, first + 1, 10 * number, 10 * number + 10)


async def test_every_row_as_the_reader_has_it(pool_of: OpenPool) -> None:
    pool = await pool_of("status")
    writer, reader = PgLedger(pool), PgLedgerReader(pool)
    process, repair = str(uuid.uuid4()), str(uuid.uuid4())
    await writer.start(Info(process, "default", "u", "a.csv", 100, "", 0, ""))
    batches = [batch(1, 1, 6), batch(2, 7, 2), batch(3, 9, 2)]
    for one in batches:
        await writer.dispatch(process, one)
    rejected = [
        RejectedRow(2, 3, "failed", (BAD,), ("x",)),
        *(RejectedRow(row, row + 1, "skipped", (BLANK,), ()) for row in (4, 5, 6)),
    ]
    alone, runs = packed(rejected)
    assert alone and runs
    await writer.record(process, Outcome(batches[0], S, 2, 1, 3), None, alone, runs=runs)
    await writer.record(process, Outcome(batches[1], F, 0, 2, 0), WHOLE, [])
    await writer.change(process, ledger.cancelled)
    await writer.start(Info(repair, "default", "u", "b.csv", 100, "", 0, process))
    fixed = batch(1, 1, 2)
    await writer.dispatch(repair, fixed)
    await writer.record(repair, Outcome(fixed, S, 2, 0, 0), None, [], RepairedRows(process, (2, 8)))

    outcomes = PgOutcomes(pool)
    said, counts, number = [], [], 0
    while (found := await outcomes.after(process, number, ended=True, rows=True)) is not None:
        number = found.batch.number
        counts.append((found.succeeded, found.failed, found.skipped))
        assert found.spans is not None
        for span in found.spans:
            said += [
                (row, span.state, span.code, span.phase, span.repaired)
                for row in range(span.first_row, span.end)
            ]
    assert said == [
        (1, S, "", 0, False),
        (2, S, "", 0, True),
        (3, S, "", 0, False),
        *((row, K, "blank-row", 1, False) for row in (4, 5, 6)),
        (7, F, "batch-error", 3, False),
        (8, S, "", 0, True),
        *((row, U, "", 0, False) for row in (9, 10)),
    ]
    assert counts == [(3, 0, 3), (1, 1, 0), (0, 0, 0)]
    rows = await reader.rows(process, (), 0, 20)
    assert [(row.row_number, row.state) for row in rows] == [row[:2] for row in said]
    only_counts = await outcomes.after(process, 0, ended=True, rows=False)
    assert only_counts is not None and only_counts.spans is None


async def test_a_stranger_gets_nothing(pool_of: OpenPool) -> None:
    pool = await pool_of("status")
    process = str(uuid.uuid4())
    await PgLedger(pool).start(Info(process, "default", "u", "a.csv", 100, "", 0, ""))
    await PgLedger(pool).dispatch(process, batch(1, 1, 1))
    assert await PgOutcomes(pool).after(process, 0, ended=False, rows=True) is not None
    with within("globex"):
        assert await PgOutcomes(pool).after(process, 0, ended=False, rows=True) is None
