"""The status service over gRPC: whether a process has ended."""

from __future__ import annotations

import grpc

from ingestor.runtime.errors import NotFoundError, from_rpc_error
from ingestor.services.upload.ports import Processes
from ingestor.states import TERMINAL
from ingestor.v1 import status_pb2, status_pb2_grpc

_DEADLINE = 10.0


class GrpcProcesses(Processes):
    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._status = status_pb2_grpc.StatusServiceStub(channel)

    async def has_ended(self, process_id: str) -> bool:
        request = status_pb2.GetProcessRequest(process_id=process_id)
        try:
            found = await self._status.GetProcess(request, timeout=_DEADLINE)
        except grpc.aio.AioRpcError as error:
            known = from_rpc_error(error)
            if not isinstance(known, NotFoundError):
                raise known from error
            return known.reason == "PROCESS_DELETED"  # else status has not heard of it yet
        return found.process.state in TERMINAL
