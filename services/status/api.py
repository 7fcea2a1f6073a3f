"""The gRPC API: translates each request, calls one use case and translates its result."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from enum import Enum
from typing import Any, TypeVar

from ingestor.access import scope
from ingestor.formats import OUTCOMES
from ingestor.internal.v1 import ledger_pb2, ledger_pb2_grpc
from ingestor.outcomes import DisplacedRow, RejectedRow
from ingestor.runs import RejectedRun
from ingestor.runtime.grpc.requests import read_page_size, read_time, read_uuid, write_time, wrong
from ingestor.runtime.observability.spans import note
from ingestor.services.status.costs import cost
from ingestor.services.status.ledger import Batch, Outcome
from ingestor.services.status.outcomes.spans import OutcomeReader
from ingestor.services.status.outcomes.wire import outcome_messages, range_message
from ingestor.services.status.overview import Piece
from ingestor.services.status.ports import BatchRecord, Limits, LoggedEvent
from ingestor.services.status.processes import Failure, Info, Process, ProcessState, RowState, Undo
from ingestor.services.status.reports.formats import ReportFormat
from ingestor.services.status.reports.selection import ReportRows
from ingestor.services.status.rows import RepairedRows, Row, RowVersion
from ingestor.services.status.service import StatusService
from ingestor.v1 import common_pb2, status_pb2, status_pb2_grpc
from ingestor.wire import (
    displaced_row,
    error_message,
    notice_message,
    notices_in,
    rejected_row,
    rejected_run,
    row_error,
)

Context = Any
E = TypeVar("E", bound=Enum)
_REPORT_PIECE = 1024 * 1024
_MAX_LOOK_UP = 100_000
_PROCESSED: dict[int, bool | None] = {
    status_pb2.BATCH_STATE_UNSPECIFIED: None,
    status_pb2.BATCH_STATE_QUEUED: False,
    status_pb2.BATCH_STATE_PROCESSED: True,
}


class StatusApi(status_pb2_grpc.StatusServiceServicer):
    """See StatusService in protos/ingestor/v1/status.proto."""

    def __init__(self, service: StatusService) -> None:
        self._service = service

    async def GetProcess(
        self, request: status_pb2.GetProcessRequest, context: Context
    ) -> status_pb2.GetProcessResponse:
        found = await self._service.process(read_uuid("process_id", request.process_id))
        return status_pb2.GetProcessResponse(process=_process(found))

    async def ListProcesses(
        self, request: status_pb2.ListProcessesRequest, context: Context
    ) -> status_pb2.ListProcessesResponse:
        found, token = await self._service.processes(
            request.filter, request.page_token, read_page_size(request.page_size)
        )
        return status_pb2.ListProcessesResponse(
            processes=[_process(process) for process in found], next_page_token=token
        )

    async def WatchProcess(
        self, request: status_pb2.WatchProcessRequest, context: Context
    ) -> AsyncIterator[status_pb2.WatchProcessResponse]:
        process_id = read_uuid("process_id", request.process_id)
        if request.min_interval_ms < 0:
            raise wrong("min_interval_ms", "must not be negative")
        interval = (request.min_interval_ms or 100) / 1000
        async for process in self._service.watch(process_id, min(interval, 60.0)):
            yield status_pb2.WatchProcessResponse(process=_process(process))

    async def ListBatches(
        self, request: status_pb2.ListBatchesRequest, context: Context
    ) -> status_pb2.ListBatchesResponse:
        if request.state not in _PROCESSED:
            raise wrong("state", "must be QUEUED or PROCESSED")
        found, token = await self._service.batches(
            read_uuid("process_id", request.process_id), _PROCESSED[request.state], request.page_token,
            read_page_size(request.page_size),
        )  # fmt: skip
        return status_pb2.ListBatchesResponse(
            batches=[_batch_record(record) for record in found], next_page_token=token
        )

    async def GetRow(self, request: status_pb2.GetRowRequest, context: Context) -> status_pb2.GetRowResponse:
        if request.row_number < 1:
            raise wrong("row_number", "must be at least 1")
        found, history = await self._service.row(
            read_uuid("process_id", request.process_id), request.row_number
        )
        row = _row(found)
        row.history.extend(_version(version) for version in history)
        return status_pb2.GetRowResponse(row=row)

    async def ListRows(
        self, request: status_pb2.ListRowsRequest, context: Context
    ) -> status_pb2.ListRowsResponse:
        found, token = await self._service.rows(
            read_uuid("process_id", request.process_id), request.filter, request.page_token,
            read_page_size(request.page_size),
        )  # fmt: skip
        return status_pb2.ListRowsResponse(rows=[_row(row) for row in found], next_page_token=token)

    async def SummarizeErrors(
        self, request: status_pb2.SummarizeErrorsRequest, context: Context
    ) -> status_pb2.SummarizeErrorsResponse:
        found = await self._service.error_groups(read_uuid("process_id", request.process_id))
        return status_pb2.SummarizeErrorsResponse(
            groups=[
                status_pb2.ErrorGroup(
                    code=group.code, field=group.field, count=group.count,
                    example_message=group.example_message, first_row=group.first_row,
                )
                for group in found
            ]
        )  # fmt: skip

    async def DownloadReport(
        self, request: status_pb2.DownloadReportRequest, context: Context
    ) -> AsyncIterator[status_pb2.DownloadReportResponse]:
        report = self._service.report(
            read_uuid("process_id", request.process_id),
            _choice("format", ReportFormat, request.format, ReportFormat.CSV),
            _choice("rows", ReportRows, request.rows, ReportRows.REJECTED),
        )
        # Messages of one size, whatever the sizes of the pieces.
        held = bytearray()
        async for piece in report:
            held += piece.data
            while len(held) > _REPORT_PIECE:
                yield status_pb2.DownloadReportResponse(data=bytes(held[:_REPORT_PIECE]))
                del held[:_REPORT_PIECE]
        yield status_pb2.DownloadReportResponse(
            data=bytes(held), row_count=piece.row_count, notices=map(notice_message, piece.notices)
        )

    async def ListEvents(
        self, request: status_pb2.ListEventsRequest, context: Context
    ) -> status_pb2.ListEventsResponse:
        process_id = read_uuid("process_id", request.process_id) if request.process_id else None
        found, token = await self._service.events(
            process_id, request.page_token, read_page_size(request.page_size)
        )
        return status_pb2.ListEventsResponse(events=map(_event, found), next_page_token=token)

    async def WatchEvents(
        self, request: status_pb2.WatchEventsRequest, context: Context
    ) -> AsyncIterator[status_pb2.WatchEventsResponse]:
        if request.after_sequence < -1:
            raise wrong("after_sequence", "must be -1 or more")
        process_id = read_uuid("process_id", request.process_id) if request.process_id else None
        async for events in self._service.watch_events(process_id, request.after_sequence):
            yield status_pb2.WatchEventsResponse(events=map(_event, events))

    async def GetOverview(
        self, request: status_pb2.GetOverviewRequest, context: Context
    ) -> status_pb2.GetOverviewResponse:
        start = read_time("start_time", request.start_time) if request.HasField("start_time") else None
        end = read_time("end_time", request.end_time) if request.HasField("end_time") else None
        found = await self._service.overview(start, end, request.bucket_seconds)
        return status_pb2.GetOverviewResponse(
            states=[
                status_pb2.StateCount(state=_state(state), count=count)
                for state, count in found.states.items()
            ],
            buckets=map(_bucket, found.pieces),
        )

    async def DeleteProcess(
        self, request: status_pb2.DeleteProcessRequest, context: Context
    ) -> status_pb2.DeleteProcessResponse:
        await self._service.delete(read_uuid("process_id", request.process_id))
        return status_pb2.DeleteProcessResponse()


class LedgerApi(ledger_pb2_grpc.LedgerServiceServicer):
    """See LedgerService in protos/ingestor/internal/v1/ledger.proto."""

    def __init__(self, service: StatusService, outcomes: OutcomeReader) -> None:
        self._service = service
        self._outcomes = outcomes

    async def ListOutcomes(
        self, request: ledger_pb2.ListOutcomesRequest, context: Context
    ) -> AsyncIterator[ledger_pb2.ListOutcomesResponse]:
        process = await self._service.process(read_uuid("process_id", request.process_id))
        process_id, ended, rows = process.info.process_id, process.terminal, not process.expired
        found = await self._outcomes.after(process_id, 0, ended=ended, rows=rows)
        while found is not None:
            for message in outcome_messages(found):
                yield message
            found = await self._outcomes.after(process_id, found.batch.number, ended=ended, rows=rows)

    async def RecordOutcomes(
        self, request_iterator: AsyncIterator[ledger_pb2.RecordOutcomesRequest], context: Context
    ) -> ledger_pb2.RecordOutcomesResponse:
        header: ledger_pb2.OutcomeHeader | None = None
        rows: list[RejectedRow] = []
        runs: list[RejectedRun] = []
        displaced: list[DisplacedRow] = []
        async for request in request_iterator:
            if header is None:
                if not request.HasField("header"):
                    raise wrong("header", "is needed in the first message")
                header = request.header
                OUTCOMES.check(header.reader_version)
            try:
                rows.extend(map(rejected_row, request.rows))
            except ValueError as problem:
                raise wrong("rows", f"cannot be read: {problem}") from problem
            try:
                if request.runs:  # in a thread, because what they hold is inflated
                    runs.extend(await asyncio.to_thread(_runs, request.runs))
            except ValueError as problem:
                raise wrong("runs", f"cannot be read: {problem}") from problem
            try:
                displaced.extend(map(displaced_row, request.displaced))
            except ValueError as problem:
                raise wrong("displaced.error", f"cannot be read: {problem}") from problem
        if header is None:
            raise wrong("header", "is needed")
        _check_tenant("header.tenant", header.tenant)
        try:
            error = row_error(header.error) if header.HasField("error") else None
            outcome = Outcome(
                _batch(header.batch), RowState(header.default_state), header.succeeded, header.failed,
                header.skipped, _lines(header),
            )  # fmt: skip
        except ValueError as problem:
            raise wrong("header", str(problem)) from problem
        repaired = None
        if header.repairs_process_id:
            parent = read_uuid("header.repairs_process_id", header.repairs_process_id)
            repaired = RepairedRows(parent, tuple(header.repaired_rows))
        note(process_id=header.process_id, batch=header.batch.batch_number, failed=header.failed)
        recorded = await self._service.record(
            read_uuid("header.process_id", header.process_id), outcome, error, rows, repaired, displaced,
            notices_in(header.notices), runs,
        )  # fmt: skip
        return ledger_pb2.RecordOutcomesResponse(recorded=recorded)

    async def RecordDispatch(
        self, request: ledger_pb2.RecordDispatchRequest, context: Context
    ) -> ledger_pb2.RecordDispatchResponse:
        process_id = read_uuid("process_id", request.process_id)
        note(process_id=process_id, change=request.WhichOneof("change") or "")
        service = self._service
        match request.WhichOneof("change"):
            case "started":
                account = await service.start(_info(process_id, request.started))
            case "header":
                header = request.header
                account = await service.read_header(
                    process_id, list(header.columns), header.dialect_json, header.content_bytes,
                    Limits(
                        header.max_failed if header.HasField("max_failed") else None,
                        header.max_failed_share if header.HasField("max_failed_share") else None,
                    ),
                    notices_in(header.notices),
                )  # fmt: skip
            case "dispatched":
                account = await service.dispatch(
                    process_id,
                    replace(_batch(request.dispatched), message_bytes=request.message_bytes),
                )
            case "finished":
                account = await service.finish(
                    process_id, request.finished.row_count, request.finished.batch_count
                )
            case "failed":
                account = await service.fail(
                    process_id, Failure(request.failed.reason, request.failed.message)
                )
            case "paused":
                account = await service.pause(
                    process_id, request.paused.reason, resumes=request.paused.resumes
                )
            case "resumed":
                account = await service.resume(process_id)
            case "cancelled":
                account = await service.cancel(process_id)
            case "redispatched":
                account = await service.redispatch(
                    process_id, request.redispatched.batch_count, request.redispatched.row_count
                )
            case _:
                raise wrong("change", "is needed")
        return ledger_pb2.RecordDispatchResponse(
            state=_state(account.state), batches_processed=account.batches_processed
        )

    async def LookUpRows(
        self, request: ledger_pb2.LookUpRowsRequest, context: Context
    ) -> ledger_pb2.LookUpRowsResponse:
        process_id = read_uuid("process_id", request.process_id)
        numbers = request.row_numbers
        if len(numbers) > _MAX_LOOK_UP:
            raise wrong("row_numbers", f"must have at most {_MAX_LOOK_UP} numbers")
        states = await self._service.states(process_id, numbers)
        return ledger_pb2.LookUpRowsResponse(
            states=[int(states.get(number, 0)) for number in numbers]  # type: ignore[misc]
        )

    async def RecordUndo(
        self, request: ledger_pb2.RecordUndoRequest, context: Context
    ) -> ledger_pb2.RecordUndoResponse:
        counts = request.counts
        if min(counts.removed, counts.restored, counts.kept) < 0:
            raise wrong("counts", "must not be negative")
        await self._service.undo(
            read_uuid("process_id", request.process_id), Undo(counts.removed, counts.restored, counts.kept)
        )
        return ledger_pb2.RecordUndoResponse()

    async def ListRemovals(
        self, request: ledger_pb2.ListRemovalsRequest, context: Context
    ) -> ledger_pb2.ListRemovalsResponse:
        if request.after_sequence < 0:
            raise wrong("after_sequence", "must not be negative")
        found = await self._service.removals(request.after_sequence, read_page_size(request.page_size))
        return ledger_pb2.ListRemovalsResponse(
            removals=[
                ledger_pb2.Removal(
                    sequence=removal.sequence, process_id=removal.process_id, deleted=removal.deleted,
                    tenant=removal.tenant,
                )
                for removal in found
            ]
        )  # fmt: skip


def _runs(messages: Iterable[ledger_pb2.RejectedRun]) -> list[RejectedRun]:
    return list(map(rejected_run, messages))


def _choice(field: str, kind: type[E], number: int, default: E) -> E:
    """The domain's value of an enumeration of the contract; 0 is the default."""
    try:
        return kind(number) if number else default
    except ValueError:
        raise wrong(field, f"must be one of {', '.join(value.name for value in kind)}") from None


def _event(event: LoggedEvent) -> common_pb2.ProcessEvent:
    return common_pb2.ProcessEvent(
        sequence=event.sequence, event_id=event.event_id, type=event.type, process_id=event.process_id,
        time=write_time(event.time), data_json=event.data_json,
    )  # fmt: skip


def _bucket(piece: Piece) -> status_pb2.OverviewBucket:
    return status_pb2.OverviewBucket(
        start_time=write_time(piece.start),
        counts=common_pb2.RowCounts(
            read=piece.succeeded + piece.failed + piece.skipped,
            succeeded=piece.succeeded, failed=piece.failed, skipped=piece.skipped,
        ),
        processes_begun=piece.begun,
        processes_completed=piece.ended_as(ProcessState.COMPLETED),
        processes_with_errors=piece.ended_as(ProcessState.COMPLETED_WITH_ERRORS),
        processes_failed=piece.ended_as(ProcessState.FAILED, ProcessState.CANCELLED),
    )  # fmt: skip


def _state(state: ProcessState) -> common_pb2.ProcessState.ValueType:
    return common_pb2.ProcessState.ValueType(int(state))


def _check_tenant(field: str, named: str) -> None:
    """Whose a report is says the call, which the service that makes it has signed. A message that names
    another tenant is a mistake of that service."""
    if named not in ("", scope.current()):
        raise wrong(field, "is not the tenant of the call")


def _info(process_id: str, info: common_pb2.ProcessInfo) -> Info:
    _check_tenant("started.tenant", info.tenant)
    return Info(
        process_id, scope.tenant(), info.upload_id, info.file_name, info.size_bytes,
        info.pipeline, info.pipeline_version,
        read_uuid("started.repairs_process_id", info.repairs_process_id) if info.repairs_process_id else "",
    )  # fmt: skip


def _batch(batch: common_pb2.BatchRange) -> Batch:
    if batch.batch_number < 1 or batch.first_row < 1 or batch.row_count < 1:
        raise wrong("batch", "must have a number, a first row and at least one row")
    return Batch(
        batch.batch_number, batch.first_row, batch.row_count, batch.first_line, batch.byte_start,
        batch.byte_end,
    )  # fmt: skip


def _lines(header: ledger_pb2.OutcomeHeader) -> tuple[tuple[int, int], ...] | None:
    if not header.HasField("lines"):
        return None
    return tuple((shift.position, shift.lines) for shift in header.lines.shifts)


def _row(row: Row) -> status_pb2.Row:
    return status_pb2.Row(
        row_number=row.row_number, line_number=row.line_number, batch_number=row.batch_number,
        state=int(row.state),  # type: ignore[arg-type]
        errors=map(error_message, row.errors), cells=row.cells, repairs_row=row.repairs_row,
        repaired_by_process_id=row.repaired_by,
    )  # fmt: skip


def _version(version: RowVersion) -> status_pb2.RowVersion:
    return status_pb2.RowVersion(
        repair_process_id=version.repair_process_id, errors=map(error_message, version.errors),
        cells=version.cells, replace_time=write_time(version.replaced),
    )  # fmt: skip


def _batch_record(record: BatchRecord) -> status_pb2.Batch:
    done = record.processed is not None
    return status_pb2.Batch(
        range=range_message(record.batch),
        state=status_pb2.BATCH_STATE_PROCESSED if done else status_pb2.BATCH_STATE_QUEUED,
        counts=common_pb2.RowCounts(
            read=record.batch.row_count, succeeded=record.succeeded, failed=record.failed,
            skipped=record.skipped,
        ),
        dispatch_time=write_time(record.dispatched),
        process_time=write_time(record.processed),
    )  # fmt: skip


def _cost(process: Process) -> status_pb2.ProcessCost | None:
    if not process.message_bytes:
        return None
    found = cost(process.read, process.batches_dispatched, process.message_units, process.info.size_bytes)
    return status_pb2.ProcessCost(
        message_bytes=process.message_bytes,
        queue_requests=found.queue_requests,
        storage_writes=found.storage_writes,
        storage_reads=found.storage_reads,
        dollars=found.dollars,
        dollars_per_million_rows=found.dollars_per_million_rows,
    )


def _process(process: Process) -> status_pb2.Process:
    info = process.info
    failure = process.failure
    return status_pb2.Process(
        info=common_pb2.ProcessInfo(
            process_id=info.process_id, tenant=info.tenant, upload_id=info.upload_id,
            file_name=info.file_name, size_bytes=info.size_bytes, pipeline=info.pipeline,
            pipeline_version=info.pipeline_version, repairs_process_id=info.repairs,
        ),
        state=_state(process.state),
        counts=common_pb2.RowCounts(
            read=process.read, succeeded=process.succeeded, failed=process.failed,
            skipped=process.skipped, unprocessed=process.unprocessed,
        ),
        batches_dispatched=process.batches_dispatched,
        batches_processed=process.batches_processed,
        bytes_dispatched=process.bytes_dispatched,
        columns=process.columns,
        dialect_json=process.dialect,
        content_bytes=process.content_bytes,
        failure=common_pb2.ProcessFailure(reason=failure.reason, message=failure.message)
        if failure
        else None,
        create_time=write_time(process.created),
        update_time=write_time(process.updated),
        end_time=write_time(process.ended),
        expire_time=write_time(process.expires),
        expired=process.expired,
        undo=status_pb2.UndoCounts(
            removed=process.undo.removed, restored=process.undo.restored, kept=process.undo.kept
        )
        if process.undo
        else None,
        notices=map(notice_message, process.notices),
        pause_reason=process.pause_reason,
        pause_resumes=process.pause_resumes,
        cost=_cost(process),
    )  # fmt: skip
