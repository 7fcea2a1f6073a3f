"""The processor's dry run over gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc

from ingestor.runtime.errors import from_rpc_error
from ingestor.services.upload.checks import CheckError, DryRunResult, Phase, RowResult, RowState
from ingestor.services.upload.ports import Checker
from ingestor.v1 import common_pb2, processor_pb2, processor_pb2_grpc

_DEADLINE = 60.0
_PIECE = 1024 * 1024
_STATES: dict[common_pb2.RowState.ValueType, RowState] = {
    common_pb2.ROW_STATE_FAILED: "failed",
    common_pb2.ROW_STATE_SKIPPED: "skipped",
}
_PHASES: dict[common_pb2.ErrorPhase.ValueType, Phase] = {
    common_pb2.ERROR_PHASE_PARSE: "parse",
    common_pb2.ERROR_PHASE_VALIDATE: "validate",
    common_pb2.ERROR_PHASE_LOAD: "load",
}


class GrpcChecker(Checker):
    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = processor_pb2_grpc.ProcessorServiceStub(channel)

    async def check(self, pipeline: str, document: str, dialect: str, content: bytes) -> DryRunResult:

        async def requests() -> AsyncIterator[processor_pb2.ValidateRowsRequest]:
            yield processor_pb2.ValidateRowsRequest(
                pipeline=pipeline,
                document_json=document,
                dialect_json=dialect,
                form=common_pb2.CONTENT_FORM_NORMAL,
                without_cells=True,
            )
            for at in range(0, len(content), _PIECE):
                yield processor_pb2.ValidateRowsRequest(data=content[at : at + _PIECE])

        try:
            answer = await self._stub.ValidateRows(requests(), timeout=_DEADLINE)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        complete = answer.counts.failed + answer.counts.skipped == len(answer.rows)
        return DryRunResult(tuple(_row_result(row) for row in answer.rows), complete)


def _row_result(row: processor_pb2.RejectedRow) -> RowResult:
    errors = tuple(
        CheckError(error.code, error.field, error.value, error.message, _PHASES[error.phase], label)
        for error, label in zip(row.errors, row.error_labels, strict=True)
    )
    return RowResult(row.row_number, _STATES[row.state], errors)
