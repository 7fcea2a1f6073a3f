"""The dry run of a file: what an ingestion would report, computed while the file streams in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, cast

from ingestor.access.scope import tenant
from ingestor.columns.arrow import Int64s
from ingestor.outcomes import Notice, RejectedRow, RowError
from ingestor.pipelines.document import Pipeline
from ingestor.readings import FieldReading
from ingestor.runtime.errors import InvalidArgumentError
from ingestor.runtime.processes.pool import OverLimitError, Processes
from ingestor.services.processor.batches import BatchKey, BatchRange, RowBatch
from ingestor.services.processor.dry_run_work import CheckedSlice, FileHead, Unusable
from ingestor.services.processor.pipelines import sink_of, table_of
from ingestor.services.processor.ports import (
    TABLE_SINK,
    DryRunTables,
    GoodRows,
    Refused,
    SinkRefusedError,
    TableDryRun,
    TableNow,
)
from ingestor.services.processor.reading import read_batch, refused_rows
from ingestor.tabular.files.formats import HEAD_BYTES
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.records.layout import TableHead
from ingestor.tabular.records.slices import RecordDelimiter, Slice

WORK = "ingestor.services.processor.dry_run_work"
MAX_ROWS = 1000


@dataclass(slots=True)
class DryRun:
    """Counts, and the first MAX_ROWS rows that did not succeed."""

    read: int = 0
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0
    rows: list[RejectedRow] = field(default_factory=list)
    columns: tuple[str, ...] = ()
    """Labels of the file's columns."""
    notices: list[Notice] = field(default_factory=list)
    readings: Sequence[FieldReading] = ()
    """How the first values of each field are understood."""
    table: tuple[str, TableNow] | None = None
    """The name of the table, as the pipeline has it, and the table as it is; None where that is not known."""


class DryRunWork:
    """The work of dry runs, done by processes that may die of it, for the scope's tenant; each piece may
    take so many seconds. Raises InvalidArgumentError (DRY_RUN_TOO_COMPLEX) beside what it finds."""

    def __init__(self, processes: Processes, seconds: float) -> None:
        self._processes = processes
        self._seconds = seconds

    async def head(
        self, data: bytes, final: bool, options: ReadOptions, normal_form: bool, labels: Sequence[str]
    ) -> FileHead:
        """How to read a file with this beginning. Raises InvalidArgumentError."""
        found = await self._call("read_head", data, final, options, normal_form, tuple(labels))
        if isinstance(found, Unusable):
            raise InvalidArgumentError(found.reason, found.message)
        return cast("FileHead", found)

    async def check(self, batch: RowBatch, document: str, most_rows: int, *, with_good: bool) -> CheckedSlice:
        """The checked rows of a slice."""
        return cast("CheckedSlice", await self._call("check_slice", batch, document, most_rows, with_good))

    async def _call(self, function: str, *arguments: Any) -> Any:
        name = f"{WORK}:{function}"
        try:
            return await self._processes.call(name, *arguments, seconds=self._seconds, group=tenant())
        except OverLimitError as error:
            raise InvalidArgumentError(
                "DRY_RUN_TOO_COMPLEX",
                f"Checking a part of the file {error}. Simplify the pipeline's expressions, patterns or JSON "
                "Schemas, or run a smaller part of the file.",
            ) from None


async def dry_run(
    chunks: AsyncIterator[bytes],
    pipeline: Pipeline | None,
    options: ReadOptions,
    normal_form: bool,
    tables: DryRunTables,
    work: DryRunWork,
) -> DryRun:
    """Check a file and run its rows dry in the table of its pipeline. A few megabytes are in memory at a
    time. Options that are not set are detected.

    Raises InvalidArgumentError when the file as a whole is unusable (the reason of the header,
    HEADER_MISMATCH, CONVERSION_NEEDED) or too much to check (DRY_RUN_TOO_COMPLEX), and what `tables` raises.
    """
    result = DryRun()
    head = bytearray()
    found: TableHead | None = None
    delimiter: RecordDelimiter | None = None
    rows: _Rows | None = None
    how = options

    async def begin(final: bool) -> RecordDelimiter | None:
        nonlocal found, pipeline, how
        if len(head) < HEAD_BYTES and not final:
            return None
        labels = pipeline.labels_of_file if pipeline else ()
        read = await work.head(bytes(head), final, options, normal_form, labels)
        how, found = read.options, read.head
        result.notices[:] = read.notices
        if found is None:
            return None
        result.columns = found.columns
        if pipeline:
            if problem := pipeline.header_problem(found.labels, found.columns, how):
                raise InvalidArgumentError(*problem)
            pipeline = pipeline.evolved(found.columns)
        made = RecordDelimiter(found.dialect, start_offset=found.byte_end, first_line=found.line_count + 1)
        del head[: found.byte_end]
        return made

    async with AsyncExitStack() as stack:

        async def take(slices: list[Slice]) -> None:
            nonlocal rows
            if slices and rows is None:
                table: TableDryRun | None = None
                if pipeline and sink_of(pipeline) == TABLE_SINK:
                    table = await stack.enter_async_context(tables.open(table_of(pipeline)))
                    result.notices += table.notices
                    if table.table_now is not None:
                        result.table = ".".join(filter(None, pipeline.target())), table.table_now
                assert found is not None
                rows = _Rows(result, found, how, normal_form, pipeline, table, work)
                stack.push_async_callback(rows.stop)
            for piece in slices:
                assert rows is not None
                await rows.take(piece)

        async for chunk in chunks:
            if delimiter is None:
                head += chunk
                delimiter = await begin(final=False)
                if delimiter is not None:
                    await take(await asyncio.to_thread(delimiter.feed, bytes(head)))
            else:
                await take(await asyncio.to_thread(delimiter.feed, chunk))
        if delimiter is None:
            delimiter = await begin(final=True)
            assert delimiter is not None, "a final header is read or refused"
            await take(await asyncio.to_thread(delimiter.feed, bytes(head)))
        await take(await asyncio.to_thread(delimiter.finish))
        if rows is not None:
            await rows.settle()
    return result


class _Rows:
    """Runs the slices of a file, in order. While one is run in the table, the next one is checked."""

    def __init__(
        self,
        result: DryRun,
        head: TableHead,
        options: ReadOptions,
        normal_form: bool,
        pipeline: Pipeline | None,
        table: TableDryRun | None,
        work: DryRunWork,
    ) -> None:
        self._work = work
        self._result = result
        self._head = head
        self._options = options
        self._normal_form = normal_form
        self._pipeline = pipeline
        self._table = table
        self._running: asyncio.Task[None] | None = None

    async def take(self, piece: Slice) -> None:
        """Check the rows of a slice, and begin to run the good ones dry in the table. What it raises of that
        comes with the next slice, or with `settle`."""
        head, result = self._head, self._result
        bounds = BatchRange(
            1, piece.first_row, piece.row_count, piece.first_line, piece.byte_start, piece.byte_end
        )
        batch = RowBatch(
            BatchKey("", "", bounds), head.columns, "", 0, head.dialect.delimiter, piece.data, None,
            head.dialect.quote, self._normal_form, None, self._options.extra_empty_cells == "drop",
            self._options.empty_quoted == "text", self._options.keeps_types,
        )  # fmt: skip
        left = MAX_ROWS - len(result.rows)
        document = self._pipeline.canonical_json() if self._pipeline else ""
        checked = await self._work.check(batch, document, left, with_good=self._table is not None)
        await self.settle()
        self._running = asyncio.create_task(self._run(piece, batch, checked))

    async def settle(self) -> None:
        """Wait until the slice that is run in the table is in the result."""
        if self._running:
            running, self._running = self._running, None
            await running

    async def stop(self) -> None:
        """Leave it out of the result."""
        if self._running:
            self._running.cancel()
            await asyncio.wait([self._running])

    async def _run(self, piece: Slice, batch: RowBatch, checked: CheckedSlice) -> None:
        """Run the good rows of a slice dry in the table, and add all rows to the result."""
        result = self._result
        left = MAX_ROWS - len(result.rows)
        result.read += piece.row_count
        result.notices += checked.notices
        result.readings = result.readings or checked.readings
        refused: Sequence[Refused] = ()
        if self._table and self._pipeline and checked.good is not None:
            numbers = checked.good_index + piece.first_row
            try:
                refused = await self._table.refused(
                    GoodRows(table_of(self._pipeline), checked.good, numbers, sink_of(self._pipeline))
                )
            except SinkRefusedError as error:
                self._fail(piece, RowError("sink-error", "", "", str(error), "load"))
                return
        rejected = await asyncio.to_thread(_refused_rows, batch, checked.good_index, refused[:left])
        failed = checked.failed + len(refused)
        result.succeeded += piece.row_count - failed - checked.skipped
        result.failed += failed
        result.skipped += checked.skipped
        result.rows += sorted([*checked.rows, *rejected], key=lambda row: row.row_number)[:left]

    def _fail(self, piece: Slice, error: RowError) -> None:
        """Fail every row of a slice for one reason; as in a batch, without lines and cells."""
        result = self._result
        result.failed += piece.row_count
        numbers = range(piece.first_row, piece.first_row + min(piece.row_count, MAX_ROWS - len(result.rows)))
        result.rows += [RejectedRow(number, 0, "failed", (error,), ()) for number in numbers]


def _refused_rows(batch: RowBatch, good_index: Int64s, refused: Sequence[Refused]) -> Sequence[RejectedRow]:
    return list(refused_rows(read_batch(batch, batch.data), good_index, refused)) if refused else ()
