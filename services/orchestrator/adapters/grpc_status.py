"""The status service over gRPC."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

import grpc

from ingestor.internal.v1 import ledger_pb2, ledger_pb2_grpc
from ingestor.runtime.errors import NotFoundError, from_rpc_error
from ingestor.services.orchestrator.dispatch.wire import bounds_of
from ingestor.services.orchestrator.ingestions import Batch, Content, FileInfo
from ingestor.services.orchestrator.ports import FailedRow, Limits, Progress, Standing, Status
from ingestor.states import TERMINAL, process_state_name
from ingestor.v1 import common_pb2, status_pb2, status_pb2_grpc
from ingestor.wire import notice_message

_DEADLINE = 30.0
_PAGE = 1000
# Less than batches may wait in the queue, so that a stream that waits for a place loses nothing.
_MIN_INTERVAL_MS = 50


class GrpcStatus(Status):
    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._status = status_pb2_grpc.StatusServiceStub(channel)
        self._ledger = ledger_pb2_grpc.LedgerServiceStub(channel)

    async def _record(self, request: ledger_pb2.RecordDispatchRequest) -> Progress:
        try:
            answer = await self._ledger.RecordDispatch(request, timeout=_DEADLINE)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        return _progress(answer.state, answer.batches_processed)

    async def started(self, file: FileInfo) -> Progress:
        info = common_pb2.ProcessInfo(
            process_id=file.process_id, tenant=file.tenant, upload_id=file.upload_id,
            file_name=file.file_name, size_bytes=file.size_bytes, pipeline=file.pipeline,
            pipeline_version=file.pipeline_version, repairs_process_id=file.repairs,
        )  # fmt: skip
        return await self._record(ledger_pb2.RecordDispatchRequest(process_id=file.process_id, started=info))

    async def header_read(
        self, process_id: str, columns: Sequence[str], content: Content, limits: Limits
    ) -> Progress:
        header = ledger_pb2.HeaderRead(
            columns=columns, dialect_json=content.dialect, content_bytes=content.size_bytes,
            max_failed=limits.max_failed, max_failed_share=limits.max_failed_share,
            notices=map(notice_message, content.notices),
        )  # fmt: skip
        return await self._record(ledger_pb2.RecordDispatchRequest(process_id=process_id, header=header))

    async def dispatched(self, process_id: str, batch: Batch, message_bytes: int = 0) -> Progress:
        bounds = common_pb2.BatchRange(**bounds_of(batch))
        return await self._record(
            ledger_pb2.RecordDispatchRequest(
                process_id=process_id, dispatched=bounds, message_bytes=message_bytes
            )
        )

    async def redispatched(self, process_id: str, batches: Sequence[Batch]) -> Progress:
        again = ledger_pb2.BatchesRedispatched(
            batch_count=len(batches), row_count=sum(batch.row_count for batch in batches)
        )
        return await self._record(ledger_pb2.RecordDispatchRequest(process_id=process_id, redispatched=again))

    async def finished(self, process_id: str, rows: int, batches: int) -> Progress:
        done = ledger_pb2.DispatchFinished(row_count=rows, batch_count=batches)
        return await self._record(ledger_pb2.RecordDispatchRequest(process_id=process_id, finished=done))

    async def failed(self, process_id: str, reason: str, message: str) -> Progress:
        failure = common_pb2.ProcessFailure(reason=reason, message=message)
        return await self._record(ledger_pb2.RecordDispatchRequest(process_id=process_id, failed=failure))

    async def paused(self, process_id: str, reason: str = "") -> Progress:
        paused = ledger_pb2.DispatchPaused(reason=reason)
        return await self._record(ledger_pb2.RecordDispatchRequest(process_id=process_id, paused=paused))

    async def resumed(self, process_id: str) -> Progress:
        return await self._record(
            ledger_pb2.RecordDispatchRequest(process_id=process_id, resumed=ledger_pb2.DispatchResumed())
        )

    async def cancelled(self, process_id: str) -> Progress:
        return await self._record(
            ledger_pb2.RecordDispatchRequest(process_id=process_id, cancelled=ledger_pb2.DispatchCancelled())
        )

    async def progress(self, process_id: str) -> Progress | None:
        try:
            process = await self._process(process_id)
        except NotFoundError:
            return Progress("DELETED", True, 0)
        if process is None:
            return None
        found = _progress(process.state, process.batches_processed)
        return replace(found, held=bool(process.pause_reason), resumes=process.pause_resumes)

    async def _process(self, process_id: str) -> status_pb2.Process | None:
        request = status_pb2.GetProcessRequest(process_id=process_id)
        try:
            return (await self._status.GetProcess(request, timeout=_DEADLINE)).process
        except grpc.aio.AioRpcError as error:
            known = from_rpc_error(error)
            if isinstance(known, NotFoundError) and known.reason != "PROCESS_DELETED":
                return None
            raise known from error

    async def standing(self, process_id: str) -> Standing | None:
        process = await self._process(process_id)
        if process is None:
            return None
        undone = process.state == common_pb2.PROCESS_STATE_UNDONE
        return Standing(process.state in TERMINAL, undone, process.expired, process.counts.failed)

    async def failed_rows(self, process_id: str, code: str) -> AsyncGenerator[FailedRow, None]:
        token = ""
        while True:
            request = status_pb2.ListRowsRequest(
                process_id=process_id, filter=f'status=FAILED AND code="{code}"', page_size=_PAGE,
                page_token=token,
            )  # fmt: skip
            try:
                answer = await self._status.ListRows(request, timeout=_DEADLINE)
            except grpc.aio.AioRpcError as error:
                raise from_rpc_error(error) from error
            for row in answer.rows:
                codes = frozenset(error.code for error in row.errors)
                yield FailedRow(row.row_number, codes, row.repaired_by_process_id)
            token = answer.next_page_token
            if not token:
                return

    async def watch(self, process_id: str) -> AsyncGenerator[Progress, None]:
        call = self._status.WatchProcess(
            status_pb2.WatchProcessRequest(process_id=process_id, min_interval_ms=_MIN_INTERVAL_MS)
        )
        try:
            async for answer in call:
                yield _progress(answer.process.state, answer.process.batches_processed)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        finally:
            call.cancel()

    async def queued(self, process_id: str) -> Sequence[int]:
        request = status_pb2.ListBatchesRequest(
            process_id=process_id, state=status_pb2.BATCH_STATE_QUEUED, page_size=_PAGE
        )
        try:
            answer = await self._status.ListBatches(request, timeout=_DEADLINE)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        return [batch.range.batch_number for batch in answer.batches]


def _progress(state: common_pb2.ProcessState.ValueType, processed: int) -> Progress:
    return Progress(process_state_name(state), state in TERMINAL, processed)
