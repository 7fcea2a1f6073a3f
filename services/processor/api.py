"""gRPC in: translates, calls one use case, translates back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

from ingestor.checking.labels import file_label
from ingestor.document_checks import DocumentChecks
from ingestor.notices import merged
from ingestor.pipelines.document import Pipeline
from ingestor.runtime.errors import ResourceExhaustedError
from ingestor.runtime.grpc.requests import read_uuid, wrong
from ingestor.services.processor.dry_run import DryRun, DryRunWork, dry_run
from ingestor.services.processor.loaded.service import LoadedRowsService
from ingestor.services.processor.pipelines import reference, table_name
from ingestor.services.processor.ports import DryRunTables, Pipelines, Tables
from ingestor.services.processor.undo import UndoService
from ingestor.services.processor.verification.service import VerificationService
from ingestor.services.processor.verification.wire import MOST_SAMPLE, verification_messages
from ingestor.tabular.options import OptionsError, parse_options, pipeline_options
from ingestor.v1 import common_pb2, processor_pb2, processor_pb2_grpc
from ingestor.wire import notice_message, reading_message, rejected_message

Context = Any
_ANSWER_BYTES = 2 * 2**20
_READINGS_BYTES = 2**19
_LAST_ROW = 2**63 - 1


class ProcessorApi(processor_pb2_grpc.ProcessorServiceServicer):
    """See ProcessorService in protos/ingestor/v1/processor.proto."""

    def __init__(
        self,
        pipelines: Pipelines,
        undos: UndoService,
        dry_runs: DryRunTables,
        tables: Tables,
        loaded: LoadedRowsService,
        verification: VerificationService,
        documents: DocumentChecks,
        work: DryRunWork,
        *,
        idle_seconds: float,
        most_seconds: float,
    ) -> None:
        """A dry run waits `idle_seconds` for its client and takes `most_seconds` in all."""
        self._documents = documents
        self._work = work
        self._idle_seconds = idle_seconds
        self._most_seconds = most_seconds
        self._pipelines = pipelines
        self._undos = undos
        self._dry_runs = dry_runs
        self._tables = tables
        self._loaded = loaded
        self._verification = verification

    async def DescribeTable(
        self, request: processor_pb2.DescribeTableRequest, context: Context
    ) -> processor_pb2.DescribeTableResponse:
        try:
            schema, name = table_name(request.table)
        except ValueError as error:
            raise wrong("table", str(error)) from None
        draft = await self._tables.draft(schema, name)
        return processor_pb2.DescribeTableResponse(
            document_json=json.dumps(draft.document, ensure_ascii=False), needed=draft.needed
        )

    async def ListLoadedRows(
        self, request: processor_pb2.ListLoadedRowsRequest, context: Context
    ) -> processor_pb2.ListLoadedRowsResponse:
        process_id = read_uuid("process_id", request.process_id)
        last = request.last_row or _LAST_ROW
        found = await self._loaded.read(process_id, request.first_row, last, counts=request.with_counts)
        rows = found.rows
        total, own = rows.counts or (None, None)
        return processor_pb2.ListLoadedRowsResponse(
            table=rows.table,
            select_sql=rows.select,
            columns=[
                processor_pb2.LoadedColumn(name=name, label=label)
                for name, label in zip(rows.columns, found.labels, strict=True)
            ],
            rows=[
                processor_pb2.LoadedRow(
                    row_number=number, cells=[processor_pb2.LoadedCell(text=text) for text in cells]
                )
                for number, cells in rows.rows
            ],
            more=rows.more,
            unreadable=rows.unreadable,
            table_rows=total,
            process_rows=own,
            about_table_rows=rows.about,
            rows_before=None if rows.before is None else rows.before.row_count,
            rows_before_estimated=rows.before is not None and rows.before.estimated,
        )

    async def VerifyProcess(
        self, request: processor_pb2.VerifyProcessRequest, context: Context
    ) -> AsyncIterator[processor_pb2.VerifyProcessResponse]:
        process_id = read_uuid("process_id", request.process_id)
        if not 0 <= request.sample_rows <= MOST_SAMPLE:
            raise wrong("sample_rows", f"must be from 0 to {MOST_SAMPLE}")
        news = verification_messages(self._verification, process_id, request.sample_rows)
        async with aclosing(news) as messages:
            async for message in messages:
                yield message

    async def GetReceiptKey(
        self, request: processor_pb2.GetReceiptKeyRequest, context: Context
    ) -> processor_pb2.GetReceiptKeyResponse:
        key = self._verification.key
        return processor_pb2.GetReceiptKeyResponse(public_key_pem=key.public_pem, key_id=key.key_id)

    async def UndoProcess(
        self, request: processor_pb2.UndoProcessRequest, context: Context
    ) -> processor_pb2.UndoProcessResponse:
        process_id = read_uuid("process_id", request.process_id)
        counts = await self._undos.undo(process_id, dry_run=request.dry_run)
        return processor_pb2.UndoProcessResponse(
            removed=counts.removed, restored=counts.restored, kept=counts.kept
        )

    async def DryRun(
        self, request_iterator: AsyncIterator[processor_pb2.DryRunRequest], context: Context
    ) -> processor_pb2.DryRunResponse:
        try:
            async with asyncio.timeout(self._most_seconds) as clock:
                return await self._dry_run(self._requests(request_iterator))
        except TimeoutError:
            if not clock.expired():
                raise
            message = f"The dry run took more than {self._most_seconds:g} seconds; run a part of the file."
            raise ResourceExhaustedError("DRY_RUN_TOO_LONG", message) from None

    async def _requests(
        self, requests: AsyncIterator[processor_pb2.DryRunRequest]
    ) -> AsyncIterator[processor_pb2.DryRunRequest]:
        """The requests, as long as the client does not keep this waiting."""
        while True:
            try:
                async with asyncio.timeout(self._idle_seconds):
                    request = await anext(requests)
            except StopAsyncIteration:
                return
            except TimeoutError:
                message = (
                    f"The dry run got no data for {self._idle_seconds:g} seconds and was ended, since others "
                    "wait for its place."
                )
                raise ResourceExhaustedError("DRY_RUN_IDLE", message) from None
            yield request

    async def _dry_run(
        self, requests: AsyncIterator[processor_pb2.DryRunRequest]
    ) -> processor_pb2.DryRunResponse:
        try:
            first = await anext(requests)
        except StopAsyncIteration:
            raise wrong("data", "is needed") from None
        if first.pipeline and first.document_json:
            raise wrong("pipeline", "and document_json exclude each other")
        pipeline = None
        if first.pipeline:
            pipeline = await self._pipelines.get(*reference(first.pipeline))
        elif first.document_json:
            pipeline = await self._documents.read(first.document_json)

        async def chunks() -> AsyncIterator[bytes]:
            yield first.data
            async for request in requests:
                yield request.data

        try:
            options = parse_options(first.dialect_json)
            if pipeline:
                options = options.over(pipeline_options(pipeline.canonical_json()))
        except OptionsError as error:
            raise wrong("dialect_json", str(error)) from None
        normal_form = first.form == common_pb2.CONTENT_FORM_NORMAL
        result = await dry_run(chunks(), pipeline, options, normal_form, self._dry_runs, self._work)
        return processor_pb2.DryRunResponse(
            counts=common_pb2.RowCounts(
                read=result.read, succeeded=result.succeeded, failed=result.failed, skipped=result.skipped
            ),
            rows=list(_rows(result, pipeline, with_cells=not first.without_cells)),
            notices=map(notice_message, merged(result.notices)),
            readings=list(_readings(result)),
            table=_table(result),
        )


def _readings(result: DryRun) -> Iterator[common_pb2.FieldReading]:
    """As many of the readings as fit into one message."""
    left = _READINGS_BYTES
    for found in result.readings:
        message = reading_message(found)
        left -= message.ByteSize()
        if left < 0:
            return
        yield message


def _table(result: DryRun) -> common_pb2.TableNow | None:
    if result.table is None:
        return None
    name, now = result.table
    return common_pb2.TableNow(name=name, exists=now.exists, row_count=now.row_count, estimated=now.estimated)


def _rows(
    result: DryRun, pipeline: Pipeline | None, *, with_cells: bool
) -> Iterator[processor_pb2.RejectedRow]:
    """As many of the rows as fit into one message."""
    columns = result.columns
    left = _ANSWER_BYTES
    for row in result.rows:
        message = rejected_message(row, [file_label(error, pipeline, columns) for error in row.errors])
        if not with_cells or message.ByteSize() > _ANSWER_BYTES:
            message.ClearField("cells")
        while message.ByteSize() > _ANSWER_BYTES:
            kept = len(message.errors) // 2
            del message.errors[kept:], message.error_labels[kept:]
        left -= message.ByteSize()
        if left < 0:
            return
        yield message
