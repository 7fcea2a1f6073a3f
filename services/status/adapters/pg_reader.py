"""Reads the ledger in PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from ingestor.access.limits.pipelines import only_pipelines, sees_pipeline
from ingestor.access.limits.reads import Reads
from ingestor.access.scope import EVERYTHING, current, tenant, visible
from ingestor.notices import notices_from_json
from ingestor.runtime.postgres.errors import transient_errors
from ingestor.services.status.adapters.pg_account import deleted_error
from ingestor.services.status.adapters.pg_positions import give_positions, last_position
from ingestor.services.status.adapters.pg_rows import (
    BY_KEY,
    FIND_ROWS,
    LINE_IN_RUN,
    RUN,
    RUN_OF_ROW,
    rows_of,
)
from ingestor.services.status.adapters.pg_values import error_from, errors_from
from ingestor.services.status.adapters.reading.pg_conditions import (
    row_arguments,
    row_conditions,
    sql_operator,
)
from ingestor.services.status.adapters.reading.pg_filtered_rows import find_filtered
from ingestor.services.status.adapters.reading.pg_own_rows import own_pages
from ingestor.services.status.adapters.reading.pg_row_pages import (
    RANGE_STATE,
    REPAIRED_BY,
    find_row,
    find_rows,
)
from ingestor.services.status.filters import Comparison
from ingestor.services.status.ledger import Batch
from ingestor.services.status.overview import Interval, Overview, all_pieces
from ingestor.services.status.ports import BatchRecord, EventLog, LedgerReader, LoggedEvent
from ingestor.services.status.processes import Failure, Info, Process, ProcessState, RowState, Undo
from ingestor.services.status.reports.row_table import RowTable
from ingestor.services.status.rows import ErrorGroup, Row, RowRange, RowVersion

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection, PgPool

T = TypeVar("T")

_ROW_STATE = f"coalesce(e.state, u.state, {RANGE_STATE})"

# The errors of a row: its own, or else its run's (those of the first row; all have their codes and fields),
# or else its batch's.
_ERRORS = """
coalesce(e.errors, u.errors, CASE WHEN b.error IS NULL THEN '[]' ELSE jsonb_build_array(b.error) END)
"""
_LINE = f"coalesce(e.line_number, {LINE_IN_RUN.format(row='r.row_number')})"

# Rows of the batches from a position on; batches are expanded into rows one at a time. `run` is the first row
# of the run that says what a row is. Both are looked up row by row (LIMIT): a page needs few of a process.
_ROWS = f"""
SELECT r.row_number, coalesce(e.line_number, 0) AS line_number, b.batch_number, {_ROW_STATE} AS state,
       e.errors, e.cells, b.error, e.repairs_row, {REPAIRED_BY} AS repaired_by,
       CASE WHEN e.state IS NULL THEN u.first_row END AS run
FROM processes p
JOIN (SELECT * FROM batches WHERE process_id = $1 AND tenant = $4 AND first_row + row_count > $2::bigint + 1
      AND first_row <= $5::bigint ORDER BY first_row) b USING (process_id)
CROSS JOIN LATERAL
    generate_series(greatest(b.first_row, $2 + 1), least(b.first_row + b.row_count - 1, $5)) r (row_number)
LEFT JOIN LATERAL (
    SELECT * FROM row_exceptions WHERE process_id = $1 AND row_number = r.row_number LIMIT 1) e ON true
{RUN_OF_ROW.format(row="r.row_number")}
WHERE p.process_id = $1 AND p.tenant = $4 {{where}}
ORDER BY b.first_row, r.row_number LIMIT $3
"""  # noqa: S608

# Rows, and with the first of neighbours of one run that run.
_WITH_RUNS = f"""
SELECT page.*, {RUN}
FROM (SELECT found.*, run IS DISTINCT FROM lag(run) OVER (ORDER BY row_number) AS begins
      FROM ({{rows}}) found) page
LEFT JOIN LATERAL (
    SELECT * FROM row_runs WHERE page.begins AND process_id = $1 AND first_row = page.run LIMIT 1) u ON true
ORDER BY page.row_number
"""  # noqa: S608

_RANGES = f"""
SELECT * FROM (
    SELECT b.first_row, b.first_row + b.row_count - 1 AS last_row, b.batch_number,
           {RANGE_STATE} AS state, b.error
    FROM batches b JOIN processes p USING (process_id)
    WHERE b.process_id = $1 AND p.tenant = $5 AND b.first_row > $2
) r WHERE state = ANY($3::smallint[]) ORDER BY first_row LIMIT $4
"""  # noqa: S608

# Whether any batch up to the one with row $3 failed as a whole: then its rows have no own records.
_RANGE_ERRORS = """
SELECT 1 FROM batches
WHERE process_id = $1 AND tenant = $2 AND first_row <= $3 AND error IS NOT NULL LIMIT 1
"""

_STATES = f"""
SELECT row_number, state FROM ({FIND_ROWS}) found
WHERE EXISTS (SELECT FROM processes WHERE process_id = $1 AND tenant = $3)
"""  # noqa: S608

# Number (from 0) of the piece of $3 seconds within [$1, $2) that contains a time.
_PIECE = "(extract(epoch FROM {0} - $1::timestamptz) / $3::integer)::numeric"
_BY_TIME = """
SELECT floor({piece})::integer AS piece, {what} FROM {table}
WHERE tenant = $4 AND {time} >= $1::timestamptz AND {time} < $2::timestamptz {also}
GROUP BY {group} ORDER BY 1
"""
_ROWS_BY_TIME = _BY_TIME.format(
    piece=_PIECE.format("processed_at"), time="processed_at", table="batches", also="", group="1",
    what="sum(succeeded)::bigint AS succeeded, sum(failed)::bigint AS failed, "
    "sum(skipped)::bigint AS skipped",
)  # fmt: skip
_BEGUN_BY_TIME = _BY_TIME.format(
    piece=_PIECE.format("created_at"),
    time="created_at",
    table="processes",
    also="AND deleted_at IS NULL",
    group="1",
    what="count(*) AS count",
)
_ENDED_BY_TIME = _BY_TIME.format(
    piece=_PIECE.format("ended_at"), time="ended_at", table="processes", also="AND deleted_at IS NULL",
    group="1, state",
    what="state, count(*) AS count",
)  # fmt: skip
# Two queries, each with its own index.
_PROCESSES_BY_STATE = """
SELECT state, count(*) AS count FROM (
    SELECT state FROM processes
    WHERE tenant = $3 AND created_at >= $1 AND created_at < $2 AND deleted_at IS NULL
    UNION ALL
    SELECT state FROM processes
    WHERE tenant = $3 AND ended_at IS NULL AND NOT (created_at >= $1 AND created_at < $2)
) found GROUP BY state ORDER BY state
"""
_PROCESS = "SELECT * FROM processes WHERE process_id = $1 AND tenant = $2"
# Fields of filters whose columns have another name.
_COLUMNS = {"create_time": "created_at", "repairs": "coalesce(repairs::text, '')"}


class PgLedgerReader(LedgerReader, EventLog):
    def __init__(self, pool: PgPool, retention: timedelta | None = None, reads: Reads | None = None) -> None:
        """`retention` is the time from the end of a process to its expiry; None for never. What callers look
        through runs on `reads`, and what is found by its identifier on `pool`."""
        self._everything = pool
        self._pool = pool.beginning(BY_KEY)
        self._retention = retention
        self._reads = reads

    async def _search(self, query: str, *arguments: object) -> list[Any]:
        """The rows of a statement that may look through much."""
        async with transient_errors("ledger"), self._searching() as pool:
            return list(await pool.fetch(query, *arguments))

    async def _run_by_key(self, statements: Callable[[PgConnection], Awaitable[T]]) -> T:
        """Run statements, each of which searches by a key, in one transaction."""
        async with transient_errors("ledger"), self._searching() as pool:
            return await pool.beginning(BY_KEY).run(statements)

    def _searching(self) -> AbstractAsyncContextManager[PgPool]:
        """Where to search. The service's own work does not wait for callers."""
        if self._reads is None or current() == EVERYTHING:
            return nullcontext(self._everything)
        return self._reads.place()

    async def _fetch(self, query: str, *arguments: object) -> list[Any]:
        async with transient_errors("ledger"):
            return list(await self._pool.fetch(query, *arguments))

    def _process(self, row: Any) -> Process:
        return _process(row, self._retention)

    async def process(self, process_id: str) -> Process | None:
        async with transient_errors("ledger"):  # asked for often, and found by its primary key in any case
            found = await self._everything.fetch(_PROCESS, process_id, tenant())
        return self._seen(found[0]) if found else None

    def _seen(self, row: Any) -> Process | None:
        """The process of its record, if the caller sees its pipeline."""
        if row["deleted_at"] is not None:
            raise deleted_error(str(row["process_id"]))
        return self._process(row) if sees_pipeline(row["pipeline"]) else None

    async def newest(self) -> int:
        query = "SELECT max(position) AS position FROM processes WHERE tenant = $1"
        return int((await self._search(query, tenant()))[0]["position"] or 0)

    async def processes(
        self, comparisons: Sequence[Comparison], before: int | None, limit: int, down_to: int = 0
    ) -> list[tuple[int, Process]]:
        where = ["tenant = $3", "($1::bigint IS NULL OR position < $1)", "position >= $4"]
        where.append("deleted_at IS NULL")
        arguments: list[object] = [before, limit, tenant(), down_to]
        if (only := only_pipelines()) is not None:
            arguments.append(list(only))
            where.append(f"pipeline = ANY(${len(arguments)})")
        for comparison in comparisons:
            value: object = comparison.value
            if comparison.name == "state":
                value = int(ProcessState[str(comparison.value)])
            column = _COLUMNS.get(comparison.name, comparison.name)
            if comparison.operator == ":":
                value = f"%{_like(str(comparison.value))}%"
            arguments.append(value)
            where.append(f"{column} {sql_operator(comparison)} ${len(arguments)}")
        rows = await self._search(
            f"SELECT * FROM processes WHERE {' AND '.join(where)} ORDER BY position DESC LIMIT $2",  # noqa: S608
            *arguments,
        )
        return [(row["position"], self._process(row)) for row in rows]

    async def batches(
        self, process_id: str, processed: bool | None, after: int, limit: int
    ) -> list[BatchRecord]:
        rows = await self._search(
            "SELECT * FROM batches WHERE process_id = $1 AND tenant = $5 AND batch_number > $2 "
            "AND ($3::boolean IS NULL OR (processed_at IS NOT NULL) = $3) ORDER BY batch_number LIMIT $4",
            process_id, after, processed, limit, tenant(),
        )  # fmt: skip
        return [
            BatchRecord(
                Batch(
                    row["batch_number"], row["first_row"], row["row_count"], row["first_line"],
                    row["byte_start"], row["byte_end"],
                ),
                row["succeeded"], row["failed"], row["skipped"], row["dispatched_at"], row["processed_at"],
            )
            for row in rows
        ]  # fmt: skip

    async def row(self, process_id: str, row_number: int) -> tuple[Process | None, Row | None]:
        process, row = await find_row(self._fetch, process_id, row_number)
        seen = self._seen(process) if process is not None else None
        return seen, row if seen else None

    async def page(self, process_id: str, after: int, limit: int) -> tuple[Process | None, list[Row]]:
        async with (
            transient_errors("ledger"),
            self._searching() as pool,
            pool.beginning(BY_KEY).transaction() as connection,
        ):
            process = await connection.fetchrow(_PROCESS, process_id, tenant())
            seen = self._seen(process) if process is not None else None
            return seen, await find_rows(connection, process_id, after, after + limit) if seen else []

    async def states(self, process_id: str, row_numbers: Sequence[int]) -> dict[int, RowState]:
        rows = await self._fetch(_STATES, process_id, list(row_numbers), tenant())
        return {row["row_number"]: RowState(row["state"]) for row in rows}

    async def history(self, process_id: str, row_number: int) -> list[RowVersion]:
        rows = await self._fetch(
            "SELECT * FROM row_history WHERE process_id = $1 AND row_number = $2 AND tenant = $3 "
            "ORDER BY replaced_at",
            process_id, row_number, tenant(),
        )  # fmt: skip
        return [
            RowVersion(
                str(row["repair_process_id"]),
                errors_from(row["errors"]),
                tuple(row["cells"]),
                row["replaced_at"],
            )
            for row in rows
        ]

    async def rows(
        self,
        process_id: str,
        comparisons: Sequence[Comparison],
        after: int,
        limit: int,
        upto: int = 2**62,
    ) -> list[Row]:
        after = _start(comparisons, after)
        async with transient_errors("ledger"), self._searching() as pool:
            if _wants_own(comparisons):
                async with pool.beginning(BY_KEY).transaction() as connection:
                    if not await connection.fetch(_RANGE_ERRORS, process_id, tenant(), upto):
                        return await find_filtered(connection, process_id, comparisons, after, limit, upto)
            where = row_conditions(comparisons, _ROW_STATE, _ERRORS, _number)
            arguments = row_arguments(comparisons)
            text = _WITH_RUNS.format(rows=_ROWS.format(where=where))
            found = await pool.fetch(text, process_id, after, limit, tenant(), upto, *arguments)
        return await _rows(found)

    async def ranges(
        self, process_id: str, states: Collection[RowState], after: int, limit: int
    ) -> list[RowRange]:
        rows = await self._search(
            _RANGES, process_id, after, [int(state) for state in states], limit, tenant()
        )
        return [
            RowRange(
                row["first_row"], row["last_row"], row["batch_number"], RowState(row["state"]),
                error_from(json.loads(row["error"])) if row["error"] is not None else None,
            )
            for row in rows
        ]  # fmt: skip

    def own_pages(
        self, process_id: str, states: Collection[RowState], after: int, upto: int, most: int
    ) -> AsyncGenerator[RowTable, None]:
        return own_pages(self._run_by_key, process_id, states, after, upto, most)

    async def error_groups(self, process_id: str) -> list[ErrorGroup]:
        rows = await self._search(
            "SELECT code, field, sum(count)::bigint AS count, "
            "(array_agg(example ORDER BY first_row))[1] AS example, min(first_row) AS first_row "
            "FROM error_counts WHERE process_id = $1 AND tenant = $2 "
            "GROUP BY code, field ORDER BY 3 DESC, 1, 2",
            process_id, tenant(),
        )  # fmt: skip
        return [
            ErrorGroup(row["code"], row["field"], row["count"], row["example"], row["first_row"])
            for row in rows
        ]

    async def events(self, process_id: str | None, after: int, limit: int) -> list[LoggedEvent]:
        async with transient_errors("events"), self._searching() as pool:
            await give_positions(pool)
        where = ["position > $1"]
        arguments: list[object] = [after, limit]
        for column, value in (("tenant", visible()), ("process_id", process_id)):
            if value not in (None, EVERYTHING):
                arguments.append(value)
                where.append(f"{column} = ${len(arguments)}")
        rows = await self._search(
            f"SELECT * FROM events WHERE {' AND '.join(where)} ORDER BY position LIMIT $2",  # noqa: S608
            *arguments,
        )
        return [logged_event(row) for row in rows]

    async def last_event(self) -> int:
        async with transient_errors("events"):
            return await last_position(self._pool)

    async def overview(self, of: Interval) -> Overview:
        rows: dict[int, tuple[int, int, int]] = {}
        begun: dict[int, int] = {}
        ended: dict[int, dict[ProcessState, int]] = {}
        arguments = (of.start, of.end, of.seconds, tenant())
        async with transient_errors("ledger"), self._searching() as pool:
            for row in await pool.fetch(_ROWS_BY_TIME, *arguments):
                rows[row["piece"]] = (row["succeeded"], row["failed"], row["skipped"])
            for row in await pool.fetch(_BEGUN_BY_TIME, *arguments):
                begun[row["piece"]] = row["count"]
            for row in await pool.fetch(_ENDED_BY_TIME, *arguments):
                ended.setdefault(row["piece"], {})[ProcessState(row["state"])] = row["count"]
            states = await pool.fetch(_PROCESSES_BY_STATE, of.start, of.end, tenant())
        return Overview(
            {ProcessState(row["state"]): row["count"] for row in states},
            all_pieces(of, rows, begun, ended),
        )


def logged_event(row: Any) -> LoggedEvent:
    """An event from its record."""
    return LoggedEvent(
        row["position"], str(row["event_id"]), row["tenant"], str(row["process_id"]), row["type"],
        row["time"], row["data"], row["traceparent"],
    )  # fmt: skip


def _start(comparisons: Sequence[Comparison], after: int) -> int:
    """The row before the first possible match, so that no earlier batch is expanded."""
    for comparison in comparisons:
        if comparison.name == "row" and comparison.operator in ("=", ">=", ">"):
            wanted = comparison.value
            assert isinstance(wanted, int), "row numbers are compared with numbers"
            after = max(after, wanted if comparison.operator == ">" else wanted - 1)
    return after


def _wants_own(comparisons: Sequence[Comparison]) -> bool:
    """Whether only rows with own records or in runs can hold, if no batch failed as a whole."""
    wants = False
    for comparison in comparisons:
        if comparison.name in ("code", "field"):
            if comparison.operator != "=":
                return False
            wants = True
        elif comparison.name == "status" and comparison.operator == "=":
            wants |= comparison.value in (RowState.FAILED.name, RowState.SKIPPED.name)
    return wants


def _number(comparison: Comparison, parameter: str) -> str:
    column = "r.row_number" if comparison.name == "row" else _LINE
    return f"{column} {sql_operator(comparison)} {parameter}"


def _like(text: str) -> str:
    """The text escaped for LIKE."""
    return re.sub(r"([\\%_])", r"\\\1", text)


async def _rows(found: Sequence[Any]) -> list[Row]:
    """The rows of records, see _WITH_RUNS."""
    if any(row["run"] is not None for row in found):  # in a thread, because what runs hold is inflated
        return await asyncio.to_thread(lambda: list(_opened(found)))
    return [_row(row) for row in found]


def _opened(found: Sequence[Any]) -> Iterator[Row]:
    run: Iterator[Row] = iter(())
    for row in found:
        number = row["row_number"]
        if row["run"] is None:
            yield _row(row)
            continue
        if row["begins"]:
            run = rows_of(row, number)
        yield next(made for made in run if made.row_number == number)


def _row(row: Any) -> Row:
    if row["errors"] is not None:
        errors = errors_from(row["errors"])
    elif row["state"] == RowState.FAILED and row["error"] is not None:
        errors = (error_from(json.loads(row["error"])),)
    else:
        errors = ()
    return Row(
        row["row_number"], row["line_number"], row["batch_number"], RowState(row["state"]), errors,
        tuple(row["cells"] or ()), row["repairs_row"] or 0, str(row["repaired_by"] or ""),
    )  # fmt: skip


def _process(row: Any, retention: timedelta | None) -> Process:
    ended, expired = row["ended_at"], row["expired_at"]
    info = Info(
        str(row["process_id"]), row["tenant"], row["upload_id"], row["file_name"], row["size_bytes"],
        row["pipeline"], row["pipeline_version"], str(row["repairs"] or ""),
    )  # fmt: skip
    return Process(
        info=info,
        state=ProcessState(row["state"]),
        read=row["read_rows"],
        succeeded=row["succeeded"],
        failed=row["failed"],
        skipped=row["skipped"],
        batches_dispatched=row["batches_dispatched"],
        batches_processed=row["batches_processed"],
        bytes_dispatched=row["bytes_dispatched"],
        message_bytes=row["message_bytes"],
        message_units=row["message_units"],
        columns=tuple(row["columns"]),
        dialect=row["dialect"],
        content_bytes=row["content_bytes"],
        failure=Failure(row["failure_reason"], row["failure_message"]) if row["failure_reason"] else None,
        created=row["created_at"],
        updated=row["updated_at"],
        ended=ended,
        expires=expired or (ended + retention if ended and retention else None),
        expired=expired is not None,
        undo=Undo(row["undo_removed"], row["undo_restored"], row["undo_kept"])
        if row["undo_removed"] is not None
        else None,
        notices=notices_from_json(row["notices"]),
        pause_reason=row["pause_reason"] if row["state"] == ProcessState.PAUSED else "",
        pause_resumes=row["state"] == ProcessState.PAUSED and row["pause_resumes"],
    )
