"""A report from the ledger to the file's bytes, with memory for one page of rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from itertools import islice

from ingestor.services.status.ports import LedgerReader
from ingestor.services.status.processes import Process
from ingestor.services.status.reports.selection import REJECTED, ReportRows, opened
from ingestor.services.status.reports.writer import ReportWriter
from ingestor.services.status.rows import Row

_LAST_ROW = 2**63 - 1
_PAGE_RANGES = 1_000
_PAGE_ROWS = 1_000
_FIRST_PAGE_ROWS = 50


class ReportMismatchError(RuntimeError):
    """The report has not every row that was read."""


@dataclass(frozen=True, slots=True)
class ReportPiece:
    """Bytes of the file; `row_count`, the rows of the whole file, comes with the last piece only."""

    data: bytes
    row_count: int | None = None


async def report_pieces(
    reader: LedgerReader, process: Process, selection: ReportRows, writer: ReportWriter
) -> AsyncIterator[ReportPiece]:
    """The file in order. Raises TooManyColumnsError, ReportMismatchError when a report of ALL rows of
    an ended process is not complete, and what the reader raises.

    Rows of a repair are numbered as in the process that it repairs, where they are known there (rows with
    records of their own), so that the report can be corrected and brought again like the first one."""
    with_state = not selection.states <= REJECTED
    yield ReportPiece(writer.header(process.columns, with_state=with_state))
    count = 0
    async for rows in report_rows(reader, process.info.process_id, selection):
        count += len(rows)
        if process.info.repairs:
            rows = [replace(row, row_number=row.repairs_row) for row in rows]
        # In a thread, since other calls shall not wait for a thousand rows to be compressed.
        yield ReportPiece(await asyncio.to_thread(writer.lines, rows))
    if selection is ReportRows.ALL and process.terminal:
        now = await reader.process(process.info.process_id)
        # A batch that was sent while the process was being cancelled may still be added to it.
        if now is not None and now.read == process.read != count:
            raise ReportMismatchError(
                f"process {process.info.process_id}: {count} rows in the report, {process.read} were read"
            )
    yield ReportPiece(writer.end(), count)


async def report_rows(
    reader: LedgerReader, process_id: str, selection: ReportRows
) -> AsyncIterator[list[Row]]:
    """The rows by number in pages. No transaction lasts longer than a page, however slow the client
    is; so rows of a process that runs are those of the moment in which their page was read."""
    states = selection.states
    after, wanted = 0, _FIRST_PAGE_ROWS
    while True:
        # Ranges first: the own rows of a range that was seen with its outcome are then there too.
        ranges = await reader.ranges(process_id, states, after, _PAGE_RANGES)
        complete = len(ranges) < _PAGE_RANGES
        end = _LAST_ROW if complete else ranges[-1].last_row
        while after < end:
            own = await reader.own_rows(process_id, states, after, end, wanted)
            # A page of wide rows ends early; do not ask for many more than came.
            wanted = min(_PAGE_ROWS, max(_FIRST_PAGE_ROWS, 2 * len(own)))
            upto = own[-1].row_number if own else end
            rows = opened(ranges, own, states, after, upto)
            while page := list(islice(rows, _PAGE_ROWS)):
                yield page
            after = upto
        if complete:
            return
