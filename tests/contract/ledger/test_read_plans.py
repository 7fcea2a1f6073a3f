"""Rows are found by keys, whatever the planner knows of the tables: what a page reads does not grow with what
is before it, behind it, and beside it."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import asyncpg

from ingestor.outcomes import RejectedRow, RowError
from ingestor.runs import packed
from ingestor.services.status.adapters import pg_displaced, pg_repair
from ingestor.services.status.adapters.pg_ledger import PgLedger
from ingestor.services.status.adapters.pg_rows import BY_KEY, FIND_ROWS
from ingestor.services.status.adapters.reading import pg_filtered_rows, pg_own_rows, pg_row_pages
from ingestor.services.status.ledger import Batch, Outcome
from ingestor.services.status.processes import Info, RowState

if TYPE_CHECKING:
    from tests.contract.conftest import OpenPool

BATCHES, IN_BATCH = 100, 40
FROM, UPTO = 3_600, 3_660  # of 4,000 rows; in half of the batches rows are alone, in half in runs
STATES = "'{3,4}'"
NUMBERS = "'{3601,3602,3603,3641,3642,3650}'"
MOST_RECORDS = 45
STATEMENTS: dict[str, tuple[str, list[Any]]] = {
    "row": (pg_row_pages._ROW, [FROM, "'default'"]),
    "batches": (pg_row_pages._BATCHES, [FROM, UPTO, "'default'"]),
    "own": (pg_row_pages._OWN, [FROM, UPTO, "'default'"]),
    "repaired": (pg_row_pages._REPAIRED, [FROM, UPTO, "'default'"]),
    "runs": (pg_row_pages._RUNS, [FROM, UPTO, "'default'"]),
    "page of own": (pg_own_rows._ROWS_PAGE, [FROM, UPTO, STATES, 10, 9999, "'default'", "'|'", "';'"]),
    "page of runs": (pg_own_rows._RUNS_PAGE, [FROM, UPTO, STATES, 10, 9999, "'default'"]),
    "filtered own": (pg_filtered_rows._OWN.format(where="AND e.state = 3"), [FROM, 10, "'default'", UPTO]),
    "rows to repair": (FIND_ROWS, [NUMBERS]),
    "runs to repair": (pg_repair._IN_RUNS, [NUMBERS]),
    "filtered runs": (pg_filtered_rows._RUNS.format(where="AND u.state = 3"), [FROM, 10, "'default'", UPTO]),
}


def rejected(number: int, field: int) -> RejectedRow:
    """A failed row; neighbours with the same field are a run."""
    error = RowError("type-error", f"f{field}", "v", "m", "validate")
    return RejectedRow(number, number + 1, "failed", (error,), ("x",))


async def fill(ledger: PgLedger, process: str) -> None:
    """A process whose rows have all failed."""
    await ledger.start(Info(process, "default", "u", "a.csv", 9, "", 0))
    for number in range(1, BATCHES + 1):
        first = (number - 1) * IN_BATCH + 1
        rows = [rejected(row, row % 2 if number % 2 else row // 4) for row in range(first, first + IN_BATCH)]
        alone, runs = packed(rows)
        outcome = Outcome(
            Batch(number, first, IN_BATCH, first, first, first + 1), RowState.SUCCEEDED, 0, IN_BATCH, 0
        )
        await ledger.record(process, outcome, None, alone, runs=runs)


def records(plan: dict[str, Any]) -> int:
    """How many records of tables a plan has read, those included that it has dropped."""
    found = 0
    if "Relation Name" in plan:
        read = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
        found = round(read * plan["Actual Loops"])
        assert plan["Node Type"] in ("Index Scan", "Index Only Scan"), plan
    return found + sum(map(records, plan.get("Plans", ())))


def reported(plan: dict[str, Any]) -> int:
    """How many rows that were handed to a statement it has gone through."""
    mine = round(plan["Actual Rows"] * plan["Actual Loops"]) if plan["Node Type"] == "Function Scan" else 0
    return mine + sum(map(reported, plan.get("Plans", ())))


async def test_displaced_rows_are_not_gone_through_for_each(pool_of: OpenPool) -> None:
    pool, process, rows = await pool_of("status"), str(uuid.uuid4()), 1_000
    ledger = PgLedger(pool)
    await ledger.start(Info(process, "default", "u", "a.csv", 9, "", 0))
    await ledger.record(
        process, Outcome(Batch(1, 1, rows, 1, 1, 2), RowState.SUCCEEDED, rows, 0, 0), None, []
    )
    errors = '[["primary-key", "id", "it is there", "7"]]'
    numbers = list(range(1, rows + 1))
    async with pool.beginning(BY_KEY).transaction() as connection:
        text = await connection.fetchval(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {pg_displaced._FAIL}",
            process, numbers, [errors] * rows, "default", numbers,
        )  # fmt: skip
        failed = "SELECT count(*) FROM row_exceptions WHERE process_id = $1"
        assert await connection.fetchval(failed, process) == rows
    assert reported(json.loads(text)[0]["Plan"]) == 2 * rows  # the rows, and the errors of each


async def test_what_is_read_does_not_grow_with_the_ledger(pool_of: OpenPool) -> None:
    pool = await pool_of("status")
    ledger, processes = PgLedger(pool), [str(uuid.uuid4()) for _ in range(3)]
    prepared = [f"PREPARE wanted_{at} AS {query}" for at, (query, _) in enumerate(STATEMENTS.values())]
    keyed = pool.beginning(BY_KEY)
    async with keyed.session() as connection:
        for at, (_, arguments) in enumerate(STATEMENTS.values()):
            async with keyed.begin(connection):  # the plans are made while the tables are empty
                await connection.execute(prepared[at])
                shown = ", ".join(map(str, [f"'{processes[1]}'", *arguments]))
                await connection.execute(f"EXECUTE wanted_{at} ({shown})")
        for process in processes:
            await fill(ledger, process)
        for at, (name, (_, arguments)) in enumerate(STATEMENTS.items()):
            shown = ", ".join(map(str, [f"'{processes[1]}'", *arguments]))
            async with keyed.begin(connection):
                text = await connection.fetchval(
                    f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE wanted_{at} ({shown})"
                )
            assert records(json.loads(text)[0]["Plan"]) <= MOST_RECORDS, name


async def test_what_rows_refer_to_is_found_by_key(pool_of: OpenPool, database_url: str) -> None:
    """Also by a connection that has looked it up when the tables were known to be small."""
    pool = await pool_of("status")
    ledger, process, others = PgLedger(pool), str(uuid.uuid4()), 200

    async def read_through() -> int:
        async with pool.acquire() as connection:
            await connection.execute("SELECT pg_stat_force_next_flush()")
            return int(
                await connection.fetchval(
                    "SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE schemaname = 'status'"
                )
            )

    async def record(number: int) -> None:
        first = (number - 1) * IN_BATCH + 1
        rows = [rejected(row, row % 2) for row in range(first, first + IN_BATCH)]
        batch = Batch(number, first, IN_BATCH, first, first, first + 1)
        await ledger.record(process, Outcome(batch, RowState.SUCCEEDED, 0, IN_BATCH, 0), None, rows)

    await ledger.start(Info(process, "default", "u", "a.csv", 9, "", 0))
    owner = await asyncpg.connect(database_url)
    try:
        await owner.execute("ANALYZE")
    finally:
        await owner.close()
    await record(1)
    for _ in range(others):
        await ledger.start(Info(str(uuid.uuid4()), "default", "u", "a.csv", 9, "", 0))
    before = await read_through()
    await record(2)
    assert await read_through() - before < others
