"""The dry run: what an ingestion would say of a file's rows, as the file streams by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from ingestor.pipelines.document import Pipeline
from ingestor.runtime.errors import InvalidArgumentError
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.formats import HEAD_BYTES, plan
from ingestor.tabular.header import HeaderError
from ingestor.tabular.layout import TableHead, read_table_head
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.slices import RecordDelimiter, Slice
from services.processor.batches import BatchKey, BatchRange, Rejected, RowBatch, outcome_of
from services.processor.service import check

MAX_ROWS = 1000


@dataclass(slots=True)
class DryRun:
    """Counts, and the first MAX_ROWS rows that are no plain successes."""

    read: int = 0
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0
    rows: list[Rejected] = field(default_factory=list)
    columns: tuple[str, ...] = ()
    """Labels of the file's columns."""


async def dry_run(
    chunks: AsyncIterator[bytes], pipeline: Pipeline | None, options: ReadOptions, normal_form: bool
) -> DryRun:
    """Check a file; memory holds a few megabytes of it. What `options` do not say is detected.

    Raises InvalidArgumentError (the header's reason, HEADER_MISMATCH, ..., CONVERSION_NEEDED) when the
    file as a whole is unusable.
    """
    result = DryRun()
    head = bytearray()
    found: TableHead | None = None
    delimiter: RecordDelimiter | None = None

    def begin(final: bool) -> RecordDelimiter | None:
        nonlocal found
        if len(head) < HEAD_BYTES and not final:
            return None
        try:
            how = options if normal_form else _options(bytes(head), final, options)
            found = read_table_head(bytes(head), final, how, normal_form)
        except (HeaderError, UnreadableFileError) as error:
            raise InvalidArgumentError(str(error.reason), error.message) from error
        if found is None:
            return None
        result.columns = found.columns
        if pipeline and (problem := pipeline.header_problem(found.labels, how)):
            raise InvalidArgumentError(*problem)
        made = RecordDelimiter(found.dialect, start_offset=found.byte_end, first_line=found.line_count + 1)
        del head[: found.byte_end]
        return made

    async def take(slices: list[Slice]) -> None:
        assert found is not None
        for piece in slices:
            bounds = BatchRange(
                1, piece.first_row, piece.row_count, piece.first_line, piece.byte_start, piece.byte_end
            )
            key = BatchKey("", "", bounds)
            batch = RowBatch(
                key, found.columns, "", 0, found.dialect.delimiter, piece.data, None, found.dialect.quote,
                normal_form,
            )  # fmt: skip
            checked = await asyncio.to_thread(check, batch, piece.data, pipeline)
            outcome = outcome_of(key, checked.rejected, [])
            result.read += piece.row_count
            result.succeeded += outcome.succeeded
            result.failed += outcome.failed
            result.skipped += outcome.skipped
            result.rows += outcome.rows[: MAX_ROWS - len(result.rows)]

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


def _options(head: bytes, final: bool, options: ReadOptions) -> ReadOptions:
    """The options, completed by what the file's beginning tells."""
    how = plan(head[:HEAD_BYTES], len(head) + (not final), "", options)
    if how.form != "as-is":
        raise UnreadableFileError(
            "CONVERSION_NEEDED",
            "Only delimited text in UTF-8 can be checked as it is; convert the file first.",
        )
    return how.options
