"""The log of removals over gRPC."""

from __future__ import annotations

from collections.abc import Sequence

import grpc

from ingestor.internal.v1 import ledger_pb2, ledger_pb2_grpc
from ingestor.removals.ports import Removal, RemovalLog
from ingestor.runtime.errors import from_rpc_error

_DEADLINE = 30.0


class GrpcRemovalLog(RemovalLog):
    def __init__(self, status: grpc.aio.Channel) -> None:
        self._stub = ledger_pb2_grpc.LedgerServiceStub(status)

    async def read(self, after: int, limit: int) -> Sequence[Removal]:
        request = ledger_pb2.ListRemovalsRequest(after_sequence=after, page_size=limit)
        try:
            answer = await self._stub.ListRemovals(request, timeout=_DEADLINE)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        return [
            Removal(found.sequence, found.process_id, found.tenant, found.deleted)
            for found in answer.removals
        ]
