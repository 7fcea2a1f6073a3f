"""Processes as the status service knows them, over gRPC."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import grpc

from ingestor.internal.v1 import ledger_pb2, ledger_pb2_grpc
from ingestor.runtime.errors import from_rpc_error
from ingestor.services.processor.ports import Processes, ProcessFacts, UndoCounts
from ingestor.states import TERMINAL
from ingestor.v1 import status_pb2, status_pb2_grpc

T = TypeVar("T")
_DEADLINE = 30.0
_PAGE = 1000


class GrpcProcesses(Processes):
    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._status = status_pb2_grpc.StatusServiceStub(channel)
        self._ledger = ledger_pb2_grpc.LedgerServiceStub(channel)

    @staticmethod
    async def _call(call: Callable[[], Awaitable[T]]) -> T:
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error

    async def get(self, process_id: str) -> ProcessFacts:
        request = status_pb2.GetProcessRequest(process_id=process_id)
        answer = await self._call(lambda: self._status.GetProcess(request, timeout=_DEADLINE))
        return _facts(answer.process)

    async def repairs_of(self, process_id: str) -> Sequence[ProcessFacts]:
        found: list[ProcessFacts] = []
        token = ""
        while True:
            request = status_pb2.ListProcessesRequest(
                filter=f'repairs="{process_id}"', page_size=_PAGE, page_token=token
            )
            answer = await self._call(
                lambda request=request: self._status.ListProcesses(request, timeout=_DEADLINE)  # type: ignore[misc]
            )
            found += [_facts(process) for process in answer.processes]
            token = answer.next_page_token
            if not token:
                return found

    async def record_undo(self, process_id: str, counts: UndoCounts) -> None:
        request = ledger_pb2.RecordUndoRequest(
            process_id=process_id,
            counts=status_pb2.UndoCounts(removed=counts.removed, restored=counts.restored, kept=counts.kept),
        )
        await self._call(lambda: self._ledger.RecordUndo(request, timeout=_DEADLINE))


def _facts(process: status_pb2.Process) -> ProcessFacts:
    info = process.info
    return ProcessFacts(
        info.process_id, info.tenant, info.pipeline, info.pipeline_version, process.state in TERMINAL,
        process.expired, info.repairs_process_id,
    )  # fmt: skip
