"""The dry run: what an ingestion would say of a file's rows, as the file streams by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from ingestor.pipelines.document import Pipeline
from ingestor.runtime.errors import InvalidArgumentError
from ingestor.tabular.dialect import detect_delimiter
from ingestor.tabular.header import HeaderError, read_header, unique_columns
from ingestor.tabular.slices import RecordDelimiter, Slice
from ingestor.tabular.syntax import Dialect
from services.processor.batches import BatchKey, BatchRange, Rejected, RowBatch, outcome_of
from services.processor.service import check

_SAMPLE = 64 * 1024
MAX_ROWS = 1000


@dataclass(slots=True)
class DryRun:
    """Counts, and the first MAX_ROWS rows that are no plain successes."""

    read: int = 0
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0
    rows: list[Rejected] = field(default_factory=list)


async def dry_run(chunks: AsyncIterator[bytes], pipeline: Pipeline | None) -> DryRun:
    """Check a file; memory holds a few megabytes of it.

    Raises InvalidArgumentError (the header's reason, HEADER_MISMATCH) when the file as a whole is
    unusable.
    """
    result = DryRun()
    head = bytearray()
    columns: tuple[str, ...] | None = None
    delimiter: RecordDelimiter | None = None
    dialect = Dialect()

    def begin(final: bool) -> RecordDelimiter | None:
        nonlocal columns, dialect
        if len(head) < _SAMPLE and not final:
            return None
        dialect = detect_delimiter(bytes(head[:_SAMPLE]))
        try:
            header = read_header(bytes(head), dialect, final)
        except HeaderError as error:
            raise InvalidArgumentError(error.reason, error.message) from error
        if header is None:
            return None
        if pipeline and (missing := pipeline.check_header(header.columns)):
            raise InvalidArgumentError(
                "HEADER_MISMATCH", f"The file lacks columns of the pipeline: {', '.join(missing)}."
            )
        columns = unique_columns(header.columns)
        made = RecordDelimiter(dialect, start_offset=header.byte_end, first_line=header.line_count + 1)
        del head[: header.byte_end]
        return made

    async def take(slices: list[Slice]) -> None:
        assert columns is not None
        for piece in slices:
            bounds = BatchRange(
                1, piece.first_row, piece.row_count, piece.first_line, piece.byte_start, piece.byte_end
            )
            key = BatchKey("", "", bounds)
            batch = RowBatch(key, columns, "", 0, dialect.delimiter, piece.data, None)
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
