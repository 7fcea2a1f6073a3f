"""What status and orchestrator say of a process, over gRPC."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC

import grpc

from ingestor.formats import BATCHES
from ingestor.internal.v1 import ingestion_pb2, ingestion_pb2_grpc, ledger_pb2, ledger_pb2_grpc
from ingestor.runtime.errors import from_rpc_error
from ingestor.services.processor.adapters.sqs_rows import bounds_in, row_batch
from ingestor.services.processor.batches import RowBatch
from ingestor.services.processor.verification.ports import (
    Counts,
    LedgerBatch,
    ProcessRecord,
    RowSpan,
    Statements,
    StoredContent,
)
from ingestor.states import PHASE_WORDS, ROW_STATE_WORDS, TERMINAL, process_state_name
from ingestor.stores.keys import original_key
from ingestor.v1 import common_pb2, status_pb2, status_pb2_grpc

_DEADLINE = 30.0


class GrpcStatements(Statements):
    def __init__(self, status: grpc.aio.Channel, orchestrator: grpc.aio.Channel) -> None:
        self._status = status_pb2_grpc.StatusServiceStub(status)
        self._ledger = ledger_pb2_grpc.LedgerServiceStub(status)
        self._ingestions = ingestion_pb2_grpc.IngestionServiceStub(orchestrator)

    async def process(self, process_id: str) -> ProcessRecord:
        request = status_pb2.GetProcessRequest(process_id=process_id)
        try:
            return _record((await self._status.GetProcess(request, timeout=_DEADLINE)).process)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error

    async def ledger(self, process_id: str) -> AsyncGenerator[LedgerBatch, None]:
        call = self._ledger.ListOutcomes(ledger_pb2.ListOutcomesRequest(process_id=process_id))
        held: LedgerBatch | None = None
        try:
            async for message in call:
                bounds = bounds_in(message.batch)
                spans = tuple(map(_span, message.spans))
                if held is not None and held.bounds == bounds:
                    held = LedgerBatch(bounds, held.counts, held.spans + spans)
                    continue
                if held is not None:
                    yield held
                held = LedgerBatch(bounds, _counts(message.counts), spans)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        finally:
            call.cancel()
        if held is not None:
            yield held

    async def stored(self, process_id: str) -> AsyncGenerator[StoredContent | RowBatch | None, None]:
        request = ingestion_pb2.ListStoredBatchesRequest(process_id=process_id)
        call = self._ingestions.ListStoredBatches(request)
        try:
            async for message in call:
                if message.HasField("batch"):
                    BATCHES.check(message.batch.reader_version)
                    yield row_batch(message.batch)
                elif message.HasField("content"):
                    key = message.content.file_key
                    yield StoredContent(key, key == original_key(key))
                else:
                    yield None
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        finally:
            call.cancel()


def _span(span: ledger_pb2.RowSpan) -> RowSpan:
    return RowSpan(
        span.first_row,
        span.row_count,
        ROW_STATE_WORDS.get(span.state, "in a state of a newer release"),
        span.code,
        PHASE_WORDS.get(span.phase, ""),
        span.repaired,
    )


def _counts(counts: common_pb2.RowCounts) -> Counts:
    return Counts(counts.read, counts.succeeded, counts.failed, counts.skipped, counts.unprocessed)


def _record(process: status_pb2.Process) -> ProcessRecord:
    info = process.info
    end = process.end_time.ToDatetime(UTC) if process.HasField("end_time") else None
    return ProcessRecord(
        info.process_id,
        info.tenant,
        info.file_name,
        info.size_bytes,
        info.pipeline,
        info.pipeline_version,
        process_state_name(process.state),
        process.state in TERMINAL,
        process.expired,
        info.repairs_process_id,
        tuple(process.columns),
        _counts(process.counts),
        process.create_time.ToDatetime(UTC),
        process.update_time.ToDatetime(UTC),
        end,
    )
