"""Streams a report from the ledger to the bytes of a file, with one page of rows in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

from ingestor.outcomes import Notice
from ingestor.services.status.ports import LedgerReader
from ingestor.services.status.processes import Process
from ingestor.services.status.reports.row_table import EMPTY, RowTable
from ingestor.services.status.reports.selection import REJECTED, ReportRows, opened
from ingestor.services.status.reports.writer import ReportWriter

T = TypeVar("T")

_LAST_ROW = 2**63 - 1
_PAGE_RANGES = 1_000
_PAGE_ROWS = 8_000


class ReportMismatchError(RuntimeError):
    """A report lacks rows that were read."""


@dataclass(frozen=True, slots=True)
class ReportPiece:
    """Bytes of the file; only the last piece has `row_count`, the number of rows in the whole file, and the
    notices of the process."""

    data: bytes
    row_count: int | None = None
    notices: tuple[Notice, ...] = ()


async def report_pieces(
    reader: LedgerReader, process: Process, selection: ReportRows, writer: ReportWriter
) -> AsyncIterator[ReportPiece]:
    """The pieces of the file in order. Raises TooManyColumnsError, ReportMismatchError when a report of ALL
    rows of an ended process is incomplete, and what the reader raises.

    Rows of a repair get their numbers in the repaired process, known for rows with own records, so that its
    report can serve as a repair file, too."""
    with_state = not selection.states <= REJECTED
    yield ReportPiece(writer.header(process.columns, with_state=with_state))
    count = 0
    async with aclosing(_one_ahead(report_rows(reader, process.info.process_id, selection))) as tables:
        async for table in tables:
            count += len(table)
            if process.info.repairs:
                table = table.numbered_as_repaired()
            # In a thread, because writing thousands of rows would block other calls.
            yield ReportPiece(await asyncio.to_thread(writer.table, table))
    if selection is ReportRows.ALL and process.terminal:
        now = await reader.process(process.info.process_id)
        # A batch sent during the cancellation may still be added.
        if now is not None and now.read == process.read != count:
            raise ReportMismatchError(
                f"process {process.info.process_id}: {count} rows in the report, but {process.read} were read"
            )
    yield ReportPiece(writer.end(process.notices), count, process.notices)


async def report_rows(
    reader: LedgerReader, process_id: str, selection: ReportRows
) -> AsyncGenerator[RowTable, None]:
    """The rows by number, in pages. A transaction lasts at most for one page, however slow the client is, so
    rows of a running process appear as they are when their page is read."""
    states = selection.states
    after = 0
    while True:
        # Ranges first: when a range has its outcome, its rows' own records exist.
        ranges = await reader.ranges(process_id, states, after, _PAGE_RANGES)
        complete = len(ranges) < _PAGE_RANGES
        end = _LAST_ROW if complete else ranges[-1].last_row
        async with aclosing(reader.own_pages(process_id, states, after, end, _PAGE_ROWS)) as pages:
            async for own in pages:
                upto = own.numbers[-1]
                for table in opened(ranges, own, states, after, upto):
                    yield table
                after = upto
        for table in opened(ranges, EMPTY, states, after, end):
            yield table
        after = end
        if complete:
            return


async def _one_ahead(source: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """The items of `source`, the next of which is made while the caller works on one."""

    async def following() -> T | None:
        return await anext(source, None)

    async with aclosing(source):
        task = asyncio.create_task(following())
        try:
            while (item := await task) is not None:
                task = asyncio.create_task(following())
                yield item
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
