"""The dry run of a file: what an ingestion would report, computed while the file streams in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from ingestor.checking.rows import CheckedRows
from ingestor.outcomes import Notice, RejectedRow, RowError
from ingestor.pipelines.document import Pipeline
from ingestor.runtime.errors import InvalidArgumentError
from ingestor.services.processor.batches import BatchKey, BatchRange, RowBatch, outcome_of
from ingestor.services.processor.pipelines import sink_of, table_of
from ingestor.services.processor.ports import (
    TABLE_SINK,
    DryRunTables,
    GoodRows,
    Refused,
    SinkRefusedError,
    TableDryRun,
)
from ingestor.services.processor.reading import check, read_batch, refused_rows
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.formats import HEAD_BYTES, Plan, plan
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.records.header import HeaderError
from ingestor.tabular.records.layout import TableHead, read_table_head
from ingestor.tabular.records.slices import RecordDelimiter, Slice

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


async def dry_run(
    chunks: AsyncIterator[bytes],
    pipeline: Pipeline | None,
    options: ReadOptions,
    normal_form: bool,
    tables: DryRunTables,
) -> DryRun:
    """Check a file and run its rows dry in the table of its pipeline. A few megabytes are in memory at a
    time. Options that are not set are detected.

    Raises InvalidArgumentError when the file as a whole is unusable (the reason of the header,
    HEADER_MISMATCH, CONVERSION_NEEDED), and what `tables` raises.
    """
    result = DryRun()
    head = bytearray()
    found: TableHead | None = None
    delimiter: RecordDelimiter | None = None
    rows: _Rows | None = None
    how = options

    def begin(final: bool) -> RecordDelimiter | None:
        nonlocal found, pipeline, how
        if len(head) < HEAD_BYTES and not final:
            return None
        try:
            if not normal_form:
                planned = _plan(bytes(head), final, options, pipeline)
                how = planned.options
                result.notices[:] = planned.notices
            found = read_table_head(bytes(head), final, how, normal_form)
        except (HeaderError, UnreadableFileError) as error:
            raise InvalidArgumentError(str(error.reason), error.message) from error
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
                assert found is not None
                rows = _Rows(result, found, how, normal_form, pipeline, table)
            for piece in slices:
                assert rows is not None
                await rows.take(piece)

        async for chunk in chunks:
            if delimiter is None:
                head += chunk
                delimiter = begin(final=False)
                if delimiter is not None:
                    await take(delimiter.feed(bytes(head)))
            else:
                await take(delimiter.feed(chunk))
        if delimiter is None:
            delimiter = begin(final=True)
            assert delimiter is not None, "a final header is read or refused"
            await take(delimiter.feed(bytes(head)))
        await take(delimiter.finish())
    return result


class _Rows:
    """Runs the slices of a file, in order."""

    def __init__(
        self,
        result: DryRun,
        head: TableHead,
        options: ReadOptions,
        normal_form: bool,
        pipeline: Pipeline | None,
        table: TableDryRun | None,
    ) -> None:
        self._result = result
        self._head = head
        self._options = options
        self._normal_form = normal_form
        self._pipeline = pipeline
        self._table = table

    async def take(self, piece: Slice) -> None:
        """Check the rows of a slice, run the good ones dry in the table, and add all to the result."""
        head, result = self._head, self._result
        bounds = BatchRange(
            1, piece.first_row, piece.row_count, piece.first_line, piece.byte_start, piece.byte_end
        )
        batch = RowBatch(
            BatchKey("", "", bounds), head.columns, "", 0, head.dialect.delimiter, piece.data, None,
            head.dialect.quote, self._normal_form, None, self._options.extra_empty_cells == "drop",
            self._options.empty_quoted == "text",
        )  # fmt: skip
        checked = await asyncio.to_thread(check, batch, piece.data, self._pipeline)
        result.read += piece.row_count
        result.notices += checked.notices
        refused: Sequence[Refused] = ()
        if self._table and self._pipeline:
            numbers = checked.good_index + piece.first_row
            try:
                refused = await self._table.refused(
                    GoodRows(table_of(self._pipeline), checked.good, numbers, sink_of(self._pipeline))
                )
            except SinkRefusedError as error:
                self._fail(piece, RowError("sink-error", "", "", str(error), "load"))
                return
        left = MAX_ROWS - len(result.rows)
        shown = refused[:left]
        rejected = await asyncio.to_thread(_refused_rows, batch, checked, shown)
        outcome = outcome_of(batch.key, [*checked.rejected, *rejected])
        more = len(refused) - len(shown)
        result.succeeded += outcome.succeeded - more
        result.failed += outcome.failed + more
        result.skipped += outcome.skipped
        result.rows += outcome.rows[:left]

    def _fail(self, piece: Slice, error: RowError) -> None:
        """Fail every row of a slice for one reason; as in a batch, without lines and cells."""
        result = self._result
        result.failed += piece.row_count
        numbers = range(piece.first_row, piece.first_row + min(piece.row_count, MAX_ROWS - len(result.rows)))
        result.rows += [RejectedRow(number, 0, "failed", (error,), ()) for number in numbers]


def _refused_rows(batch: RowBatch, checked: CheckedRows, refused: Sequence[Refused]) -> Sequence[RejectedRow]:
    if not refused:
        return ()
    return list(refused_rows(read_batch(batch, batch.data), checked, refused))


def _plan(head: bytes, final: bool, options: ReadOptions, pipeline: Pipeline | None) -> Plan:
    """How to read a file with this beginning. Raises UnreadableFileError."""
    labels = pipeline.labels_of_file if pipeline else ()
    how = plan(head[:HEAD_BYTES], len(head) + (not final), "", options, labels=labels)
    if how.form != "as-is":
        raise UnreadableFileError(
            "CONVERSION_NEEDED",
            "Only delimited text in UTF-8 can be checked as it is; convert the file first.",
        )
    return how
