"""The processor's dry run over gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

import grpc

from ingestor.runtime.errors import TransientError, UnavailableError, from_rpc_error
from ingestor.services.upload.checks import CheckError, DryRunResult, Phase, RowResult, RowState
from ingestor.services.upload.ports import Checker
from ingestor.states import PHASE_WORDS, ROW_STATE_WORDS
from ingestor.v1 import common_pb2, processor_pb2, processor_pb2_grpc

_DEADLINE = 60.0
_PIECE = 1024 * 1024


class GrpcChecker(Checker):
    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = processor_pb2_grpc.ProcessorServiceStub(channel)

    async def check(self, pipeline: str, document: str, dialect: str, content: bytes) -> DryRunResult:

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
        return DryRunResult(tuple(_row_result(row) for row in answer.rows), complete)


def _row_result(row: processor_pb2.RejectedRow) -> RowResult:
    errors = tuple(
        CheckError(
            error.code,
            error.field,
            error.value,
            error.message,
            cast("Phase", PHASE_WORDS[error.phase]),
            label,
        )
        for error, label in zip(row.errors, row.error_labels, strict=True)
    )
    return RowResult(row.row_number, cast("RowState", ROW_STATE_WORDS[row.state]), errors)
