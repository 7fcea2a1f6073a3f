"""The processor's dry run over gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc

from ingestor.runtime.errors import TransientError, UnavailableError, from_rpc_error
from ingestor.services.upload.dry_runs import DryRunResult, RowResult, TableNow
from ingestor.services.upload.ports import DryRuns
from ingestor.v1 import common_pb2, processor_pb2, processor_pb2_grpc
from ingestor.wire import field_reading, notices_in, rejected_row

_DEADLINE = 60.0
_PIECE = 1024 * 1024


class GrpcDryRuns(DryRuns):
    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = processor_pb2_grpc.ProcessorServiceStub(channel)

    async def run(self, pipeline: str, document: str, dialect: str, content: bytes) -> DryRunResult:

        async def requests() -> AsyncIterator[processor_pb2.DryRunRequest]:
            yield processor_pb2.DryRunRequest(
                pipeline=pipeline,
                document_json=document,
                dialect_json=dialect,
                form=common_pb2.CONTENT_FORM_NORMAL,
                without_cells=True,
            )
            for at in range(0, len(content), _PIECE):
                yield processor_pb2.DryRunRequest(data=content[at : at + _PIECE])

        try:
            answer = await self._stub.DryRun(requests(), timeout=_DEADLINE)
        except grpc.aio.AioRpcError as error:
            known = from_rpc_error(error)
            if isinstance(known, TransientError):
                raise UnavailableError(
                    "PROCESSOR_UNAVAILABLE",
                    "A dry run needs a processor, and none responds; start one or try again shortly.",
                ) from error
            raise known from error
        complete = answer.counts.failed + answer.counts.skipped == len(answer.rows)
        rows = tuple(RowResult(rejected_row(row), tuple(row.error_labels)) for row in answer.rows)
        readings = tuple(map(field_reading, answer.readings))
        found = answer.table if answer.HasField("table") else None
        table = found and TableNow(found.name, found.exists, found.row_count, found.estimated)
        return DryRunResult(rows, complete, notices_in(answer.notices), readings, table)
